// The NAT: what it makes of packets is compared with packets built by hand, and tshark looks at every checksum; then
// ESP in UDP through it, and what happens when it forgets a mapping.

using Testudo.Engine;
using Testudo.Simulation;
using Testudo.Tests.Checker;
using Testudo.Wire;
using Xunit;

namespace Testudo.Tests.Simulation;

public sealed class NatTests
{
    [Fact]
    public void Datagrams_segments_and_pings_leave_with_the_outer_address_and_come_back()
    {
        (Network network, SimulatedHost inner, SimulatedNat nat, SimulatedHost server) = Home(1);
        using (network)
        {
            server.AnswersPings = inner.AnswersPings = true;
            inner.Send(Build.Ipv4("192.168.7.7", "203.0.113.9").Udp(1000, 53, "question"u8));
            inner.Send(Build.Ipv4("192.168.7.7", "203.0.113.9").Udp(1001, 53, "no checksum"u8, checksum: false));
            inner.Send(Build.Ipv4("192.168.7.7", "203.0.113.9").Tcp(1000, 80, "get"u8));
            inner.Send(Build.Ipv4("192.168.7.7", "203.0.113.9").IcmpEcho(77, 1, "ping"u8));
            network.RunUntilQuiet();

            ushort udp = nat.PortOf(IpProtocol.Udp, Address.Parse("192.168.7.7"), 1000)!.Value, tcp = nat.PortOf(IpProtocol.Tcp, Address.Parse("192.168.7.7"), 1000)!.Value;
            ushort plain = nat.PortOf(IpProtocol.Udp, Address.Parse("192.168.7.7"), 1001)!.Value, ping = nat.PortOf(IpProtocol.Icmp, Address.Parse("192.168.7.7"), 77)!.Value;
            Assert.Equal(
                [
                    Build.Ipv4("203.0.113.77", "203.0.113.9", hopLimit: 63).Udp(udp, 53, "question"u8),
                    Build.Ipv4("203.0.113.77", "203.0.113.9", hopLimit: 63).Udp(plain, 53, "no checksum"u8, checksum: false),
                    Build.Ipv4("203.0.113.77", "203.0.113.9", hopLimit: 63).Tcp(tcp, 80, "get"u8),
                    Build.Ipv4("203.0.113.77", "203.0.113.9", hopLimit: 63).IcmpEcho(ping, 1, "ping"u8),
                ],
                server.Received.Select(static packet => packet.Bytes));
            Assert.Equal(Build.Ipv4("203.0.113.9", "192.168.7.7", hopLimit: 63).IcmpEcho(77, 1, "ping"u8, reply: true), Assert.Single(inner.Received).Bytes);

            server.Send(Build.Ipv4("203.0.113.9", "203.0.113.77").Udp(53, udp, "answer"u8));
            server.Send(Build.Ipv4("203.0.113.9", "203.0.113.77").Udp(53, (ushort)(udp ^ 1), "nobody's"u8));
            network.RunUntilQuiet();
            Assert.Equal(Build.Ipv4("203.0.113.9", "192.168.7.7", hopLimit: 63).Udp(53, 1000, "answer"u8), inner.Received[1].Bytes);
            Assert.Equal((1, 2), (nat.Ledger.Drops["no-mapping"], inner.Received.Count));
        }
    }

