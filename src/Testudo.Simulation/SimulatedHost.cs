// A simulated host: an engine, keys, routes, and enough of an IP stack to deliver, answer pings and forward. It is a
// gateway where it forwards: what is plain, protected or discarded its policies say. SimulatedHost.Stack.cs has what its
// programs can do.
//
//   its programs --Send--> outbound IPsec --route--> link
//   link --Arrive--> inbound IPsec --for it--> Received          --for others--> outbound IPsec, as a gateway does it

using Testudo.Control.PfKey;
using Testudo.Control.Setkey;
using Testudo.Crypto;
using Testudo.Crypto.InBox;
using Testudo.Engine;
using Testudo.Engine.Keys;
using Testudo.Engine.Policies;
using Testudo.PfKey;
using Testudo.Wire;
using Testudo.Wire.PfKey;

namespace Testudo.Simulation;

/// <summary>A packet that reached its host's clear side.</summary>
/// <param name="Time">Virtual nanoseconds since the network was made.</param>
/// <param name="Bytes">The packet.</param>
public readonly record struct ReceivedPacket(long Time, byte[] Bytes);

/// <summary>What a host may be given at its start.</summary>
public sealed record HostOptions
{
    /// <summary>The options of its engine.</summary>
    public EngineOptions Engine { get; init; } = new();

    /// <summary>Who computes; null for the class library.</summary>
    public Providers? Providers { get; init; }

    /// <summary>Where its random bytes come from; null for the network's seed.</summary>
    public FillRandom? FillRandom { get; init; }

    /// <summary>Bytes that waiting fragments may hold before the memory rule is violated; null for what the engine was told.</summary>
    public int? ReassemblyLimit { get; init; }
}

/// <summary>A host in a <see cref="Network"/>.</summary>
public sealed partial class SimulatedHost : SimulatedNode, IDisposable
{
    private readonly KeyServer _server;
    private readonly Worker _outbound;
    private readonly Worker _inbound;
    private readonly int _reassemblyLimit;
    private readonly Batch _work = new(1), _back = new(1), _done = new(0);
    private readonly List<ReceivedPacket> _received = [];
    private readonly List<EngineEvent> _events = [];
    private long _givenOut, _givenIn; // packets given to the engine
    private long _engineDropped, _engineJoined, _engineAbandoned; // as they are in the ledger already
    private long _engineCut;

    internal SimulatedHost(Network network, string name, HostOptions options, Address[] addresses, SeededRandom random)
        : base(network, name, addresses)
    {
        Engine = new IpsecEngine(options.Engine, options.Providers ?? new Providers(new InBoxProvider()), hashSeed: 0);
        Engine.SetLocalAddresses(addresses);
        _outbound = Engine.NewWorker();
        _inbound = Engine.NewWorker();
        _reassemblyLimit = options.ReassemblyLimit ?? options.Engine.ReassemblyBytes;
        _server = new KeyServer(Engine, options.FillRandom ?? random.Fill, static _ => null);
        Keys = new LocalKeys(_server, new Lock(), () => network.Now);
    }

    /// <summary>Its engine.</summary>
    public IpsecEngine Engine { get; }

    /// <summary>PF_KEY without a socket.</summary>
    public LocalKeys Keys { get; }

    /// <summary>What its programs received, in order: ICMP errors about their packets too.</summary>
    public IReadOnlyList<ReceivedPacket> Received => _received;

    /// <summary>What its engine said: expired and wanted SAs.</summary>
    public IReadOnlyList<EngineEvent> Events => _events;

    /// <summary>The last datagram whose first fragment left protected.</summary>
    internal (Address Source, Address Destination, uint Id)? LastProtected { get; set; }

    /// <summary>Packets that its engine ended so.</summary>
    public long Dropped(Drop drop) => _outbound.Dropped(drop) + _inbound.Dropped(drop);

    /// <summary>Executes a script in setkey's language; returns the answers.</summary>
    /// <exception cref="ArgumentException">The script has errors, or one of its commands was refused; the message shows where.</exception>
    public IReadOnlyList<PfKeyMessage> Setkey(string script)
    {
        SetkeyScript read = SetkeyParser.Parse(script, Name);
        if (read.Errors.Length > 0)
        {
            throw new ArgumentException(string.Join('\n', read.Errors.Select(error => error.Render(script))), nameof(script));
        }

        var answers = new List<PfKeyMessage>();
        foreach (SetkeyCommand command in read.Commands)
        {
            foreach (PfKeyMessage message in command.Messages)
            {
                IReadOnlyList<PfKeyMessage> given = Keys.Ask(message);
                if (given[^1].Error != PfKeyError.None)
                {
                    throw new ArgumentException(SetkeyFormat.Refusal(command, given[^1]), nameof(script));
                }

                answers.AddRange(given);
            }
        }

        read.WipeKeys();
        return answers;
    }

