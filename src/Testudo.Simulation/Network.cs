// Whole networks in one process from one seed: hosts with an engine each, links between them, and a virtual clock. No
// thread, no real time, no real chance: the same seed and the same calls give the same bytes.
//
//   var network = new Network(seed: 7);
//   SimulatedHost alice = network.AddHost("alice", "10.0.0.1"), bob = network.AddHost("bob", "10.0.0.2");
//   network.Connect(alice, bob, new LinkProfile { Loss = 0.1 });
//   alice.Setkey("..."); bob.Setkey("...");
//   alice.Send(packet);
//   network.RunUntilQuiet();
//   // bob.Received, network.Trace.Hash()

using Testudo.Wire;

namespace Testudo.Simulation;

/// <summary>A network of simulated hosts. Not thread-safe.</summary>
public sealed class Network(ulong seed) : IDisposable
{
    /// <summary>What the hosts' wall clocks say at the beginning: 2026-01-01, in seconds since 1970.</summary>
    internal const long Epoch = 1_767_225_600;

    private const long Second = 1_000_000_000;
    private readonly SeededRandom _random = new(seed);
    private readonly PriorityQueue<Action, (long Time, long Order)> _queue = new();
    private readonly List<SimulatedHost> _hosts = [];
    private long _order;

    /// <summary>Virtual nanoseconds since the network was made.</summary>
    public long Time { get; private set; }

    /// <summary>The time as the engines see it.</summary>
    public Now Now => new(Second + Time, Epoch + (Time / Second));

    /// <summary>The hosts in the order they were added.</summary>
    public IReadOnlyList<SimulatedHost> Hosts => _hosts;

    /// <summary>What happened.</summary>
    public Trace Trace { get; } = new();

    /// <summary>Adds a host with its addresses.</summary>
    public SimulatedHost AddHost(string name, params ReadOnlySpan<string> addresses) => AddHost(name, new(), addresses);

    /// <summary>Adds a host with its addresses and the options of its engine.</summary>
    public SimulatedHost AddHost(string name, Testudo.Engine.EngineOptions options, params ReadOnlySpan<string> addresses)
    {
        var parsed = new Address[addresses.Length];
        for (int i = 0; i < parsed.Length; i++)
        {
            parsed[i] = Address.Parse(addresses[i]);
        }

        var host = new SimulatedHost(this, name, options, parsed, _random.Fork());
        _hosts.Add(host);
        return host;
    }

    /// <summary>Joins two hosts by a link; each then knows the way to the other's addresses.</summary>
    public SimulatedLink Connect(SimulatedHost a, SimulatedHost b, LinkProfile? profile = null)
    {
        var link = new SimulatedLink(this, a, b, profile ?? new LinkProfile(), _random.Fork());
        a.AddRoutes(b.Addresses, link);
        b.AddRoutes(a.Addresses, link);
        return link;
    }

    /// <summary>Does something later; what is due at one moment happens in the order in which it was asked for.</summary>
    public void After(TimeSpan delay, Action action)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(delay, TimeSpan.Zero);
        _queue.Enqueue(action, (Time + (delay.Ticks * 100), _order++));
    }

    /// <summary>Lets so much time pass.</summary>
    public void Run(TimeSpan span)
    {
        long end = Time + (span.Ticks * 100);
        while (_queue.TryPeek(out _, out (long Time, long Order) next) && next.Time <= end)
        {
            RunNext(next.Time);
        }

        PassTo(end);
    }

    /// <summary>Lets time pass until nothing is on its way any more.</summary>
    public void RunUntilQuiet()
    {
        while (_queue.TryPeek(out _, out (long Time, long Order) next))
        {
            RunNext(next.Time);
        }
    }

    /// <summary>Frees the hosts' memory and wipes their keys.</summary>
    public void Dispose() => _hosts.ForEach(static host => host.Dispose());

    private void RunNext(long time)
    {
        PassTo(time);
        _queue.Dequeue()();
    }

    // The engines' ticks come at whole seconds, between the packets.
    private void PassTo(long time)
    {
        while ((Time / Second) + 1 <= time / Second)
        {
            Time = ((Time / Second) + 1) * Second;
            _hosts.ForEach(static host => host.Tick());
        }

        Time = time;
    }
}
