// Each invariant is seen to be violated by something that is broken on purpose. One that never complains proves nothing.

using Testudo.Crypto;
using Testudo.Engine;
using Testudo.Simulation;
using Testudo.Tests.Checker;
using Testudo.Tests.Sim;
using Testudo.Wire;
using Xunit;

namespace Testudo.Tests.Simulation;

public sealed class InvariantTests
{
    private const string Sa = "add 10.0.0.1 10.0.0.2 esp 0x1001 -m transport -r 64 -E aes-gcm-16 0x000102030405060708090a0b0c0d0e0f10111213;";
    private const string Again = "delete 10.0.0.1 10.0.0.2 esp 0x1001;" + Sa;

    [Fact]
    public void A_host_that_sends_past_its_policy_is_seen()
    {
        (Network network, SimulatedHost alice, SimulatedHost bob, _) = Networks.Pair(1);
        using (network)
        {
            SimulationException thrown = Assert.Throws<SimulationException>(() => alice.SendPastIpsec(Networks.Numbered(1)));
            Check(thrown, Invariant.Clear, 1, "alice");
            Assert.Equal(0, bob.Ledger.In); // it was seen before it arrived
        }
    }

    [Fact]
    public void Fragments_in_clear_and_what_policy_discards_are_seen_too()
    {
        (Network network, SimulatedHost alice, _, SimulatedLink link) = Networks.Pair(1, new LinkProfile { Mtu = 576 });
        using (network)
        {
            byte[] large = Build.Ipv4("10.0.0.1", "10.0.0.2", dontFragment: false, id: 3).Udp(1, 2, Build.Pattern(1000));
            Assert.Throws<SimulationException>(() => alice.SendPastIpsec(large));
            network.Invariants.Throws = false;
            alice.Send(large); // ESP in fragments is what it should be
            Assert.Single(network.Invariants.Violations);
            alice.Setkey("spdadd 10.0.0.1 10.9.9.9 any -P out discard;");
            alice.AddRoute("0.0.0.0/0", link);
            alice.Send(Build.Ipv4("10.0.0.1", "10.9.9.9").Udp(1, 2));
            Assert.Equal(1, alice.Dropped(Drop.PolicyDiscard));
            Assert.Single(network.Invariants.Violations);
            alice.SendPastIpsec(Build.Ipv4("10.0.0.1", "10.9.9.9").Udp(1, 2));
            Assert.Equal(2, network.Invariants.Violations.Count);
        }
    }

    [Fact]
    public void A_provider_that_encrypts_nothing_is_seen()
    {
        using var network = new Network(2);
        SimulatedHost alice = network.AddHost("alice", new HostOptions { Providers = new Providers(new IdleProvider()) }, "10.0.0.1"), bob = network.AddHost("bob", "10.0.0.2");
        network.Connect(alice, bob);
        alice.Setkey(Sa + Networks.Protect("10.0.0.1", "10.0.0.2"));
        Check(Assert.Throws<SimulationException>(() => alice.Send(Networks.Numbered(3))), Invariant.Clear, 2, "alice");
    }

    [Fact]
    public void A_packet_that_is_accepted_twice_is_seen()
    {
        // The window of an SA that is made anew under its old keys has forgotten everything.
        (Network network, SimulatedHost alice, SimulatedHost bob, _) = Networks.Pair(3);
        using (network)
        {
            alice.Send(Networks.Numbered(1));
            network.RunUntilQuiet();
            byte[] captured = network.Trace.Entries.Single(static entry => entry is { Host: "bob", Side: Side.Wire }).Bytes;
            SimulatedHost mallory = network.AddHost("mallory", "10.0.0.66");
            network.Connect(mallory, bob);

            mallory.SendPastIpsec(captured);
            network.RunUntilQuiet();
            Assert.Equal(1, bob.Dropped(Drop.Replayed));

            bob.Setkey(Again);
            mallory.SendPastIpsec(captured);
            Check(Assert.Throws<SimulationException>(network.RunUntilQuiet), Invariant.Replay, 3, "bob");
        }
    }

    [Fact]
    public void An_IV_that_comes_twice_under_a_key_is_seen()
    {
        // A random source that is none: every SA made of these keys begins with the same IV.
        Assert.Null(Record.Exception(static () => Run(static network => network.AddHost("alice", "10.0.0.1"))));
        var broken = new HostOptions { FillRandom = static bytes => bytes.Clear() };
        Check(Assert.Throws<SimulationException>(() => Run(network => network.AddHost("alice", broken, "10.0.0.1"))), Invariant.Nonce, 4, "alice");

        static void Run(Func<Network, SimulatedHost> add)
        {
            using var network = new Network(4);
            SimulatedHost alice = add(network), bob = network.AddHost("bob", "10.0.0.2");
            network.Connect(alice, bob);
            alice.Setkey(Sa + Networks.Protect("10.0.0.1", "10.0.0.2"));
            alice.Send(Networks.Numbered(1));
            alice.Send(Networks.Numbered(2));
            alice.Setkey(Again);
            alice.Send(Networks.Numbered(3));
            Assert.Equal(3, network.Invariants.Checks(Invariant.Nonce));
        }
    }

    [Fact]
    public void A_node_that_loses_packets_uncounted_is_seen()
    {
        using var network = new Network(5);
        SimulatedHost alice = network.AddHost("alice", "10.0.0.1");
        var hole = network.Add(new Hole(network));
        network.Connect(alice, hole);
        alice.Send(Build.Ipv4("10.0.0.1", "10.0.0.9").Udp(1, 2));
        SimulationException thrown = Assert.Throws<SimulationException>(network.RunUntilQuiet);
        Check(thrown, Invariant.Accounting, 5, "hole");
        Assert.Equal(1, hole.Ledger.Difference);
    }

