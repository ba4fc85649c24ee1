// A capture put through the inbound stack, by the capture's own clock: what `testudo open` does.

using Testudo.Engine;
using Testudo.Wire;

namespace Testudo.Offline;

/// <summary>How a frame ended.</summary>
public enum Verdict
{
    /// <summary>It was protected, and what was inside came out.</summary>
    Opened,

    /// <summary>It was not protected and went through.</summary>
    Clear,

    /// <summary>A fragment that waits for others, or was put together with them.</summary>
    Held,

    /// <summary>It was dropped.</summary>
    Dropped,

    /// <summary>It holds no IP packet.</summary>
    NotIp,

    /// <summary>It was protected on its way out.</summary>
    Sealed,
}

/// <summary>What became of one frame.</summary>
/// <param name="Number">The frame, from 1.</param>
/// <param name="Time">Its time stamp, nanoseconds since 1970.</param>
/// <param name="Verdict">How it ended.</param>
/// <param name="Drop">Why it was dropped.</param>
/// <param name="Spi">The SPI last looked at, 0 for none.</param>
/// <param name="Sequence">The sequence number with it.</param>
/// <param name="Packet">The packet that came out; empty where none did.</param>
public readonly record struct EndedFrame(int Number, long Time, Verdict Verdict, Drop Drop, uint Spi, ulong Sequence, ReadOnlyMemory<byte> Packet);

/// <summary>Puts frames through an engine, one at a time.</summary>
public sealed class CaptureOpener(IpsecEngine engine) : IDisposable
{
    private readonly Worker _worker = engine.NewWorker();
    private readonly Batch _work = new(1);
    private readonly Batch _done = new(0);

    /// <summary>What becomes of one frame.</summary>
    public EndedFrame Open(in CaptureFrame frame)
    {
        if (!frame.TryGetIp(out ReadOnlyMemory<byte> packet) || packet.Length > Batch.MaxPacketLength)
        {
            return new EndedFrame(frame.Number, frame.Time, Verdict.NotIp, Drop.None, 0, 0, default);
        }

        var now = new Now(frame.Time, frame.Time / 1_000_000_000);
        _work.Clear();
        _done.Clear();
        _work.TryAdd(packet.Span);
        engine.Inbound(_work, _done, now, _worker);
        if (_done.Count > 0)
        {
            ref Packet done = ref _done[0];
            Verdict verdict = (done.Flags & PacketFlags.Protected) != 0 ? Verdict.Opened : Verdict.Clear;
            return new EndedFrame(frame.Number, frame.Time, verdict, Drop.None, done.Spi, done.Sequence, done.Span.ToArray());
        }

        ref Packet ended = ref _worker.Assembled.Count > 0 ? ref _worker.Assembled[0] : ref _work[0];
        return new EndedFrame(frame.Number, frame.Time, ended.Drop == Drop.None ? Verdict.Held : Verdict.Dropped, ended.Drop, ended.Spi, ended.Sequence, default);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _work.Dispose();
        _done.Dispose();
    }
}
