// The outer header of tunnels: ECN both ways by RFC 6040, DF by the option, and no path of the outer fields inward.

using System.Text.Json;
using Testudo.Engine;
using Testudo.Engine.Ecn;
using Testudo.Tests.Checker;
using Testudo.Tests.Golden;
using Testudo.Wire;
using Testudo.Wire.PfKey;
using Xunit;

namespace Testudo.Tests.Engine;

public sealed class TunnelHeaderTests
{
    // KAME's ip_ecn.c, leaving: rows are the inner mark, columns the outer one, both Not-ECT, ECT(1), ECT(0), CE; -1 drops.
    private static readonly int[,] s_ignore = { { 0, 0, 0, 0 }, { 1, 1, 1, 1 }, { 2, 2, 2, 2 }, { 3, 3, 3, 3 } };
    private static readonly int[,] s_forbidden = { { 0, 0, 0, -1 }, { 1, 1, 1, -1 }, { 2, 2, 2, -1 }, { 3, 3, 3, -1 } };
    private static readonly int[,] s_allowed = { { 0, 0, 0, -1 }, { 1, 1, 1, 3 }, { 2, 2, 2, 3 }, { 3, 3, 3, 3 } };

    // RFC 6040, figure 4: rows are the inner mark, columns the outer one, both Not-ECT, ECT(1), ECT(0), CE; -1 drops.
    private static readonly int[,] s_figure4 =
    {
        { 0, 0, 0, -1 },
        { 1, 1, 1, 3 },
        { 2, 1, 2, 3 },
        { 3, 3, 3, 3 },
    };

    public static TheoryData<EcnMode, int, int> EcnCases =>
        [.. from mode in Enum.GetValues<EcnMode>() from inner in (int[])[4, 6] from outer in (int[])[4, 6] select (mode, inner, outer)];

