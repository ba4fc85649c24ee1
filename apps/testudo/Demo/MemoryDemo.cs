// The demo where no namespace can be made: two stacks in this process over memory links. The demo itself is the two hosts
// (echo requests, and a responder) and the wire between them.

using System.Diagnostics;
using System.Globalization;
using Testudo.App.Pair;
using Testudo.Wire;

namespace Testudo.App.Demo;

internal sealed class MemoryDemo : IDisposable
{
    public static readonly string[] Claims = ["ping", "ping6", "replay", "tamper", "clear", "datagrams", "no-key-at-b", "no-key-at-a", "hidden"];

    private const int Pings = 5, CaptureLimit = 8 * 1024 * 1024;
    private readonly DemoTeller _tell;
    private readonly byte[] _marker;
    private readonly CancellationToken _cancel;
    private readonly MemoryHost _a, _b;
    private readonly MemoryWire _wire;

    public MemoryDemo(DemoTeller tell, string folder, byte[] marker, PairRequest pair, IReadOnlyList<PairSa> sas, CancellationToken cancel)
    {
        _tell = tell;
        _marker = marker;
        _cancel = cancel;
        _a = new MemoryHost("a", Path.Combine(folder, "a.pcapng"), CaptureLimit);
        _b = new MemoryHost("b", Path.Combine(folder, "b.pcapng"), CaptureLimit);
        _wire = new MemoryWire(_a.FarWire, _b.FarWire, marker);
        _a.Load(PairFiles.Text(pair, sas, isA: true, "a.conf", "b.conf"), "a.conf");
        _b.Load(PairFiles.Text(pair, sas, isA: false, "b.conf", "a.conf"), "b.conf");
    }

    public DemoHostCounters[] Show()
    {
        Ping("ping", IpFamily.V4);
        Ping("ping6", IpFamily.V6);
        Replay();
        Clear();
        Datagrams();
        WithoutKeys("no-key-at-b", _b, Drop.UnknownSpi, "without keys on host b nothing passes: b drops what it cannot open");
        WithoutKeys("no-key-at-a", _a, Drop.NoSa, "without keys on host a nothing leaves it, least of all in clear");
        return [_a.Counters(), _b.Counters()];
    }

    public void Dispose()
    {
        _a.Dispose();
        _b.Dispose();
        _wire.Dispose();
    }

    private void Ping(string name, IpFamily family)
    {
        WireCount before = _wire.Count();
        int answered = Ping(family, Pings, out double fastest);
        WireCount wire = _wire.Count() - before;
        _tell.Claim(name, $"echo requests over IPv{(int)family} are answered and are ESP on the wire",
            answered == Pings && wire.Esp == 2 * Pings && wire.Clear == 0 && wire.Marked == 0,
            string.Create(CultureInfo.InvariantCulture, $"{Pings} sent, {answered} answered, the fastest in {fastest:0.000} ms; {Words(wire)}"),
            ("sent", Pings), ("answered", answered), ("esp", wire.Esp), ("clear", wire.Clear), ("marked", wire.Marked));
    }

    private int Ping(IpFamily family, int count, out double fastest)
    {
        fastest = double.MaxValue;
        int answered = 0;
        for (ushort i = 1; i <= count; i++)
        {
            _cancel.ThrowIfCancellationRequested();
            long start = Stopwatch.GetTimestamp();
            long before = _a.Replies;
            _a.Send(DemoPackets.Echo(family, i, _marker));
            if (Wait(() => _a.Replies > before, 300))
            {
                answered++;
                fastest = Math.Min(fastest, Stopwatch.GetElapsedTime(start).TotalMilliseconds);
            }
        }

        return answered;
    }

    private void Replay()
    {
        byte[] packet = _wire.Kept ?? throw new IOException("no ESP packet was seen on the wire, so none can be replayed");
        Inject("replay", "a packet that was sent before is refused: replayed", Drop.Replayed, packet, 1);
        byte[] changed = [.. packet];
        changed[DemoPackets.V4SequenceLowByte] += 200; // still to come: the window lets it pass and the ICV stops it
        changed[^20] ^= 1;
        Inject("tamper", "a packet that was changed on the way is refused: bad-icv", Drop.BadIcv, changed, 1);
    }

