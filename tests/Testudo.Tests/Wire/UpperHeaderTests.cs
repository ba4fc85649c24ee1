// The UDP header, against one that is put together byte by byte.

using Testudo.Tests.Checker;
using Testudo.Wire;
using Xunit;

namespace Testudo.Tests.Wire;

public sealed class UpperHeaderTests
{
    private static readonly IpHeader s_v4 = Build.Ipv4("10.0.0.1", "10.0.0.2");

    [Fact]
    public void A_UDP_header_is_written()
    {
        byte[] datagram = s_v4.Udp(1234, 5678, "hello"u8)[20..];
        byte[] written = new byte[8];
        new UdpHeader(1234, 5678, 13, (ushort)((datagram[6] << 8) | datagram[7])).Write(written);
        Assert.Equal(datagram[..8], written);
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
}