    [Fact]
    public void Fragments_go_through_and_errors_find_their_way_back_inside()
    {
        (Network network, SimulatedHost inner, _, SimulatedHost server) = Home(2);
        using (network)
        {
            inner.SendUdp(Address.Parse("203.0.113.9"), 1000, 53, Build.Pattern(4000));
            network.RunUntilQuiet();
            Assert.Equal(Build.Pattern(4000), Assert.Single(server.Received).Bytes[28..]);

            server.OpenPorts = new HashSet<ushort>();
            inner.Send(Build.Ipv4("192.168.7.7", "203.0.113.9").Udp(1000, 99, "closed"u8));
            network.RunUntilQuiet();
            byte[] about = Build.Ipv4("192.168.7.7", "203.0.113.9", hopLimit: 63).Udp(1000, 99, "closed"u8);
            byte[] error = Assert.Single(inner.Received).Bytes;
            Assert.Equal((3, 3), (error[20], error[21]));
            Assert.Equal(about[..26], error[28..54]); // the UDP checksum in it is the outer one's still: nobody asks for it
            Assert.Equal(0, Sum.Of(error[20..]));

            network.Links[1].Profile = new LinkProfile { Mtu = 1000 };
            inner.Send(Build.Ipv4("192.168.7.7", "203.0.113.9").Udp(1000, 99, Build.Pattern(1200)));
            network.RunUntilQuiet();
            Assert.Equal(1000, inner.PathMtu(Address.Parse("203.0.113.9")));
        }
    }

