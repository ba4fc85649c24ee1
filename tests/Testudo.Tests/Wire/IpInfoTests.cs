// One look at a packet: every field of every header, each wrong length, and tshark's opinion of random header chains.

using System.Globalization;
using Testudo.Tests.Checker;
using Testudo.Wire;
using Xunit;

namespace Testudo.Tests.Wire;

public sealed class IpInfoTests
{
    private static readonly IpHeader s_v4 = Build.Ipv4("10.0.0.1", "10.0.0.2");
    private static readonly IpHeader s_v6 = Build.Ipv6("fd00::1", "fd00::2");

    [Fact]
    public void Every_field_of_an_IPv4_header_is_read()
    {
        byte[] packet = [.. Build.Ipv4("10.0.0.1", "10.0.0.2", 9, 0xB9, true, 0xABCD, [1, 1, 1, 1]).Udp(1234, 5678, "hello"u8), 7, 7];
        IpInfo info = Parsed(packet);
        Assert.Equal((IpFamily.V4, IpProtocol.Udp, (byte)0xB9, (byte)9), (info.Family, info.Protocol, info.TrafficClass, info.HopLimit));
        Assert.Equal((true, false, false, 0, 0xABCDu), (info.DontFragment, info.IsFragment, info.MoreFragments, info.FragmentOffset, info.Identification));
        Assert.Equal((packet.Length - 2, 24, 9, 24, 9), (info.TotalLength, info.UpperOffset, info.ProtocolOffset, info.TransportOffset, info.TransportProtocolOffset));
        Assert.Equal(("10.0.0.1", "10.0.0.2"), ($"{info.Source}", $"{info.Destination}"));
        Assert.Equal((true, 1234, 5678, 0), (info.HasPorts, info.SourcePort, info.DestinationPort, info.FragmentHeaderOffset));
    }

    [Fact]
    public void Every_field_of_an_IPv6_header_is_read()
    {
        byte[] packet = [.. Build.Ipv6("fd00::1", "fd00::2", 9, 0xB9, 0xFFFFF).HopByHop().Routing().Fragment(0xABCD1234, 0, true).DestinationOptions().Tcp(1234, 5678), 7];
        IpInfo info = Parsed(packet);
        Assert.Equal((IpFamily.V6, IpProtocol.Tcp, (byte)0xB9, (byte)9), (info.Family, info.Protocol, info.TrafficClass, info.HopLimit));
        Assert.Equal((false, true, true, 0, 0xABCD1234u), (info.DontFragment, info.IsFragment, info.MoreFragments, info.FragmentOffset, info.Identification));
        Assert.Equal((packet.Length - 1, 72, 64, 64, 56), (info.TotalLength, info.UpperOffset, info.ProtocolOffset, info.TransportOffset, info.TransportProtocolOffset));
        Assert.Equal(("fd00::1", "fd00::2"), ($"{info.Source}", $"{info.Destination}"));
        Assert.Equal((true, 1234, 5678, 56), (info.HasPorts, info.SourcePort, info.DestinationPort, info.FragmentHeaderOffset));
    }

    public static TheoryData<byte[], int, int, int> Places => new()
    {
        // Packet, where a transport-mode header goes, where the byte is that names it, where the upper layer is.
        { s_v6.Udp(1, 2), 40, 6, 40 },
        { s_v6.HopByHop().Udp(1, 2), 48, 40, 48 },
        { s_v6.DestinationOptions().Udp(1, 2), 40, 6, 48 },
        { s_v6.DestinationOptions().Routing().Udp(1, 2), 56, 48, 56 },
        { s_v6.HopByHop().DestinationOptions().Routing().DestinationOptions().Udp(1, 2), 64, 56, 72 },
        { s_v6.Fragment(1, 0, false).Udp(1, 2), 48, 40, 48 },
        { s_v6.DestinationOptions().DestinationOptions().Udp(1, 2), 40, 6, 56 },
        { s_v6.HopByHop(new byte[30]).Udp(1, 2), 72, 40, 72 },
        { s_v6.DestinationOptions().Payload(IpProtocol.Esp, new byte[20]), 40, 6, 48 },
        { s_v6.Fragment(1, 0, true).HopByHop().Udp(1, 2), 56, 48, 56 }, // as NetBSD fragments
        { s_v6.Routing().Payload(IpProtocol.None, []), 48, 40, 48 },
    };

    [Theory]
    [MemberData(nameof(Places))]
    public void Transport_mode_goes_behind_what_routers_read_and_before_what_the_destination_reads(byte[] packet, int transport, int named, int upper)
    {
        IpInfo info = Parsed(packet);
        Assert.Equal((transport, named, upper), (info.TransportOffset, info.TransportProtocolOffset, info.UpperOffset));
    }

