// The demo on two hosts of this machine: real daemons, the kernel's own IP stacks, ping and TCP of programs that know
// nothing of IPsec, and a wire that is looked at from outside.

using System.Buffers.Binary;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text.RegularExpressions;
using Testudo.App.Pair;

namespace Testudo.App.Demo;

internal sealed partial class NamespaceDemo : IDisposable
{
    public static readonly string[] Claims = ["ping", "ping6", "replay", "tamper", "clear", "tcp", "tcp6", "no-key-at-b", "no-key-at-a", "hidden", "tidy"];

    private const int Pings = 5, FailingPings = 3, ClearDatagrams = 3;

    /// <summary>The mark of the stack's own packets (instance 0): who sets it goes round its host's policies.</summary>
    private const int OwnMark = 0x53000000;

    private readonly DemoTeller _tell;
    private readonly string _folder;
    private readonly byte[] _marker;
    private readonly CancellationToken _cancel;
    private readonly TwoNamespaces _net;
    private DemoHost? _a, _b;
    private WireTap? _tap;

    /// <summary>Makes the namespaces.</summary>
    /// <exception cref="IOException">They cannot be made here.</exception>
    public NamespaceDemo(DemoTeller tell, string folder, byte[] marker, CancellationToken cancel)
    {
        _tell = tell;
        _folder = folder;
        _marker = marker;
        _cancel = cancel;
        _net = new TwoNamespaces(cancel);
    }

    private DemoHost A => _a!;

    private DemoHost B => _b!;

    private WireTap Tap => _tap!;

    /// <summary>Brings both daemons up and gives each its keys.</summary>
    /// <exception cref="IOException">One did not come up, or did not take its keys.</exception>
    public void Begin(PairRequest pair, IReadOnlyList<PairSa> sas)
    {
        _a = new DemoHost("a", _net.A, _folder);
        _b = new DemoHost("b", _net.B, _folder);
        _tap = TwoNamespaces.In(_net.B, () => new WireTap("eth0", _marker, TwoNamespaces.AddressA));
        foreach (DemoHost host in (DemoHost[])[A, B])
        {
            host.WaitUntilReady(_cancel);

            // Through a pipe: a demo that is killed must not leave a file with keys.
            Shell.Run([.. Shell.Ourselves, "setkey", "--pfkey", host.PfKey, "-c"], _cancel, PairFiles.Text(pair, sas, host == A, "a.conf", "b.conf"));
        }
    }

    /// <summary>All claims that need the daemons. The counters of both at the end.</summary>
    public DemoHostCounters[] Show()
    {
        Ping("ping", TwoNamespaces.AddressB, "IPv4");
        Ping("ping6", TwoNamespaces.Address6B, "IPv6");
        Replay();
        Clear();
        Tcp("tcp", TwoNamespaces.AddressB, "IPv4");
        Tcp("tcp6", TwoNamespaces.Address6B, "IPv6");
        WithoutKeys("no-key-at-b", B, "unknown-spi", "without keys on host b nothing passes: b drops what it cannot open");
        WithoutKeys("no-key-at-a", A, "no-sa", "without keys on host a nothing leaves it, least of all in clear");
        return [A.Counters(), B.Counters()];
    }

    /// <summary>Ends the daemons, so that their captures are whole, and takes everything away.</summary>
    public void Dispose()
    {
        _tap?.Dispose();
        _a?.Dispose();
        _b?.Dispose();
        _net.Dispose();
        _tap = null;
    }

    /// <summary>Looks whether anything is left.</summary>
    public void CheckTidy()
    {
        List<string> left = [.. _net.Left];
        left.AddRange(new[] { _a, _b }.OfType<DemoHost>().Where(static host => Directory.Exists($"/proc/{host.Pid}")).Select(static host => $"process {host.Pid}"));
        _tell.Claim("tidy", "nothing of it is left on this machine", left.Count == 0,
            left.Count == 0 ? "2 namespaces with their links, routes and rules and 2 daemons are gone" : $"left: {string.Join(", ", left)}", ("left", left.Count));
    }

