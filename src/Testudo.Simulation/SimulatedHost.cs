// A simulated host: an engine, keys, routes, and just enough of an IP stack to deliver, answer pings and forward.
//
//   its programs --Send--> outbound IPsec --route--> link
//   link --Arrive--> inbound IPsec --for it--> Received          --for others--> outbound IPsec, as a gateway does it

using System.Buffers.Binary;
using Testudo.Control.PfKey;
using Testudo.Control.Setkey;
using Testudo.Crypto;
using Testudo.Crypto.InBox;
using Testudo.Engine;
using Testudo.PfKey;
using Testudo.Wire;
using Testudo.Wire.PfKey;

namespace Testudo.Simulation;

/// <summary>A packet that reached its host's clear side.</summary>
/// <param name="Time">Virtual nanoseconds since the network was made.</param>
/// <param name="Bytes">The packet.</param>
public readonly record struct ReceivedPacket(long Time, byte[] Bytes);

/// <summary>A host in a <see cref="Network"/>.</summary>
public sealed class SimulatedHost : IDisposable
{
    private readonly Network _network;
    private readonly KeyServer _server;
    private readonly Worker _outbound;
    private readonly Worker _inbound;
    private readonly Batch _work = new(1), _back = new(1), _done = new(0);
    private readonly List<(Prefix Prefix, SimulatedLink Link)> _routes = [];
    private readonly List<ReceivedPacket> _received = [];
    private readonly List<EngineEvent> _events = [];

    internal SimulatedHost(Network network, string name, EngineOptions options, Address[] addresses, SeededRandom random)
    {
        _network = network;
        Name = name;
        Addresses = addresses;
        Engine = new IpsecEngine(options, new Providers(new InBoxProvider()), hashSeed: 0);
        Engine.SetLocalAddresses(addresses);
        _outbound = Engine.NewWorker();
        _inbound = Engine.NewWorker();
        _server = new KeyServer(Engine, random.Fill, static _ => null);
        Keys = new LocalKeys(_server, new Lock(), () => network.Now);
    }

    /// <summary>The name in the trace.</summary>
    public string Name { get; }

    /// <summary>Its addresses.</summary>
    public IReadOnlyList<Address> Addresses { get; }

    /// <summary>Its engine.</summary>
    public IpsecEngine Engine { get; }

    /// <summary>PF_KEY without a socket.</summary>
    public LocalKeys Keys { get; }

    /// <summary>What its programs received, in order: ICMP errors about their packets too.</summary>
    public IReadOnlyList<ReceivedPacket> Received => _received;

    /// <summary>What its engine said: expired and wanted SAs.</summary>
    public IReadOnlyList<EngineEvent> Events => _events;

    /// <summary>Whether it answers pings.</summary>
    public bool AnswersPings { get; set; }

    /// <summary>Packets that its engine ended so.</summary>
    public long Dropped(Drop drop) => _outbound.Dropped(drop) + _inbound.Dropped(drop);

    /// <summary>Sends what is for this prefix by a link; the longest prefix wins, then the earliest.</summary>
    public void AddRoute(string prefix, SimulatedLink link) => _routes.Add((Prefix.Parse(prefix), link));

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
        byte[] bytes = packet.ToArray();
        _work.Clear();
        _back.Clear();
        _done.Clear();
        if (!_work.TryAdd(bytes))
        {
            throw new ArgumentException($"a packet has 1 to {Batch.MaxPacketLength} bytes, this one {bytes.Length}", nameof(packet));
        }

        Engine.Outbound(_work, _done, _back, _network.Now, _outbound);
        Note(Side.Clear, CaptureDirection.Outbound, _work[0].Drop, null, bytes);
        byte[][] leaving = Copies(_done), answers = Copies(_back);
        Array.ForEach(leaving, Transmit);
        Array.ForEach(answers, Deliver);
    }

    internal void AddRoutes(IEnumerable<Address> addresses, SimulatedLink link) =>
        _routes.AddRange(addresses.Select(address => (Prefix.Host(address), link)));

    /// <summary>A packet comes from the network.</summary>
    internal void Arrive(byte[] packet)
    {
        _work.Clear();
        _done.Clear();
        _work.TryAdd(packet);
        Engine.Inbound(_work, _done, _network.Now, _inbound);
        Note(Side.Wire, CaptureDirection.Inbound, _work[0].Drop, null, packet);
        foreach (ref readonly Packet assembled in _inbound.Assembled.Packets)
        {
            if (assembled.Drop != Drop.None)
            {
                Note(Side.Wire, CaptureDirection.Inbound, assembled.Drop, "assembled", assembled.Span.ToArray());
            }
        }

        Array.ForEach(Copies(_done), Deliver);
    }

    internal void Tick()
    {
        IReadOnlyList<EngineEvent> events = Engine.Tick(_network.Now);
        _server.Announce(events, _network.Now);
        _events.AddRange(events);
    }

    /// <summary>Frees the memory and wipes the keys.</summary>
    public void Dispose()
    {
        Engine.Sad.All.ToList().ForEach(sa => Engine.RemoveSa(sa));
        Engine.Tick(_network.Now);
        _outbound.Dispose();
        _inbound.Dispose();
        _work.Dispose();
        _back.Dispose();
        _done.Dispose();
    }

    // What passed inbound IPsec, or the engine's own answers: to the programs here, or on.
    private void Deliver(byte[] packet)
    {
        if (IpInfo.TryParse(packet, out IpInfo info) != Drop.None || !Engine.IsLocal(info.Destination))
        {
            Forward(packet);
            return;
        }

        Note(Side.Clear, CaptureDirection.Inbound, Drop.None, null, packet);
        _received.Add(new ReceivedPacket(_network.Time, packet));
        if (AnswersPings && Echo.Answer(packet) is { } answer)
        {
            Send(answer);
        }
    }

    private void Forward(byte[] packet)
    {
        bool v4 = packet[0] >> 4 == 4;
        ref byte hops = ref packet[v4 ? 8 : 7];
        if (hops <= 1)
        {
            Note(Side.Wire, CaptureDirection.Inbound, Drop.None, "hop limit", packet);
            return;
        }

        hops--;
        if (v4)
        {
            IpWrite.SetLength(packet, BinaryPrimitives.ReadUInt16BigEndian(packet.AsSpan(2)), (packet[0] & 15) * 4); // the checksum
        }

        Send(packet);
    }

    private void Transmit(byte[] packet)
    {
        _ = IpInfo.TryParse(packet, out IpInfo info);
        SimulatedLink? link = _routes.Where(route => route.Prefix.Contains(info.Destination)).MaxBy(static route => route.Prefix.Length).Link;
        IReadOnlyList<byte[]> pieces = link?.Cut(packet) ?? [];
        if (pieces.Count == 0)
        {
            Note(Side.Wire, CaptureDirection.Outbound, link is null ? Drop.LinkRefused : Drop.TooBig, null, packet);
        }

        foreach (byte[] piece in pieces)
        {
            Note(Side.Wire, CaptureDirection.Outbound, Drop.None, link!.Carry(this, piece), piece);
        }
    }

    private void Note(Side side, CaptureDirection direction, Drop drop, string? fate, byte[] bytes) =>
        _network.Trace.Add(new TraceEntry(_network.Time, Name, side, direction, drop, fate, bytes));

    private static byte[][] Copies(Batch batch)
    {
        byte[][] copies = new byte[batch.Count][];
        for (int i = 0; i < copies.Length; i++)
        {
            copies[i] = batch[i].Span.ToArray();
        }

        return copies;
    }
}