    [Theory]
    [MemberData(nameof(EcnCases))]
    [Shows("ipsec4-sysctl-10", "rfc6040-4.1-1", "rfc6040-4.1-2", "rfc6040-4.2-1", "rfc6040-4.2-2", "rfc6040-4.2-3", "rfc6040-4.2-4", "rfc6040-4.2-5", "rfc6040-5.1-1")]
    public void Congestion_marks_go_through_tunnels_as_the_mode_says(EcnMode mode, int inner, int outer)
    {
        int[] entering = mode switch
        {
            EcnMode.Forbidden or EcnMode.Compatibility => [0, 0, 0, 0],
            EcnMode.Allowed => [0, 1, 2, 2],
            _ => [0, 1, 2, 3],
        };
        int[,] leaving = mode switch { EcnMode.Ignore => s_ignore, EcnMode.Forbidden => s_forbidden, EcnMode.Allowed => s_allowed, _ => s_figure4 };
        (Host a, Host b) = Pair(outer, ecn: mode);
        using (a)
        using (b)
        {
            for (int mark = 0; mark < 4; mark++)
            {
                for (int path = 0; path < 4; path++)
                {
                    byte[] packet = Packet(inner, (byte)(0xB8 | mark));
                    byte[] sent = a.Out(packet).Single;
                    Check.Packet(sent).Inner().TrafficClass(0xB8 | entering[mark]);
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
                    if (leaving[mark, path] < 0)
                    {
                        Assert.Equal(Drop.EcnCorrupted, outcome.Drop);
                    }
                    else
                    {
                        // Only the two bits may have changed; the checker sums IPv4's header.
                        Check.Packet(outcome.Single).Inner().TrafficClass(0xB8 | leaving[mark, path]).Udp(7, 9).Payload("text"u8);
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
    [Shows("ipsec4-sysctl-6", "ipsec4-sysctl-7", "ipsec4-sysctl-8", "rfc4301-8.1-1")]
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

    [Fact]
    public void No_outer_IPv4_packet_is_numbered_0()
    {
        (Host a, Host b) = Pair(4);
        using (a)
        using (b)
        {
            byte[][] batch = [.. Enumerable.Repeat(Packet(4, 0), 200)];
            var seen = new HashSet<int>();
            for (int i = 0; i < 400; i++)
            {
                seen.UnionWith(a.Out(batch).Passed.Select(static p => (p[4] << 8) | p[5]));
            }

            Assert.Equal(65535, seen.Count);
            Assert.DoesNotContain(0, seen);
        }
    }

    [Fact]
    public void The_inner_TTL_is_the_routers_business()
    {
        foreach (int outer in (int[])[4, 6])
        {
            (Host a, Host b) = Pair(outer);
            using (a)
            using (b)
            {
                foreach (byte ttl in (byte[])[1, 0, 255])
                {
                    byte[] packet = Build.Ipv4("10.1.0.1", "10.2.0.1", ttl).Udp(7, 9);
                    byte[] sent = a.Out(packet).Single;
                    Check.Packet(sent).Inner().HopLimit(64);
                    Assert.Equal(packet, b.In(sent).Single);
                }
            }
        }
    }

    [Fact]
    public void Other_values_of_ecn_are_refused_in_words()
    {
        foreach (int bad in (int[])[-2, 4, 100])
        {
            Assert.Contains("ecn is -1, 0, 1", Assert.Throws<ArgumentOutOfRangeException>(() => new EngineOptions { Ecn = (EcnMode)bad }).Message, StringComparison.Ordinal);
        }
    }

    // What NetBSD wrote around a packet we write around it too, under the same settings.
    [Fact]
    public void NetBSD_writes_the_same_outer_headers()
    {
        using JsonDocument index = JsonDocument.Parse(File.ReadAllText(Repository.Vectors("netbsd", "index.json")));
        int compared = 0;
        foreach (JsonElement one in index.RootElement.EnumerateArray().Where(static one => one.GetProperty("file").GetString()!.StartsWith("pcap/tunnelhdr/esp", StringComparison.Ordinal)))
        {
            GoldenCase golden = GoldenCases.Netbsd.Single(g => g.Capture.EndsWith(one.GetProperty("file").GetString()!, StringComparison.Ordinal));
            JsonElement sysctl = one.GetProperty("sysctl");
            var options = new EngineOptions
            {
                Mtu = 65535,
                ChecksPolicy = false,
                DfBit = sysctl.TryGetProperty("net.inet.ipsec.dfbit", out JsonElement df) ? (DfBit)df.GetInt32() : DfBit.Copy,
                Ecn = EcnMode.Forbidden, // what NetBSD 10 sends whatever net.inet.ipsec.ecn says
            };
            GoldenCapture capture = GoldenCapture.Read(golden.Capture);
            foreach (GoldenSa sa in golden.Sas)
            {
                using var host = new Host(options);
                host.Add(GoldenTests.Parameters(sa));
                host.Add(Make.Policy(PolicyDirection.Out, "0.0.0.0/0", "0.0.0.0/0", Make.Tunnel(sa.Source, sa.Destination)));
                host.Add(Make.Policy(PolicyDirection.Out, "::/0", "::/0", Make.Tunnel(sa.Source, sa.Destination)));
                foreach (GoldenPacket packet in golden.Packets)
                {
                    byte[] theirs = capture.Frames[packet.Frames[0] - 1].Bytes[14..];
                    Assert.Equal(Drop.None, IpInfo.TryParse(theirs, out IpInfo info));
                    if (info.Source != Address.Parse(sa.Source))
                    {
                        continue;
                    }

                    byte[] inner = host.In(theirs).Single;
                    byte[] ours = host.Out(inner).Single;
                    if (info.Family == IpFamily.V4)
                    {
                        theirs[4] = theirs[5] = ours[4] = ours[5] = 0; // the identification is everybody's own
                        theirs[10] = theirs[11] = ours[10] = ours[11] = 0;
                    }

                    if (info.Family == IpFamily.V4 && inner[0] >> 4 == 6)
                    {
                        ours[6] &= 0xBF; // NetBSD's dfbit is for inner IPv4 only; we set DF here too, since nobody may fragment IPv6 on the way
                    }

                    Assert.Equal(
                        $"{golden.Name} {packet.Frames[0]} {Convert.ToHexString(theirs, 0, info.UpperOffset)}",
                        $"{golden.Name} {packet.Frames[0]} {Convert.ToHexString(ours, 0, info.UpperOffset)}");
                    compared++;
                }
            }
        }

        Assert.True(compared > 150, $"{compared} packets");
    }

    private static byte[] Packet(int family, byte traffic) => family == 4
        ? Build.Ipv4("10.1.0.1", "10.2.0.1", 63, traffic).Udp(7, 9, "text"u8)
        : Build.Ipv6("fd01::1", "fd02::1", 63, traffic, 0x54321).Udp(7, 9, "text"u8);

    private static (Host A, Host B) Pair(int outer, DfBit df = DfBit.Clear, EcnMode ecn = EcnMode.Normal)
    {
        (string from, string to) = outer == 4 ? ("192.0.2.1", "192.0.2.2") : ("2001:db8::1", "2001:db8::2");
        var a = new Host(new EngineOptions { Mtu = 65535, DfBit = df, Ecn = ecn }, from);
        var b = new Host(new EngineOptions { Mtu = 65535, Ecn = ecn }, to);
        foreach ((Host host, PolicyDirection direction) in ((Host, PolicyDirection)[])[(a, PolicyDirection.Out), (b, PolicyDirection.In)])
        {
            host.Add(Make.Sa(0x1000, from, to, IpsecMode.Tunnel));
            host.Add(Make.Policy(direction, "10.1.0.1", "10.2.0.1", Make.Tunnel(from, to)));
            host.Add(Make.Policy(direction, "fd01::1", "fd02::1", Make.Tunnel(from, to)));
        }

        return (a, b);
    }
}
