// ICMP errors: what they say, about what they are never sent, and that tshark reads them.

using Testudo.Tests.Checker;
using Testudo.Wire;
using Xunit;

namespace Testudo.Tests.Wire;

public sealed class IcmpErrorTests
{
    private static readonly IpHeader s_v4 = Build.Ipv4("192.168.1.1", "10.0.0.2", hopLimit: 9);
    private static readonly IpHeader s_v6 = Build.Ipv6("fd01::1", "fd00::2", hopLimit: 9);

    [Theory]
    [InlineData(0)]
    [InlineData(7)]
    [InlineData(520)]
    [InlineData(521)]
    [InlineData(1400)]
    public void IPv4_fragmentation_needed_quotes_up_to_576_bytes(int payload)
    {
        byte[] packet = s_v4.Udp(7, 9, Build.Pattern(payload));
        byte[] error = Made(into => IcmpError.TooBig(packet, 1400, into));
        int quoted = Math.Min(packet.Length, 548);
        Assert.Equal(28 + quoted, error.Length);
        PacketCheck check = Check.Packet(error).Ipv4().From("10.0.0.2").To("192.168.1.1").HopLimit(64).TrafficClass(0xC0)
            .Icmp(3, 4, parameter: 1400).Payload(packet.AsSpan(0, quoted));
        check.Quoted().From("192.168.1.1").To("10.0.0.2").HopLimit(9);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1184)]
    [InlineData(1185)]
    [InlineData(9000)]
    public void IPv6_packet_too_big_quotes_up_to_1280_bytes(int payload)
    {
        byte[] packet = s_v6.Udp(7, 9, Build.Pattern(payload));
        byte[] error = Made(into => IcmpError.TooBig(packet, 1432, into));
        int quoted = Math.Min(packet.Length, 1232);
        Assert.Equal(48 + quoted, error.Length);
        Check.Packet(error).Ipv6().From("fd00::2").To("fd01::1").HopLimit(64).Icmp(2, 0, parameter: 1432).Payload(packet.AsSpan(0, quoted))
            .Quoted().From("fd01::1").To("fd00::2");
    }

    [Fact]
    public void The_other_errors_have_their_types()
    {
        byte[] v4 = s_v4.Tcp(80, 81), v6 = s_v6.Tcp(80, 81);
        Check.Packet(Made(into => IcmpError.Prohibited(v4, into))).Ipv4().Icmp(3, 13, 0).Payload(v4);
        Check.Packet(Made(into => IcmpError.Prohibited(v6, into))).Ipv6().Icmp(1, 1, 0).Payload(v6);
        Check.Packet(Made(into => IcmpError.TimeExceeded(v4, into))).Ipv4().Icmp(11, 0, 0).Payload(v4);
        Check.Packet(Made(into => IcmpError.TimeExceeded(v6, into))).Ipv6().Icmp(3, 0, 0).Payload(v6);
        Check.Packet(Made(into => IcmpError.TooBig(v4, 70_000, into))).Ipv4().Icmp(3, 4, 65535);
    }

    [Fact]
    public void Options_and_extension_headers_are_quoted_and_bytes_behind_the_packet_are_not()
    {
        byte[] options = Build.Ipv4("192.168.1.1", "10.0.0.2", options: [7, 39, .. new byte[37]]).Udp(7, 9);
        Check.Packet(Made(into => IcmpError.TooBig((byte[])[.. options, 1, 2, 3], 1400, into))).Ipv4().Icmp(3, 4).Payload(options);
        byte[] extended = s_v6.HopByHop().Routing().Udp(7, 9);
        Check.Packet(Made(into => IcmpError.TooBig((byte[])[.. extended, 1, 2, 3], 1400, into))).Ipv6().Icmp(2, 0).Payload(extended);
    }

    public static TheoryData<string, byte[]> Forbidden()
    {
        var data = new TheoryData<string, byte[]>();
        foreach (byte type in new byte[] { 3, 4, 5, 11, 12 })
        {
            data.Add($"ICMP error {type}", s_v4.Icmp(type, 0, 0, new byte[28]));
        }

        foreach (byte type in new byte[] { 1, 2, 3, 4, 100, 127, 137 })
        {
            data.Add($"ICMPv6 error {type}", s_v6.Icmp(type, 0, 0, new byte[48]));
        }

        foreach (string source in new[] { "0.0.0.0", "0.1.2.3", "127.0.0.1", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255" })
        {
            data.Add($"from {source}", Build.Ipv4(source, "10.0.0.2").Udp(7, 9));
            data.Add($"to {source}", Build.Ipv4("10.0.0.2", source).Udp(7, 9));
        }

        foreach (string source in new[] { "::", "ff02::1" })
        {
            data.Add($"from {source}", Build.Ipv6(source, "fd00::2").Udp(7, 9));
            data.Add($"to {source}", Build.Ipv6("fd00::2", source).Udp(7, 9));
        }

        data.Add("second fragment", s_v4.Fragment(1, 8, true).Payload(IpProtocol.Udp, new byte[64]));
        data.Add("second fragment, v6", s_v6.Fragment(1, 8, false).Payload(IpProtocol.Udp, new byte[64]));
        data.Add("ICMP without a type", s_v4.Payload(IpProtocol.Icmp, []));
        data.Add("ICMPv6 without a type", s_v6.Fragment(1, 0, true).Payload(IpProtocol.Icmpv6, []));
        data.Add("no packet", [0x45, 0]);
        data.Add("nothing", []);
        return data;
    }

    [Theory]
    [MemberData(nameof(Forbidden))]
    public void No_error_is_sent_about_what_the_standards_forbid(string why, byte[] packet)
    {
        byte[] into = new byte[IcmpError.MaxLength];
        Assert.True(IcmpError.TooBig(packet, 1400, into) == 0, why);
        Assert.True(IcmpError.Prohibited(packet, into) == 0, why);
        Assert.True(IcmpError.TimeExceeded(packet, into) == 0, why);
        Assert.All(into, static b => Assert.Equal(0, b));
    }

    [Fact]
    public void Errors_are_sent_about_questions_first_fragments_and_ordinary_packets()
    {
        byte[][] packets =
        [
            s_v4.IcmpEcho(), s_v4.IcmpEcho(reply: true), s_v6.IcmpEcho(), s_v6.IcmpEcho(reply: true), s_v6.Icmp(135, 0),
            s_v4.Fragment(1, 0, true).Payload(IpProtocol.Udp, new byte[64]), s_v6.Fragment(1, 0, true).Payload(IpProtocol.Udp, new byte[64]),
            s_v4.Payload(IpProtocol.Esp, new byte[40]), s_v6.Payload(IpProtocol.None, []), Build.Ipv6("::1", "::1").Udp(7, 9),
        ];
        Assert.All(packets, static packet => Assert.NotEmpty(Made(into => IcmpError.TooBig(packet, 1400, into))));
    }

    [Fact]
    public void An_error_that_would_not_hold_the_ports_is_not_written()
    {
        byte[] packet = s_v4.Udp(7, 9, new byte[100]);
        Assert.Equal(0, IcmpError.TooBig(packet, 1400, new byte[55]));
        Assert.Equal(56, IcmpError.TooBig(packet, 1400, new byte[56]));
        Assert.Equal(0, IcmpError.TooBig(packet, 1400, default));
    }

    [Fact(Skip = Tool.NoWireshark, SkipUnless = nameof(Tool.HasWireshark), SkipType = typeof(Tool))]
    public void Tshark_finds_the_checksums_and_the_mtu_right()
    {
        using var folder = new TemporaryFolder();
        string file = folder.File("errors.pcap");
        byte[] long4 = s_v4.Udp(7, 9, Build.Pattern(1472)), long6 = s_v6.Tcp(80, 81, Build.Pattern(1440));
        using (var writer = new PcapWriter(File.Create(file)))
        {
            writer.Write(1, Made(into => IcmpError.TooBig(long4, 1400, into)));
            writer.Write(2, Made(into => IcmpError.TooBig(long6, 1380, into)));
        }

        Assert.Equal<IEnumerable<string>>(
            ["10.0.0.2 3 4 1 1400    ", "     2 0 1 1380"],
            Tool.Fields(file, "ip.src", "icmp.type", "icmp.code", "icmp.checksum.status", "icmp.mtu",
                "icmpv6.type", "icmpv6.code", "icmpv6.checksum.status", "icmpv6.mtu").Select(static f => string.Join(' ', f)));
    }

    private delegate int Writing(Span<byte> into);

    private static byte[] Made(Writing write)
    {
        byte[] into = new byte[2000];
        Array.Fill(into, (byte)0xEE);
        int length = write(into);
        Assert.All(into.AsSpan(length).ToArray(), static b => Assert.Equal(0xEE, b));
        return into[..length];
    }
}
