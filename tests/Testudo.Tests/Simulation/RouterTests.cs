// Routers, path MTUs and a host's own stack. The packets expected are built by hand beside them.

using System.Buffers.Binary;
using Testudo.Simulation;
using Testudo.Tests.Checker;
using Testudo.Tests.Sim;
using Testudo.Wire;
using Xunit;

namespace Testudo.Tests.Simulation;

public sealed class RouterTests
{
    private const string V4Keys = """
        add 10.0.1.1 10.0.2.1 esp 0x1001 -m transport -r 64 -E aes-gcm-16 0x000102030405060708090a0b0c0d0e0f10111213;
        add 10.0.2.1 10.0.1.1 esp 0x1002 -m transport -r 64 -E aes-gcm-16 0x101112131415161718191a1b1c1d1e1f20212223;
        """;

    private const string V6Keys = """
        add fd00:1::1 fd00:2::1 esp 0x1003 -m transport -r 64 -E aes-gcm-16 0x202122232425262728292a2b2c2d2e2f30313233;
        add fd00:2::1 fd00:1::1 esp 0x1004 -m transport -r 64 -E aes-gcm-16 0x303132333435363738393a3b3c3d3e3f40414243;
        """;

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void A_packet_without_hops_left_is_told_of_by_the_router_where_it_ends(byte hops)
    {
        (Network network, SimulatedHost a, _, SimulatedRouter[] routers) = Line(1500);
        using (network)
        {
            byte[] v4 = Build.Ipv4("10.0.1.1", "10.0.2.1", hopLimit: hops).Udp(1, 2, "trace"u8), v6 = Build.Ipv6("fd00:1::1", "fd00:2::1", hopLimit: hops).Udp(1, 2, "trace"u8);
            a.Send(v4);
            a.Send(v6);
            network.RunUntilQuiet();
            byte[] about4 = Build.Ipv4("10.0.1.1", "10.0.2.1", hopLimit: 1).Udp(1, 2, "trace"u8), about6 = Build.Ipv6("fd00:1::1", "fd00:2::1", hopLimit: 1).Udp(1, 2, "trace"u8);
            string router = hops == 1 ? "1" : "2";
            Assert.Equal(
                [
                    Build.Ipv4($"10.0.{router}.254", "10.0.1.1", hopLimit: (byte)(65 - hops)).Icmp(11, 0, payload: about4),
                    Build.Ipv6($"fd00:{router}::fe", "fd00:1::1", hopLimit: (byte)(65 - hops)).Icmp(3, 0, payload: about6),
                ],
                a.Received.Select(static packet => packet.Bytes));
            Assert.Equal(2, routers[hops - 1].Ledger.Drops["hop limit"]);
        }
    }

    [Fact]
    public void What_no_route_leads_to_is_unreachable()
    {
        (Network network, SimulatedHost a, _, SimulatedRouter[] routers) = Line(1500);
        using (network)
        {
            a.Send(Build.Ipv4("10.0.1.1", "172.16.0.1").Udp(1, 2));
            a.Send(Build.Ipv6("fd00:1::1", "fd99::1").Udp(1, 2));
            network.RunUntilQuiet();
            Assert.Equal([(3, 0), (1, 0)], a.Received.Select(static packet => ((int)packet.Bytes[packet.Bytes[0] >> 4 == 4 ? 20 : 40], (int)packet.Bytes[packet.Bytes[0] >> 4 == 4 ? 21 : 41])));
            Assert.Equal(2, routers[1].Ledger.Drops["no-route"]);
        }
    }

    [Fact]
    public void Too_long_packets_are_cut_by_an_IPv4_router_where_they_may_and_else_told_of()
    {
        (Network network, SimulatedHost a, SimulatedHost b, SimulatedRouter[] routers) = Line(1300);
        using (network)
        {
            byte[] soft = Build.Ipv4("10.0.1.1", "10.0.2.1", dontFragment: false, id: 5, hopLimit: 64).Udp(1, 2, Build.Pattern(1400));
            a.Send(soft);
            a.Send(Build.Ipv4("10.0.1.1", "10.0.2.1").Udp(1, 2, Build.Pattern(1400)));
            a.Send(Build.Ipv6("fd00:1::1", "fd00:2::1").Udp(1, 2, Build.Pattern(1400)));
            network.RunUntilQuiet();
            Assert.Equal(Build.Fragments(Build.Ipv4("10.0.1.1", "10.0.2.1", dontFragment: false, hopLimit: 62).Udp(1, 2, Build.Pattern(1400)), 1300, 5), Sent(network, "router2"));
            Assert.Equal(Build.Ipv4("10.0.1.1", "10.0.2.1", dontFragment: false, id: 5, hopLimit: 62).Udp(1, 2, Build.Pattern(1400)), Assert.Single(b.Received).Bytes);
            Assert.Equal((1300, 1300), (a.PathMtu(Address.Parse("10.0.2.1")), a.PathMtu(Address.Parse("fd00:2::1"))));
            Assert.Equal(2, routers[0].Ledger.Drops["too-big"]);
            Assert.Equal([1300u, 1300u], a.Received.Select(static packet => BinaryPrimitives.ReadUInt32BigEndian(packet.Bytes.AsSpan(packet.Bytes[0] >> 4 == 4 ? 24 : 44))));
        }
    }

