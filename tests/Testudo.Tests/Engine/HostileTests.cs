// Whatever the bytes: no exception, no byte read behind the packet, and each packet that goes in leaves exactly once.

using Testudo.Engine;
using Testudo.Engine.Policies;
using Testudo.Tests.Checker;
using Testudo.Wire;
using Testudo.Wire.PfKey;
using Xunit;

namespace Testudo.Tests.Engine;

public sealed unsafe class HostileTests
{
    private const string A = "10.1.0.1", B = "10.2.0.1", A6 = "fd01::1", B6 = "fd02::1";

    public static TheoryData<int, int> Mutations => [new TheoryDataRow<int, int>(200_000, 4303), new TheoryDataRow<int, int>(1_000_000, 4302).WithTrait("Kind", "Long")];

    [Theory]
    [MemberData(nameof(Mutations))]
    public void Each_mutated_packet_leaves_exactly_once(int count, int seed)
    {
        using var a = Peer(true);
        using var b = Peer(false);
        using var forwards = Peer(false, new EngineOptions { Mtu = 1280, CarriesClear = false, ReassemblyBytes = 512 * 1024, FragmentsProtected = true, MssClamp = EngineOptions.MssAuto, InspectsIcmpErrors = true });
        forwards.Add(Make.Policy(PolicyDirection.Fwd, "10.0.0.0/8", "0.0.0.0/0", Make.Tunnel(A6, B6)));
        var random = new Random(seed);
        byte[][] clear = Clear();
        using var work = new Batch();
        using var result = new Batch(256 * 1024, Batch.MaxPieces);
        using var back = new Batch();
        int pieces = 0;
        var seen = new HashSet<Drop>();
        for (int done = 0; done < count;)
        {
            // Fresh ESP packets, so that some pass the window; then everything is mutated or left as it is.
            byte[][] valid = [.. a.Out(clear).Passed];
            for (int i = 0; i < 200; i++)
            {
                byte[] from = random.Next(3) == 0 ? clear[random.Next(clear.Length)] : valid[random.Next(valid.Length)];
                work.TryAdd(Mutate(from, valid, random));
            }

            int came = work.Count;
            done += came;
            Host host = random.Next(3) == 0 ? forwards : b;
            host.Advance(random.Next(4));
            bool isOut = random.Next(3) == 0;
            long passedBefore = host.Worker.Packets;
            if (isOut)
            {
                host.Engine.Outbound(work, result, back, host.Now, host.Worker);
            }
            else
            {
                host.Engine.Inbound(work, result, host.Now, host.Worker);
            }

            int passed = 0, cut = 0;
            foreach (ref Packet packet in work.Packets)
            {
                bool held = (packet.Flags & PacketFlags.Held) != 0;
                Assert.False(held && packet.Drop != Drop.None);
                bool isCut = (packet.Flags & PacketFlags.Cut) != 0;
                Assert.False(isCut && (held || !isOut || packet.Drop != Drop.None));
                cut += isCut ? 1 : 0;
                passed += packet.Drop == Drop.None && !held && !isCut ? 1 : 0;
                seen.Add(packet.Drop);
            }

            foreach (ref Packet packet in host.Worker.Assembled.Packets)
            {
                bool isCut = (packet.Flags & PacketFlags.Cut) != 0;
                cut += isCut ? 1 : 0;
                passed += packet.Drop == Drop.None && !isCut ? 1 : 0;
                seen.Add(packet.Drop);
            }

            Assert.Equal(came, work.Count);
            Assert.InRange(host.Worker.ReassemblyBytes, 0, host.Engine.Options.ReassemblyBytes);
            Assert.InRange(result.Count, passed + (2 * cut), cut == 0 ? passed : Batch.MaxPieces);
            Assert.Equal(result.Count, host.Worker.Packets - passedBefore);
            pieces += result.Count - passed;
            foreach (ref Packet packet in result.Packets)
            {
                Assert.True(packet.Front >= 0 && packet.Back >= 0);
                Assert.Equal(Drop.None, IpInfo.TryParse(packet.Span, out IpInfo info));
                Assert.Equal(packet.Length, info.TotalLength);
            }

            foreach (ref Packet packet in back.Packets)
            {
                Check.Packet(packet.Span).Inner();
            }

            work.Clear();
            result.Clear();
            back.Clear();
        }

        // The mutations must reach deep: every stage refused some.
        Drop[] wanted =
        [
            Drop.None, Drop.PacketTooShort, Drop.UnknownIpVersion, Drop.BadHeaderLength, Drop.BadExtensionHeader, Drop.BadFragment, Drop.UnknownSpi, Drop.EspTooShort, Drop.BadAhLength,
            Drop.BadIcv, Drop.Replayed, Drop.WrongEncapsulation, Drop.ClearButRequired, Drop.NeedsNoProtection, Drop.TunnelPolicyMissing,
            Drop.HistoryMismatch, Drop.TooBig, Drop.InnerSourceIsOurs, Drop.BadCompression, Drop.IcmpMismatch,
        ];
        Assert.Equal([], wanted.Except(seen));
        Assert.True(pieces > 100, $"only {pieces} pieces of cut packets");
    }