    [Fact]
    public void A_link_that_loses_packets_uncounted_is_seen()
    {
        (Network network, SimulatedHost alice, _, SimulatedLink link) = Networks.Pair(6);
        using (network)
        {
            link.Thief = static packet => packet.Length > 500;
            alice.Send(Build.Ipv4("10.0.0.1", "10.0.0.2").Udp(1, 2));
            network.RunUntilQuiet();
            alice.Send(Build.Ipv4("10.0.0.1", "10.0.0.2").Udp(1, 2, new byte[1000]));
            network.After(TimeSpan.Zero, static () => { });
            Check(Assert.Throws<SimulationException>(network.RunUntilQuiet), Invariant.Accounting, 6, "alice-bob");
        }
    }

    [Theory]
    [InlineData(1_000_000, true)]
    [InlineData(200_000, false)]
    public void Fragments_that_hold_more_than_they_may_are_seen(int limit, bool holds)
    {
        // The engine is told more than the host was promised.
        using var network = new Network(7);
        var options = new HostOptions { Engine = new EngineOptions { ReassemblyBytes = 1_000_000 }, ReassemblyLimit = limit };
        SimulatedHost mallory = network.AddHost("mallory", "10.0.0.66"), bob = network.AddHost("bob", options, "10.0.0.2");
        network.Connect(mallory, bob);
        for (ushort id = 1; id <= 40; id++)
        {
            mallory.SendPastIpsec(Build.Fragments(Build.Ipv4("10.0.0.66", "10.0.0.2", dontFragment: false).Udp(1, 2, new byte[3000]), 1500, id)[0]);
        }

        if (holds)
        {
            network.RunUntilQuiet();
            Assert.Equal(40 - 15, bob.Dropped(Drop.ReassemblyFull)); // 64 KiB each
            Assert.Equal(15, bob.Ledger.Held);
            Assert.Equal(0, bob.Ledger.Difference);
        }
        else
        {
            Check(Assert.Throws<SimulationException>(network.RunUntilQuiet), Invariant.Memory, 7, "bob");
        }
    }

    [Fact]
    public void The_account_of_fragments_is_exact_however_they_end()
    {
        using var network = new Network(8);
        SimulatedHost mallory = network.AddHost("mallory", "10.0.0.66"), bob = network.AddHost("bob", new EngineOptions { ReassemblyBytes = 200_000 }, "10.0.0.2");
        network.Connect(mallory, bob);
        List<byte[]> Pieces(uint id) => Build.Fragments(Build.Ipv4("10.0.0.66", "10.0.0.2", dontFragment: false).Udp(1, 2, new byte[4000]), 1500, id);
        void Send(params IEnumerable<byte[]> packets)
        {
            foreach (byte[] packet in packets)
            {
                mallory.SendPastIpsec(packet);
                network.RunUntilQuiet();
            }
        }

        Send(Pieces(1)); // whole
        Assert.Equal((2, 1, 0, 0), Account());
        Send(Pieces(2)[0], Pieces(2)[0]); // the same again: only it is dropped
        Assert.Equal((2, 1, 1, 0), Account());
        byte[] overlap = Build.Ipv4("10.0.0.66", "10.0.0.2").Fragment(2, 8, true).Payload(IpProtocol.Udp, new byte[16]);
        Send(overlap); // ends the whole datagram
        Assert.Equal((2, 1, 0, 1), Account());
        Send(Pieces(3)[..2]); // gives way to others
        Send(Pieces(4)[0], Pieces(5)[0], Pieces(6)[0]);
        Assert.Equal((2, 1, 3, 2), Account());
        network.Run(TimeSpan.FromSeconds(31)); // waits too long, but for the one that gives way
        Send(Pieces(7)[..1]);
        Assert.Equal((2, 1, 1, 2), Account());
        Assert.Equal((2, 2, 2), (bob.Dropped(Drop.BadFragment), bob.Dropped(Drop.ReassemblyFull), bob.Dropped(Drop.ReassemblyTimeout)));
        Assert.Equal(0, bob.Ledger.Difference);

        (long, long, long, long) Account() => (bob.Ledger.Joined, bob.Ledger.Absorbed, bob.Ledger.Held, bob.Ledger.Abandoned);
    }

    private static void Check(SimulationException thrown, Invariant rule, ulong seed, string where)
    {
        Assert.Equal((rule, seed, where), (thrown.Violation.Rule, thrown.Violation.Seed, thrown.Violation.Where));
        Assert.Contains($"seed {seed}", thrown.Message);
    }

    /// <summary>A node that neither counts nor passes on.</summary>
    private sealed class Hole(Network network) : SimulatedNode(network, "hole", [Address.Parse("10.0.0.9")])
    {
        protected override void Arrive(byte[] packet)
        {
            // gone
        }
    }

    /// <summary>A provider that says it has encrypted.</summary>
    private sealed class IdleProvider : CryptoProvider
    {
        public override string Name => "idle";

        public override bool Supports(Transform transform) => true;

        public override SaKey? Bind(Transform transform, ReadOnlySpan<byte> cipherKey, ReadOnlySpan<byte> macKey) => new Key(this, transform);

        public override void Seal(Span<CryptoJob> jobs) => Open(jobs);

        public override void Open(Span<CryptoJob> jobs)
        {
            foreach (ref CryptoJob job in jobs)
            {
                job.Ok = true;
            }
        }

        private sealed class Key(CryptoProvider provider, Transform transform) : SaKey(provider, transform)
        {
            protected override void Dispose(bool disposing)
            {
                // it holds nothing
            }
        }
    }
}
