// A capture put through the outbound stack, by the capture's own clock: what `testudo seal` does.

using Testudo.Engine;
using Testudo.Wire;

namespace Testudo.Offline;

/// <summary>What became of one frame on its way out.</summary>
/// <param name="Number">The frame, from 1.</param>
/// <param name="Time">Its time stamp, nanoseconds since 1970.</param>
/// <param name="Verdict">How it ended: sealed, clear (policy lets it out so), dropped, or no IP.</param>
/// <param name="Drop">Why it was dropped.</param>
/// <param name="Spi">The SPI of the outermost SA, 0 for none.</param>
/// <param name="Sequence">The sequence number with it.</param>
/// <param name="Packet">The packet that came out; empty where none did.</param>
public readonly record struct SealedFrame(int Number, long Time, Verdict Verdict, Drop Drop, uint Spi, ulong Sequence, ReadOnlyMemory<byte> Packet);

/// <summary>Puts frames through an engine on their way out, one at a time.</summary>
public sealed class CaptureSealer(IpsecEngine engine) : IDisposable
{
    private readonly Worker _worker = engine.NewWorker();
    private readonly Batch _work = new(1);
    private readonly Batch _done = new(0);
    private readonly Batch _back = new(1); // what the sender would be told; nobody is there to hear it

    /// <summary>What becomes of one frame.</summary>
    public SealedFrame Seal(in CaptureFrame frame)
    {
        if (!frame.TryGetIp(out ReadOnlyMemory<byte> packet) || packet.Length > Batch.MaxPacketLength)
        {
            return new SealedFrame(frame.Number, frame.Time, Verdict.NotIp, Drop.None, 0, 0, default);
        }

        var now = new Now(frame.Time, frame.Time / 1_000_000_000);
        _work.Clear();
        _done.Clear();
        _back.Clear();
        _work.TryAdd(packet.Span);
        engine.Outbound(_work, _done, _back, now, _worker);
        if (_done.Count > 0)
        {
            ref Packet done = ref _done[0];
            return new SealedFrame(frame.Number, frame.Time, done.Spi != 0 ? Verdict.Sealed : Verdict.Clear, Drop.None, done.Spi, done.Sequence, done.Span.ToArray());
        }

        ref Packet ended = ref _work[0];
        return new SealedFrame(frame.Number, frame.Time, Verdict.Dropped, ended.Drop, ended.Spi, ended.Sequence, default);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _work.Dispose();
        _done.Dispose();
        _back.Dispose();
    }
}
