// IPComp (RFC 3173): what shrinks is compressed, what does not goes as it is, and both are taken; alone and inside of ESP.

using System.IO.Compression;
using Testudo.Crypto;
using Testudo.Engine;
using Testudo.Engine.Keys;
using Testudo.Tests.Checker;
using Testudo.Wire;
using Testudo.Wire.PfKey;
using Xunit;

namespace Testudo.Tests.Engine;

[Collection(nameof(Alone))]
public sealed class IpCompTests
{
    private const string A = "10.1.0.1", B = "10.2.0.1", A6 = "fd01::1", B6 = "fd02::1";

    /// <summary>DEFLATE by the class library: what we send is read by something else, and what we read was made by it.</summary>
    internal static byte[] Deflate(byte[] data)
    {
        using var packed = new MemoryStream();
        using (var deflate = new DeflateStream(packed, CompressionLevel.Optimal))
        {
            deflate.Write(data);
        }

        return packed.ToArray();
    }

    internal static SaParameters Sa(uint cpi, string source, string destination, IpsecMode mode = IpsecMode.Transport) => new()
    {
        Protocol = IpProtocol.IpComp,
        Spi = cpi,
        Source = Address.Parse(source),
        Destination = Address.Parse(destination),
        Mode = mode,
        Cipher = Cipher.None,
        Compression = Compression.Deflate,
    };

    public static TheoryData<bool, int, int, bool> Cases =>
        [.. from esp in (bool[])[false, true] from inner in (int[])[4, 6] from outer in (int[])[0, 4, 6] // 0: transport
            select (outer != 0, inner, outer == 0 ? inner : outer, esp)];

    [Theory]
    [MemberData(nameof(Cases))]
    [Shows("ipsec4-description-6", "rfc2393-1-1", "rfc2393-2-1", "rfc2393-2-2", "rfc2393-2-5")]
    public void Every_length_comes_out_as_it_went_in(bool tunnel, int inner, int outer, bool esp)
    {
        (Host a, Host b) = Pair(tunnel, inner, outer, esp);
        using (a)
        using (b)
        {
            byte[][] packets = [.. ((int[])[.. Enumerable.Range(0, 1500), 2048, 9000, 65000]).Select(n => Packet(inner, n % 3 == 0 ? Noise(n) : Text(n)))];
            Outcome sent = a.Out(packets);
            Assert.Empty(sent.Drops);
            int shorter = packets.Zip(sent.Passed).Count(static pair => pair.Second.Length < pair.First.Length);
            Assert.InRange(shorter, esp ? 700 : 800, 1100);
            Assert.Equal(packets, b.In(sent.Passed).Passed);
        }
    }

    [Fact]
    [Shows("rfc2393-2-1", "rfc2393-2.1-2", "rfc2393-3.3-1", "rfc2393-3.3-3")]
    public void A_compressed_packet_is_what_RFC_3173_says()
    {
        foreach (int family in (int[])[4, 6])
        {
            (Host a, Host b) = Pair(false, family, family, false);
            using (a)
            using (b)
            {
                byte[] packet = Packet(family, Text(1000));
                byte[] sent = a.Out(packet).Single;
                int header = family == 4 ? 20 : 40;
                Assert.Equal([17, 0, 0x10, 0x00], sent[header..(header + 4)]); // UDP follows; the CPI
                Assert.Equal(108, sent[family == 4 ? 9 : 6]);
                Check.Packet(sent).Inner(); // lengths and checksum
                using var inflate = new DeflateStream(new MemoryStream(sent[(header + 4)..]), CompressionMode.Decompress);
                using var back = new MemoryStream();
                inflate.CopyTo(back);
                Assert.Equal(packet[header..], back.ToArray());

                // And what the class library made is read here.
                byte[] made = [17, 0, 0x10, 0x00, .. Deflate(packet[header..])];
                byte[] wire = family == 4 ? Build.Ipv4(A, B).Payload(IpProtocol.IpComp, made) : Build.Ipv6(A6, B6).Payload(IpProtocol.IpComp, made);
                Assert.Equal(family == 4 ? packet[20..] : packet, family == 4 ? b.In(wire).Single[20..] : b.In(wire).Single);
            }
        }
    }

    [Fact]
    [Shows("rfc2393-2-2", "rfc2393-2.2-1", "rfc3173-2.2-2", "rfc3173-2.2-3")]
    public void What_is_short_or_does_not_shrink_goes_as_it_is()
    {
        (Host a, Host b) = Pair(false, 4, 4, false);
        using (a)
        using (b)
        {
            foreach (byte[] packet in (byte[][])[Packet(4, Text(81)), Packet(4, Noise(1000)), Packet(4, [])])
            {
                Assert.Equal(packet, a.Out(packet).Single);
                Assert.Equal(packet, b.In(packet).Single);
            }

            Assert.NotEqual(90 + 20, a.Out(Packet(4, Text(82))).Single.Length); // 90 bytes of payload are tried
        }

        (a, b) = Pair(true, 4, 6, false);
        using (a)
        using (b)
        {
            byte[] packet = Packet(4, Noise(1000));
            byte[] sent = a.Out(packet).Single;
            Assert.Equal((byte)IpProtocol.Ipv4, sent[6]); // the tunnel's header alone
            Assert.Equal(packet, sent[40..]);
            Assert.Equal(packet, b.In(sent).Single);
        }
    }