    private void Clear() =>
        Inject("clear", "a packet in clear that policy wants protected is refused: clear-but-required", Drop.ClearButRequired, DemoPackets.Datagram("in clear"u8), 3);

    private void Inject(string name, string sentence, Drop drop, byte[] packet, int count)
    {
        long before = _b.Stack.Dropped(drop);
        long arrived = _b.Datagrams + _b.Requests;
        for (int i = 0; i < count; i++)
        {
            _wire.SendToB(packet);
        }

        Wait(() => _b.Stack.Dropped(drop) - before >= count, 2000);
        long counted = _b.Stack.Dropped(drop) - before;
        arrived = _b.Datagrams + _b.Requests - arrived;
        _tell.Claim(name, sentence, counted == count && arrived == 0, $"{count} put on the wire, {arrived} reached host b; it counts {counted} {Drops.Name(drop)}",
            ("sent", count), ("arrived", arrived), ("dropped", counted));
    }

    private void Datagrams()
    {
        byte[] payload = new byte[1408];
        for (int i = 0; i < payload.Length; i++)
        {
            payload[i] = _marker[i % _marker.Length];
        }

        byte[] packet = DemoPackets.Datagram(payload);
        WireCount before = _wire.Count();
        long first = _b.Datagrams;
        long sent = 0;
        long start = Stopwatch.GetTimestamp();
        while (Stopwatch.GetElapsedTime(start).TotalSeconds < 1.5)
        {
            _cancel.ThrowIfCancellationRequested();
            _a.Send(packet, 64);
            sent += 64;
            Wait(() => sent - (_b.Datagrams - first) < 512, 1000); // as a window would
        }

        Wait(() => _b.Datagrams - first >= sent, 1000);
        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        long arrived = _b.Datagrams - first;
        WireCount wire = _wire.Count() - before;
        double rate = arrived * payload.Length * 8 / seconds / 1e6;
        _tell.Claim("datagrams", "a stream of UDP datagrams works and is ESP on the wire", arrived == sent && wire.Esp >= sent && wire.Clear == 0 && wire.Marked == 0,
            string.Create(CultureInfo.InvariantCulture, $"{arrived} of {sent} arrived in {seconds:0.0} s, {rate:0} Mbit/s with capture on both hosts; {Words(wire)}"),
            ("sent", sent), ("arrived", arrived), ("seconds", Math.Round(seconds, 3)), ("mbitPerSecond", Math.Round(rate, 1)), ("esp", wire.Esp), ("clear", wire.Clear), ("marked", wire.Marked));
    }

    private void WithoutKeys(string name, MemoryHost flushed, Drop drop, string sentence)
    {
        flushed.Load("flush;", "flush");
        long before = flushed.Stack.Dropped(drop);
        WireCount wire = _wire.Count();
        int answered = Ping(IpFamily.V4, 3, out _);
        long counted = flushed.Stack.Dropped(drop) - before;
        WireCount seen = _wire.Count() - wire;
        _tell.Claim(name, $"{sentence}: {Drops.Name(drop)}", answered == 0 && counted == 3 && seen.Clear == 0 && (flushed != _a || seen.Esp == 0),
            $"3 echo requests, {answered} answered; host {flushed.Name} counts {counted} {Drops.Name(drop)}; {Words(seen)}",
            ("sent", 3), ("answered", answered), ("dropped", counted), ("esp", seen.Esp), ("clear", seen.Clear));
    }

    private bool Wait(Func<bool> condition, int milliseconds) => SpinWait.SpinUntil(() => _cancel.IsCancellationRequested || condition(), milliseconds) && !_cancel.IsCancellationRequested;

    private static string Words(WireCount wire) => $"on the wire {wire.Esp} packets of ESP ({wire.EspBytes} bytes), {wire.Clear} in clear, {wire.Marked} with the payload's marker";
}
