// The bounded queue behind a memory link: a ring of buffers that are kept, so that nothing is allocated once each has grown
// to the longest packet its place has seen.

using Testudo.Wire;

namespace Testudo.Links;

/// <summary>A queue of packets' bytes for any number of threads.</summary>
internal sealed class PacketQueue(int capacity)
{
    private const int SmallestBuffer = 2048;
    private readonly object _lock = new(); // Monitor, for its Wait
    private readonly byte[]?[] _buffers = new byte[]?[capacity];
    private readonly int[] _lengths = new int[capacity];
    private int _first;
    private int _count;
    private bool _woken;
    private bool _noMore;
    private bool _closed;

    /// <summary>Takes what is there, waiting for the first packet; see <see cref="Link.Receive"/>.</summary>
    public int Take(Batch into, int milliseconds)
    {
        lock (_lock)
        {
            WaitForPacket(milliseconds);
            int taken = 0;
            while (!_closed && _count > 0 && !into.IsFull)
            {
                _ = into.TryAdd(TakeFirst());
                taken++;
            }

            if (taken == 0)
            {
                _woken = false;
            }

            return taken == 0 && _closed ? -1 : taken;
        }
    }

    /// <summary>Takes a copy of one packet, waiting for it; null where none came.</summary>
    public byte[]? Take(int milliseconds)
    {
        lock (_lock)
        {
            WaitForPacket(milliseconds);
            if (!_closed && _count > 0)
            {
                return TakeFirst().ToArray();
            }

            _woken = false;
            return null;
        }
    }

    /// <summary>Adds what lives in the batch.</summary>
    public void Add(Batch packets)
    {
        lock (_lock)
        {
            foreach (ref Packet packet in packets.Packets)
            {
                if (packet.Drop == Drop.None)
                {
                    packet.Drop = Add(packet.Span);
                }
            }

            Monitor.PulseAll(_lock);
        }
    }

    /// <summary>Adds one packet; what became of it.</summary>
    public Drop AddOne(ReadOnlySpan<byte> packet)
    {
        lock (_lock)
        {
            Drop drop = Add(packet);
            Monitor.PulseAll(_lock);
            return drop;
        }
    }

    /// <summary>Ends a wait, now or the next time.</summary>
    public void Wake()
    {
        lock (_lock)
        {
            _woken = true;
            Monitor.PulseAll(_lock);
        }
    }

    /// <summary>The receiver is gone: nothing is taken any more, nothing is accepted.</summary>
    public void Close()
    {
        lock (_lock)
        {
            _closed = true;
            Monitor.PulseAll(_lock);
        }
    }

    /// <summary>The sender is gone: what is there may still be taken, nothing is accepted.</summary>
    public void CloseSending()
    {
        lock (_lock)
        {
            _noMore = true;
        }
    }

    private void WaitForPacket(int milliseconds)
    {
        if (_count == 0 && !_woken && !_closed && milliseconds != 0)
        {
            // May end early when another receiver took the packet: nothing is a right answer then too.
            _ = Monitor.Wait(_lock, milliseconds);
        }
    }

    // Its bytes stay until the lock is left.
    private ReadOnlySpan<byte> TakeFirst()
    {
        ReadOnlySpan<byte> bytes = _buffers[_first].AsSpan(0, _lengths[_first]);
        _first = _first + 1 == capacity ? 0 : _first + 1;
        _count--;
        return bytes;
    }

    private Drop Add(ReadOnlySpan<byte> bytes)
    {
        if (_closed || _noMore || bytes.IsEmpty || bytes.Length > Batch.MaxPacketLength)
        {
            return Drop.LinkRefused;
        }

        if (_count == capacity)
        {
            return Drop.LinkFull;
        }

        int place = (_first + _count) % capacity;
        if (_buffers[place] is not { } buffer || buffer.Length < bytes.Length)
        {
            // Not from the shared pool: it would take a buffer back only from the thread that returns it.
            buffer = new byte[Math.Max(SmallestBuffer, (int)System.Numerics.BitOperations.RoundUpToPowerOf2((uint)bytes.Length))];
            _buffers[place] = buffer;
        }

        bytes.CopyTo(buffer);
        _lengths[place] = bytes.Length;
        _count++;
        return Drop.None;
    }
}
