// The vocabulary itself: what it builds it accepts, known packets too, and it notices each thing that is wrong.

using Testudo.Wire;
using Xunit;
using Xunit.Sdk;

namespace Testudo.Tests.Checker;

public sealed class CheckerTests
{
    [Fact]
    public void A_header_of_a_textbook_has_its_checksum()
    {
        // The well-known example header whose checksum is 0xB861.
        byte[] header = Convert.FromHexString("450000730000400040110000C0A80001C0A800C7");
        Assert.Equal(0xB861, Sum.Of(header));
    }

    [Fact]
    public void What_is_built_for_IPv4_is_accepted()
    {
        byte[] udp = Build.Ipv4("10.0.0.1", "10.0.0.2", hopLimit: 9, tos: 0xB9, id: 77, options: [1, 1, 1]).Udp(7, 9, "hello"u8);
        Check.Packet(udp).Ipv4().From("10.0.0.1").To("10.0.0.2").HopLimit(9).TrafficClass(0xB9).Id(77).DontFragment(true)
            .Options([1, 1, 1, 0]).Udp(7, 9).Payload("hello"u8);
        Check.Packet(Build.Ipv4("10.0.0.1", "10.0.0.2").Tcp(80, 81, "x"u8, flags: 2, options: [2, 4, 5, 0xB4])).Ipv4().Tcp(80, 81, 2).Payload("x"u8);
        byte[] outer = Build.Ipv4("192.0.2.1", "192.0.2.2").Payload(IpProtocol.Ipv4, udp);
        Check.Packet(outer).Ipv4().To("192.0.2.2").Inner().To("10.0.0.2").Udp(7, 9);
    }

    [Fact]
    public void What_is_built_for_IPv6_is_accepted()
    {
        byte[] echo = Build.Ipv6("fd00::1", "fd00::2", 3, 0xB9, 0x12345).HopByHop().Routing().DestinationOptions([0x1E, 7, 1, 2, 3, 4, 5, 6, 7])
            .IcmpEcho(5, 6, "ping"u8);
        Check.Packet(echo).Ipv6().From("fd00::1").To("fd00::2").HopLimit(3).TrafficClass(0xB9).FlowLabel(0x12345)
            .Extension(IpProtocol.HopByHop).Extension(IpProtocol.Routing).Extension(IpProtocol.DestinationOptions)
            .HopLimit(3).IcmpEcho(5, 6).Payload("ping"u8);
        Check.Packet(Build.Ipv6("fd00::1", "fd00::2").Tcp(80, 81)).Ipv6().Tcp(80, 81, 0x10).PayloadLength(0);
    }

    [Theory]
    [InlineData(4)]
    [InlineData(6)]
    public void Fragments_hold_the_packet(int family)
    {
        byte[] whole = (family == 4 ? Build.Ipv4("10.0.0.1", "10.0.0.2") : Build.Ipv6("fd00::1", "fd00::2")).Udp(7, 9, Build.Pattern(3000));
        List<byte[]> fragments = Build.Fragments(whole, 1280);
        var joined = new List<byte>();
        foreach (byte[] fragment in fragments)
        {
            Assert.True(fragment.Length <= 1280);
            PacketCheck check = Check.Packet(fragment).Inner().Fragment(joined.Count, fragment != fragments[^1]).Protocol(IpProtocol.Udp);
            joined.AddRange(check.Rest);
        }

        Assert.Equal(whole[(family == 4 ? 20 : 40)..], joined);
    }

    [Fact]
    public void Every_single_changed_byte_is_noticed()
    {
        byte[] packet = Build.Ipv4("10.0.0.1", "10.0.0.2").Udp(7, 9, "hello"u8);
        for (int i = 0; i < packet.Length; i++)
        {
            packet[i] ^= 0x40;
            Assert.ThrowsAny<XunitException>(() => Check.Packet(packet).Ipv4().Udp(7, 9).Payload("hello"u8));
            packet[i] ^= 0x40;
        }

        Assert.ThrowsAny<XunitException>(() => Check.Packet(packet).Ipv4().HopLimit(63));
    }
}
