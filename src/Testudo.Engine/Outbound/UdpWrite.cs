// The UDP header before ESP (RFC 3948, 2.1).
//
//   | source port (2) | destination port (2) | length (2) | checksum (2) | [8 zero bytes] | ESP ...

using System.Buffers.Binary;
using Testudo.Wire;

namespace Testudo.Engine.Outbound;

internal static class UdpWrite
{
    /// <summary>Writes the header at the start of a datagram; the checksum is 0.</summary>
    internal static void Header(Span<byte> datagram, ushort sourcePort, ushort destinationPort)
    {
        BinaryPrimitives.WriteUInt16BigEndian(datagram, sourcePort);
        BinaryPrimitives.WriteUInt16BigEndian(datagram[2..], destinationPort);
        BinaryPrimitives.WriteUInt16BigEndian(datagram[4..], (ushort)datagram.Length);
        BinaryPrimitives.WriteUInt16BigEndian(datagram[6..], 0);
    }

    /// <summary>
    /// Sets the checksum of the datagram at <paramref name="offset"/> of a packet that is complete: over IPv4 it stays zero
    /// (RFC 3948, 2.1), IPv6 wants one (RFC 8200, 8.1).
    /// </summary>
    internal static void Checksum(Span<byte> packet, int offset)
    {
        if (packet[0] >> 4 != 6)
        {
            return;
        }

        Span<byte> udp = packet[offset..];
        ulong sum = Wire.Checksum.PseudoHeader(Address.V6(packet[8..]), Address.V6(packet[24..]), udp.Length, IpProtocol.Udp);
        ushort checksum = Wire.Checksum.Finish(Wire.Checksum.Add(sum, udp));
        BinaryPrimitives.WriteUInt16BigEndian(udp[6..], checksum == 0 ? (ushort)0xFFFF : checksum);
    }
}
