// Writes what passes a stack into a pcapng file: one interface for the wire side and one for the clear side; a packet
// that was dropped has its drop's name as comment. Packets are transformed in place, so their bytes are copied before.

using Testudo.Wire;

namespace Testudo.Host;

/// <summary>The capture of one stack. Several packet threads write to it; a failing disk ends the capture, not the traffic.</summary>
public sealed class PacketTap : IDisposable
{
    private readonly Stream _stream;
    private readonly PcapngWriter _writer;
    private readonly long _limit;
    private readonly int _wire;
    private readonly int _clear;
    private volatile bool _full;
    private bool _failed;

    /// <summary>A capture whose interfaces are called NAME-wire and NAME-clear.</summary>
    /// <param name="stream">Where to.</param>
    /// <param name="name">What the interfaces' names begin with.</param>
    /// <param name="limit">Bytes of capture; beyond them only what is dropped is written, up to as many again.</param>
    public PacketTap(Stream stream, string name, long limit = long.MaxValue)
    {
        _limit = limit;
        _stream = stream;
        _writer = new PcapngWriter(stream, hardware: null, os: null, application: "testudo");
        _wire = _writer.AddInterface(name + "-wire", LinkType.Raw, "protected side");
        _clear = _writer.AddInterface(name + "-clear", LinkType.Raw, "clear side");
    }

    /// <summary>Copies the packets of a batch, before they are worked on.</summary>
    internal static Copy Take(Batch batch)
    {
        var copies = new byte[batch.Count][];
        for (int i = 0; i < copies.Length; i++)
        {
            copies[i] = batch[i].Span.ToArray();
        }

        return new Copy(copies, (DateTimeOffset.UtcNow - DateTimeOffset.UnixEpoch).Ticks * 100);
    }

    /// <summary>Writes what was taken, with the drops that the packets of the batch have now.</summary>
    internal void Write(in Copy taken, Batch worked, bool wireSide)
    {
        lock (_writer)
        {
            for (int i = 0; i < taken.Packets.Length && !_failed; i++)
            {
                Write(wireSide, taken.Time, taken.Packets[i], worked[i].Drop, wireSide ? CaptureDirection.Inbound : CaptureDirection.Outbound);
            }
        }
    }

    /// <summary>Writes what leaves: to the wire, or to the clear side.</summary>
    internal void WriteLeaving(Batch batch, bool wireSide)
    {
        if (_full)
        {
            return;
        }

        long time = (DateTimeOffset.UtcNow - DateTimeOffset.UnixEpoch).Ticks * 100;
        lock (_writer)
        {
            for (int i = 0; i < batch.Count && !_failed; i++)
            {
                Write(wireSide, time, batch[i].Span, Drop.None, wireSide ? CaptureDirection.Outbound : CaptureDirection.Inbound);
            }
        }
    }

    /// <summary>Gives the stream what was written, for somebody who watches. The control thread calls it every second.</summary>
    internal void Flush()
    {
        lock (_writer)
        {
            if (_failed)
            {
                return;
            }

            try
            {
                _writer.Flush();
            }
            catch (IOException)
            {
                _failed = true;
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (_writer)
        {
            _failed = true;
            _writer.Dispose();
            _stream.Dispose();
        }
    }

    private void Write(bool wireSide, long time, ReadOnlySpan<byte> bytes, Drop drop, CaptureDirection direction)
    {
        if (_full && (drop == Drop.None || _writer.Length - _limit > _limit))
        {
            return;
        }

        try
        {
            _writer.Write(wireSide ? _wire : _clear, time, bytes, drop == Drop.None ? null : Drops.Name(drop), direction: direction);
            _full = _writer.Length >= _limit;
        }
        catch (IOException)
        {
            _failed = true;
        }
    }

    /// <summary>Copies of a batch's packets and when they came.</summary>
    internal readonly record struct Copy(byte[][] Packets, long Time);
}