    /// <summary>A program of this host, or a network behind it, sends an IP packet.</summary>
    public void Send(ReadOnlySpan<byte> packet)
    {
        if (packet.Length is 0 or > Batch.MaxPacketLength)
        {
            throw new ArgumentException($"a packet has 1 to {Batch.MaxPacketLength} bytes, this one {packet.Length}", nameof(packet));
        }

        Enter();
        try
        {
            Ledger.Made++;
            Protect(packet.ToArray());
        }
        finally
        {
            Leave();
        }
    }

    /// <summary>Puts a packet on the wire past IPsec: what an attacker, or a broken host, does.</summary>
    public void SendPastIpsec(ReadOnlySpan<byte> packet)
    {
        Enter();
        try
        {
            Ledger.Made++;
            Transmit(packet.ToArray());
        }
        finally
        {
            Leave();
        }
    }

    /// <inheritdoc/>
    protected override void Arrive(byte[] packet)
    {
        bool parsed = IpInfo.TryParse(packet, out IpInfo info) == Wire.Drop.None;
        bool isLocal = parsed && Engine.IsLocal(info.Destination);
        if (parsed && info.IsFragment && !isLocal)
        {
            PassFragment(packet, info);
            return;
        }

        // What the wire says: the engine's own account is not believed.
        (Sa? sa, ulong sequence) = isLocal ? Named(packet, info) : default;
        _work.Clear();
        _done.Clear();
        _work.TryAdd(packet);
        _givenIn++;
        Engine.Inbound(_work, _done, Network.Now, _inbound);
        Note(Side.Wire, CaptureDirection.Inbound, _work[0].Drop, null, packet);
        foreach (ref readonly Packet assembled in _inbound.Assembled.Packets)
        {
            if (assembled.Drop != Wire.Drop.None)
            {
                Note(Side.Wire, CaptureDirection.Inbound, assembled.Drop, "assembled", assembled.Span.ToArray());
            }
        }

        bool wasWhole = false;
        foreach (ref readonly Packet done in _done.Packets)
        {
            wasWhole |= (done.Flags & PacketFlags.Reassembled) != 0;
            if ((done.Flags & PacketFlags.Protected) != 0)
            {
                // A fragment does not show it: then it is as the engine says.
                sa ??= Engine.Sad.Find(done.Spi, IpProtocol.Esp, info.Destination);
                sequence = sequence != 0 ? sequence : done.Sequence;
                if (sa is not null)
                {
                    Network.Invariants.OnAccepted(this, sa, sequence);
                    NotePeer(sa, info, packet);
                }
            }
        }

        foreach (byte[] clear in Copies(_done))
        {
            Deliver(clear, wasWhole);
        }
    }

    /// <inheritdoc/>
    internal override string? Imbalance()
    {
        long dropped = 0, given = 0;
        for (int drop = 1; drop < Drops.Count; drop++)
        {
            dropped += _inbound.Dropped((Drop)drop);
            given += _outbound.Dropped((Drop)drop);
        }

        long held = _inbound.FragmentsHeld, abandoned = _inbound.FragmentsAbandoned;
        long waiting = _outbound.FragmentsHeld, whole = _outbound.FragmentsJoined, lost = _outbound.FragmentsAbandoned, cut = _outbound.PiecesMade;
        if (_givenOut + cut != _outbound.Packets + given + waiting + whole + lost)
        {
            return $"its engine took {_givenOut} packets out, made {cut} more by cutting, let {_outbound.Packets} go on, dropped {given}, holds {waiting}, joined {whole} and abandoned {lost}";
        }

        if (_givenIn != _inbound.Packets + dropped + held + _inbound.FragmentsJoined + abandoned)
        {
            return $"its engine took {_givenIn} packets in, let {_inbound.Packets} go on, dropped {dropped}, holds {held}, joined {_inbound.FragmentsJoined} and abandoned {abandoned}";
        }

        Ledger.Dropped += dropped + given - _engineDropped;
        long joined = _inbound.FragmentsJoined + whole + _defragmenter.Joined;
        abandoned += lost;
        Ledger.Joined += joined - _engineJoined;
        Ledger.Abandoned += abandoned - _engineAbandoned;
        Ledger.Held = held + waiting + _defragmenter.Held;
        Ledger.Cut += cut - _engineCut;
        _engineCut = cut;
        (_engineDropped, _engineJoined, _engineAbandoned) = (dropped + given, joined, abandoned);
        return base.Imbalance();
    }

