// The unit of work: up to 256 packets (more where they come in pieces), and the native memory that packets are read into. A batch is filled by one link,
// worked on by one thread, flushed and cleared; its memory is reused, so that nothing is allocated per packet.
//
// Packets may be moved to another batch as descriptors while their bytes stay here: clear this batch only after the
// other one has been sent.

using System.Runtime.InteropServices;

namespace Testudo.Wire;

/// <summary>Packets with their memory, up to <see cref="MaxPackets"/> unless it was made larger. Not thread-safe.</summary>
public sealed unsafe class Batch : IDisposable
{
    /// <summary>Packets that a link reads at once at the most.</summary>
    public const int MaxPackets = 256;

    /// <summary>Room for what becomes of a full batch when each of its packets is cut to the shortest path MTU.</summary>
    public const int MaxPieces = 1024;

    /// <summary>The longest IP packet without jumbograms.</summary>
    public const int MaxPacketLength = 65535;

    /// <summary>Free bytes before a packet: outer IPv6 headers, UDP, ESP and IV of several nested transforms.</summary>
    public const int Headroom = 256;

    /// <summary>Free bytes behind a packet: padding, trailers and ICVs of several nested transforms.</summary>
    public const int Tailroom = 320;

    private const int Alignment = 64;
    private readonly Packet[] _packets;
    private byte* _memory;
    private int _size;
    private int _used;

    /// <summary>
    /// A batch with room for <paramref name="bytes"/> bytes of packets, at least one of the greatest length; 0 for one
    /// that only takes descriptors over (<see cref="TryMove"/>). At most <paramref name="packets"/> packets.
    /// </summary>
    public Batch(int bytes = 256 * 1024, int packets = MaxPackets)
    {
        _packets = new Packet[packets];
        if (bytes > 0)
        {
            _size = Math.Max(bytes, MaxPacketLength) + (packets * (Headroom + Tailroom + Alignment));
            _memory = (byte*)NativeMemory.AlignedAlloc((nuint)_size, Alignment);
        }
    }

    /// <summary>How many packets are in the batch.</summary>
    public int Count { get; private set; }

    /// <summary>The packets, to be changed in place.</summary>
    public Span<Packet> Packets => _packets.AsSpan(0, Count);

    /// <summary>A packet by its place.</summary>
    public ref Packet this[int index] => ref _packets.AsSpan(0, Count)[index];

    /// <summary>True where another packet of the greatest length may not fit.</summary>
    public bool IsFull => Count == _packets.Length || _size - _used < Headroom + MaxPacketLength + Tailroom;

    /// <summary>True where so many packets of so many bytes together fit.</summary>
    public bool HasRoom(int packets, int bytes) =>
        Count + packets <= _packets.Length && _size - _used >= bytes + (packets * (Headroom + Tailroom + Alignment));

    /// <summary>
    /// Room for a packet of up to <paramref name="length"/> bytes, with <see cref="Headroom"/> before and
    /// <see cref="Tailroom"/> behind. An empty span where the batch has none left. Nothing is taken until <see cref="Commit"/>.
    /// </summary>
    public Span<byte> Reserve(int length = MaxPacketLength)
    {
        if (Count == _packets.Length || (uint)length > MaxPacketLength || _size - _used < Headroom + length + Tailroom)
        {
            return default;
        }

        return new Span<byte>(_memory + _used + Headroom, length);
    }

    /// <summary>Makes a packet of the first <paramref name="length"/> bytes of the room just reserved.</summary>
    public ref Packet Commit(int length)
    {
        ref Packet packet = ref _packets[Count++];
        packet = default;
        packet.Data = _memory + _used + Headroom;
        packet.Length = length;
        packet.Front = Headroom;
        packet.Back = Tailroom;
        _used += (Headroom + length + Tailroom + Alignment - 1) & -Alignment;
        return ref packet;
    }

    /// <summary>Copies bytes into a new packet; false where the batch is full.</summary>
    public bool TryAdd(ReadOnlySpan<byte> bytes)
    {
        Span<byte> room = Reserve(bytes.Length);
        if (room.Length < bytes.Length || bytes.IsEmpty)
        {
            return false;
        }

        bytes.CopyTo(room);
        Commit(bytes.Length);
        return true;
    }

    /// <summary>Takes over a packet whose bytes stay where they are. The caller keeps their memory until this batch is cleared.</summary>
    public bool TryMove(in Packet packet)
    {
        if (Count == _packets.Length)
        {
            return false;
        }

        _packets[Count++] = packet;
        return true;
    }

    /// <summary>Forgets all packets; the memory is used again.</summary>
    public void Clear()
    {
        Count = 0;
        _used = 0;
    }

    /// <summary>Frees the memory; the batch has no room afterwards.</summary>
    public void Dispose()
    {
        Clear();
        NativeMemory.AlignedFree(_memory);
        _memory = null;
        _size = 0;
    }
}