    private void Ping(string name, string address, string family)
    {
        WireCount before = Tap.Count();
        (int sent, int answered, string fastest) = Ping(Pings, address);
        WireCount wire = Tap.Count() - before;
        _tell.Claim(name, $"ping over {family} works and is ESP on the wire",
            sent == Pings && answered == Pings && wire.Esp >= 2 * Pings && wire.Clear == 0 && wire.Marked == 0,
            $"{sent} sent, {answered} answered, the fastest in {fastest} ms; {Words(wire)}",
            ("sent", sent), ("answered", answered), ("esp", wire.Esp), ("clear", wire.Clear), ("marked", wire.Marked));
    }

    private (int Sent, int Answered, string Fastest) Ping(int count, string address)
    {
        string output = A.Try(_cancel, "ping", "-n", "-c", count.ToString(CultureInfo.InvariantCulture), "-i", "0.2", "-W", "1",
            "-s", "80", "-p", Convert.ToHexStringLower(_marker), address).Output;
        Match match = Answers().Match(output);
        if (!match.Success)
        {
            throw new IOException($"ping {address}: {output.Trim()}");
        }

        return (Number(match, 1), Number(match, 2), Times().Match(output) is { Success: true } times ? times.Groups[1].Value : "-");
    }

    private void Replay()
    {
        byte[] packet = Tap.Kept ?? throw new IOException("no ESP packet was seen on the wire, so none can be replayed");
        int esp = (packet[0] & 15) * 4;
        Resend("replay", "a packet that was sent before is refused: replayed", "replayed", packet, esp);

        // A sequence number that is still to come, so that the window lets it pass and the ICV is what stops it.
        byte[] changed = [.. packet];
        Span<byte> sequence = changed.AsSpan(esp + 4, 4);
        BinaryPrimitives.WriteUInt32BigEndian(sequence, BinaryPrimitives.ReadUInt32BigEndian(sequence) + 200);
        changed[^20] ^= 1;
        Resend("tamper", "a packet that was changed on the way is refused: bad-icv", "bad-icv", changed, esp);
    }

