// Writing IP headers, and mending one whose packet grew or shrank.

using System.Buffers.Binary;

namespace Testudo.Wire;

/// <summary>Writes IPv4 and IPv6 headers.</summary>
public static class IpWrite
{
    /// <summary>The hop limit of a tunnel's outer header (KAME's IPDEFTTL and IPV6_DEFHLIM).</summary>
    public const byte TunnelHopLimit = 64;

    /// <summary>Writes an IPv4 header of 20 bytes, checksum included.</summary>
    public static void V4(Span<byte> header, int totalLength, byte tos, ushort identification, bool dontFragment, byte ttl, IpProtocol protocol, in Address source, in Address destination)
    {
        header[0] = 0x45;
        header[1] = tos;
        BinaryPrimitives.WriteUInt16BigEndian(header[2..], (ushort)totalLength);
        BinaryPrimitives.WriteUInt16BigEndian(header[4..], identification);
        BinaryPrimitives.WriteUInt16BigEndian(header[6..], dontFragment ? (ushort)0x4000 : (ushort)0);
        header[8] = ttl;
        header[9] = (byte)protocol;
        source.CopyTo(header[12..]);
        destination.CopyTo(header[16..]);
        SetV4Checksum(header[..IpInfo.V4HeaderLength]);
    }

    /// <summary>Writes an IPv6 header of 40 bytes.</summary>
    public static void V6(Span<byte> header, int totalLength, byte trafficClass, uint flowLabel, byte hopLimit, IpProtocol next, in Address source, in Address destination)
    {
        BinaryPrimitives.WriteUInt32BigEndian(header, 0x60000000u | ((uint)trafficClass << 20) | flowLabel);
        BinaryPrimitives.WriteUInt16BigEndian(header[4..], (ushort)(totalLength - IpInfo.V6HeaderLength));
        header[6] = (byte)next;
        header[7] = hopLimit;
        source.CopyTo(header[8..]);
        destination.CopyTo(header[24..]);
    }

    /// <summary>Sets the length field to the packet's new length and, for IPv4, the checksum over <paramref name="headerLength"/> bytes.</summary>
    public static void SetLength(Span<byte> packet, int totalLength, int headerLength)
    {
        if (packet[0] >> 4 == 4)
        {
            BinaryPrimitives.WriteUInt16BigEndian(packet[2..], (ushort)totalLength);
            SetV4Checksum(packet[..headerLength]);
        }
        else
        {
            BinaryPrimitives.WriteUInt16BigEndian(packet[4..], (ushort)(totalLength - IpInfo.V6HeaderLength));
        }
    }

    /// <summary>Sets the two ECN bits, with the IPv4 checksum.</summary>
    public static void SetEcn(Span<byte> packet, int headerLength, byte ecn)
    {
        if (packet[0] >> 4 == 4)
        {
            packet[1] = (byte)((packet[1] & 0xFC) | ecn);
            SetV4Checksum(packet[..headerLength]);
        }
        else
        {
            packet[1] = (byte)((packet[1] & 0xCF) | (ecn << 4));
        }
    }

    private static void SetV4Checksum(Span<byte> header)
    {
        BinaryPrimitives.WriteUInt16BigEndian(header[10..], 0);
        BinaryPrimitives.WriteUInt16BigEndian(header[10..], Checksum.Of(header));
    }
}
