// Every way in which the engine ends a packet, provoked once, by name.

using System.Buffers.Binary;
using System.Security.Cryptography;
using Testudo.Engine;
using Testudo.Engine.Keys;
using Testudo.Engine.Policies;
using Testudo.Tests.Checker;
using Testudo.Wire;
using Testudo.Wire.PfKey;
using Xunit;

namespace Testudo.Tests.Engine;

public sealed class DropTests
{
    private const string A = "10.1.0.1", B = "10.2.0.1", A6 = "fd01::1", B6 = "fd02::1";
    private static readonly byte[] s_clear = Build.Ipv4(A, B).Udp(7, 9, "text"u8);
    private static readonly byte[] s_udp = s_clear[20..];

    /// <summary>What other rooms drop: the links and the guard.</summary>
    private static readonly Drop[] s_ofOthers = [Drop.None, Drop.LinkRefused, Drop.GuardIn, Drop.GuardForward, Drop.GuardOut];

    private static readonly Dictionary<Drop, Func<(Host Host, Outcome Outcome)>> s_ways = new()
    {
        [Drop.PacketTooShort] = () => In(new byte[19]),
        [Drop.UnknownIpVersion] = () => Out([0x50, .. new byte[30]]),
        [Drop.BadHeaderLength] = () => Out([0x44, .. s_clear[1..]]),
        [Drop.BadExtensionHeader] = () => Out(Build.Ipv6(A6, B6).Extension(IpProtocol.HopByHop, [0, 9, 0, 0, 0, 0, 0, 0]).Udp(7, 9)),
        [Drop.BadFragment] = () => In((Build.Ipv4(A, B) with { MoreFragments = true }).Payload(IpProtocol.Udp, [1, 2, 3])),
        [Drop.ReassemblyTimeout] = Timeout,
        [Drop.ReassemblyFull] = () => Run(Peer(new EngineOptions { ReassemblyBytes = 10 }), false, (Build.Ipv4(A, B) with { MoreFragments = true }).Payload(IpProtocol.Udp, new byte[8])),
        [Drop.NoPolicy] = () => Run(Peer(h => h.Engine.Spd.DefaultAction = PolicyAction.Discard), true, Build.Ipv4("10.8.0.1", B).Udp(7, 9)),
        [Drop.PolicyDiscard] = () => Run(Peer(h => h.Add(Make.Policy(PolicyDirection.Out, new Selector(Prefix.Parse("10.8.0.1"), Prefix.Parse(B)), PolicyAction.Discard))), true, Build.Ipv4("10.8.0.1", B).Udp(7, 9)),
        [Drop.NoSa] = () => Run(Peer(h => h.Add(Make.Policy(PolicyDirection.Out, "10.8.0.1", B))), true, Build.Ipv4("10.8.0.1", B).Udp(7, 9)),
        [Drop.FragmentWithoutPorts] = () => Tunnel(
            Esp((Build.Ipv4("10.8.0.1", B) with { FragmentOffset = 8 }).Payload(IpProtocol.Udp, new byte[8]), 4, spi: 0x3000),
            h => h.Add(Make.Policy(PolicyDirection.In, new Selector(Prefix.Parse("10.8.0.1"), Prefix.Parse(B), IpProtocol.Udp, null, 9)))),
        [Drop.TooBig] = () => Run(Peer(new EngineOptions { Mtu = 100 }), true, Build.Ipv4(A, B).Udp(7, 9, new byte[60])),
        [Drop.TooLong] = () => Out(Build.Ipv4(A, B).Udp(7, 9, new byte[65500])),
        [Drop.NoRoom] = NoRoom,
        [Drop.SequenceOverflow] = () => Run(Peer(h => h.Add(Make.Sa(0x3000, A, B, suite: Suite.Null) with { LastSequence = uint.MaxValue })), true, s_clear),
        [Drop.LifetimeOver] = () => Run(Peer(h => h.Add(Make.Sa(0x3000, A, B, suite: Suite.Null) with { Hard = new Lifetime(0, 11, 0, 0) })), true, s_clear),
        [Drop.NeedsNoProtection] = () => Run(Peer(new EngineOptions { CarriesClear = false }), true, Build.Ipv4("10.8.0.1", B).Udp(7, 9)),
        [Drop.CryptoFailed] = CryptoFailed,
        [Drop.UnknownSpi] = () => In(Ip(Esp(s_udp, 17, spi: 0x999))),
        [Drop.WrongEncapsulation] = () => In(Build.Ipv4(A, B).Udp(4500, 4500, Esp(s_udp, 17))),
        [Drop.EspTooShort] = () => In(Ip(Esp(s_udp, 17)[..20])),
        [Drop.BadAhLength] = () => Run(Peer(h => h.Add(Make.Ah(0x3000, A, B))), false, Build.Ipv4(A, B).Payload(IpProtocol.Ah, [17, 9, 0, 0, 0, 0, 0x30, 0, .. new byte[60]])),
        [Drop.Replayed] = () => In(Ip(Esp(s_udp, 17)), Ip(Esp(s_udp, 17))),
        [Drop.TooOld] = () => In(Ip(Esp(s_udp, 17, sequence: 100)), Ip(Esp(s_udp, 17, sequence: 36))),
        [Drop.SequenceZero] = () => In(Ip(Esp(s_udp, 17, sequence: 0))),
        [Drop.BadIcv] = () => In(Ip([.. Esp(s_udp, 17)[..^1], 0])),
        [Drop.BadPadding] = () => In(Ip(Esp(s_udp, 17, padding: [1, 3]))),
        [Drop.DummyPacket] = () => In(Ip(Esp(s_udp, 59))),
        [Drop.BadCompression] = () => Run(Peer(IpComp), false, Build.Ipv4(A, B).Payload(IpProtocol.IpComp, [17, 0, 0, 2, 0xFF, 0xFF, 0xFF])),
        [Drop.DecompressedTooLong] = () => Run(Peer(IpComp), false, Build.Ipv4(A, B).Payload(IpProtocol.IpComp, [17, 0, 0, 2, .. IpCompTests.Deflate(new byte[100_000])])),
        [Drop.ModeMismatch] = () => Run(Peer(h => h.Add(Make.Sa(0x3000, A, B, IpsecMode.Tunnel, Suite.Null))), false, Ip(Esp(s_udp, 17, spi: 0x3000))),
        [Drop.InnerInvalid] = () => Tunnel(Esp(Build.Ipv6(A6, B6).Udp(7, 9), 4, spi: 0x3000)),
        [Drop.InnerSourceIsOurs] = () => Tunnel(Esp(Build.Ipv4("127.0.0.1", B).Udp(7, 9), 4, spi: 0x3000)),
        [Drop.TunnelPolicyMissing] = () => Tunnel(Esp(s_clear, 4, spi: 0x3000)),
        [Drop.ClearButRequired] = () => In(s_clear),
        [Drop.HistoryMismatch] = () => Run(Peer(h => h.Add(Make.Policy(PolicyDirection.In, "10.8.0.1", B))), false, Build.Ipv4("10.8.0.1", B).Payload(IpProtocol.Esp, Esp(s_udp, 17))),
        [Drop.TooManyHeaders] = TooManyHeaders,
        [Drop.Keepalive] = () => In(Build.Ipv4(A, B).Udp(4500, 4500, [0xFF])),
        [Drop.EcnCorrupted] = () => Run(Peer(h => h.Add(Make.Sa(0x3000, A, B, IpsecMode.Tunnel, Suite.Null))), false, Build.Ipv4(A, B, tos: 3).Payload(IpProtocol.Esp, Esp(s_clear, 4, spi: 0x3000))),
        [Drop.IcmpNoted] = () => Icmp(static error => error),
        [Drop.IcmpRefused] = () => Icmp(static error => error with { Sequence = 5 }),
        [Drop.IcmpMismatch] = () => Tunnel(Esp(Build.Ipv4("10.8.0.1", B).Icmp(3, 1, 0, s_clear), 4, spi: 0x3000)),
        [Drop.LinkFull] = LinkFull,
    };

