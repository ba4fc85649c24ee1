// A capture put through the outbound stack, by the capture's own clock: what `testudo seal` does.

using Testudo.Engine;
using Testudo.Wire;

namespace Testudo.Offline;

/// <summary>Puts frames through an engine on their way out, one at a time.</summary>
public sealed class CaptureSealer(IpsecEngine engine) : IDisposable
{
    private readonly Worker _worker = engine.NewWorker();
    private readonly Batch _work = new(1);
    private readonly Batch _done = new(0);
    private readonly Batch _back = new(1); // what the sender would be told; nobody is there to hear it

    /// <summary>What becomes of one frame.</summary>
    public EndedFrame Seal(in CaptureFrame frame)
    {
        if (!frame.TryGetIp(out ReadOnlyMemory<byte> packet) || packet.Length > Batch.MaxPacketLength)
        {
            return new EndedFrame(frame.Number, frame.Time, Verdict.NotIp, Drop.None, 0, 0, default);
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
            return new EndedFrame(frame.Number, frame.Time, done.Spi != 0 ? Verdict.Sealed : Verdict.Clear, Drop.None, done.Spi, done.Sequence, done.Span.ToArray());
        }

        ref Packet ended = ref _work[0];
        return new EndedFrame(frame.Number, frame.Time, Verdict.Dropped, ended.Drop, ended.Spi, ended.Sequence, default);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _work.Dispose();
        _done.Dispose();
        _back.Dispose();
    }
}
