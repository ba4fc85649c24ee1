// The stack as a program embeds it: an engine with threads, time and randomness, links on both sides, keys and policies
// as typed values, and PF_KEY for whoever wants to speak it.

using System.Security.Cryptography;
using Testudo.Control.PfKey;
using Testudo.Engine;
using Testudo.Engine.Keys;
using Testudo.Engine.PathMtu;
using Testudo.Engine.Policies;
using Testudo.Host;
using Testudo.Links;
using Testudo.PfKey;
using Testudo.Wire;
using Testudo.Wire.PfKey;

namespace Testudo;

/// <summary>IPsec in this process. Safe to be called from any thread.</summary>
public sealed class IpsecStack : IAsyncDisposable
{
    private readonly Lock _control = new();
    private readonly IpsecStackOptions _options;
    private readonly List<(Link Link, WireKind Kind)> _wires = [];
    private readonly List<Link> _errors = [];
    private readonly List<Thread> _threads = [];
    private readonly KeyServer _server;
    private readonly LinkCounters _counters = new();
    private readonly ManualResetEventSlim _ending = new();
    private Link? _clear;
    private Worker? _outbound;
    private readonly List<Worker> _inbound = [];
    private bool _started;

    /// <summary>A stack without links, keys and policies.</summary>
    /// <exception cref="ArgumentException">The options are faulty; all faults are named.</exception>
    public IpsecStack(IpsecStackOptions? options)
    {
        _options = options ?? new IpsecStackOptions();
        IReadOnlyList<string> faults = _options.Validate();
        if (faults.Count > 0)
        {
            throw new ArgumentException(string.Join("; ", faults), nameof(options));
        }

        Engine = new IpsecEngine(_options.Engine, _options.Providers, RandomBits());
        _server = new KeyServer(Engine, RandomNumberGenerator.Fill, policies => _options.Guard?.Invoke(policies));
        Keys = new LocalKeys(_server, _control, static () => HostClock.Now);
    }

    /// <summary>A stack without links, keys and policies, and with options as they are by default.</summary>
    public IpsecStack()
        : this(null)
    {
    }

    /// <summary>A stack between one link to the protected side and one to the network.</summary>
    /// <exception cref="ArgumentException">The options are faulty; all faults are named.</exception>
    public IpsecStack(Link clear, Link wire, IpsecStackOptions? options = null)
        : this(options)
    {
        AttachClear(clear);
        AttachWire(wire);
    }

    /// <summary>Something happened: an SA expired, or was wanted. Raised by the control thread.</summary>
    public event Action<EngineEvent>? Happened;

    /// <summary>Messages may wait in PF_KEY sessions that nobody asked for: an SA expired.</summary>
    internal event Action? Announced;

    /// <summary>The engine: databases and counters, to be read.</summary>
    public IpsecEngine Engine { get; }

    /// <summary>PF_KEY without a socket: instructions as messages.</summary>
    public LocalKeys Keys { get; }

    /// <summary>The names of the links.</summary>
    public IReadOnlyList<string> LinkNames => [.. (_clear is { } clear ? [clear.Name] : Array.Empty<string>()), .. _wires.Select(static wire => wire.Link.Name)];

    /// <summary>The worker of the way out, for its counters; empty before the start.</summary>
    public IReadOnlyList<Worker> Outbound => _outbound is { } worker ? [worker] : [];

    /// <summary>The workers of the way in, for their counters.</summary>
    public IReadOnlyList<Worker> Inbound => [.. _inbound];

    /// <summary>How many SAs and policies there are.</summary>
    public (int Sas, int Policies) Count()
    {
        lock (_control)
        {
            return (Engine.Sad.All.Count, Engine.Spd.All.Count());
        }
    }

    /// <summary>The path MTU of each SA that sends from here, and why it is so.</summary>
    public IReadOnlyList<(Sa Sa, KnownMtu Mtu)> PathMtus()
    {
        lock (_control)
        {
            Now now = HostClock.Now;
            return [.. Engine.Sad.All.Where(sa => sa.IsUsable && Engine.IsLocal(sa.Source)).Select(sa => (sa, Engine.PathMtus.Explain(sa.Peer?.Address ?? sa.Destination, now)))];
        }
    }

    /// <summary>Packets that ended so, in the engine and at the links.</summary>
    public long Dropped(Drop drop) => Engine.Workers.ToArray().Sum(worker => worker.Dropped(drop)) + _counters.Dropped(drop);

    /// <summary>Sets the link to the protected side: a program's own, or this host's IP stack.</summary>
    public void AttachClear(Link link)
    {
        RefuseWhenStarted();
        _clear = link;
    }

    /// <summary>Adds a link to the network.</summary>
    public void AttachWire(Link link, WireKind kind = WireKind.Everything)
    {
        RefuseWhenStarted();
        _wires.Add((link, kind));
    }

    /// <summary>
    /// Adds a link that gives copies of ICMP errors about what was sent (<see cref="IcmpErrorLink"/>). Not needed where the
    /// wire links bring ICMP with all the rest.
    /// </summary>
    public void AttachErrors(Link link)
    {
        RefuseWhenStarted();
        _errors.Add(link);
    }

