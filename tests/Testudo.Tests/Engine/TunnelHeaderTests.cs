// The outer header of tunnels: ECN both ways by RFC 6040, DF by the option, and no path of the outer fields inward.

using Testudo.Engine;
using Testudo.Tests.Checker;
using Testudo.Wire;
using Testudo.Wire.PfKey;
using Xunit;

namespace Testudo.Tests.Engine;

public sealed class TunnelHeaderTests
{
    // RFC 6040, figure 4: rows are the inner mark, columns the outer one, both Not-ECT, ECT(1), ECT(0), CE; -1 drops.
    private static readonly int[,] s_figure4 =
    {
        { 0, 0, 0, -1 },
        { 1, 1, 1, 3 },
        { 2, 1, 2, 3 },
        { 3, 3, 3, 3 },
    };

    [Theory]
    [InlineData(4, 4)]
    [InlineData(4, 6)]
    [InlineData(6, 4)]
    [InlineData(6, 6)]
    public void Congestion_marks_go_through_tunnels_as_RFC_6040_says(int inner, int outer)
    {
        (Host a, Host b) = Pair(outer);
        using (a)
        using (b)
        {
            for (int mark = 0; mark < 4; mark++)
            {
                for (int path = 0; path < 4; path++)
                {
                    byte[] packet = Packet(inner, (byte)(0xB8 | mark));
                    byte[] sent = a.Out(packet).Single;
                    Check.Packet(sent).Inner().TrafficClass(0xB8 | mark); // 4.1: copied on the way in
                    if (outer == 4)
                    {
                        byte[] esp = sent[20..];
                        sent = Build.Ipv4("192.0.2.1", "192.0.2.2", tos: (byte)path).Payload(IpProtocol.Esp, esp);
                    }
                    else
                    {
                        sent[0] = 0x60;
                        sent[1] = (byte)(path << 4);
                    }

                    Outcome outcome = b.In(sent);
                    if (s_figure4[mark, path] < 0)
                    {
                        Assert.Equal(Drop.EcnCorrupted, outcome.Drop);
                    }
                    else
                    {
                        // Only the two bits may have changed; the checker sums IPv4's header.
                        Check.Packet(outcome.Single).Inner().TrafficClass(0xB8 | s_figure4[mark, path]).Udp(7, 9).Payload("text"u8);
                    }
                }
            }
        }
    }

    [Theory]
    [InlineData(DfBit.Clear, 4, true, false)]
    [InlineData(DfBit.Clear, 6, true, false)]
    [InlineData(DfBit.Set, 4, false, true)]
    [InlineData(DfBit.Copy, 4, true, true)]
    [InlineData(DfBit.Copy, 4, false, false)]
    [InlineData(DfBit.Copy, 6, false, true)]
    public void The_outer_DF_bit_is_what_the_option_says(DfBit option, int inner, bool innerDf, bool expected)
    {
        (Host a, Host b) = Pair(4, option);
        using (a)
        using (b)
        {
            byte[] packet = inner == 4 ? Build.Ipv4("10.1.0.1", "10.2.0.1", dontFragment: innerDf).Udp(7, 9) : Packet(6, 0);
            byte[] sent = a.Out(packet).Single;
            Check.Packet(sent).Ipv4().DontFragment(expected).HopLimit(64);
            Assert.Equal(packet, b.In(sent).Single);
        }
    }

    [Fact]
    public void Outer_IPv4_packets_are_numbered()
    {
        (Host a, Host b) = Pair(4);
        using (a)
        using (b)
        {
            List<byte[]> sent = a.Out(Enumerable.Range(0, 10).Select(static _ => Packet(4, 0))).Passed;
            Assert.Equal(10, sent.Select(static p => (p[4] << 8) | p[5]).Distinct().Count());
        }
    }

    private static byte[] Packet(int family, byte traffic) => family == 4
        ? Build.Ipv4("10.1.0.1", "10.2.0.1", 63, traffic).Udp(7, 9, "text"u8)
        : Build.Ipv6("fd01::1", "fd02::1", 63, traffic, 0x54321).Udp(7, 9, "text"u8);

    private static (Host A, Host B) Pair(int outer, DfBit df = DfBit.Clear)
    {
        (string from, string to) = outer == 4 ? ("192.0.2.1", "192.0.2.2") : ("2001:db8::1", "2001:db8::2");
        var a = new Host(new EngineOptions { Mtu = 65535, DfBit = df }, from);
        var b = new Host(null, to);
        foreach ((Host host, PolicyDirection direction) in ((Host, PolicyDirection)[])[(a, PolicyDirection.Out), (b, PolicyDirection.In)])
        {
            host.Add(Make.Sa(0x1000, from, to, IpsecMode.Tunnel));
            host.Add(Make.Policy(direction, "10.1.0.1", "10.2.0.1", Make.Tunnel(from, to)));
            host.Add(Make.Policy(direction, "fd01::1", "fd02::1", Make.Tunnel(from, to)));
        }

        return (a, b);
    }
}
