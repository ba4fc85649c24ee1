// The headers above IP: what is built is read, what is written is accepted, what does not fit is refused.

using Testudo.Tests.Checker;
using Testudo.Wire;
using Xunit;

namespace Testudo.Tests.Wire;

public sealed class UpperHeaderTests
{
    private static readonly IpHeader s_v4 = Build.Ipv4("10.0.0.1", "10.0.0.2");

    [Fact]
    public void Esp_goes_both_ways()
    {
        byte[] bytes = new byte[EspHeader.Length + 3];
        new EspHeader(0x12345678, 0x9ABCDEF0).Write(bytes);
        Check.Packet(s_v4.Payload(IpProtocol.Esp, bytes)).Ipv4().Esp(0x12345678, 0x9ABCDEF0).PayloadLength(3);
        Assert.True(EspHeader.TryParse(bytes, out EspHeader header));
        Assert.Equal(new EspHeader(0x12345678, 0x9ABCDEF0), header);
        Assert.False(EspHeader.TryParse(bytes.AsSpan(0, 7), out _));
    }

    [Fact]
    public void Udp_goes_both_ways_and_its_length_must_fit()
    {
        byte[] datagram = s_v4.Udp(1234, 5678, "hello"u8)[20..];
        Assert.True(UdpHeader.TryParse([.. datagram, 0, 0], out UdpHeader header));
        Assert.Equal((1234, 5678, 13), (header.SourcePort, header.DestinationPort, header.DatagramLength));
        byte[] written = new byte[8];
        header.Write(written);
        Assert.Equal(datagram[..8], written);
        for (int length = 0; length < datagram.Length; length++)
        {
            Assert.False(UdpHeader.TryParse(datagram.AsSpan(0, length), out _));
        }

        datagram[5] = 7;
        Assert.False(UdpHeader.TryParse(datagram, out _));
    }

    [Fact]
    public void A_UDP_checksum_is_right_for_both_families_and_never_0()
    {
        foreach ((string from, string to) in new[] { ("10.0.0.1", "10.0.0.2"), ("fd00::1", "fd00::2") })
        {
            IpHeader ip = from.Contains(':', StringComparison.Ordinal) ? Build.Ipv6(from, to) : Build.Ipv4(from, to);
            for (int i = 0; i < 65536; i += 97)
            {
                Same([(byte)(i >> 8), (byte)i]);
            }

            // The payload that makes the sum 0: the checksum of the datagram with a payload of 0.
            byte[] zero = ip.Udp(7, 9, [0, 0])[^10..];
            Same(zero[6..8]);

            void Same(byte[] payload)
            {
                byte[] expected = ip.Udp(7, 9, payload)[^10..];
                byte[] datagram = [.. expected];
                datagram[6] = datagram[7] = 0x55;
                UdpHeader.SetChecksum(datagram, Address.Parse(from), Address.Parse(to));
                Assert.Equal(expected, datagram);
                Assert.False(datagram[6] == 0 && datagram[7] == 0);
            }
        }
    }

    [Fact]
    public void A_TCP_header_is_read()
    {
        byte[] segment = s_v4.Tcp(1234, 5678, "hello"u8, flags: 0xC2, sequence: 0x9ABCDEF0, options: [1, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8, 2, 4, 5, 0xB4])[20..];
        Assert.True(TcpView.TryParse(segment, out TcpView tcp));
        Assert.Equal((1234, 5678, 0x9ABCDEF0u, 36), (tcp.SourcePort, tcp.DestinationPort, tcp.Sequence, tcp.HeaderLength));
        Assert.Equal(TcpFlags.Syn | TcpFlags.Ece | TcpFlags.Cwr, tcp.Flags);
        Assert.Equal("hello"u8, tcp.Payload);
        Assert.True(tcp.TryFindMss(out int place, out ushort mss));
        Assert.Equal((33, 1460), (place, mss));
    }

    [Theory]
    [InlineData("", 0)]
    [InlineData("020405B4", 1460)]
    [InlineData("0101020405B4", 1460)]
    [InlineData("0000020405B4", 0)] // behind the end of the list
    [InlineData("020305B4", 0)] // of a wrong length
    [InlineData("0200020405B4", 0)]
    [InlineData("0800020405B4", 0)] // behind an option of length 0
    [InlineData("08FF020405B4", 0)]
    [InlineData("01010102", 0)]
    [InlineData("01020405", 0)]
    public void The_MSS_is_found_in_options_that_are_well_formed(string options, int mss)
    {
        Assert.True(TcpView.TryParse(s_v4.Tcp(1, 2, options: Convert.FromHexString(options)).AsSpan(20), out TcpView tcp));
        Assert.Equal(mss != 0, tcp.TryFindMss(out int place, out ushort found));
        Assert.Equal((mss, mss != 0), (found, place != 0));
    }

    [Fact]
    public void No_TCP_header_is_read_behind_its_end()
    {
        using var page = new GuardPage(4096);
        byte[] whole = s_v4.Tcp(1, 2, options: [1, 1, 1, 1, 3, 3, 7, 1, 2, 4, 5, 0xB4])[20..];
        var random = new Random(5);
        for (int round = 0; round < 50_000; round++)
        {
            Span<byte> bytes = page.Last(whole.AsSpan(0, random.Next(whole.Length + 1)));
            for (int i = 12; i < bytes.Length; i++)
            {
                bytes[i] = random.Next(3) == 0 ? (byte)random.Next(random.Next(2) == 0 ? 6 : 256) : bytes[i];
            }

            if (TcpView.TryParse(bytes, out TcpView tcp))
            {
                Assert.Equal(bytes.Length, tcp.HeaderLength + tcp.Payload.Length);
                Assert.True(!tcp.TryFindMss(out int place, out _) || place + 2 <= tcp.HeaderLength);
            }
        }
    }
}
