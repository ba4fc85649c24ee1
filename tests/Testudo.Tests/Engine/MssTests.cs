// The MSS of TCP connections through IPsec: lowered to what fits, exactly, with a right checksum; and nothing else is touched.

using System.Buffers.Binary;
using Testudo.Engine;
using Testudo.Tests.Checker;
using Testudo.Wire;
using Testudo.Wire.PfKey;
using Xunit;

namespace Testudo.Tests.Engine;

public sealed class MssTests
{
    private const string A = "10.1.0.1", B = "10.2.0.1", A6 = "fd01::1", B6 = "fd02::1", Gate = "192.0.2.1", Peer = "192.0.2.2", Gate6 = "2001:db8::1", Peer6 = "2001:db8::2";

    [Theory]
    [InlineData(4, false, 0)]
    [InlineData(6, false, 1)]
    [InlineData(4, true, 1)]
    [InlineData(6, true, 3)]
    public void Auto_means_that_a_full_segment_fits_and_one_byte_more_does_not_both_ways(int family, bool tunnel, int odd)
    {
        using Host a = Side(family, tunnel, true, EngineOptions.MssAuto);
        using Host b = Side(family, tunnel, false, EngineOptions.MssOff);
        using Host clamps = Side(family, tunnel, false, EngineOptions.MssAuto);
        using Host plain = Side(family, tunnel, true, EngineOptions.MssOff);
        byte[] options = [.. Enumerable.Repeat((byte)1, odd), 2, 4, 0xFF, 0xD7];
        foreach (byte flags in (byte[])[0x02, 0x12])
        {
            int outward = Mss(b.In(a.Out(Syn(family, flags, options)).Single).Single, family);
            int inward = Mss(clamps.In(plain.Out(Syn(family, flags, options)).Single).Single, family);
            Assert.Equal(outward, inward);
            int headers = family == 4 ? 40 : 60;
            _ = a.Out(Segment(family, outward)).Single;
            Assert.Equal(Drop.TooBig, a.Out(Segment(family, outward + 1)).Drop);
            Assert.InRange(outward + headers, 1380, 1480);
        }
    }

    [Theory]
    [InlineData(1200, 1460, 1200)]
    [InlineData(1200, 1200, 1200)]
    [InlineData(1200, 1000, 1000)]
    [InlineData(EngineOptions.MssOff, 65000, 65000)]
    public void A_number_is_the_greatest_and_what_is_less_stays(int clamp, int announced, int expected)
    {
        using Host a = Side(4, false, true, clamp);
        using Host b = Side(4, false, false, EngineOptions.MssOff);
        byte[] syn = Syn(4, 2, [2, 4, (byte)(announced >> 8), (byte)announced]);
        byte[] came = b.In(a.Out(syn).Single).Single;
        Assert.Equal(expected, Mss(came, 4));
        Assert.Equal(syn.Length, came.Length);
        if (expected == announced)
        {
            Assert.Equal(syn, came);
        }
    }

    [Fact]
    public void What_is_no_SYN_has_no_MSS_or_a_broken_option_is_as_it_was()
    {
        using Host a = Side(4, false, true, 1000);
        using Host b = Side(4, false, false, EngineOptions.MssOff);
        foreach (byte[] packet in (byte[][])[
            Syn(4, 0x10, [2, 4, 5, 180]), Syn(4, 2, []), Syn(4, 2, [2, 3, 5, 180]), Syn(4, 2, [1, 1, 1, 2]), Syn(4, 2, [0, 2, 4, 5, 180]),
            Build.Ipv4(A, B).Udp(7, 9, [2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2]), Build.Ipv4(A, B).Payload(IpProtocol.Tcp, Build.Pattern(15))])
        {
            Assert.Equal(packet, b.In(a.Out(packet).Single).Single);
        }
    }

    private static byte[] Syn(int family, byte flags, byte[] options) => family == 4
        ? Build.Ipv4(A, B).Tcp(7, 9, [], flags, options: options)
        : Build.Ipv6(A6, B6).Tcp(7, 9, [], flags, options: options);

    private static byte[] Segment(int family, int data) => family == 4
        ? Build.Ipv4(A, B).Tcp(7, 9, Build.Pattern(data))
        : Build.Ipv6(A6, B6).Tcp(7, 9, Build.Pattern(data));

    private static int Mss(byte[] packet, int family)
    {
        _ = Check.Packet(packet).Inner().Tcp(7, 9); // with its checksum
        int tcp = family == 4 ? 20 : 40;
        int at = tcp + 20;
        while (packet[at] == 1)
        {
            at++;
        }

        return BinaryPrimitives.ReadUInt16BigEndian(packet.AsSpan(at + 2));
    }

    private static Host Side(int family, bool tunnel, bool sends, int clamp)
    {
        (string inFrom, string inTo) = family == 4 ? (A, B) : (A6, B6);
        (string from, string to) = !tunnel ? (inFrom, inTo) : family == 4 ? (Gate6, Peer6) : (Gate, Peer);
        var host = new Host(new EngineOptions { Mtu = 1500, MssClamp = clamp }, sends ? [inFrom, from] : [inTo, to]);
        host.Add(Make.Sa(0x1000, from, to, tunnel ? IpsecMode.Tunnel : IpsecMode.Transport, Suite.Cbc128));
        host.Add(Make.Policy(sends ? PolicyDirection.Out : PolicyDirection.In, inFrom, inTo, tunnel ? Make.Tunnel(from, to) : Make.Transport()));
        return host;
    }
}