    [Fact]
    public void Fragments_have_ports_only_where_their_header_is()
    {
        byte[] udp = Build.Pattern(64);
        foreach (IpHeader header in new[] { s_v4, s_v6.HopByHop() })
        {
            IpInfo first = Parsed(header.Fragment(5, 0, true).Payload(IpProtocol.Udp, udp));
            Assert.Equal((true, true, true, 0, 0x0001, 0x0203), (first.IsFragment, first.MoreFragments, first.HasPorts, first.FragmentOffset, first.SourcePort, first.DestinationPort));
            IpInfo middle = Parsed(header.Fragment(5, 8184, true).Payload(IpProtocol.Udp, udp));
            Assert.Equal((true, true, false, 8184, 0), (middle.IsFragment, middle.MoreFragments, middle.HasPorts, middle.FragmentOffset, middle.SourcePort));
            IpInfo last = Parsed(header.Fragment(5, 65528, false).Payload(IpProtocol.Udp, udp));
            Assert.Equal((true, false, false, 65528, 5u), (last.IsFragment, last.MoreFragments, last.HasPorts, last.FragmentOffset, last.Identification));
        }

        IpInfo atomic = Parsed(s_v6.Fragment(5, 0, false).Udp(1, 2));
        Assert.Equal((false, true, 40), (atomic.IsFragment, atomic.HasPorts, atomic.FragmentHeaderOffset));
        // Behind a later fragment's header is data, whatever it looks like.
        IpInfo later = Parsed(s_v6.Fragment(5, 8, false).Payload(IpProtocol.DestinationOptions, udp));
        Assert.Equal((IpProtocol.DestinationOptions, 48), (later.Protocol, later.UpperOffset));
    }

    [Fact]
    public void Icmp_has_type_and_code_and_mobility_its_type_in_place_of_ports()
    {
        IpInfo echo = Parsed(s_v4.IcmpEcho());
        Assert.Equal((true, 8, 0), (echo.HasPorts, echo.SourcePort, echo.DestinationPort));
        IpInfo error = Parsed(s_v6.Icmp(1, 4));
        Assert.Equal((true, 1, 4), (error.HasPorts, error.SourcePort, error.DestinationPort));
        IpInfo mobility = Parsed(s_v6.Payload(IpProtocol.Mobility, [59, 0, 5, 0, 0, 0, 0, 0]));
        Assert.Equal((true, 5, 0), (mobility.HasPorts, mobility.SourcePort, mobility.DestinationPort));
        foreach (IpProtocol protocol in new[] { IpProtocol.Sctp, IpProtocol.UdpLite })
        {
            IpInfo ports = Parsed(s_v6.Payload(protocol, [1, 2, 3, 4]));
            Assert.Equal((true, 0x0102, 0x0304), (ports.HasPorts, ports.SourcePort, ports.DestinationPort));
        }

        Assert.False(Parsed(s_v4.Payload(IpProtocol.Esp, new byte[40])).HasPorts);
        Assert.False(Parsed(s_v4.Payload(IpProtocol.Udp, new byte[3])).HasPorts);
        Assert.False(Parsed(s_v6.Payload(IpProtocol.Icmpv6, [])).HasPorts);
    }

    public static TheoryData<string, byte[], Drop> Wrong()
    {
        byte[] v4 = s_v4.Udp(7, 9), v6 = s_v6.HopByHop().Udp(7, 9);
        IpHeader many = s_v6;
        for (int i = 0; i < 17; i++)
        {
            many = many.DestinationOptions();
        }

        return new()
        {
            { "nothing", [], Drop.PacketTooShort },
            { "19 bytes", v4[..19], Drop.PacketTooShort },
            { "IPv6, 39 bytes", v6[..39], Drop.PacketTooShort },
            { "version 5", [0x55, .. v4[1..]], Drop.UnknownIpVersion },
            { "version 0", [0x05, .. v4[1..]], Drop.UnknownIpVersion },
            { "header of 16 bytes", [0x44, .. v4[1..]], Drop.BadHeaderLength },
            { "header of 60 bytes in 28", [0x4F, .. v4[1..]], Drop.BadHeaderLength },
            { "cut", v4[..^1], Drop.BadHeaderLength },
            { "total length below the header", [.. v4[..2], 0, 19, .. v4[4..]], Drop.BadHeaderLength },
            { "total length 0", [.. v4[..2], 0, 0, .. v4[4..]], Drop.BadHeaderLength },
            { "IPv6, cut", v6[..^1], Drop.BadHeaderLength },
            { "extension header cut", s_v6.Payload(IpProtocol.HopByHop, [17, 0, 0, 0, 0, 0, 0]), Drop.BadExtensionHeader },
            { "extension header not there", s_v6.Payload(IpProtocol.Routing, []), Drop.BadExtensionHeader },
            { "extension header too long", s_v6.Payload(IpProtocol.Routing, [17, 1, .. new byte[13]]), Drop.BadExtensionHeader },
            { "extension header far too long", s_v6.Payload(IpProtocol.DestinationOptions, [17, 255, .. new byte[1000]]), Drop.BadExtensionHeader },
            { "fragment header cut", s_v6.Payload(IpProtocol.Fragment, new byte[7]), Drop.BadExtensionHeader },
            { "17 extension headers", many.Udp(7, 9), Drop.BadExtensionHeader },
            { "a second fragment header", s_v6.Fragment(1, 0, true).Fragment(1, 0, false).Udp(7, 9), Drop.BadExtensionHeader },
        };
    }