    public static TheoryData<Drop> Ways => [.. s_ways.Keys];

    [Theory]
    [MemberData(nameof(Ways))]
    [Shows("rfc4301-4.4.1-4", "rfc4301-4.4.1.1-5", "rfc4301-5-2", "rfc4301-7.3-3", "rfc2401-4.4.3-3", "rfc2401-4.4.3-7")]
    [Shows("rfc2406-2.4-3", "rfc2406-3.3.3-1", "rfc2406-3.4.2-1", "rfc2406-3.4.3-6", "rfc2406-3.4.3-9", "rfc3948-2.3-5", "rfc4303-2.6-1", "rfc4303-2.6-3", "rfc6040-4.2-3")]
    public void A_packet_ends_by_that_name(Drop drop)
    {
        (Host host, Outcome outcome) = s_ways[drop]();
        using (host)
        {
            if (drop != Drop.ReassemblyTimeout) // fragments that were held end without a packet in this batch
            {
                Assert.Equal(drop, outcome.Drops[^1]);
            }

            Assert.Equal(1, host.Worker.Dropped(drop));
        }
    }

    [Fact]
    public void No_drop_of_the_engine_is_left_out()
    {
        Drop[] left = [.. Enum.GetValues<Drop>().Except(s_ways.Keys).Except(s_ofOthers)];
        Assert.True(left.Length == 0, $"no test provokes {string.Join(", ", left.Select(Drops.Name))}: add one, or name the room that drops so");
    }

