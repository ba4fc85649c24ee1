// The Internet checksum (RFC 1071) and the pseudo header that TCP, UDP and ICMPv6 put before it.

using System.Buffers.Binary;

namespace Testudo.Wire;

/// <summary>The 16-bit one's complement checksum of RFC 1071.</summary>
public static class Checksum
{
    /// <summary>Adds bytes to a running sum (an odd last byte counts as the high one). Only the last piece may be of odd length.</summary>
    public static ulong Add(ulong sum, ReadOnlySpan<byte> bytes)
    {
        // 32 bits at a time into 64: no carry is lost below 2^32 words.
        while (bytes.Length >= 4)
        {
            sum += BinaryPrimitives.ReadUInt32BigEndian(bytes);
            bytes = bytes[4..];
        }

        if (bytes.Length >= 2)
        {
            sum += BinaryPrimitives.ReadUInt16BigEndian(bytes);
            bytes = bytes[2..];
        }

        return bytes.Length == 1 ? sum + ((ulong)bytes[0] << 8) : sum;
    }

    /// <summary>The checksum of a running sum: folded to 16 bits and inverted.</summary>
    public static ushort Finish(ulong sum)
    {
        sum = (sum & 0xFFFFFFFF) + (sum >> 32);
        sum = (sum & 0xFFFFFFFF) + (sum >> 32);
        sum = (sum & 0xFFFF) + (sum >> 16);
        sum = (sum & 0xFFFF) + (sum >> 16);
        return (ushort)~sum;
    }

    /// <summary>The checksum over the bytes; 0 over bytes that already hold a right one.</summary>
    public static ushort Of(ReadOnlySpan<byte> bytes) => Finish(Add(0, bytes));

    /// <summary>The pseudo header's sum: addresses, upper-layer length and protocol (RFC 793, RFC 8200 8.1).</summary>
    public static ulong PseudoHeader(in Address source, in Address destination, int upperLength, IpProtocol protocol)
    {
        Span<byte> addresses = stackalloc byte[32];
        source.CopyTo(addresses);
        destination.CopyTo(addresses[source.Length..]);
        return Add((ulong)(uint)upperLength + (byte)protocol, addresses[..(source.Length + destination.Length)]);
    }
}
