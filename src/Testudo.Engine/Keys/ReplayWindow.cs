// The receiver's window of sequence numbers (RFC 4303, 3.4.3), kept as RFC 6479 does: a ring of 64-bit blocks that is
// cleared block by block as the window moves, so that nothing is ever shifted.
//
//   block:  | n-1 |  n  | n+1 | ...      one block more than the window needs,
//             ^oldest      ^ newest      so that the newest may be filled from its start
//
// Check before the ICV costs nothing; only Slide, after it, changes anything.
//
// Of an extended sequence number (2.2.1) only the low half is sent. The high half is that which brings the number closest
// to the window (appendix A2.2): with T the highest number and W the packets of the window,
//
//   window within one round (Tl >= W-1)        low >= Tl-W+1 : Th        else : Th+1, a new round
//   window across two rounds (Tl < W-1)        low >= Tl-W+1 : Th-1      else : Th        (Tl-W+1 modulo 2^32)

using Testudo.Wire;

namespace Testudo.Engine.Keys;

/// <summary>Which sequence numbers have been received. Used by one thread.</summary>
public sealed class ReplayWindow
{
    /// <summary>The smallest window.</summary>
    public const int MinPackets = 32;

    /// <summary>The largest window.</summary>
    public const int MaxPackets = 65536;

    private readonly ulong[] _blocks;
    private readonly int _mask;
    private long _notAscending;

    /// <summary>A window of so many packets, 0 for none, behind the highest number received so far.</summary>
    public ReplayWindow(int packets, ulong highest)
    {
        Packets = packets;
        Highest = highest;
        int blocks = 1;
        while (packets > 0 && blocks * 64 < packets + 64)
        {
            blocks *= 2;
        }

        _blocks = new ulong[blocks];
        _mask = blocks - 1;
        if (highest > 0)
        {
            // What lies below is taken as received: a number given by hand must not let old packets in again.
            Array.Fill(_blocks, ulong.MaxValue);
            ClearAbove(highest);
        }
    }

    /// <summary>Packets in the window; 0 lets everything through.</summary>
    public int Packets { get; }

    /// <summary>The highest number received; without a window, the last one after the sender's counter has cycled.</summary>
    public ulong Highest { get; private set; }

    /// <summary>Without a window: packets whose number was not above <see cref="Highest"/>, taken all the same.</summary>
    public ulong NotAscending => (ulong)Volatile.Read(ref _notAscending);

    /// <summary>
    /// The whole of an extended number of which the low half came; false where it would lie before the first or behind the
    /// last of all. For windows that are on: without one there is nothing to tell rounds by (RFC 4303, 3.4.3).
    /// </summary>
    public bool TryExtend(uint low, out ulong sequence)
    {
        uint top = (uint)Highest, bottom = top - (uint)Packets + 1;
        long high = (long)(Highest >> 32);
        if (top >= (uint)Packets - 1)
        {
            high += low >= bottom ? 0 : 1;
        }
        else
        {
            high -= low >= bottom ? 1 : 0;
        }

        sequence = ((ulong)high << 32) | low;
        return high is >= 0 and <= uint.MaxValue;
    }

    /// <summary>Whether a number may still come; changes nothing.</summary>
    public Drop Check(ulong sequence)
    {
        if (Packets == 0)
        {
            return Drop.None; // the sender's counter may cycle, past 0 too (RFC 4303, 3.3.3)
        }

        if (sequence == 0)
        {
            return Drop.SequenceZero; // RFC 4303, 3.3.3: the first packet has 1
        }

        if (sequence > Highest)
        {
            return Drop.None;
        }

        if (Highest - sequence >= (ulong)Packets)
        {
            return Drop.TooOld;
        }

        return (_blocks[(int)(sequence >> 6) & _mask] >> (int)(sequence & 63) & 1) == 0 ? Drop.None : Drop.Replayed;
    }

    /// <summary>Takes a number whose packet was authentic, or says why it comes too late.</summary>
    public Drop Slide(ulong sequence)
    {
        Drop drop = Check(sequence);
        if (drop != Drop.None)
        {
            return drop;
        }

        if (Packets == 0)
        {
            Count(sequence);
            return Drop.None;
        }

        if (sequence > Highest)
        {
            ulong newest = Highest >> 6;
            ulong blocks = Math.Min((sequence >> 6) - newest, (ulong)_blocks.Length);
            for (ulong i = 1; i <= blocks; i++)
            {
                _blocks[(int)(newest + i) & _mask] = 0;
            }

            Highest = sequence;
        }

        _blocks[(int)(sequence >> 6) & _mask] |= 1UL << (int)(sequence & 63);
        return Drop.None;
    }

    // A number far below the highest is that of a counter that has begun a new round.
    private void Count(ulong sequence)
    {
        if (sequence > Highest)
        {
            Highest = sequence;
            return;
        }

        Volatile.Write(ref _notAscending, _notAscending + 1);
        Highest = Highest - sequence > uint.MaxValue / 2 ? sequence : Highest;
    }

    private void ClearAbove(ulong highest)
    {
        int bits = (int)(highest & 63) + 1;
        if (bits < 64)
        {
            _blocks[(int)(highest >> 6) & _mask] &= (1UL << bits) - 1;
        }
    }
}
