// The MSS that a TCP connection announces (RFC 9293, 3.7.1), lowered so that full segments fit with their protection: a
// connection through IPsec then needs no ICMP at all. The checksum is mended by the difference (RFC 1624, eqn. 3).

using System.Buffers.Binary;
using Testudo.Wire;

namespace Testudo.Engine.PathMtu;

internal static class MssRule
{
    private const int HeaderLength = 20;
    private const byte Syn = 2;

    /// <summary>The shortest MSS that is written: what fits the smallest packets that every link takes (RFC 9293, 3.7.1; RFC 8200, 5).</summary>
    public static int Least(IpFamily family) => family == IpFamily.V4 ? 536 : 1220;

    /// <summary>True for a segment that may announce an MSS: a SYN that is whole.</summary>
    public static bool Concerns(in Packet packet, in IpInfo info) =>
        info.Protocol == IpProtocol.Tcp && !info.IsFragment && info.UpperOffset + HeaderLength <= info.TotalLength
        && (packet.Span[info.UpperOffset + 13] & Syn) != 0;

    /// <summary>The MSS of segments in packets of so many bytes.</summary>
    public static int For(IpFamily family, int packet) =>
        packet - (family == IpFamily.V4 ? IpInfo.V4HeaderLength : IpInfo.V6HeaderLength) - HeaderLength;

    /// <summary>Lowers the MSS option of a SYN to the limit; one that is lower or not there stays.</summary>
    public static void Clamp(in Packet packet, in IpInfo info, int limit)
    {
        Span<byte> segment = packet.Span[info.UpperOffset..info.TotalLength];
        int place = FindMss(segment);
        if (place == 0 || BinaryPrimitives.ReadUInt16BigEndian(segment[place..]) <= limit)
        {
            return;
        }

        ushort mss = BinaryPrimitives.ReadUInt16BigEndian(segment[place..]), now = (ushort)limit;
        BinaryPrimitives.WriteUInt16BigEndian(segment[place..], now);
        if (place % 2 != 0)
        {
            // The two bytes stand in two words of the sum: as if they were swapped.
            mss = BinaryPrimitives.ReverseEndianness(mss);
            now = BinaryPrimitives.ReverseEndianness(now);
        }

        Span<byte> checksum = segment[16..];
        uint sum = (uint)(ushort)~BinaryPrimitives.ReadUInt16BigEndian(checksum) + (ushort)~mss + now;
        sum = (sum & 0xFFFF) + (sum >> 16);
        sum = (sum & 0xFFFF) + (sum >> 16);
        BinaryPrimitives.WriteUInt16BigEndian(checksum, (ushort)~sum);
    }

    // Where the option's two bytes are (RFC 9293, 3.1: kind 2, length 4); 0 where there is none, or one before it is broken.
    private static int FindMss(ReadOnlySpan<byte> segment)
    {
        int end = (segment[12] >> 4) * 4;
        for (int at = HeaderLength; end <= segment.Length && at < end && segment[at] != 0;)
        {
            int length = segment[at] == 1 ? 1 : at + 1 < end ? segment[at + 1] : 0;
            if (length == 0 || (length == 1 && segment[at] != 1) || at + length > end)
            {
                return 0;
            }

            if (segment[at] == 2 && length == 4)
            {
                return at + 2;
            }

            at += length;
        }

        return 0;
    }
}