    [Theory]
    [InlineData("10.0.1.1", "10.0.2.1")]
    [InlineData("fd00:1::1", "fd00:2::1")]
    public void Segments_find_the_path_MTU_in_clear_and_under_ESP(string from, string to)
    {
        foreach (bool secret in (bool[])[false, true])
        {
            (Network network, SimulatedHost a, SimulatedHost b, _) = Line(1400);
            using (network)
            {
                if (secret)
                {
                    a.Setkey(V4Keys + V6Keys + Networks.Protect(from, to));
                    b.Setkey(V4Keys + V6Keys + Networks.Protect(to, from));
                }

                byte[] bytes = new byte[20_000];
                new SeededRandom(5).Fill(bytes);
                Address destination = Address.Parse(to);
                int rounds = 0;
                for (; Arrived() < bytes.Length && rounds < 5; rounds++)
                {
                    // What is lost while the path is learnt is sent again, as TCP would.
                    a.SendSegments(destination, 1000, 2000, 1, bytes);
                    network.RunUntilQuiet();
                }

                Assert.InRange(rounds, 2, 4);
                int header = from.Contains(':', StringComparison.Ordinal) ? 60 : 40, limit = secret ? 1400 - 34 : 1400;
                Assert.InRange(b.Received.Max(static packet => packet.Bytes.Length), limit - 20, limit);
                byte[] got = new byte[bytes.Length];
                foreach (byte[] segment in b.Received.Select(static packet => packet.Bytes))
                {
                    segment.AsSpan(header).CopyTo(got.AsSpan((int)BinaryPrimitives.ReadUInt32BigEndian(segment.AsSpan(header - 16)) - 1));
                }

                Assert.Equal(bytes, got);

                int Arrived() => b.Received.Sum(packet => packet.Bytes.Length - (from.Contains(':', StringComparison.Ordinal) ? 60 : 40));
            }
        }
    }

    [Theory]
    [InlineData("10.0.1.1", "10.0.2.1")]
    [InlineData("fd00:1::1", "fd00:2::1")]
    public void Long_datagrams_and_pings_are_cut_by_their_host_and_put_together(string from, string to)
    {
        (Network network, SimulatedHost a, SimulatedHost b, _) = Line(1500);
        using (network)
        {
            b.AnswersPings = true;
            byte[] payload = Build.Pattern(5000);
            a.SendUdp(Address.Parse(to), 1, 2, payload);
            a.Ping(Address.Parse(to), 7, 1, payload);
            network.RunUntilQuiet();
            Assert.Equal(2, b.Received.Count);
            Assert.All(b.Received, packet => Assert.Equal(payload, packet.Bytes[^5000..]));
            Assert.Equal(payload, Assert.Single(a.Received).Bytes[^5000..]);
            Assert.True(b.Ledger is { Joined: 6, Cut: 3, Held: 0, Difference: 0 }, b.Ledger.ToString());
            bool v6 = from.Contains(':', StringComparison.Ordinal);
            byte[] whole = v6 ? Build.Ipv6(from, to).Udp(1, 2, payload) : Build.Ipv4(from, to, dontFragment: false).Udp(1, 2, payload);
            Assert.Equal(Build.Fragments(whole, 1500, 1), Sent(network, "a").Take(4));
        }
    }

    [Fact]
    public void Damage_is_seen_by_checksums_and_closed_ports_are_told_of()
    {
        (Network network, SimulatedHost a, SimulatedHost b, _) = Line(1500);
        using (network)
        {
            byte[] good = Build.Ipv4("10.0.1.1", "10.0.2.1").Udp(1, 53, "x"u8), bad = [.. good];
            bad[^1] ^= 4;
            byte[] header = [.. good];
            header[8]++;
            b.OpenPorts = new HashSet<ushort> { 53 };
            a.Send(good);
            a.Send(bad);
            a.SendPastIpsec(header);
            a.Send(Build.Ipv6("fd00:1::1", "fd00:2::1").Udp(1, 54));
            network.RunUntilQuiet();
            Assert.Equal(1, b.Ledger.Drops["bad-checksum"]);
            Assert.Equal(1, network.Nodes[1].Ledger.Drops["bad-header-checksum"]);
            Assert.Equal(Build.Ipv6("fd00:2::1", "fd00:1::1", hopLimit: 62).Icmp(1, 4, payload: Build.Ipv6("fd00:1::1", "fd00:2::1", hopLimit: 62).Udp(1, 54)), Assert.Single(a.Received).Bytes);
        }
    }