    [Fact]
    public void A_packet_that_found_no_room_is_as_it_came()
    {
        using var host = Peer();
        var (bytes, copy) = (Build.Ipv4("10.8.0.1", B).Udp(7, 9), Build.Ipv4("10.8.0.1", B).Udp(7, 9));
        using var work = new Batch();
        using var wire = new Batch();
        using var back = new Batch();
        Assert.True(work.TryAdd(bytes));
        work[0].Front = 10;
        host.Add(Make.Policy(PolicyDirection.Out, "10.8.0.1", B, Make.Tunnel(A, B)));
        host.Add(Make.Sa(0x4000, A, B, IpsecMode.Tunnel));
        host.Engine.Outbound(work, wire, back, host.Now, host.Worker);
        Assert.Equal(Drop.NoRoom, work[0].Drop);
        Assert.Equal(copy, work[0].Span.ToArray());
        Assert.Equal(0ul, host.Engine.Sad.All.Last().LastSequence); // and took no number
    }

    // B's engine, with NULL encryption: A's packets can be made here by hand. Both directions are the same pair of addresses.
    private static Host Peer(EngineOptions? options = null, Action<Host>? more = null)
    {
        var host = new Host(options, B, B6);
        host.Add(Make.Sa(0x1000, A, B, suite: Suite.Null));
        host.Add(Make.Policy(PolicyDirection.In, A, B));
        host.Add(Make.Policy(PolicyDirection.Out, A, B));
        more?.Invoke(host);
        return host;
    }

    private static Host Peer(Action<Host> more) => Peer(null, more);

    private static (Host Host, Outcome Outcome) Run(Host host, bool isOut, params byte[][] packets) =>
        (host, isOut ? host.Out(packets) : host.In(packets));

    private static (Host Host, Outcome Outcome) In(params byte[][] packets) => Run(Peer(), false, packets);

    private static (Host Host, Outcome Outcome) Out(params byte[][] packets) => Run(Peer(), true, packets);

    private static (Host Host, Outcome Outcome) Tunnel(byte[] esp, Action<Host>? more = null)
    {
        Host host = Peer(h => h.Add(Make.Sa(0x3000, A, B, IpsecMode.Tunnel, Suite.Null)));
        more?.Invoke(host);
        return Run(host, false, Ip(esp));
    }

