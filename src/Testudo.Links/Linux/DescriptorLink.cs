// What all links over a file descriptor have in common: read until it would block, wait only when nothing was there, and
// close only when the last thread has left. Closing a descriptor that another thread still uses would give its number
// to whatever is opened next.

using Testudo.Wire;

namespace Testudo.Links;

/// <summary>A link over one descriptor (or a few) of the system.</summary>
public abstract class DescriptorLink : Link
{
    private const int Closed = 1 << 30;
    private readonly Waker _waker = new();
    private int _users; // threads inside, and the bit Closed
    private long _ignored;

    /// <summary>Datagrams that were received but could not be passed up: longer than an IP packet may be, or without addresses.</summary>
    public long Ignored => Volatile.Read(ref _ignored);

    /// <summary>The descriptor that is waited for.</summary>
    internal abstract int Descriptor { get; }

    /// <inheritdoc/>
    /// <remarks>A signal may end the wait before its time.</remarks>
    public sealed override int Receive(Batch into, int timeoutMilliseconds)
    {
        if (!Enter())
        {
            return -1;
        }

        try
        {
            // Under load there is always something: this saves the poll.
            int before = into.Count;
            bool open = ReadAll(into);
            if (open && into.Count == before && timeoutMilliseconds != 0
                && _waker.Wait(Descriptor, timeoutMilliseconds) == Waited.Ready)
            {
                open = ReadAll(into);
            }

            int count = into.Count - before;
            return count == 0 && (!open || Volatile.Read(ref _users) >= Closed) ? -1 : count;
        }
        finally
        {
            Leave();
        }
    }

    /// <inheritdoc/>
    public sealed override void Send(Batch packets)
    {
        bool open = Enter();
        try
        {
            foreach (ref Packet packet in packets.Packets)
            {
                if (packet.Drop == Drop.None)
                {
                    packet.Drop = open ? SendOne(packet) : Drop.LinkRefused;
                }
            }
        }
        finally
        {
            if (open)
            {
                Leave();
            }
        }
    }

    /// <inheritdoc/>
    public sealed override void Wake()
    {
        if (Enter())
        {
            _waker.Wake();
            Leave();
        }
    }

    /// <summary>Reads one packet into the batch.</summary>
    /// <returns>How that ended: bytes &gt; 0 read (also if passed over), 0 for nothing there, less for a descriptor that is dead.</returns>
    internal abstract int ReadOne(Batch into);

    /// <summary>Sends one packet.</summary>
    internal abstract Drop SendOne(in Packet packet);

    /// <summary>Closes the descriptors. Called once, by the last thread that uses them.</summary>
    internal abstract void Close();

    /// <summary>Counts a datagram that is not passed up.</summary>
    internal void Ignore() => _ignored++;

    /// <summary>What a failed read means: 0 to try again later, -1 where the descriptor is dead.</summary>
    internal static int ReadFailure(int errno) =>
        errno is Errno.BadDescriptor or Errno.BadDescriptorState or Errno.NoDevice ? -1 : 0;

    /// <summary>What a failed send means for the packet.</summary>
    internal static Drop SendFailure(int errno) =>
        errno is Errno.WouldBlock or Errno.NoBuffers or Errno.OutOfMemory ? Drop.LinkFull : Drop.LinkRefused;

    /// <inheritdoc/>
    protected sealed override void Dispose(bool disposing)
    {
        if (disposing && (Interlocked.Or(ref _users, Closed) & Closed) == 0)
        {
            _waker.Wake();
            // The closer counts as a user: with the descriptors closed by whoever leaves last.
            _ = Interlocked.Increment(ref _users);
            Leave();
        }
    }

    private bool ReadAll(Batch into)
    {
        while (!into.IsFull)
        {
            int read = ReadOne(into);
            if (read <= 0)
            {
                return read == 0;
            }
        }

        return true;
    }

    private bool Enter()
    {
        if ((Interlocked.Increment(ref _users) & Closed) == 0)
        {
            return true;
        }

        Leave();
        return false;
    }

    private void Leave()
    {
        if (Interlocked.Decrement(ref _users) == Closed)
        {
            // Only one thread can bring the count to this value last; a late visitor must not close again.
            if (Interlocked.CompareExchange(ref _users, Closed | (1 << 29), Closed) == Closed)
            {
                Close();
                _waker.Dispose();
            }
        }
    }
}
