// The packets that simulated nodes make themselves: UDP, TCP segments, pings and ICMP errors (RFC 768, 9293, 792, 4443),
// and the pieces of one that is too long (RFC 791, 3.2; RFC 8200, 4.5).

using System.Buffers.Binary;
using Testudo.Wire;

namespace Testudo.Simulation;

internal static class PacketWriter
{
    public static byte[] Udp(in Address from, in Address to, ushort sourcePort, ushort destinationPort, ReadOnlySpan<byte> payload, ushort id, bool dontFragment)
    {
        byte[] packet = Make(from, to, 8, payload, out Span<byte> udp);
        BinaryPrimitives.WriteUInt16BigEndian(udp, sourcePort);
        BinaryPrimitives.WriteUInt16BigEndian(udp[2..], destinationPort);
        BinaryPrimitives.WriteUInt16BigEndian(udp[4..], (ushort)udp.Length);
        ushort sum = Sum(from, to, udp, IpProtocol.Udp);
        BinaryPrimitives.WriteUInt16BigEndian(udp[6..], sum == 0 ? (ushort)0xFFFF : sum);
        return Head(packet, from, to, IpProtocol.Udp, id, dontFragment);
    }

    /// <summary>A segment in the middle of a connection: ACK and PSH, no options.</summary>
    public static byte[] Tcp(in Address from, in Address to, ushort sourcePort, ushort destinationPort, uint sequence, ReadOnlySpan<byte> payload, ushort id)
    {
        byte[] packet = Make(from, to, 20, payload, out Span<byte> tcp);
        BinaryPrimitives.WriteUInt16BigEndian(tcp, sourcePort);
        BinaryPrimitives.WriteUInt16BigEndian(tcp[2..], destinationPort);
        BinaryPrimitives.WriteUInt32BigEndian(tcp[4..], sequence);
        tcp[12] = 5 << 4;
        tcp[13] = 0x18;
        BinaryPrimitives.WriteUInt16BigEndian(tcp[14..], 0xFFFF);
        BinaryPrimitives.WriteUInt16BigEndian(tcp[16..], Sum(from, to, tcp, IpProtocol.Tcp));
        return Head(packet, from, to, IpProtocol.Tcp, id, dontFragment: true);
    }

    public static byte[] EchoRequest(in Address from, in Address to, uint idAndSequence, ReadOnlySpan<byte> payload, ushort id) =>
        Icmp(from, to, from.Family == IpFamily.V4 ? (byte)8 : (byte)128, 0, idAndSequence, payload, id, dontFragment: false);

    /// <summary>An ICMP error about a packet; null where none may be sent, or no address of its family is at hand.</summary>
    public static byte[]? Error(IReadOnlyList<Address> mine, ReadOnlySpan<byte> about, IcmpReason reason, uint mtu = 0)
    {
        if (IpInfo.TryParse(about, out IpInfo info) != Drop.None || !IcmpError.IsAllowedAbout(info))
        {
            return null;
        }

        bool v4 = info.Family == IpFamily.V4;
        (byte type, byte code) = reason switch
        {
            IcmpReason.TooBig => v4 ? ((byte)3, (byte)4) : ((byte)2, (byte)0),
            IcmpReason.TimeExceeded => v4 ? ((byte)11, (byte)0) : ((byte)3, (byte)0),
            IcmpReason.NoRoute => v4 ? ((byte)3, (byte)0) : ((byte)1, (byte)0),
            _ => v4 ? ((byte)3, (byte)3) : ((byte)1, (byte)4),
        };
        int quoted = Math.Min(about.Length, v4 ? 548 : 1232); // 576 bytes in all (RFC 1812, 4.3.2.3), 1280 (RFC 4443, 2.4)
        foreach (Address from in mine)
        {
            if (from.Family == info.Family)
            {
                return Icmp(from, info.Source, type, code, mtu, about[..quoted], 0, dontFragment: true);
            }
        }

        return null;
    }

    /// <summary>True where the checksum behind the IP header is right, or is not known here. For whole packets.</summary>
    public static bool HasRightChecksum(ReadOnlySpan<byte> packet, in IpInfo info)
    {
        ReadOnlySpan<byte> upper = packet[info.UpperOffset..info.TotalLength];
        switch (info.Protocol)
        {
            case IpProtocol.Udp:
                return upper.Length >= 8 && (BinaryPrimitives.ReadUInt16BigEndian(upper[6..]) == 0 ? info.Family == IpFamily.V4 : Sum(info.Source, info.Destination, upper, IpProtocol.Udp) == 0);
            case IpProtocol.Tcp or IpProtocol.Icmpv6:
                return upper.Length >= 4 && Sum(info.Source, info.Destination, upper, info.Protocol) == 0;
            case IpProtocol.Icmp:
                return upper.Length >= 4 && Checksum.Of(upper) == 0;
            default:
                return true;
        }
    }

