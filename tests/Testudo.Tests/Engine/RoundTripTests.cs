// What goes in comes out, byte for byte: every algorithm, mode, family and encapsulation, all lengths. What is between is
// looked at by the checker, which knows nothing of the engine.

using Testudo.Tests.Checker;
using Testudo.Wire;
using Testudo.Wire.PfKey;
using Xunit;

namespace Testudo.Tests.Engine;

public sealed class RoundTripTests
{
    private static readonly Lazy<byte[][]> s_v4 = new(() => [.. Lengths().Select(static n => Build.Ipv4("10.1.0.1", "10.2.0.1", 63, 0x28).Udp(7, 9, Build.Pattern(n)))]);
    private static readonly Lazy<byte[][]> s_v6 = new(() => [.. Lengths().Select(static n => Build.Ipv6("fd01::1", "fd02::1", 63, 0x28, 0x12345).Udp(7, 9, Build.Pattern(n)))]);

    public static TheoryData<string, IpsecMode, int, int, bool> Matrix
    {
        get
        {
            var data = new TheoryData<string, IpsecMode, int, int, bool>();
            foreach (Suite suite in Suite.All)
            {
                foreach (bool udp in (bool[])[false, true])
                {
                    data.Add(suite.ToString(), IpsecMode.Transport, 4, 4, udp);
                    data.Add(suite.ToString(), IpsecMode.Transport, 6, 6, udp);
                    foreach ((int inner, int outer) in ((int, int)[])[(4, 4), (4, 6), (6, 4), (6, 6)])
                    {
                        data.Add(suite.ToString(), IpsecMode.Tunnel, inner, outer, udp);
                    }
                }
            }

            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Matrix))]
    [Shows("ipsec4-description-3", "ipsec4-description-4", "rfc4301-3.2-1", "rfc4301-4.1-11", "rfc2401-4.4.3-6", "rfc2401-4.4.3-10", "rfc2401-4.4.3-11")]
    [Shows("rfc2406-2.2-1", "rfc2406-2.4-1", "rfc2406-2.4-2", "rfc4303-1-1", "rfc4303-1-3", "rfc4303-2-1", "rfc4303-2.2-1", "rfc4303-2.3-3")]
    public void Every_length_comes_out_as_it_went_in(string suiteName, IpsecMode mode, int inner, int outer, bool udp)
    {
        Suite suite = Suite.All.Single(s => s.ToString() == suiteName);
        byte[][] packets = inner == 4 ? s_v4.Value : s_v6.Value;
        bool tunnel = mode == IpsecMode.Tunnel;
        (string from, string to) = !tunnel ? inner == 4 ? ("10.1.0.1", "10.2.0.1") : ("fd01::1", "fd02::1")
            : outer == 4 ? ("192.0.2.1", "192.0.2.2") : ("2001:db8::1", "2001:db8::2");
        using var a = new Host(null, from);
        using var b = new Host(null, to);
        foreach ((Host host, PolicyDirection direction) in ((Host, PolicyDirection)[])[(a, PolicyDirection.Out), (b, PolicyDirection.In)])
        {
            host.Add(Make.Sa(0x1000, from, to, mode, suite, udp));
            host.Add(Make.Policy(direction, inner == 4 ? "10.1.0.0/16" : "fd01::/16", inner == 4 ? "10.2.0.0/16" : "fd02::/16",
                tunnel ? Make.Tunnel(from, to) : Make.Transport()));
        }

        Outcome sent = a.Out(packets);
        Assert.Empty(sent.Drops);
        Assert.Equal(packets.Length, sent.Passed.Count);
        for (int i = 0; i < packets.Length; i += 97)
        {
            CheckWire(sent.Passed[i], (uint)i + 1, packets[i]);
        }

        Outcome received = b.In(sent.Passed);
        Assert.Empty(received.Drops);
        Assert.Equal(packets.Length, received.Passed.Count);
        for (int i = 0; i < packets.Length; i++)
        {
            Assert.True(packets[i].AsSpan().SequenceEqual(received.Passed[i]), $"packet {i} of {packets[i].Length} bytes changed");
        }

        void CheckWire(byte[] wire, uint sequence, byte[] plain)
        {
            PacketCheck check = outer == 4 ? Check.Packet(wire).Ipv4() : Check.Packet(wire).Ipv6();
            check.From(from).To(to).TrafficClass(0x28).HopLimit(tunnel ? 64 : 63);
            if (outer == 6)
            {
                check.FlowLabel(inner == 6 ? 0x12345 : 0);
            }

            check = udp ? check.Udp(4500, 4500).EspInUdp(0x1000, sequence) : check.Esp(0x1000, sequence);
            (int iv, int block, int icv) = suite.Cipher switch
            {
                Testudo.Crypto.Cipher.AesGcm16 => (8, 4, 16),
                Testudo.Crypto.Cipher.AesCbc => (16, 16, Icv()),
                _ => (0, 4, Icv()),
            };
            int payload = tunnel ? plain.Length : plain.Length - (inner == 4 ? 20 : 40);
            check.PayloadLength(iv + ((payload + 2 + block - 1) / block * block) + icv);
            if (suite.Cipher != Testudo.Crypto.Cipher.Null && plain.Length > 80)
            {
                Assert.True(wire.AsSpan().IndexOf(plain.AsSpan()[^16..]) < 0, "the text is to be read in the packet");
            }

            // RFC 4868, RFC 2404: half the digest; 96 bits for SHA-1.
            int Icv() => suite.IntegrityKeyLength == 20 ? 12 : suite.IntegrityKeyLength / 2;
        }
    }

    public static TheoryData<string, byte[]> Odd => new()
    {
        { "IPv4 options", Build.Ipv4("10.1.0.1", "10.2.0.1", options: [0x94, 4, 0, 0, 7, 7, 4, 0, 0, 0, 0]).Udp(7, 9, "options"u8) },
        { "IPv4 all options", Build.Ipv4("10.1.0.1", "10.2.0.1", options: [.. Enumerable.Repeat((byte)1, 40)]).Udp(7, 9, "options"u8) },
        { "IPv4 no payload", Build.Ipv4("10.1.0.1", "10.2.0.1").Payload(IpProtocol.Gre, []) },
        { "IPv4 in IPv4", Build.Ipv4("10.1.0.1", "10.2.0.1").Payload(IpProtocol.Ipv4, Build.Ipv4("10.3.0.1", "10.4.0.1").Udp(1, 2)) },
        { "IPv4 TCP", Build.Ipv4("10.1.0.1", "10.2.0.1").Tcp(1, 2, "text"u8, options: [2, 4, 5, 0xB4]) },
        { "IPv4 ping", Build.Ipv4("10.1.0.1", "10.2.0.1").IcmpEcho(1, 2, "text"u8) },
        { "IPv6 no payload", Build.Ipv6("fd01::1", "fd02::1").Payload(IpProtocol.Gre, []) },
        { "IPv6 ping", Build.Ipv6("fd01::1", "fd02::1").IcmpEcho(1, 2, "text"u8) },
        { "IPv6 hop-by-hop", Build.Ipv6("fd01::1", "fd02::1").HopByHop([5, 2, 0, 0]).Udp(7, 9, "text"u8) },
        { "IPv6 destination options", Build.Ipv6("fd01::1", "fd02::1").DestinationOptions([0x1E, 3, 1, 2, 3]).Udp(7, 9, "text"u8) },
        { "IPv6 routing", Build.Ipv6("fd01::1", "fd02::1").Routing().Udp(7, 9, "text"u8) },
        { "IPv6 all", Build.Ipv6("fd01::1", "fd02::1").HopByHop().DestinationOptions().Routing().DestinationOptions([0x1E, 9, 1, 2, 3, 4, 5, 6, 7, 8, 9]).Tcp(7, 9, "text"u8) },
        { "IPv6 atomic fragment", Build.Ipv6("fd01::1", "fd02::1").Fragment(7, 0, false).Udp(7, 9, "text"u8) },
        { "IPv6 no next header", Build.Ipv6("fd01::1", "fd02::1").Payload((IpProtocol)253, "text"u8) },
    };

    [Theory]
    [MemberData(nameof(Odd))]
    [Shows("ipsec4-protocols-2")]
    public void Odd_packets_come_out_as_they_went_in(string name, byte[] packet)
    {
        Assert.NotEmpty(name);
        foreach (bool udp in (bool[])[false, true])
        {
            foreach (bool tunnel in (bool[])[false, true])
            {
                (Host a, Host b) = Pair(tunnel, udp);
                using (a)
                using (b)
                {
                    Assert.Equal(packet, b.In(a.Out(packet).Single).Single);
                }
            }
        }
    }

    [Fact]
    [Shows("rfc4301-4.1-9")]
    public void In_transport_mode_ESP_stands_behind_the_headers_that_routers_read()
    {
        (Host a, Host b) = Pair(false, false);
        using (a)
        using (b)
        {
            byte[] packet = Build.Ipv6("fd01::1", "fd02::1").HopByHop().DestinationOptions().Routing().DestinationOptions().Udp(7, 9);
            Check.Packet(a.Out(packet).Single).Ipv6().Extension(IpProtocol.HopByHop).Extension(IpProtocol.DestinationOptions)
                .Extension(IpProtocol.Routing).Esp(0x2000, 1).PayloadLength(8 + 8 + 8 + 4 + 16);
            Check.Packet(a.Out(Build.Ipv4("10.1.0.1", "10.2.0.1", options: [1, 1, 1, 1]).Udp(7, 9)).Single)
                .Ipv4().Options([1, 1, 1, 1]).Esp(0x1000, 1);
        }
    }

    [Fact]
    [Shows("rfc4301-7.1-1")]
    public void Fragments_go_through_a_tunnel_as_they_are_and_are_put_together_in_transport_mode()
    {
        foreach (byte[] whole in (byte[][])[Build.Ipv4("10.1.0.1", "10.2.0.1", dontFragment: false).Udp(7, 9, Build.Pattern(3000)), Build.Ipv6("fd01::1", "fd02::1").Udp(7, 9, Build.Pattern(3000))])
        {
            List<byte[]> fragments = Build.Fragments(whole, 1280);
            (Host a, Host b) = Pair(true, false);
            using (a)
            using (b)
            {
                Assert.Equal(fragments, b.In(a.Out(fragments).Passed).Passed);
            }

            (a, b) = Pair(false, false);
            using (a)
            using (b)
            {
                Check.Packet(b.In(a.Out(fragments).Single).Single).Inner().Udp(7, 9).Payload(Build.Pattern(3000));
            }
        }
    }

    [Fact]
    [Shows("rfc4301-5.2-2", "rfc2401-B.2-1", "rfc2406-3.4.1-1")]
    public void What_is_protected_may_be_fragmented_on_the_way()
    {
        foreach (bool v4 in (bool[])[true, false])
        {
            foreach (bool tunnel in (bool[])[true, false])
            {
                (Host a, Host b) = Pair(tunnel, false);
                using (a)
                using (b)
                {
                    byte[] packet = v4 ? Build.Ipv4("10.1.0.1", "10.2.0.1").Udp(7, 9, Build.Pattern(5000)) : Build.Ipv6("fd01::1", "fd02::1").Udp(7, 9, Build.Pattern(5000));
                    List<byte[]> fragments = Build.Fragments(a.Out(packet).Single, 1300);
                    Assert.True(fragments.Count > 3);
                    fragments.Reverse();
                    Outcome outcome = b.In(fragments);
                    Assert.Equal(fragments.Count, outcome.Held);
                    byte[] back = outcome.Single;
                    if (v4 && !tunnel)
                    {
                        // The outer header is the packet's own: fragmenting took its DF and gave it a number.
                        Check.Packet(back).Ipv4().DontFragment(false).Udp(7, 9).Payload(Build.Pattern(5000));
                    }
                    else
                    {
                        Assert.Equal(packet, back);
                    }
                }
            }
        }
    }

    [Fact]
    [Shows("rfc4301-4.3-1", "rfc2401-4.5-4", "rfc2401-4.5-5", "rfc2406-3.3-1")]
    public void A_bundle_of_transport_in_tunnel_in_tunnel_comes_out()
    {
        using var a = new Host(null, "10.1.0.1");
        using var b = new Host(null, "10.2.0.1", "192.0.2.2", "2001:db8::2");
        foreach ((Host host, PolicyDirection direction) in ((Host, PolicyDirection)[])[(a, PolicyDirection.Out), (b, PolicyDirection.In)])
        {
            host.Add(Make.Sa(0x1000, "10.1.0.1", "10.2.0.1", IpsecMode.Transport, Suite.Cbc128));
            host.Add(Make.Sa(0x1001, "192.0.2.1", "192.0.2.2", IpsecMode.Tunnel, Suite.Gcm128));
            host.Add(Make.Sa(0x1002, "192.0.2.1", "192.0.2.2", IpsecMode.Transport, Suite.Null, udp: true));
            host.Add(Make.Sa(0x1003, "2001:db8::1", "2001:db8::2", IpsecMode.Any, Suite.Null));
            host.Add(Make.Policy(direction, "10.1.0.1", "10.2.0.1", Make.Transport(), Make.Tunnel("192.0.2.1", "192.0.2.2"),
                Make.Transport(), Make.Tunnel("2001:db8::1", "2001:db8::2")));
        }

        byte[] packet = Build.Ipv4("10.1.0.1", "10.2.0.1").Udp(7, 9, "nested"u8);
        byte[] wire = a.Out(packet).Single;
        Check.Packet(wire).Ipv6().To("2001:db8::2").Esp(0x1003, 1);
        Assert.Equal(packet, b.In(wire).Single);
    }

    // Both families, GCM, keyed from the SPI.
    private static (Host A, Host B) Pair(bool tunnel, bool udp)
    {
        var a = new Host(null, "10.1.0.1", "fd01::1");
        var b = new Host(null, "10.2.0.1", "fd02::1");
        foreach ((Host host, PolicyDirection direction) in ((Host, PolicyDirection)[])[(a, PolicyDirection.Out), (b, PolicyDirection.In)])
        {
            (string from, string to) = tunnel ? ("192.0.2.1", "192.0.2.2") : ("10.1.0.1", "10.2.0.1");
            (string from6, string to6) = tunnel ? ("2001:db8::1", "2001:db8::2") : ("fd01::1", "fd02::1");
            host.Add(Make.Sa(0x1000, from, to, tunnel ? IpsecMode.Tunnel : IpsecMode.Transport, null, udp));
            host.Add(Make.Sa(0x2000, from6, to6, tunnel ? IpsecMode.Tunnel : IpsecMode.Transport, null, udp));
            host.Add(Make.Policy(direction, "10.1.0.1", "10.2.0.1", tunnel ? Make.Tunnel(from, to) : Make.Transport()));
            host.Add(Make.Policy(direction, "fd01::1", "fd02::1", tunnel ? Make.Tunnel(from6, to6) : Make.Transport()));
        }

        return (a, b);
    }

    private static IEnumerable<int> Lengths() => [.. Enumerable.Range(0, 1501), 2047, 2048, 9001, 20000, 65000];
}
