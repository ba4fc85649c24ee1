// A packet becomes fragments (RFC 791, 2.3; RFC 8200, 4.5): inner packets before they are protected, where that is asked for,
// and protected ones behind it where no link does it. Bytes are copied: a fragment's header stands where the data of the
// fragment before it ends.
//
//   IPv4   | header, all options | data 1 |    | header, options with the copy bit | data 2 | ...
//   IPv6   | header, hop-by-hop, routing | fragment header | data 1 |    | the same | fragment header | data 2 | ...

using System.Buffers.Binary;
using Testudo.Wire;

namespace Testudo.Engine.Fragments;

internal static class Cut
{
    private const int FragmentHeaderLength = 8;

    /// <summary>
    /// Puts fragments of at most <paramref name="mtu"/> bytes into a batch; false with nothing put where it has no room or
    /// the packet cannot be cut so. An IPv4 fragment can be cut further.
    /// </summary>
    /// <param name="packet">The packet; it stays as it is.</param>
    /// <param name="info">Its headers.</param>
    /// <param name="mtu">Bytes of the longest fragment.</param>
    /// <param name="identification">What the fragments have in common in IPv6; IPv4 has it in its header.</param>
    /// <param name="into">Where the fragments go.</param>
    public static bool Try(in Packet packet, in IpInfo info, int mtu, uint identification, Batch into)
    {
        bool v4 = info.Family == IpFamily.V4;
        if (info.FragmentHeaderOffset != 0)
        {
            return false; // only its source cuts an IPv6 packet, and it has done so
        }

        int header = v4 ? info.UpperOffset : info.TransportOffset;
        int each = (mtu - header - (v4 ? 0 : FragmentHeaderLength)) & ~7;
        int data = info.TotalLength - header;
        if (each <= 0 || data <= each)
        {
            return false;
        }

        int count = (data + each - 1) / each;
        if (!into.HasRoom(count, data + (count * (header + FragmentHeaderLength))))
        {
            return false;
        }

        Span<byte> later = stackalloc byte[60];
        int laterLength = v4 ? WriteLaterHeader(packet.Span[..header], later) : header;
        for (int at = 0; at < data; at += each)
        {
            int length = Math.Min(each, data - at);
            bool more = at + length < data;
            ref Packet piece = ref v4
                ? ref WriteV4(at == 0 ? packet.Span[..header] : later[..laterLength], packet.Span.Slice(header + at, length), info, at, more, into)
                : ref WriteV6(packet.Span[..header], packet.Span.Slice(header + at, length), info, at, more, identification, into);
            piece.Time = packet.Time;
            piece.Number = packet.Number;
            piece.Link = packet.Link;
            piece.Flags = packet.Flags;
            piece.Spi = packet.Spi;
            piece.Sequence = packet.Sequence;
        }

        return true;
    }

    private static ref Packet WriteV4(ReadOnlySpan<byte> header, ReadOnlySpan<byte> data, in IpInfo info, int at, bool more, Batch into)
    {
        int total = header.Length + data.Length;
        Span<byte> bytes = into.Reserve(total);
        header.CopyTo(bytes);
        data.CopyTo(bytes[header.Length..]);
        int place = ((info.FragmentOffset + at) >> 3) | (more || info.MoreFragments ? 0x2000 : 0) | (info.DontFragment ? 0x4000 : 0);
        BinaryPrimitives.WriteUInt16BigEndian(bytes[6..], (ushort)place);
        IpWrite.SetLength(bytes, total, header.Length);
        return ref into.Commit(total);
    }

    private static ref Packet WriteV6(ReadOnlySpan<byte> header, ReadOnlySpan<byte> data, in IpInfo info, int at, bool more, uint identification, Batch into)
    {
        int total = header.Length + FragmentHeaderLength + data.Length;
        Span<byte> bytes = into.Reserve(total);
        header.CopyTo(bytes);
        Span<byte> fragment = bytes.Slice(header.Length, FragmentHeaderLength);
        fragment[0] = header[info.TransportProtocolOffset];
        fragment[1] = 0;
        BinaryPrimitives.WriteUInt16BigEndian(fragment[2..], (ushort)(at | (more ? 1 : 0)));
        BinaryPrimitives.WriteUInt32BigEndian(fragment[4..], identification);
        bytes[info.TransportProtocolOffset] = (byte)IpProtocol.Fragment;
        data.CopyTo(bytes[(header.Length + FragmentHeaderLength)..]);
        IpWrite.SetLength(bytes, total, header.Length);
        return ref into.Commit(total);
    }

    // The header of all fragments but the first: options whose copy bit is set (RFC 791, 3.1), padded to 4 bytes.
    private static int WriteLaterHeader(ReadOnlySpan<byte> header, Span<byte> later)
    {
        header[..IpInfo.V4HeaderLength].CopyTo(later);
        int length = IpInfo.V4HeaderLength;
        for (int at = IpInfo.V4HeaderLength; at < header.Length && header[at] != 0;)
        {
            int option = header[at] == 1 ? 1 : at + 1 < header.Length ? header[at + 1] : 0;
            if (option == 0 || at + option > header.Length || (option == 1 && header[at] != 1))
            {
                break; // nothing behind a broken option can be found
            }

            if ((header[at] & 0x80) != 0)
            {
                header.Slice(at, option).CopyTo(later[length..]);
                length += option;
            }

            at += option;
        }

        for (; length % 4 != 0; length++)
        {
            later[length] = 0;
        }

        later[0] = (byte)(0x40 | (length / 4));
        return length;
    }
}