    /// <summary>Where ESP may start: behind the IP header, a UDP header, or one with the drafts' marker; -1 where it cannot.</summary>
    public static int EspOffset(ReadOnlySpan<byte> packet, in IpInfo info)
    {
        int esp = info.UpperOffset + (info.Protocol == IpProtocol.Udp ? 8 : 0);
        if (info.Protocol == IpProtocol.Udp && packet.Length >= esp + 16 && BinaryPrimitives.ReadUInt64BigEndian(packet[esp..]) == 0)
        {
            esp += 8;
        }

        return info.Protocol is IpProtocol.Esp or IpProtocol.Udp && packet.Length >= esp + 8 ? esp : -1;
    }

    /// <summary>The packet in pieces no longer than the MTU; none where it cannot be cut. Whether it may be is asked elsewhere.</summary>
    public static IReadOnlyList<byte[]> Cut(byte[] packet, int mtu, uint id)
    {
        if (IpInfo.TryParse(packet, out IpInfo info) != Drop.None || (info.Family == IpFamily.V6 && info.FragmentHeaderOffset != 0))
        {
            return [];
        }

        bool v4 = info.Family == IpFamily.V4;
        int header = info.TransportOffset, before = v4 ? header : header + 8, step = (mtu - before) & ~7;
        var pieces = new List<byte[]>();
        for (int at = header; at < info.TotalLength && step > 0; at += step)
        {
            int length = Math.Min(step, info.TotalLength - at), place = at - header;
            bool more = at + length < info.TotalLength;
            byte[] piece = new byte[before + length];
            packet.AsSpan(0, header).CopyTo(piece);
            packet.AsSpan(at, length).CopyTo(piece.AsSpan(before));
            if (v4)
            {
                more |= info.MoreFragments;
                ushort flags = (ushort)(((info.FragmentOffset + place) / 8) | (more ? 0x2000 : 0));
                BinaryPrimitives.WriteUInt16BigEndian(piece.AsSpan(6), flags);
            }
            else
            {
                piece[header] = piece[info.TransportProtocolOffset];
                piece[info.TransportProtocolOffset] = (byte)IpProtocol.Fragment;
                BinaryPrimitives.WriteUInt16BigEndian(piece.AsSpan(header + 2), (ushort)(place | (more ? 1 : 0)));
                BinaryPrimitives.WriteUInt32BigEndian(piece.AsSpan(header + 4), id);
            }

            IpWrite.SetLength(piece, piece.Length, v4 ? header : IpInfo.V6HeaderLength);
            pieces.Add(piece);
        }

        return pieces;
    }

    private static byte[] Icmp(in Address from, in Address to, byte type, byte code, uint parameter, ReadOnlySpan<byte> payload, ushort id, bool dontFragment)
    {
        byte[] packet = Make(from, to, 8, payload, out Span<byte> icmp);
        icmp[0] = type;
        icmp[1] = code;
        BinaryPrimitives.WriteUInt32BigEndian(icmp[4..], parameter);
        bool v4 = from.Family == IpFamily.V4;
        BinaryPrimitives.WriteUInt16BigEndian(icmp[2..], v4 ? Checksum.Of(icmp) : Sum(from, to, icmp, IpProtocol.Icmpv6));
        return Head(packet, from, to, v4 ? IpProtocol.Icmp : IpProtocol.Icmpv6, id, dontFragment);
    }

    private static byte[] Make(in Address from, in Address to, int header, ReadOnlySpan<byte> payload, out Span<byte> upper)
    {
        if (from.Family != to.Family)
        {
            throw new ArgumentException($"{from} and {to} are of different families");
        }

        int ip = from.Family == IpFamily.V4 ? IpInfo.V4HeaderLength : IpInfo.V6HeaderLength;
        byte[] packet = new byte[ip + header + payload.Length];
        payload.CopyTo(packet.AsSpan(ip + header));
        upper = packet.AsSpan(ip);
        return packet;
    }

    private static byte[] Head(byte[] packet, in Address from, in Address to, IpProtocol protocol, ushort id, bool dontFragment)
    {
        if (from.Family == IpFamily.V4)
        {
            IpWrite.V4(packet, packet.Length, 0, id, dontFragment, 64, protocol, from, to);
        }
        else
        {
            IpWrite.V6(packet, packet.Length, 0, 0, 64, protocol, from, to);
        }

        return packet;
    }

    private static ushort Sum(in Address from, in Address to, ReadOnlySpan<byte> upper, IpProtocol protocol) =>
        Checksum.Finish(Checksum.Add(Checksum.PseudoHeader(from, to, upper.Length, protocol), upper));
}

/// <summary>Why an ICMP error is sent.</summary>
internal enum IcmpReason
{
    TooBig,
    TimeExceeded,
    NoRoute,
    PortClosed,
}
