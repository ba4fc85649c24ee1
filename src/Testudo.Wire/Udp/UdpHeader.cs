// The UDP header (RFC 768).
//
//  0       1       2       3
// | source port   | destination   |
// | length        | checksum      |

using System.Buffers.Binary;

namespace Testudo.Wire;

/// <summary>A UDP header in host order; <see cref="DatagramLength"/> counts header and data.</summary>
public readonly record struct UdpHeader(ushort SourcePort, ushort DestinationPort, ushort DatagramLength, ushort Checksum)
{
    /// <summary>Its length in bytes.</summary>
    public const int Length = 8;

    /// <summary>Writes <see cref="Length"/> bytes.</summary>
    public void Write(Span<byte> bytes)
    {
        BinaryPrimitives.WriteUInt16BigEndian(bytes, SourcePort);
        BinaryPrimitives.WriteUInt16BigEndian(bytes[2..], DestinationPort);
        BinaryPrimitives.WriteUInt16BigEndian(bytes[4..], DatagramLength);
        BinaryPrimitives.WriteUInt16BigEndian(bytes[6..], Checksum);
    }

    /// <summary>Sets the checksum of a whole datagram. 0 is sent as FFFF, for 0 means that there is none (RFC 768).</summary>
    public static void SetChecksum(Span<byte> datagram, in Address source, in Address destination)
    {
        BinaryPrimitives.WriteUInt16BigEndian(datagram[6..], 0);
        ulong pseudo = Wire.Checksum.PseudoHeader(source, destination, datagram.Length, IpProtocol.Udp);
        ushort checksum = Wire.Checksum.Finish(Wire.Checksum.Add(pseudo, datagram));
        BinaryPrimitives.WriteUInt16BigEndian(datagram[6..], checksum == 0 ? (ushort)0xFFFF : checksum);
    }
}
