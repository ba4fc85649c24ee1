// A packet: an offset and a length in native memory, with free room before and behind, so that headers and trailers are
// added and removed in place.
//
//      Front          Length                 Back
//   |<------->|<------------------->|<----------------->|
//   | free    | IP header, payload  | free              |
//             ^ Data

using System.Runtime.CompilerServices;

namespace Testudo.Wire;

/// <summary>What is known of a packet beside its bytes.</summary>
[Flags]
public enum PacketFlags : ushort
{
    /// <summary>Nothing.</summary>
    None = 0,

    /// <summary>The packet was put together from fragments.</summary>
    Reassembled = 1,

    /// <summary>IPsec removed at least one header.</summary>
    Protected = 2,

    /// <summary>The packet was made by the engine: an ICMP error about one that it refused.</summary>
    Reply = 4,

    /// <summary>A fragment that reassembly took over; it goes on as part of a whole packet, or ends there.</summary>
    Held = 8,

    /// <summary>The packet went on in pieces.</summary>
    Cut = 16,
}

/// <summary>A packet in a batch. The memory belongs to the batch that it was reserved in.</summary>
public unsafe struct Packet
{
    /// <summary>The first byte of the IP header.</summary>
    public byte* Data;

    /// <summary>Bytes of the packet from <see cref="Data"/> on.</summary>
    public int Length;

    /// <summary>Free bytes before <see cref="Data"/>.</summary>
    public int Front;

    /// <summary>Free bytes behind the packet.</summary>
    public int Back;

    /// <summary>When the packet was received, nanoseconds of the link's clock; carried along, never judged.</summary>
    public long Time;

    /// <summary>A number that the link gives and nobody changes: a frame of a capture, for example.</summary>
    public int Number;

    /// <summary>What is known of the packet.</summary>
    public PacketFlags Flags;

    /// <summary>The link it came from or must go to, numbered by the host.</summary>
    public ushort Link;

    /// <summary>How it ended; <see cref="Wire.Drop.None"/> while it lives.</summary>
    public Drop Drop;

    /// <summary>The SPI that the engine last looked at for this packet, host order; 0 for none. For accounts and texts.</summary>
    public uint Spi;

    /// <summary>The sequence number that goes with <see cref="Spi"/>.</summary>
    public ulong Sequence;

    /// <summary>The bytes of the packet.</summary>
    public readonly Span<byte> Span
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => new(Data, Length);
    }

    /// <summary>Takes bytes from the free room before the packet; false where there are not so many.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool TryPush(int bytes)
    {
        if (Front < bytes)
        {
            return false;
        }

        Data -= bytes;
        Front -= bytes;
        Length += bytes;
        return true;
    }

    /// <summary>Gives bytes at the start of the packet back to the free room.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Pull(int bytes)
    {
        Data += bytes;
        Front += bytes;
        Length -= bytes;
    }

    /// <summary>Takes bytes from the free room behind the packet; false where there are not so many.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool TryExtend(int bytes)
    {
        if (Back < bytes)
        {
            return false;
        }

        Back -= bytes;
        Length += bytes;
        return true;
    }

    /// <summary>Cuts the packet to a smaller length.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Truncate(int length)
    {
        Back += Length - length;
        Length = length;
    }
}
