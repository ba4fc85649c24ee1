// A look at a TCP header (RFC 9293, 3.1): what flows, segments and the MSS need of it.
//
//  0       1       2       3
// | source port   | destination   |
// | sequence number               |
// | acknowledgment number         |
// |len|   | flags | window        |
// | checksum      | urgent        |
// | options ...                   |

using System.Buffers.Binary;

namespace Testudo.Wire;

/// <summary>The flags of a TCP header, as they stand in its byte 13.</summary>
[Flags]
public enum TcpFlags : byte
{
    /// <summary>None.</summary>
    None = 0,

    /// <summary>No more data from the sender.</summary>
    Fin = 1,

    /// <summary>Synchronize sequence numbers.</summary>
    Syn = 2,

    /// <summary>Reset the connection.</summary>
    Rst = 4,

    /// <summary>Push.</summary>
    Psh = 8,

    /// <summary>The acknowledgment number counts.</summary>
    Ack = 16,

    /// <summary>The urgent pointer counts.</summary>
    Urg = 32,

    /// <summary>ECN echo (RFC 3168).</summary>
    Ece = 64,

    /// <summary>Congestion window reduced (RFC 3168).</summary>
    Cwr = 128,
}

/// <summary>A TCP segment whose header is whole. It reads the bytes where they are.</summary>
public readonly ref struct TcpView
{
    /// <summary>Length of a header without options.</summary>
    public const int MinHeaderLength = 20;

    private readonly ReadOnlySpan<byte> _bytes;

    private TcpView(ReadOnlySpan<byte> bytes) => _bytes = bytes;

    /// <summary>The source port.</summary>
    public ushort SourcePort => BinaryPrimitives.ReadUInt16BigEndian(_bytes);

    /// <summary>The destination port.</summary>
    public ushort DestinationPort => BinaryPrimitives.ReadUInt16BigEndian(_bytes[2..]);

    /// <summary>The sequence number of the first byte of data.</summary>
    public uint Sequence => BinaryPrimitives.ReadUInt32BigEndian(_bytes[4..]);

    /// <summary>The flags.</summary>
    public TcpFlags Flags => (TcpFlags)_bytes[13];

    /// <summary>Bytes of the header, options included.</summary>
    public int HeaderLength => (_bytes[12] >> 4) * 4;

    /// <summary>The data.</summary>
    public ReadOnlySpan<byte> Payload => _bytes[HeaderLength..];

    /// <summary>Looks at a segment, from its first byte to its last; false where the header does not fit.</summary>
    public static bool TryParse(ReadOnlySpan<byte> segment, out TcpView tcp)
    {
        tcp = default;
        if (segment.Length < MinHeaderLength || (segment[12] >> 4) * 4 is int length && (length < MinHeaderLength || length > segment.Length))
        {
            return false;
        }

        tcp = new TcpView(segment);
        return true;
    }

    /// <summary>Finds the value of the MSS option (RFC 9293, 3.7.1), two bytes; its place counts from the segment's first byte.</summary>
    public bool TryFindMss(out int place, out ushort mss)
    {
        int end = HeaderLength;
        for (place = MinHeaderLength; place < end && _bytes[place] != 0;)
        {
            if (_bytes[place] == 1)
            {
                place++; // padding
                continue;
            }

            int length = place + 1 < end ? _bytes[place + 1] : 0;
            if (length < 2 || place + length > end)
            {
                break; // nothing behind a broken option can be found
            }

            if (_bytes[place] == 2 && length == 4)
            {
                place += 2;
                mss = BinaryPrimitives.ReadUInt16BigEndian(_bytes[place..]);
                return true;
            }

            place += length;
        }

        place = 0;
        mss = 0;
        return false;
    }
}