    /// <summary>Null, or how memory goes beyond its bounds.</summary>
    internal string? Excess() =>
        Math.Max(_inbound.ReassemblyBytes, _defragmenter.Bytes) > _reassemblyLimit
            ? $"fragments hold {Math.Max(_inbound.ReassemblyBytes, _defragmenter.Bytes)} bytes of {_reassemblyLimit}"
            : _done.Count > Batch.MaxPackets ? $"one packet in gave {_done.Count} out" : null;

    internal void Tick()
    {
        IReadOnlyList<EngineEvent> events = Engine.Tick(Network.Now);
        _server.Announce(events, Network.Now);
        _events.AddRange(events);
        Enter();
        try
        {
            _work.Clear();
            Engine.Keepalives(_work, _outbound);
            byte[][] keepalives = Copies(_work);
            _givenOut += keepalives.Length; // the engine made and counted them
            Ledger.Made += keepalives.Length;
            Array.ForEach(keepalives, keepalive => Transmit(keepalive));
        }
        finally
        {
            Leave();
        }
    }

    /// <summary>Frees the memory and wipes the keys.</summary>
    public void Dispose()
    {
        Engine.Sad.All.ToList().ForEach(sa => Engine.RemoveSa(sa));
        Engine.Tick(Network.Now);
        _outbound.Dispose();
        _inbound.Dispose();
        _work.Dispose();
        _back.Dispose();
        _done.Dispose();
    }

    /// <inheritdoc/>
    private protected override void SendOwn(byte[] packet)
    {
        if (IpInfo.TryParse(packet, out IpInfo info) == Wire.Drop.None && Engine.IsLocal(info.Destination))
        {
            Deliver(packet, wasWhole: false); // an error about a packet of its own
        }
        else
        {
            Protect(packet);
        }
    }

    // Out through the engine, and on to the link.
    private void Protect(byte[] bytes, bool wasWhole = false)
    {
        _work.Clear();
        _back.Clear();
        _done.Clear();
        _work.TryAdd(bytes);
        _givenOut++;
        Engine.Outbound(_work, _done, _back, Network.Now, _outbound);
        Note(Side.Clear, CaptureDirection.Outbound, _work[0].Drop, null, bytes);
        bool isSealed = _done.Count > 0 && _done[0].Spi != 0;
        byte[][] leaving = Copies(_done), answers = Copies(_back);
        Ledger.Made += answers.Length;
        foreach (byte[] packet in leaving)
        {
            if (isSealed)
            {
                Network.Invariants.OnSealed(this, bytes, packet);
            }

            Transmit(packet, wasWhole);
        }

        foreach (byte[] answer in answers)
        {
            Deliver(answer, wasWhole: false);
        }
    }

    // What passed inbound IPsec, or the engine's own answers: to the programs here, or on.
    private void Deliver(byte[] packet, bool wasWhole)
    {
        if (IpInfo.TryParse(packet, out IpInfo info) != Wire.Drop.None || !Engine.IsLocal(info.Destination))
        {
            if (TakeHop(packet))
            {
                Protect(packet, wasWhole);
            }
        }
        else
        {
            Absorb(packet, info);
        }
    }

    // Fragments for others are not put together here. The engine looks at whole packets only, so policy is asked as the
    // guard does it on a real host.
    private void PassFragment(byte[] packet, in IpInfo info)
    {
        PolicyDirection direction = Engine.Spd.List(PolicyDirection.Fwd).IsEmpty ? PolicyDirection.In : PolicyDirection.Fwd;
        Policy? policy = Engine.Spd.Lookup(direction, info, out Drop drop);
        if (drop == Wire.Drop.None && (policy?.Action ?? Engine.Spd.DefaultAction) is PolicyAction.Ipsec or PolicyAction.Discard)
        {
            drop = Wire.Drop.GuardForward;
        }

        if (drop != Wire.Drop.None)
        {
            Drop(Drops.Name(drop), packet, CaptureDirection.Inbound);
            return;
        }

        Note(Side.Wire, CaptureDirection.Inbound, Wire.Drop.None, null, packet);
        if (TakeHop(packet))
        {
            Protect(packet);
        }
    }

    private static byte[][] Copies(Batch batch)
    {
        if (batch.Count == 0)
        {
            return [];
        }

        byte[][] copies = new byte[batch.Count][];
        for (int i = 0; i < copies.Length; i++)
        {
            copies[i] = batch[i].Span.ToArray();
        }

        return copies;
    }
}