    [Fact]
    public void A_link_that_damages_everything_delivers_nothing_whole_and_counts_it()
    {
        var profile = new LinkProfile { Corruption = 1 };
        (Network network, SimulatedHost alice, SimulatedHost bob, SimulatedLink link) = Networks.Pair(9, profile);
        using (network)
        {
            Networks.SendNumbered(network, alice, 200);
            Assert.Equal(200, link.Corrupted);
            Assert.Empty(bob.Received);
            Assert.True(bob.Dropped(Drop.BadIcv) > 100);
            Assert.All(network.Trace.Entries.Where(static entry => entry is { Host: "alice", Side: Side.Wire }), static entry => Assert.Equal("corrupted", entry.Fate));
        }
    }

    [Fact]
    public void A_gateway_passes_fragments_into_a_tunnel_and_the_far_host_puts_them_together()
    {
        using var network = new Network(21);
        SimulatedHost left = network.AddHost("left", "10.1.0.1", "fd01::1"), east = network.AddHost("east", "10.1.0.254", "fd01::fe", "192.0.2.1");
        SimulatedHost right = network.AddHost("right", "192.0.2.2", "10.2.0.1", "fd02::1"); // the tunnel ends at the host itself
        SimulatedLink inner = network.Connect(left, east), outer = network.Connect(east, right);
        left.AddRoute("0.0.0.0/0", inner);
        left.AddRoute("::/0", inner);
        const string Keys = "add 192.0.2.1 192.0.2.2 esp 0x1001 -m tunnel -r 64 -E aes-gcm-16 0x000102030405060708090a0b0c0d0e0f10111213;";
        east.Setkey(Keys + "spdadd 10.1.0.0/16 10.2.0.0/16 any -P out ipsec esp/tunnel/192.0.2.1-192.0.2.2/require; spdadd fd01::/16 fd02::/16 any -P out ipsec esp/tunnel/192.0.2.1-192.0.2.2/require;");
        right.Setkey(Keys + "spdadd 10.1.0.0/16 10.2.0.0/16 any -P in ipsec esp/tunnel/192.0.2.1-192.0.2.2/require; spdadd fd01::/16 fd02::/16 any -P in ipsec esp/tunnel/192.0.2.1-192.0.2.2/require;");
        foreach (string to in (string[])["10.2.0.1", "fd02::1"])
        {
            // As long as the gateway says: fragments that fit the tunnel.
            foreach (byte[] piece in Build.Fragments(
                to.Contains(':', StringComparison.Ordinal) ? Build.Ipv6("fd01::1", to).Udp(5, 6, Build.Pattern(4000)) : Build.Ipv4("10.1.0.1", to).Udp(5, 6, Build.Pattern(4000)), 1400, 77))
            {
                left.SendPastIpsec(piece);
            }

            network.RunUntilQuiet();
        }

        Assert.Equal(2, right.Received.Count);
        Assert.All(right.Received, static packet => Assert.Equal(Build.Pattern(4000), packet.Bytes[^4000..]));
        Assert.Equal((6, 6, 4), (east.Ledger.Out, outer.Carried, right.Ledger.Joined));
    }

    // a ── router1 ──(MTU)── router2 ── b
    private static (Network Network, SimulatedHost A, SimulatedHost B, SimulatedRouter[] Routers) Line(int mtu)
    {
        var network = new Network(20);
        SimulatedHost a = network.AddHost("a", "10.0.1.1", "fd00:1::1");
        SimulatedRouter router1 = network.AddRouter("router1", "10.0.1.254", "fd00:1::fe"), router2 = network.AddRouter("router2", "10.0.2.254", "fd00:2::fe");
        SimulatedHost b = network.AddHost("b", "10.0.2.1", "fd00:2::1");
        SimulatedLink near = network.Connect(a, router1), middle = network.Connect(router1, router2, new LinkProfile { Mtu = mtu }), far = network.Connect(router2, b);
        foreach (string all in (string[])["0.0.0.0/0", "::/0"])
        {
            a.AddRoute(all, near);
            router1.AddRoute(all, middle);
            b.AddRoute(all, far);
        }

        router2.AddRoute("10.0.1.0/24", middle);
        router2.AddRoute("fd00:1::/32", middle);
        return (network, a, b, [router1, router2]);
    }

    private static IEnumerable<byte[]> Sent(Network network, string node) =>
        network.Trace.Entries.Where(entry => entry is { Side: Side.Wire, Direction: CaptureDirection.Outbound, Drop: Drop.None } && entry.Host == node && entry.Fate is null).Select(static entry => entry.Bytes);
}