    [Fact]
    public void A_mapping_ends_when_it_is_not_used_and_the_next_has_another_port()
    {
        (Network network, SimulatedHost inner, SimulatedNat nat, SimulatedHost server) = Home(3);
        using (network)
        {
            nat.Timeout = TimeSpan.FromSeconds(10);
            var ports = new List<int>();
            server.OnReceived = packet => ports.Add((packet.Bytes[20] << 8) | packet.Bytes[21]);
            foreach (int wait in (int[])[0, 9, 9, 11])
            {
                network.Run(TimeSpan.FromSeconds(wait));
                inner.Send(Build.Ipv4("192.168.7.7", "203.0.113.9").Udp(1000, 53));
                network.RunUntilQuiet();
            }

            Assert.Equal((ports[0], ports[0]), (ports[1], ports[2]));
            Assert.NotEqual(ports[0], ports[3]);
            Assert.Equal(2, nat.Mappings);
            nat.Rebind();
            Assert.Null(nat.PortOf(IpProtocol.Udp, Address.Parse("192.168.7.7"), 1000));
        }
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void ESP_in_UDP_goes_through_and_a_peer_that_moves_is_followed_where_that_is_wanted(bool follows)
    {
        (Network network, SimulatedHost inner, SimulatedNat nat, SimulatedHost server) = Home(4, follows);
        using (network)
        {
            const string There = "esp-udp 0x2001 -m tunnel -r 64 -E aes-gcm-16 0x000102030405060708090a0b0c0d0e0f10111213;", Back = "esp-udp 0x2002 -m tunnel -r 64 -E aes-gcm-16 0x101112131415161718191a1b1c1d1e1f20212223;";
            inner.Setkey($"""
                add 192.168.7.7[4500] 203.0.113.9[4500] {There} add 203.0.113.9[4500] 192.168.7.7[4500] {Back}
                spdadd 192.168.7.7 10.9.0.1 any -P out ipsec esp/tunnel/192.168.7.7-203.0.113.9/require;
                spdadd 10.9.0.1 192.168.7.7 any -P in ipsec esp/tunnel/203.0.113.9-192.168.7.7/require;
                """);
            server.Setkey($"""
                add 203.0.113.77[4500] 203.0.113.9[4500] {There} add 203.0.113.9[4500] 203.0.113.77[4500] {Back}
                spdadd 10.9.0.1 192.168.7.7 any -P out ipsec esp/tunnel/203.0.113.9-203.0.113.77/require;
                spdadd 192.168.7.7 10.9.0.1 any -P in ipsec esp/tunnel/203.0.113.77-203.0.113.9/require;
                """);
            server.AnswersPings = true;
            Ping();
            Assert.Equal(follows ? 1 : 0, inner.Received.Count);
            nat.Rebind();
            server.Send(Build.Ipv4("10.9.0.1", "192.168.7.7").Udp(1, 2, "too early"u8)); // to the port before
            network.RunUntilQuiet();
            Assert.Equal(follows ? 1 : 2, nat.Ledger.Drops["no-mapping"]);
            Ping();
            Assert.Equal(follows ? 2 : 0, inner.Received.Count);
            Assert.Equal(2, server.PeerMoves.Count);
            Assert.All(server.PeerMoves, static move => Assert.Equal((0x2001u, "203.0.113.77"), (move.Spi, move.Address.ToString())));
            Assert.NotEqual(server.PeerMoves[0].Port, server.PeerMoves[1].Port);
            network.Run(TimeSpan.FromSeconds(60)); // keepalives hold the mapping
            Assert.Equal(follows, server.Events.Any(static one => one.Kind == EngineEventKind.PeerMoved));
            Assert.True(server.Dropped(Drop.Keepalive) > 1);
            Assert.Equal(server.PeerMoves[1].Port, nat.PortOf(IpProtocol.Udp, Address.Parse("192.168.7.7"), 4500));

            void Ping()
            {
                inner.Send(Build.Ipv4("192.168.7.7", "10.9.0.1").IcmpEcho(1, 1, "who moves"u8));
                network.RunUntilQuiet();
            }
        }
    }

    [Fact]
    public void Tshark_finds_every_checksum_right_on_every_wire()
    {
        Assert.SkipUnless(Tool.HasWireshark, Tool.NoWireshark);
        (Network network, SimulatedHost inner, _, SimulatedHost server) = Home(5);
        using var folder = new TemporaryFolder();
        using (network)
        {
            server.AnswersPings = true;
            server.OpenPorts = new HashSet<ushort> { 53 };
            Address to = Address.Parse("203.0.113.9");
            network.Links[1].Profile = new LinkProfile { Mtu = 1000 };
            for (ushort i = 0; i < 20; i++)
            {
                inner.SendUdp(to, (ushort)(1000 + i), (ushort)(53 + (i & 1)), Build.Pattern(i * 170));
                inner.Ping(to, i, i, Build.Pattern(i * 170));
                inner.SendSegments(to, i, 80, 1, Build.Pattern(i * 170));
            }

            network.RunUntilQuiet();
            using FileStream file = File.Create(folder.File("nat.pcapng"));
            network.Trace.WritePcapng(file);
        }

        string[] options = ["-o", "ip.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE", "-o", "tcp.check_checksum:TRUE", "-o", "ip.defragment:FALSE"];
        string[] fields = ["ip.checksum.status", "udp.checksum.status", "tcp.checksum.status", "icmp.checksum.status", "_ws.malformed"];
        string[] lines = Tool.Run("tshark", ["-r", folder.File("nat.pcapng"), "-n", .. options, "-Y", "!icmp.type in {3,11}", "-T", "fields", "-E", "occurrence=f", .. fields.SelectMany(static field => new[] { "-e", field })])
            .Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.True(lines.Length > 200, $"{lines.Length} lines");
        Assert.All(lines, static line => Assert.DoesNotContain("0", line)); // 1 is good, 2 is not checked (a fragment), 0 is bad
        Assert.All(fields[..4].Select(static (_, i) => i), i => Assert.Contains(lines, line => line.Split('\t')[i] == "1"));
    }

    // inner (192.168.7.7) ── nat (203.0.113.77) ── server (203.0.113.9, 10.9.0.1)
    private static (Network Network, SimulatedHost Inner, SimulatedNat Nat, SimulatedHost Server) Home(ulong seed, bool follows = true)
    {
        var network = new Network(seed);
        SimulatedHost inner = network.AddHost("inner", "192.168.7.7");
        SimulatedNat nat = network.AddNat("nat", "192.168.7.0/24", "192.168.7.1", "203.0.113.77");
        SimulatedHost server = network.AddHost("server", new EngineOptions { FollowsPeers = follows }, "203.0.113.9", "10.9.0.1");
        inner.AddRoute("0.0.0.0/0", network.Connect(inner, nat));
        network.Connect(nat, server);
        return (network, inner, nat, server);
    }
}
