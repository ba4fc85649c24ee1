// A link that writes down what passes: whatever the link inside receives and is given to send goes to one interface of
// a pcapng file. Several links may write to one file.

using Testudo.Wire;

namespace Testudo.Links;

/// <summary>Captures the packets of another link. A capture that cannot be written stops; the traffic goes on.</summary>
public sealed class CaptureLink : Link
{
    private readonly Link _inside;
    private readonly PcapngWriter _file;
    private readonly TimeProvider _clock;
    private readonly bool _live;
    private readonly int _interface;
    private volatile string? _failure;

    /// <summary>Wraps a link and describes it in the file as an interface of that name.</summary>
    /// <param name="inside">The link; closed with this one.</param>
    /// <param name="file">The capture. It is locked for each batch and stays open, for other links may write to it.</param>
    /// <param name="clock">The wall clock of the time stamps.</param>
    /// <param name="live">Flush after each batch, for somebody who watches.</param>
    /// <param name="description">What the file says of the interface, or null.</param>
    public CaptureLink(Link inside, PcapngWriter file, TimeProvider clock, bool live = false, string? description = null)
    {
        _inside = inside;
        _file = file;
        _clock = clock;
        _live = live;
        lock (file)
        {
            _interface = file.AddInterface(inside.Name, LinkType.Raw, description);
        }
    }

    /// <inheritdoc/>
    public override string Name => _inside.Name;

    /// <summary>Why the capture stopped before the link did; null while it is written.</summary>
    public string? Failure => _failure;

    /// <inheritdoc/>
    public override int Receive(Batch into, int timeoutMilliseconds)
    {
        int before = into.Count;
        int count = _inside.Receive(into, timeoutMilliseconds);
        if (count > 0)
        {
            Record(into.Packets[before..], CaptureDirection.Inbound);
        }

        return count;
    }

    /// <inheritdoc/>
    public override void Send(Batch packets)
    {
        // Before they are sent, so that no answer stands in the file before its question.
        Record(packets.Packets, CaptureDirection.Outbound);
        _inside.Send(packets);
    }

    /// <inheritdoc/>
    public override void Wake() => _inside.Wake();

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (!disposing)
        {
            return;
        }

        _inside.Dispose();
        if (_failure is null)
        {
            Write(default, CaptureDirection.Unknown, flush: true);
        }
    }

    private void Record(ReadOnlySpan<Packet> packets, CaptureDirection direction)
    {
        if (_failure is null && !packets.IsEmpty)
        {
            Write(packets, direction, _live);
        }
    }

    private void Write(ReadOnlySpan<Packet> packets, CaptureDirection direction, bool flush)
    {
        try
        {
            lock (_file)
            {
                // The time is taken under the lock: the times in a file never go back.
                long now = (_clock.GetUtcNow().Ticks - DateTimeOffset.UnixEpoch.Ticks) * TimeSpan.NanosecondsPerTick;
                foreach (ref readonly Packet packet in packets)
                {
                    if (packet.Drop == Drop.None)
                    {
                        _file.Write(_interface, now, packet.Span, direction: direction);
                    }
                }

                if (flush)
                {
                    _file.Flush();
                }
            }
        }
        catch (Exception failure) when (failure is IOException or ObjectDisposedException)
        {
            _failure = failure.Message;
        }
    }
}
