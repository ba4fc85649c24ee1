// The sizes of ESP (RFC 4303, 2). The old format (RFC 1827) has no sequence number and, by its transforms, no ICV:
//
//   | SPI (4) | sequence (4) | IV | payload | padding | pad length (1) | next header (1) | ICV |
//                                 |<------------------- text ------------------------->|

using Testudo.Engine.Keys;

namespace Testudo.Engine;

internal static class Esp
{
    /// <summary>SPI and sequence number.</summary>
    public const int HeaderLength = 8;

    /// <summary>The SPI alone, in the format of RFC 1827.</summary>
    public const int OldHeaderLength = 4;

    /// <summary>Pad length and next header.</summary>
    public const int TrailerLength = 2;

    /// <summary>Bytes of padding behind so many bytes of payload.</summary>
    public static int Padding(Sa sa, int payload)
    {
        int over = (payload + TrailerLength) % sa.PadTo;
        return over == 0 ? 0 : sa.PadTo - over;
    }

    /// <summary>Bytes of the ESP packet, UDP header included, around so many bytes of payload.</summary>
    public static int Length(Sa sa, int payload) =>
        sa.UdpLength + sa.HeaderLength + sa.IvLength + payload + Padding(sa, payload) + TrailerLength + sa.Transform.IcvLength;
}
