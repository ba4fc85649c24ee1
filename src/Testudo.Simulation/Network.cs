// Whole networks in one process from one seed: hosts with an engine each, routers, NATs, links between them, and a virtual
// clock. No thread, no real time, no real chance: the same seed and the same calls give the same bytes. What must hold in
// every network is watched while it runs (Invariants).
//
//   using var network = new Network(seed: 7);
//   SimulatedHost alice = network.AddHost("alice", "10.0.0.1"), bob = network.AddHost("bob", "10.0.0.2");
//   network.Connect(alice, bob, new LinkProfile { Loss = 0.1 });
//   alice.Setkey("..."); bob.Setkey("...");
//   alice.Send(packet);
//   network.RunUntilQuiet();
//   // bob.Received, network.Trace.Hash()

using Testudo.Engine;
using Testudo.Wire;

namespace Testudo.Simulation;

/// <summary>A network of simulated nodes. Not thread-safe.</summary>
public sealed class Network : IDisposable
{
    /// <summary>What the hosts' wall clocks say at the beginning: 2026-01-01, in seconds since 1970.</summary>
    internal const long Epoch = 1_767_225_600;

    private const long Second = 1_000_000_000;
    private readonly SeededRandom _random;
    private readonly PriorityQueue<Action, (long Time, long Order)> _queue = new();
    private readonly List<SimulatedNode> _nodes = [];
    private readonly List<SimulatedHost> _hosts = [];
    private readonly List<SimulatedLink> _links = [];
    private long _order;

    /// <summary>An empty network. The seed is all that decides what happens by chance in it.</summary>
    public Network(ulong seed)
    {
        Seed = seed;
        _random = new SeededRandom(seed);
        Invariants = new Invariants(this);
    }

    /// <summary>What it was made from.</summary>
    public ulong Seed { get; }

    /// <summary>Virtual nanoseconds since the network was made.</summary>
    public long Time { get; private set; }

    /// <summary>The time as the engines see it.</summary>
    public Now Now => new(Second + Time, Epoch + (Time / Second));

    /// <summary>All nodes in the order they were added.</summary>
    public IReadOnlyList<SimulatedNode> Nodes => _nodes;

    /// <summary>The hosts in the order they were added.</summary>
    public IReadOnlyList<SimulatedHost> Hosts => _hosts;

    /// <summary>The links in the order they were added.</summary>
    public IReadOnlyList<SimulatedLink> Links => _links;

    /// <summary>What happened.</summary>
    public Trace Trace { get; } = new();

    /// <summary>What must hold, and what did not.</summary>
    public Invariants Invariants { get; }

    /// <summary>Things that happened so far: packets that arrived and what was asked for by <see cref="After"/>.</summary>
    public long Events { get; private set; }

    /// <summary>Adds a host with its addresses, of one interface or several.</summary>
    public SimulatedHost AddHost(string name, params ReadOnlySpan<string> addresses) => AddHost(name, new HostOptions(), addresses);

    /// <summary>Adds a host with its addresses and the options of its engine.</summary>
    public SimulatedHost AddHost(string name, EngineOptions options, params ReadOnlySpan<string> addresses) =>
        AddHost(name, new HostOptions { Engine = options }, addresses);

    /// <summary>Adds a host with its addresses and options.</summary>
    public SimulatedHost AddHost(string name, HostOptions options, params ReadOnlySpan<string> addresses)
    {
        SimulatedHost host = Add(new SimulatedHost(this, name, options, Parse(addresses), _random.Fork()));
        _hosts.Add(host);
        return host;
    }

    /// <summary>Adds a router without IPsec. (A host forwards too: it is a gateway where it has routes on both sides.)</summary>
    public SimulatedRouter AddRouter(string name, params ReadOnlySpan<string> addresses) => Add(new SimulatedRouter(this, name, Parse(addresses)));

    /// <summary>Adds a NAT: what comes from the inner prefix leaves with its outer address.</summary>
    public SimulatedNat AddNat(string name, string innerPrefix, string innerAddress, string outerAddress) =>
        Add(new SimulatedNat(this, name, Prefix.Parse(innerPrefix), Parse([innerAddress, outerAddress]), _random.Fork()));

    /// <summary>Adds a node of another kind.</summary>
    public T Add<T>(T node)
        where T : SimulatedNode
    {
        _nodes.Add(node);
        return node;
    }

    /// <summary>Joins two nodes by a link; each then knows the way to the other's addresses.</summary>
    public SimulatedLink Connect(SimulatedNode a, SimulatedNode b, LinkProfile? profile = null)
    {
        var link = new SimulatedLink(this, a, b, profile ?? new LinkProfile(), _random.Fork());
        _links.Add(link);
        foreach (Address address in b.Addresses)
        {
            a.AddRoute(Prefix.Host(address), link);
        }

        foreach (Address address in a.Addresses)
        {
            b.AddRoute(Prefix.Host(address), link);
        }

        return link;
    }

    /// <summary>Does something later; what is due at one moment happens in the order in which it was asked for.</summary>
    public void After(TimeSpan delay, Action action)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(delay, TimeSpan.Zero);
        _queue.Enqueue(action, (Time + (delay.Ticks * 100), _order++));
    }

    /// <summary>Lets so much time pass.</summary>
    /// <exception cref="SimulationException">An invariant did not hold.</exception>
    public void Run(TimeSpan span)
    {
        RunTo(Time + (span.Ticks * 100));
    }

    /// <summary>Lets time pass until nothing is on its way any more.</summary>
    /// <exception cref="SimulationException">An invariant did not hold.</exception>
    public void RunUntilQuiet()
    {
        while (_queue.TryPeek(out _, out (long Time, long Order) next))
        {
            RunTo(next.Time);
        }
    }

    /// <summary>Frees the hosts' memory and wipes their keys.</summary>
    public void Dispose() => _hosts.ForEach(static host => host.Dispose());

    private static Address[] Parse(ReadOnlySpan<string> addresses)
    {
        var parsed = new Address[addresses.Length];
        for (int i = 0; i < parsed.Length; i++)
        {
            parsed[i] = Address.Parse(addresses[i]);
        }

        return parsed;
    }

    // The engines' ticks come at whole seconds, before what is due then.
    private void RunTo(long end)
    {
        while (true)
        {
            long tick = ((Time / Second) + 1) * Second;
            if (_queue.TryPeek(out _, out (long Time, long Order) next) && next.Time <= end && next.Time < tick)
            {
                Time = next.Time;
                Events++;
                _queue.Dequeue()();
                Invariants.OnRest();
            }
            else if (tick <= end)
            {
                Time = tick;
                _hosts.ForEach(static host => host.Tick());
            }
            else
            {
                Time = end;
                return;
            }
        }
    }
}