    [Fact]
    public void No_byte_behind_a_packet_is_read()
    {
        using var a = Peer(true);
        using var b = Peer(false);
        using var page = new GuardPage(70_000);
        using var work = new Batch();
        using var result = new Batch();
        using var back = new Batch();
        var random = new Random(5);
        byte[][] clear = Clear();
        byte[][] valid = [];
        for (int i = 0; i < 30_000; i++)
        {
            if (i % 100 == 0)
            {
                valid = [.. a.Out(clear).Passed];
            }

            byte[] bytes = Mutate(random.Next(3) == 0 ? clear[random.Next(clear.Length)] : valid[random.Next(valid.Length)], valid, random);
            fixed (byte* data = page.Last(bytes))
            {
                Assert.True(work.TryMove(new Packet { Data = data, Length = bytes.Length }));
                if (i % 3 == 0)
                {
                    b.Engine.Outbound(work, result, back, b.Now, b.Worker); // most need room that is not there
                }
                else
                {
                    b.Engine.Inbound(work, result, b.Now, b.Worker);
                }
            }

            work.Clear();
            result.Clear();
            back.Clear();
        }
    }

    // What A sends to B and what B lets in: transport, tunnels, a bundle, UDP.
    private static Host Peer(bool sender, EngineOptions? options = null)
    {
        Host host = sender ? new Host(options, A, A6) : new Host(options, B, B6);
        PolicyDirection direction = sender ? PolicyDirection.Out : PolicyDirection.In;
        host.Add(Make.Sa(0x1000, A, B));
        host.Add(Make.Sa(0x1001, A6, B6, IpsecMode.Transport, Suite.Cbc128, udp: true) with { ExtendedSequence = true });
        host.Add(Make.Sa(0x1002, A6, B6, IpsecMode.Tunnel, Suite.Null));
        host.Add(Make.Sa(0x1003, A, B, IpsecMode.Tunnel, Suite.Gcm128, udp: true));
        host.Add(IpCompTests.Sa(0x1007, A, B, IpsecMode.Tunnel));
        host.Add(Make.Ah(0x1004, A, B));
        host.Add(Make.Ah(0x1005, A6, B6, IpsecMode.Tunnel, flags: SaFlags.AlignTo8));
        host.Add(Make.Ah(0x1006, A6, B6));
        host.Add(Make.Policy(direction, new Selector(Prefix.Parse(A), Prefix.Parse(B), IpProtocol.Icmp), PolicyAction.Ipsec, Make.AhTransport()));
        host.Add(Make.Policy(direction, new Selector(Prefix.Parse(A6), Prefix.Parse(B6), IpProtocol.Icmpv6), PolicyAction.Ipsec, Make.AhTransport()));
        host.Add(Make.Policy(direction, "10.1.6.0/24", "10.2.0.0/16", Make.Tunnel(A, B), Make.AhTransport(), Make.AhTunnel(A6, B6)));
        host.Add(Make.Policy(direction, A, B));
        host.Add(Make.Policy(direction, A6, B6));
        host.Add(Make.Policy(direction, "10.1.1.0/24", "10.2.0.0/16", Make.Tunnel(A6, B6)));
        host.Add(Make.Policy(direction, "10.1.2.0/24", "10.2.0.0/16", Make.Tunnel(A, B), Make.Transport(), Make.Tunnel(A6, B6)));
        host.Add(Make.Policy(direction, "10.1.4.0/24", "10.2.0.0/16", Make.Tunnel(A, B) with { Protocol = IpProtocol.IpComp }, Make.Transport()));
        host.Add(Make.Policy(direction, "10.1.5.0/24", "10.2.0.0/16", Make.Tunnel(A, B) with { Protocol = IpProtocol.IpComp }));
        if (sender)
        {
            // What B does not let in: no policy, and its own address as source.
            host.Add(Make.Policy(direction, "10.1.3.0/24", "10.2.0.0/16", Make.Tunnel(A6, B6)));
            host.Add(Make.Policy(direction, "10.2.0.0/16", "10.2.0.0/16", Make.Tunnel(A6, B6)));
        }
        else
        {
            // So that the way out of B has work too.
            host.Add(Make.Policy(PolicyDirection.Out, A, B));
            host.Add(Make.Policy(PolicyDirection.Out, "10.1.1.0/24", "10.2.0.0/16", Make.Tunnel(A6, B6)));
            host.Add(Make.Policy(PolicyDirection.Out, new Selector(Prefix.Parse("::/0"), Prefix.Parse("::/0"), IpProtocol.Tcp), PolicyAction.Discard));
        }

        return host;
    }