    [Theory]
    [MemberData(nameof(Wrong))]
    public void What_does_not_fit_is_a_drop_with_its_reason(string what, byte[] packet, Drop drop)
    {
        Assert.True(IpInfo.TryParse(packet, out _) == drop, what);
    }

    [Fact]
    public void Sixteen_extension_headers_are_followed()
    {
        IpHeader many = s_v6.HopByHop();
        for (int i = 0; i < 15; i++)
        {
            many = many.DestinationOptions();
        }

        Assert.Equal(40 + (16 * 8), Parsed(many.Udp(7, 9)).UpperOffset);
    }

    [Fact(Skip = Tool.NoWireshark, SkipUnless = nameof(Tool.HasWireshark), SkipType = typeof(Tool))]
    public void Random_header_chains_are_read_as_tshark_reads_them()
    {
        using var folder = new TemporaryFolder();
        string file = folder.File("chains.pcap");
        var random = new Random(3);
        var packets = new List<byte[]>();
        using (var writer = new PcapWriter(File.Create(file)))
        {
            for (int i = 0; i < 500; i++)
            {
                IpHeader header = random.Next(4) == 0
                    ? Build.Ipv4("10.0.0.1", "10.0.0.2", (byte)random.Next(1, 256), (byte)random.Next(256), random.Next(2) == 0, (ushort)random.Next(65536), [.. Enumerable.Repeat((byte)1, random.Next(41))])
                    : Chain(random, Build.Ipv6("fd00::1", "fd00::2", (byte)random.Next(1, 256), (byte)random.Next(256), random.Next(1 << 20)));
                packets.Add(header.Udp((ushort)random.Next(20_000, 30_000), (ushort)random.Next(30_001, 40_000), Build.Pattern(random.Next(60))));
                writer.Write(i, packets[^1]);
            }
        }

        List<string[]> seen = Tool.Fields(file, "udp.srcport", "udp.dstport", "udp.length", "ip.ttl", "ipv6.hlim", "ip.dsfield", "ipv6.tclass");
        Assert.Equal(packets.Count, seen.Count);
        foreach ((byte[] packet, string[] f) in packets.Zip(seen))
        {
            IpInfo info = Parsed(packet);
            Assert.Equal<IEnumerable<string>>(f[..3], [$"{info.SourcePort}", $"{info.DestinationPort}", $"{info.TotalLength - info.UpperOffset}"]);
            Assert.Equal(f[3] + f[4], $"{info.HopLimit}");
            Assert.Equal(int.Parse((f[5] + f[6])[2..], NumberStyles.HexNumber, CultureInfo.InvariantCulture), info.TrafficClass);
        }
    }

    private static IpHeader Chain(Random random, IpHeader header)
    {
        if (random.Next(2) == 0)
        {
            header = header.HopByHop(Option(random));
        }

        for (int more = random.Next(5); more > 0; more--)
        {
            header = random.Next(3) == 0 ? header.Routing() : header.DestinationOptions(Option(random));
        }

        return random.Next(3) == 0 ? header.Fragment((uint)random.Next(), 0, false) : header;
    }

    // One option of a type that receivers skip (its two high bits are 0).
    private static byte[] Option(Random random)
    {
        int length = random.Next(40);
        return [0x1E, (byte)length, .. new byte[length]];
    }

    private static IpInfo Parsed(byte[] packet)
    {
        Assert.Equal(Drop.None, IpInfo.TryParse(packet, out IpInfo info));
        return info;
    }
}