    [Fact]
    [Shows("rfc2393-2-3")]
    public void A_fragment_is_not_compressed_and_passes()
    {
        using var a = new Host(null, A);
        a.Add(Sa(0x1000, A, B));
        a.Add(Make.Policy(PolicyDirection.Out, A, B, Request(IpsecMode.Transport, A, B)));
        byte[] fragment = (Build.Ipv4(A, B) with { MoreFragments = true }).Payload(IpProtocol.Udp, Text(400));
        Assert.Equal(fragment, a.Out(fragment).Single);
    }

    [Fact]
    [Shows("rfc2393-4-1")]
    public void Without_an_SA_nothing_is_decompressed_not_even_a_well_known_CPI()
    {
        using var b = new Host(null, B);
        byte[] wire = Build.Ipv4(A, B).Payload(IpProtocol.IpComp, [17, 0, 0, 2, .. Deflate(Text(400))]);
        Assert.Equal(Drop.UnknownSpi, b.In(wire).Drop);
        b.Add(Sa(2, A, B));
        Assert.Single(b.In(wire).Passed);
        Assert.Equal(Drop.HistoryMismatch, b.In(Build.Ipv4("10.1.0.9", B).Payload(IpProtocol.IpComp, wire.AsSpan(20))).Drop); // another source
    }

    [Fact]
    public void Compression_satisfies_no_request_for_protection()
    {
        using var b = new Host(null, B);
        b.Add(Sa(0x1000, A, B));
        b.Add(Make.Policy(PolicyDirection.In, A, B));
        Assert.Equal(Drop.HistoryMismatch, b.In(Build.Ipv4(A, B).Payload(IpProtocol.IpComp, [17, 0, 0x10, 0, .. Deflate(Text(400))])).Drop);
        Assert.Equal(Drop.ClearButRequired, b.In(Packet(4, Text(400))).Drop);
    }

    [Fact]
    public void A_plain_tunnel_is_opened_only_between_the_ends_of_an_SA_and_under_its_policy()
    {
        byte[] inner = Packet(4, Noise(100));
        byte[] plain = Build.Ipv4("192.0.2.1", "192.0.2.2").Payload(IpProtocol.Ipv4, inner);
        using var b = new Host(null, B, "192.0.2.2");
        Assert.Equal(plain, b.In(plain).Single); // somebody else's tunnel
        b.Add(Sa(0x1000, "192.0.2.1", "192.0.2.2", IpsecMode.Tunnel));
        Assert.Equal(Drop.TunnelPolicyMissing, b.In(plain).Drop);
        b.Add(Make.Policy(PolicyDirection.In, A, B, Request(IpsecMode.Tunnel, "192.0.2.1", "192.0.2.2")));
        Assert.Equal(inner, b.In(plain).Single);
        byte[] other = Build.Ipv4("192.0.2.9", "192.0.2.2").Payload(IpProtocol.Ipv4, inner);
        Assert.Equal(other, b.In(other).Single);
    }

    [Fact]
    public void Level_default_is_use_and_level_require_needs_an_SA()
    {
        byte[] packet = Packet(4, Text(400));
        foreach (PolicyLevel level in (PolicyLevel[])[PolicyLevel.Default, PolicyLevel.Use, PolicyLevel.Require])
        {
            using var a = new Host(new EngineOptions { DefaultLevel = PolicyLevel.Require }, A);
            a.Add(Make.Policy(PolicyDirection.Out, A, B, Request(IpsecMode.Transport, A, B) with { Level = level }));
            Outcome outcome = a.Out(packet);
            Assert.Equal(level == PolicyLevel.Require ? 0 : 1, outcome.Passed.Count);
        }
    }

    [Fact]
    public void A_batch_is_not_decompressed_beyond_its_bound()
    {
        using var b = new Host(null, B);
        b.Add(Sa(0x1000, A, B));
        byte[] bomb = Build.Ipv4(A, B).Payload(IpProtocol.IpComp, [17, 0, 0x10, 0, .. Deflate(new byte[65_000])]);
        Assert.True(bomb.Length < 200);
        Outcome outcome = b.In(Enumerable.Repeat(bomb, 200));
        Assert.InRange(outcome.Passed.Count, 60, 70);
        Assert.All(outcome.Drops, static drop => Assert.Equal(Drop.NoRoom, drop));
        Assert.Single(b.In(bomb).Passed); // the next batch has room again
    }

    [Fact]
    public void Nested_compression_is_followed_as_far_as_any_nesting()
    {
        using var b = new Host(null, B);
        b.Add(Sa(0x1000, A, B));
        byte[] nested = Packet(4, Text(400))[20..];
        byte next = 17;
        for (int i = 0; i < 7; i++)
        {
            nested = [next, 0, 0x10, 0, .. Deflate(nested)];
            next = 108;
        }

        Assert.Equal(Drop.TooManyHeaders, b.In(Build.Ipv4(A, B).Payload(IpProtocol.IpComp, nested)).Drop);
    }