    private void Resend(string name, string sentence, string drop, byte[] packet, int esp)
    {
        long before = B.Dropped(drop);
        WireCount wire = Tap.Count();
        TwoNamespaces.In(A.Space, () =>
        {
            using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Raw, ProtocolType.Raw);
            SetOwnMark(socket);
            return socket.SendTo(packet, new IPEndPoint(IPAddress.Parse(TwoNamespaces.AddressB), 0));
        });
        long counted = B.WaitForDrops(drop, before + 1) - before;
        long seen = (Tap.Count() - wire).Esp;
        uint spi = BinaryPrimitives.ReadUInt32BigEndian(packet.AsSpan(esp));
        uint number = BinaryPrimitives.ReadUInt32BigEndian(packet.AsSpan(esp + 4));
        _tell.Claim(name, sentence, counted == 1 && seen == 1,
            $"1 packet of SPI 0x{spi:x8}, number {number}, sent again by a raw socket; host b counts {counted} {drop}", ("sent", 1), ("onWire", seen), ("dropped", counted));
    }

    private void Clear()
    {
        var address = IPAddress.Parse(TwoNamespaces.AddressB);
        using Socket listener = TwoNamespaces.In(B.Space, () =>
        {
            var socket = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
            socket.Bind(new IPEndPoint(address, 0));
            return socket;
        });
        EndPoint to = listener.LocalEndPoint!;
        using Socket sender = TwoNamespaces.In(A.Space, static () => new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp));
        sender.SendTo("protected"u8, to);
        byte[] buffer = new byte[64];
        bool control = listener.Poll(3_000_000, SelectMode.SelectRead) && buffer.AsSpan(0, listener.Receive(buffer)).SequenceEqual("protected"u8);

        long before = B.Dropped("guard-in");
        WireCount wire = Tap.Count();
        SetOwnMark(sender);
        for (int i = 0; i < ClearDatagrams; i++)
        {
            sender.SendTo("in clear"u8, to);
        }

        long counted = B.WaitForDrops("guard-in", before + ClearDatagrams) - before;
        int arrived = 0;
        while (listener.Poll(100_000, SelectMode.SelectRead))
        {
            listener.Receive(buffer);
            arrived++;
        }

        long seen = (Tap.Count() - wire).Clear;
        _tell.Claim("clear", "a packet in clear that policy wants protected is refused: guard-in",
            control && counted == ClearDatagrams && arrived == 0 && seen == ClearDatagrams,
            $"{seen} UDP datagrams in clear on the wire, {arrived} reached the socket on b, which got the protected one before: {(control ? "yes" : "no")}; host b counts {counted} guard-in",
            ("sent", ClearDatagrams), ("onWire", seen), ("arrived", arrived), ("dropped", counted), ("protectedArrived", control ? 1 : 0));
    }

    private void Tcp(string name, string address, string family)
    {
        WireCount before = Tap.Count();
        TransferResult result = Transfer.Run(A.Space, B.Space, address, _marker, 1.5, _cancel);
        WireCount wire = Tap.Count() - before;
        long missed = Tap.TakeMissed();
        _tell.Claim(name, $"TCP over {family} works and is ESP on the wire", result.IsWhole && wire.Esp > 0 && wire.Clear == 0 && wire.Marked == 0,
            string.Create(CultureInfo.InvariantCulture, $"{result.Bytes / 1e6:0.0} MB in {result.Seconds:0.0} s, {result.MegabitsPerSecond:0} Mbit/s with capture on both hosts, ")
            + $"every byte as it was sent: {(result.IsWhole ? "yes" : "no")}; {Words(wire)}{(missed > 0 ? $", {missed} too fast to be looked at" : "")}",
            ("bytes", result.Bytes), ("seconds", Math.Round(result.Seconds, 3)), ("mbitPerSecond", Math.Round(result.MegabitsPerSecond, 1)),
            ("esp", wire.Esp), ("clear", wire.Clear), ("marked", wire.Marked), ("missed", missed));
    }

    private void WithoutKeys(string name, DemoHost flushed, string drop, string sentence)
    {
        flushed.Setkey(_cancel, "-F");
        long before = flushed.Dropped(drop);
        WireCount wire = Tap.Count();
        (int sent, int answered, _) = Ping(FailingPings, TwoNamespaces.AddressB);
        long counted = flushed.WaitForDrops(drop, before + FailingPings) - before;
        WireCount seen = Tap.Count() - wire;
        _tell.Claim(name, $"{sentence}: {drop}", sent == FailingPings && answered == 0 && counted >= FailingPings && seen.Clear == 0 && (flushed != A || seen.Esp == 0),
            $"{sent} pings, {answered} answered; host {flushed.Name} counts {counted} {drop}; {Words(seen)}",
            ("sent", sent), ("answered", answered), ("dropped", counted), ("esp", seen.Esp), ("clear", seen.Clear));
    }

    private static string Words(WireCount wire) => $"on the wire {wire.Esp} packets of ESP ({wire.EspBytes} bytes), {wire.Clear} in clear, {wire.Marked} with the payload's marker";

    private static void SetOwnMark(Socket socket) =>
        socket.SetRawSocketOption(DemoNative.SolSocket, DemoNative.Mark, BitConverter.GetBytes(OwnMark));

    private static int Number(Match match, int group) => int.Parse(match.Groups[group].ValueSpan, CultureInfo.InvariantCulture);

    [GeneratedRegex(@"(\d+) packets transmitted, (\d+) (?:packets )?received")]
    private static partial Regex Answers();

    [GeneratedRegex(@"min/avg/max\S* = ([\d.]+)/")]
    private static partial Regex Times();
}
