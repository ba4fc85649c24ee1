// Two hosts over a link that loses, duplicates and reorders: what is not lost arrives once and unchanged, and the seed is all
// that decides.

using System.Buffers.Binary;
using Testudo.Simulation;
using Testudo.Tests.Checker;
using Testudo.Wire;
using Testudo.Wire.PfKey;
using Xunit;

namespace Testudo.Tests.Sim;

public sealed class TwoHostsTests
{
    private const int Packets = 40;

    public static TheoryData<int> Seeds => [.. Enumerable.Range(1, 50)];

    [Theory]
    [MemberData(nameof(Seeds))]
    [Shows("rfc4301-4.4.2.1-5", "rfc2406-3.4.3-6")]
    public void What_is_not_lost_arrives_exactly_once_and_unchanged(int seed) => CheckSeed((ulong)seed);

    [Fact]
    [Trait("Kind", "Long")]
    public void What_is_not_lost_arrives_exactly_once_and_unchanged_under_2000_seeds()
    {
        for (ulong seed = 1000; seed < 3000; seed++)
        {
            CheckSeed(seed);
        }
    }

    [Fact]
    public void The_same_seed_gives_the_same_bytes_and_another_one_others()
    {
        string first = Run(7), again = Run(7), other = Run(8);
        Assert.Equal(first, again);
        Assert.NotEqual(first, other);

        static string Run(ulong seed)
        {
            (Network network, SimulatedHost alice, SimulatedHost bob, _) = Networks.Pair(seed, Networks.Bad);
            using (network)
            {
                bob.AnswersPings = true;
                alice.Send(Build.Ipv4("10.0.0.1", "10.0.0.2").IcmpEcho(payload: "ping"u8));
                Networks.SendNumbered(network, alice, Packets);
                return network.Trace.Hash();
            }
        }
    }

    [Fact]
    public void The_hash_sees_every_byte_and_every_moment()
    {
        Assert.NotEqual(Run(TimeSpan.FromMilliseconds(1), 1), Run(TimeSpan.FromMilliseconds(2), 1));
        Assert.NotEqual(Run(TimeSpan.FromMilliseconds(1), 1), Run(TimeSpan.FromMilliseconds(1), 2));

        static string Run(TimeSpan latency, int number)
        {
            using var network = new Network(1);
            SimulatedHost alice = network.AddHost("alice", "10.0.0.1"), bob = network.AddHost("bob", "10.0.0.2");
            network.Connect(alice, bob, new LinkProfile { Latency = latency });
            alice.Send(Build.Ipv4("10.0.0.1", "10.0.0.2").Udp(1, 2, [(byte)number]));
            network.RunUntilQuiet();
            Assert.Single(bob.Received);
            return network.Trace.Hash();
        }
    }

    [Fact]
    [Shows("ipsec4-description-4")]
    public void Nothing_on_the_wire_is_in_clear()
    {
        (Network network, SimulatedHost alice, SimulatedHost bob, _) = Networks.Pair(3);
        using (network)
        {
            bob.AnswersPings = true;
            byte[] ping = Build.Ipv4("10.0.0.1", "10.0.0.2").IcmpEcho(5, 6, "seen by nobody else"u8);
            alice.Send(ping);
            network.RunUntilQuiet();
            Assert.Equal(ping, Assert.Single(bob.Received).Bytes);
            Assert.Equal(Build.Ipv4("10.0.0.2", "10.0.0.1").IcmpEcho(5, 6, "seen by nobody else"u8, reply: true), Assert.Single(alice.Received).Bytes);
            Assert.Equal(2_000_000, alice.Received[0].Time); // a millisecond there and one back
            TraceEntry[] wire = [.. network.Trace.Entries.Where(static entry => entry.Side == Side.Wire)];
            Assert.Equal(4, wire.Length);
            Assert.All(wire, static entry => Assert.Equal((byte)IpProtocol.Esp, entry.Bytes[9]));
            Assert.All(wire, static entry => Assert.Equal(-1, entry.Bytes.AsSpan().IndexOf("seen by"u8)));
        }
    }