    [Fact]
    public void Mutated_packets_leave_exactly_once()
    {
        (Host a, Host b) = Pair(true, 4, 4, false);
        (Host c, Host d) = Pair(false, 6, 6, true);
        using (a)
        using (b)
        using (c)
        using (d)
        {
            var random = new Random(3173);
            var seen = new HashSet<Drop>();
            for (int i = 0; i < 300; i++)
            {
                foreach ((Host from, Host to, int family) in ((Host, Host, int)[])[(a, b, 4), (c, d, 6)])
                {
                    byte[][] sent = [.. from.Out(Enumerable.Range(0, 100).Select(_ => Packet(family, Text(random.Next(1000))))).Passed];
                    foreach (byte[] packet in sent.Where(_ => random.Next(3) != 0))
                    {
                        packet[random.Next(packet.Length)] = (byte)random.Next(256);
                    }

                    Outcome outcome = to.In(sent);
                    Assert.Equal(100, outcome.Passed.Count + outcome.Drops.Count + outcome.Held);
                    seen.UnionWith(outcome.Drops);
                }
            }

            Assert.Contains(Drop.BadCompression, seen);
            Assert.Contains(Drop.UnknownSpi, seen);
        }
    }

    [Theory]
    [InlineData(false, false)]
    [InlineData(true, false)]
    [InlineData(true, true)]
    public void Nothing_is_allocated_for_a_packet(bool tunnel, bool esp)
    {
        (Host a, Host b) = Pair(tunnel, 4, 4, esp);
        using (a)
        using (b)
        {
            byte[] packet = Packet(4, Text(1000)), plain = Packet(4, Noise(500)), bad = Build.Ipv4(A, B).Payload(IpProtocol.IpComp, [17, 0, 0x10, 0, 0xFF, 0xFF]);
            using var work = new Batch();
            using var wire = new Batch();
            using var clear = new Batch();
            using var back = new Batch();
            long passed = 0, least = long.MaxValue;
            for (int round = 0; round < 6; round++)
            {
                long before = GC.GetTotalAllocatedBytes(precise: true);
                for (int batch = 0; batch < 50; batch++)
                {
                    for (int i = 0; i < 100; i++)
                    {
                        work.TryAdd(i % 2 == 0 ? packet : plain);
                    }

                    a.Engine.Outbound(work, wire, back, a.Now, a.Worker);
                    wire.TryAdd(bad);
                    b.Engine.Inbound(wire, clear, b.Now, b.Worker);
                    passed += clear.Count;
                    clear.Clear();
                    wire.Clear();
                    work.Clear();
                }

                least = round == 0 ? least : Math.Min(least, GC.GetTotalAllocatedBytes(precise: true) - before);
            }

            Assert.Equal(6 * 50 * 100, passed);
            Assert.Equal(0, least);
        }
    }

    private static PolicyRequest Request(IpsecMode mode, string source, string destination) => mode == IpsecMode.Transport
        ? new(IpProtocol.IpComp, mode, PolicyLevel.Require, 0, null, null)
        : new(IpProtocol.IpComp, mode, PolicyLevel.Require, 0, Address.Parse(source), Address.Parse(destination));

    // IPComp in the mode, and ESP in transport mode around it where that is asked for.
    private static (Host A, Host B) Pair(bool tunnel, int inner, int outer, bool esp)
    {
        (string from, string to) = !tunnel ? inner == 4 ? (A, B) : (A6, B6) : outer == 4 ? ("192.0.2.1", "192.0.2.2") : ("2001:db8::1", "2001:db8::2");
        var a = new Host(null, A, A6);
        var b = new Host(null, B, B6, "192.0.2.2", "2001:db8::2");
        IpsecMode mode = tunnel ? IpsecMode.Tunnel : IpsecMode.Transport;
        foreach ((Host host, PolicyDirection direction) in ((Host, PolicyDirection)[])[(a, PolicyDirection.Out), (b, PolicyDirection.In)])
        {
            host.Add(Sa(0x1000, from, to, mode));
            host.Add(Make.Sa(0x1001, from, to));
            PolicyRequest request = Request(mode, from, to);
            host.Add(Make.Policy(direction, inner == 4 ? A : A6, inner == 4 ? B : B6, esp ? [request, Make.Transport()] : [request]));
        }

        return (a, b);
    }

    private static byte[] Packet(int family, byte[] payload) =>
        family == 4 ? Build.Ipv4(A, B).Udp(7, 9, payload) : Build.Ipv6(A6, B6).Udp(7, 9, payload);

    private static byte[] Text(int length) => [.. Enumerable.Range(0, length).Select(static i => (byte)"compress me, please "[i % 20])];

    private static byte[] Noise(int length)
    {
        byte[] noise = new byte[length];
        new Random(length).NextBytes(noise);
        return noise;
    }
}
