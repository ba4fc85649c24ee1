// The part of ESP that is never encrypted (RFC 4303, 2).
//
//  0       1       2       3
// | SPI                           |
// | sequence number, low 32 bits  |
// | IV | text: payload, padding, pad length, next header | ICV |

using System.Buffers.Binary;

namespace Testudo.Wire;

/// <summary>SPI and sequence number, in host order. The sequence number's high half is not sent.</summary>
public readonly record struct EspHeader(uint Spi, uint Sequence)
{
    /// <summary>Its length in bytes.</summary>
    public const int Length = 8;

    /// <summary>Reads the header; false where there are too few bytes.</summary>
    public static bool TryParse(ReadOnlySpan<byte> bytes, out EspHeader header)
    {
        bool whole = bytes.Length >= Length;
        header = whole ? new EspHeader(BinaryPrimitives.ReadUInt32BigEndian(bytes), BinaryPrimitives.ReadUInt32BigEndian(bytes[4..])) : default;
        return whole;
    }

    /// <summary>Writes <see cref="Length"/> bytes.</summary>
    public void Write(Span<byte> bytes)
    {
        BinaryPrimitives.WriteUInt32BigEndian(bytes, Spi);
        BinaryPrimitives.WriteUInt32BigEndian(bytes[4..], Sequence);
    }
}