    [Fact]
    [Shows("rfc4301-8.2.1-4", "rfc2401-B.2-1")]
    public void A_small_MTU_on_the_way_makes_fragments_that_are_put_together()
    {
        (Network network, SimulatedHost alice, SimulatedHost bob, SimulatedLink link) = Networks.Pair(4, new LinkProfile { Mtu = 600, Reordering = 0.5 });
        using (network)
        {
            byte[] packet = Build.Ipv4("10.0.0.1", "10.0.0.2", dontFragment: false, id: 9).Udp(1, 2, Build.Pattern(1300));
            byte[] rigid = Build.Ipv4("10.0.0.1", "10.0.0.2").Udp(1, 2, Build.Pattern(1300));
            alice.Send(packet);
            alice.Send(rigid);
            network.RunUntilQuiet();
            TraceEntry[] sent = [.. network.Trace.Entries.Where(static entry => (entry.Host, entry.Side) == ("alice", Side.Wire))];
            Assert.Equal(3, sent.Count(entry => entry.Drop == Drop.None && entry.Bytes.Length <= 600));
            Assert.Equal(Drop.TooBig, Assert.Single(sent, static entry => entry.Bytes.Length > 600).Drop);
            Assert.Equal(packet, Assert.Single(bob.Received).Bytes);

            link.Profile = new LinkProfile();
            alice.Send(rigid);
            network.RunUntilQuiet();
            Assert.Equal(rigid, bob.Received[1].Bytes);
        }
    }

    [Fact]
    [Shows("rfc4301-4.4.2.1-6", "rfc4301-4.4.2.1-7")]
    public void Keys_expire_by_the_virtual_clock()
    {
        using var network = new Network(5);
        SimulatedHost alice = network.AddHost("alice", "10.0.0.1"), bob = network.AddHost("bob", "10.0.0.2");
        network.Connect(alice, bob);
        alice.Setkey("add 10.0.0.1 10.0.0.2 esp 0x1001 -lh 20 -ls 10 -E null -A hmac-sha1 0x000102030405060708090a0b0c0d0e0f10111213;" + Networks.Protect("10.0.0.1", "10.0.0.2"));
        network.Run(TimeSpan.FromSeconds(9));
        Assert.Empty(alice.Events);
        network.Run(TimeSpan.FromSeconds(5));
        Assert.Equal(Testudo.Engine.EngineEventKind.SaSoftExpired, Assert.Single(alice.Events).Kind);
        network.Run(TimeSpan.FromSeconds(10));
        Assert.Equal(Testudo.Engine.EngineEventKind.SaHardExpired, alice.Events[^1].Kind);
        Assert.Empty(alice.Engine.Sad.All);
        alice.Send(Networks.Numbered(1));
        Assert.Equal(1, alice.Dropped(Drop.NoSa));
    }

    [Fact]
    public void A_refused_script_says_where()
    {
        using var network = new Network(6);
        SimulatedHost alice = network.AddHost("alice", "10.0.0.1");
        ArgumentException fault = Assert.Throws<ArgumentException>(() => alice.Setkey("add 10.0.0.1 10.0.0.2 esp 0x1001 -E rot13 1;"));
        Assert.Contains("alice:1:", fault.Message);
        string add = "add 10.0.0.1 10.0.0.2 esp 0x1001 -E null -A hmac-sha1 0x000102030405060708090a0b0c0d0e0f10111213;";
        Assert.Equal(PfKeyError.None, Assert.Single(alice.Setkey(add)).Error);
        Assert.Contains("File exists", Assert.Throws<ArgumentException>(() => alice.Setkey(add)).Message);
    }

    private static void CheckSeed(ulong seed)
    {
        (Network network, SimulatedHost alice, SimulatedHost bob, SimulatedLink link) = Networks.Pair(seed, Networks.Bad);
        using (network)
        {
            Networks.SendNumbered(network, alice, Packets);
            int[] lost = [.. network.Trace.Entries.Where(static entry => entry is { Side: Side.Wire, Direction: CaptureDirection.Outbound, Fate: "lost" })
                .Select(static entry => BinaryPrimitives.ReadInt32BigEndian(entry.Bytes.AsSpan(24)) - 1)]; // ESP counts from 1
            Assert.Equal(link.Lost, lost.Length);
            Assert.Equal(Enumerable.Range(0, Packets).Except(lost), bob.Received.Select(static packet => Networks.NumberOf(packet.Bytes)).Order());
            Assert.All(bob.Received, static packet => Assert.Equal(Networks.Numbered(Networks.NumberOf(packet.Bytes)), packet.Bytes));
            Assert.Equal(link.Duplicated, bob.Dropped(Drop.Replayed));
            Assert.Equal("", Networks.OtherDrops(alice) + Networks.OtherDrops(bob, Drop.Replayed));
        }
    }
}