    private static byte[][] Clear() =>
    [
        Build.Ipv4(A, B).Udp(7, 9, Build.Pattern(40)),
        Build.Ipv4(A, B, options: [7, 7, 4, 0, 0, 0, 0]).Tcp(7, 9, Build.Pattern(100)),
        Build.Ipv6(A6, B6).Udp(7, 9, Build.Pattern(300)),
        Build.Ipv6(A6, B6).HopByHop().DestinationOptions().Routing().Udp(4500, 4500, Build.Pattern(30)),
        Build.Ipv4("10.1.1.1", B).Udp(4500, 4500, Build.Pattern(30, 1)),
        Build.Ipv4("10.1.1.2", "10.2.3.4").IcmpEcho(1, 2, Build.Pattern(1290)),
        Build.Ipv4("10.1.2.1", B).Tcp(7, 9, Build.Pattern(200)),
        Build.Ipv4("10.1.4.1", B).Tcp(7, 9, new byte[400]),
        Build.Ipv4("10.1.5.1", B).Tcp(7, 9, new byte[400]),
        Build.Ipv4("10.1.5.1", B).Tcp(7, 9, Build.Pattern(40)),
        Build.Ipv4("10.1.1.1", B).Payload(IpProtocol.Ipv4, Build.Ipv4(A, B).Udp(1, 2)),
        Build.Ipv4(A, B, options: [7, 7, 4, 0, 0, 0, 0, 1]).IcmpEcho(1, 2, Build.Pattern(30)),
        Build.Ipv6(A6, B6).HopByHop([0x3E, 4, 1, 2, 3, 4]).DestinationOptions([0x1E, 4, 1, 2, 3, 4]).Routing().IcmpEcho(1, 2, Build.Pattern(30)),
        Build.Ipv4("10.1.4.1", B).Tcp(7, 9, Build.Pattern(200)),
        Build.Ipv4(B, A).Udp(7, 9, Build.Pattern(40)),
        Build.Ipv4(A, B, dontFragment: false).Udp(7, 9, Build.Pattern(1400)),
        Build.Ipv4("10.1.1.1", "10.2.3.4", dontFragment: false).Udp(7, 9, Build.Pattern(2400)),
        Build.Ipv4(A, B).Tcp(7, 9, [], 2, options: [2, 4, 5, 180]),
        Build.Ipv4("10.1.1.1", B).Icmp(3, 4, 1200, Build.Ipv4(B, "10.9.9.9").Tcp(9, 7, Build.Pattern(60))),
        Build.Ipv4("10.1.1.1", B).Icmp(3, 4, 1200, Build.Ipv4(B, "10.1.1.1").Payload(IpProtocol.Esp, Build.Pattern(60))),
        Build.Ipv6(A6, B6).Icmp(2, 0, 1280, Build.Ipv6(B6, A6).Payload(IpProtocol.Esp, Build.Pattern(60))),
        Build.Ipv4("10.1.1.1", "10.2.0.1").Payload(IpProtocol.Esp, Build.Pattern(60)),
        Build.Ipv4("10.2.0.1", "10.2.0.1").Udp(7, 9),
        Build.Ipv4("10.1.3.1", "10.2.0.1").Udp(7, 9),
        .. Build.Fragments(Build.Ipv4("10.1.1.3", B).Udp(7, 9, Build.Pattern(300)), 200),
        .. Build.Fragments(Build.Ipv6("fd01::9", B6).Udp(7, 9, Build.Pattern(300)), 200),
    ];

    private static byte[] Mutate(byte[] packet, byte[][] others, Random random)
    {
        byte[] bytes = [.. packet];
        switch (random.Next(10))
        {
            case 0 or 1:
                return bytes;
            case 2:
                return random.Next(4) == 0 ? [.. Enumerable.Range(0, 1 + random.Next(100)).Select(_ => (byte)random.Next(256))] : bytes[..(1 + random.Next(bytes.Length))];
            case 3:
                return [.. bytes, .. new byte[random.Next(40)]];
            case 4:
                byte[] other = others[random.Next(others.Length)];
                int cut = random.Next(Math.Min(bytes.Length, other.Length));
                return [.. bytes[..cut], .. other[cut..]];
            case 5: // a shorter packet whose header agrees
                int length = 21 + random.Next(bytes.Length - 20);
                bytes = bytes[..Math.Min(length, bytes.Length)];
                int field = bytes[0] >> 4 == 4 ? bytes.Length : bytes.Length - 40;
                int at = bytes[0] >> 4 == 4 ? 2 : 4;
                bytes[at] = (byte)(field >> 8);
                bytes[at + 1] = (byte)field;
                return bytes;
            case 6: // fields of the header
                bytes[random.Next(Math.Min(bytes.Length, 48))] = (byte)random.Next(256);
                return bytes;
            case 7: // an address or a fragment field of another kind
                bytes[random.Next(Math.Min(bytes.Length, 24))] ^= (byte)(1 << random.Next(8));
                return bytes;
            default:
                for (int flips = 1 + random.Next(4); flips > 0; flips--)
                {
                    bytes[random.Next(bytes.Length)] ^= (byte)(1 << random.Next(8));
                }

                return bytes;
        }
    }
}