    /// <summary>Starts the threads. Links cannot be changed afterwards.</summary>
    public void Start()
    {
        RefuseWhenStarted();
        _started = true;
        if (_clear is { } clear)
        {
            Worker worker = _outbound = Engine.NewWorker();
            StartThread("testudo out", () => new OutboundPump(Engine, clear, _wires, _counters, _options.Capture).Run(worker));
            foreach ((Link wire, _) in _wires)
            {
                Worker mine = Engine.NewWorker();
                _inbound.Add(mine);
                StartThread("testudo in " + wire.Name, () => new InboundPump(Engine, wire, clear, _counters, _options.Capture).Run(mine));
            }
        }

        foreach (Link errors in _errors)
        {
            Worker mine = Engine.NewWorker();
            StartThread("testudo " + errors.Name, () => new ErrorPump(Engine, errors).Run(mine));
        }

        StartThread("testudo control", RunControl);
    }

    /// <summary>Adds an SA.</summary>
    /// <returns>The SA; beside it a warning, or null.</returns>
    /// <exception cref="IpsecException">It cannot be; the message says why and what helps.</exception>
    public Sa AddSa(SaParameters parameters, out string? warning)
    {
        lock (_control)
        {
            Sa? sa = Engine.AddSa(parameters, RandomBits(), HostClock.Now, out Refusal? words);
            warning = words?.Sentence;
            return sa ?? throw new IpsecException(words!);
        }
    }

    /// <summary>Adds an SA; a warning is not asked for.</summary>
    /// <exception cref="IpsecException">It cannot be; the message says why and what helps.</exception>
    public Sa AddSa(SaParameters parameters) => AddSa(parameters, out _);

    /// <summary>Takes an SA away; false where it is gone already.</summary>
    public bool RemoveSa(Sa sa)
    {
        lock (_control)
        {
            return Engine.RemoveSa(sa);
        }
    }

    /// <summary>Adds a policy, behind those of its priority that are there. The guard holds it when this returns.</summary>
    /// <exception cref="IpsecException">It cannot be; the message says why and what helps.</exception>
    public Policy AddPolicy(Policy policy)
    {
        lock (_control)
        {
            if (Engine.CheckPolicy(policy) is { } fault)
            {
                throw new IpsecException(fault);
            }

            PolicySet next = Engine.Spd.Current.With(policy, null, HostClock.Now, out Policy added);
            Refuse(_server.ChangePolicies(next, relaxes: policy.Action == PolicyAction.None));
            return added;
        }
    }

    /// <summary>Takes a policy away, and out of the guard.</summary>
    /// <exception cref="IpsecException">The guard could not be changed.</exception>
    public void RemovePolicy(Policy policy)
    {
        lock (_control)
        {
            Refuse(_server.ChangePolicies(Engine.Spd.Current.Without(policy), relaxes: policy.Action != PolicyAction.None));
        }
    }

    /// <summary>Brings the guard into line with the policies as they are: the first thing before links are opened.</summary>
    /// <exception cref="IpsecException">It could not be.</exception>
    public void CommitGuard()
    {
        lock (_control)
        {
            Refuse(_server.ChangePolicies(Engine.Spd.Current, relaxes: false));
        }
    }

    /// <summary>Speaks with the key server under the lock of the control plane.</summary>
    internal T Instruct<T>(Func<KeyServer, T> action)
    {
        lock (_control)
        {
            return action(_server);
        }
    }

    /// <summary>Stops the threads, closes the links and wipes the keys.</summary>
    public ValueTask DisposeAsync()
    {
        _ending.Set();
        _clear?.Dispose();
        _wires.ForEach(static wire => wire.Link.Dispose());
        _errors.ForEach(static link => link.Dispose());
        _threads.ForEach(static thread => thread.Join());
        lock (_control)
        {
            foreach (Sa sa in Engine.Sad.All.ToArray())
            {
                Engine.RemoveSa(sa);
            }

            Engine.Tick(HostClock.Now);
        }

        _ending.Dispose();
        return ValueTask.CompletedTask;
    }

    private static void Refuse(Refusal? refusal)
    {
        if (refusal is not null)
        {
            throw new IpsecException(refusal);
        }
    }

    private static ulong RandomBits()
    {
        Span<byte> bytes = stackalloc byte[8];
        RandomNumberGenerator.Fill(bytes);
        return BitConverter.ToUInt64(bytes);
    }

    // Lifetimes, wishes for SAs, the wiping of keys, the capture's file: every second.
    private void RunControl()
    {
        while (!_ending.Wait(1000))
        {
            _options.Capture?.Flush();
            IReadOnlyList<EngineEvent> events;
            lock (_control)
            {
                Now now = HostClock.Now;
                events = Engine.Tick(now);
                _server.Announce(events, now);
            }

            if (events.Count > 0)
            {
                Announced?.Invoke();
            }

            foreach (EngineEvent happened in events)
            {
                Happened?.Invoke(happened);
            }
        }
    }

    private void StartThread(string name, ThreadStart run)
    {
        var thread = new Thread(run) { Name = name, IsBackground = true };
        _threads.Add(thread);
        thread.Start();
    }

    private void RefuseWhenStarted()
    {
        if (_started)
        {
            throw new InvalidOperationException("the stack has been started: attach links before Start");
        }
    }
}