    private readonly record struct Error(uint Mtu, uint Sequence);

    // B sends one packet by an SA of its own, and a router says of it that it is too big.
    private static (Host Host, Outcome Outcome) Icmp(Func<Error, Error> change)
    {
        Host host = Peer(h => h.Add(Make.Sa(0x3000, B, A, suite: Suite.Null)));
        host.Add(Make.Policy(PolicyDirection.Out, B, A));
        byte[] sent = host.Out(Build.Ipv4(B, A).Udp(7, 9, new byte[1000])).Single;
        Error error = change(new Error(600, 1));
        BinaryPrimitives.WriteUInt32BigEndian(sent.AsSpan(24), error.Sequence);
        return Run(host, false, Build.Ipv4("192.0.2.254", B).Icmp(3, 4, error.Mtu, sent));
    }

    private static void IpComp(Host host) => host.Add(IpCompTests.Sa(2, A, B));

    private static (Host Host, Outcome Outcome) Timeout()
    {
        Host host = Peer();
        host.In((Build.Ipv4(A, B) with { MoreFragments = true }).Payload(IpProtocol.Udp, new byte[8]));
        host.Advance(60);
        return (host, host.In());
    }

    private static (Host Host, Outcome Outcome) NoRoom()
    {
        Host host = Peer(h => h.Add(Make.Sa(0x3000, A6, B6, IpsecMode.Tunnel, Suite.Cbc128, udp: true)));
        host.Add(Make.Policy(PolicyDirection.Out, "10.8.0.1", B, [.. Enumerable.Repeat(Make.Tunnel(A6, B6), 6)]));
        return (host, host.Out(Build.Ipv4("10.8.0.1", B).Udp(7, 9)));
    }

    private static (Host Host, Outcome Outcome) TooManyHeaders()
    {
        byte[] nested = s_udp;
        byte next = 17;
        for (uint i = 7; i > 0; i--)
        {
            nested = Esp(nested, next, sequence: i);
            next = 50;
        }

        return In(Ip(nested));
    }

    private static (Host Host, Outcome Outcome) CryptoFailed()
    {
        var host = new Host(new BrokenProvider());
        host.Add(Make.Sa(0x1000, A, B, suite: Suite.Null));
        host.Add(Make.Policy(PolicyDirection.Out, A, B));
        return (host, host.Out(s_clear));
    }

    private static (Host Host, Outcome Outcome) LinkFull()
    {
        Host host = Peer();
        using var work = new Batch();
        using var full = new Batch();
        using var back = new Batch();
        Assert.True(work.TryAdd(s_clear));
        while (full.TryAdd([1]))
        {
            // until it is full
        }

        host.Engine.Outbound(work, full, back, host.Now, host.Worker);
        return (host, new Outcome([], [work[0].Drop], [], 0));
    }

    private static byte[] Ip(byte[] esp) => Build.Ipv4(A, B).Payload(IpProtocol.Esp, esp);

    // RFC 4303, 2, by hand: NULL encryption and HMAC-SHA-256-128, the key as Make.Sa gives it to this SPI.
    private static byte[] Esp(byte[] payload, byte next, uint spi = 0x1000, uint sequence = 1, byte[]? padding = null)
    {
        byte[] pad = padding ?? [.. Enumerable.Range(1, 3).Select(static i => (byte)i).Take((6 - (payload.Length % 4)) % 4)];
        byte[] esp = [.. new byte[8], .. payload, .. pad, (byte)pad.Length, next];
        BinaryPrimitives.WriteUInt32BigEndian(esp, spi);
        BinaryPrimitives.WriteUInt32BigEndian(esp.AsSpan(4), sequence);
        return [.. esp, .. HMACSHA256.HashData(Build.Pattern(32, (int)spi + 100), esp).AsSpan(0, 16)];
    }
}
