// One look at an IP packet: where its headers are and what a selector needs of them. Everything is checked against the
// packet's length before it is read; nothing is read twice.
//
// IPv4 (RFC 791)                                     IPv6 (RFC 8200)
//  0       1       2       3                          0       1       2       3
// |ver|ihl| tos   | total length  |                  |ver| traffic class | flow label    |
// | identification|flg| frag offs |                  | payload length | next hdr | hops  |
// | ttl   | proto | checksum      |                  | source, 16 bytes                   |
// | source                        |                  | destination, 16 bytes              |
// | destination                   |                  | extension headers ...              |
// | options ...                   |

using System.Buffers.Binary;

namespace Testudo.Wire;

/// <summary>The headers of an IP packet as values. Offsets are from the first byte of the IP header.</summary>
public struct IpInfo
{
    /// <summary>Length of an IPv4 header without options.</summary>
    public const int V4HeaderLength = 20;

    /// <summary>Length of the fixed IPv6 header.</summary>
    public const int V6HeaderLength = 40;

    /// <summary>A chain of IPv6 extension headers longer than this is refused: nobody sends it, and it costs time.</summary>
    public const int MaxExtensionHeaders = 16;

    /// <summary>The IP version.</summary>
    public IpFamily Family;

    /// <summary>
    /// The upper-layer protocol: what follows the last extension header. In a fragment that is not the first: what the
    /// fragment header names, which may be an extension header.
    /// </summary>
    public IpProtocol Protocol;

    /// <summary>IPv4 TOS or IPv6 traffic class, with the ECN bits.</summary>
    public byte TrafficClass;

    /// <summary>TTL or hop limit.</summary>
    public byte HopLimit;

    /// <summary>IPv4's DF bit; false for IPv6, which never fragments on the way.</summary>
    public bool DontFragment;

    /// <summary>True for the first, middle or last fragment of a datagram.</summary>
    public bool IsFragment;

    /// <summary>True where more fragments follow.</summary>
    public bool MoreFragments;

    /// <summary>True where <see cref="SourcePort"/> and <see cref="DestinationPort"/> hold something.</summary>
    public bool HasPorts;

    /// <summary>Where this fragment's data belongs, in bytes.</summary>
    public int FragmentOffset;

    /// <summary>What fragments of one datagram have in common (16 bits in IPv4, 32 in IPv6).</summary>
    public uint Identification;

    /// <summary>Length of the packet by its own header. Bytes behind it are no part of it.</summary>
    public int TotalLength;

    /// <summary>Where the upper-layer header starts.</summary>
    public int UpperOffset;

    /// <summary>Where the byte is that names the upper-layer protocol.</summary>
    public int ProtocolOffset;

    /// <summary>Where a transport-mode header goes: behind hop-by-hop, routing and fragment headers (RFC 4303, 3.1.1).</summary>
    public int TransportOffset;

    /// <summary>Where the byte is that names the header at <see cref="TransportOffset"/>.</summary>
    public int TransportProtocolOffset;

    /// <summary>Where the IPv6 fragment header starts; 0 for none.</summary>
    public int FragmentHeaderOffset;

    /// <summary>The source address.</summary>
    public Address Source;

    /// <summary>The destination address.</summary>
    public Address Destination;

    /// <summary>TCP, UDP, SCTP and UDP-Lite: the source port. ICMP: the type.</summary>
    public ushort SourcePort;

    /// <summary>TCP, UDP, SCTP and UDP-Lite: the destination port. ICMP: the code.</summary>
    public ushort DestinationPort;

    /// <summary>Reads the headers; what it answers is <see cref="Drop.None"/> or the reason to drop the packet.</summary>
    public static Drop TryParse(ReadOnlySpan<byte> packet, out IpInfo info) => TryParse(packet, isQuote: false, out info);

    /// <summary>
    /// Reads the headers of a packet that an ICMP error quotes: it may be cut off anywhere behind its IP header, so that
    /// <see cref="TotalLength"/> may lie beyond the bytes. What is not there is not found.
    /// </summary>
    public static Drop TryParseQuoted(ReadOnlySpan<byte> quote, out IpInfo info) => TryParse(quote, isQuote: true, out info);

    private static Drop TryParse(ReadOnlySpan<byte> packet, bool isQuote, out IpInfo info)
    {
        info = default;
        if (packet.Length < V4HeaderLength)
        {
            return Drop.PacketTooShort;
        }

        return (packet[0] >> 4) switch
        {
            4 => info.ParseV4(packet, isQuote),
            6 => info.ParseV6(packet, isQuote),
            _ => Drop.UnknownIpVersion,
        };
    }

    private Drop ParseV4(ReadOnlySpan<byte> packet, bool isQuote)
    {
        int header = (packet[0] & 15) * 4;
        int total = BinaryPrimitives.ReadUInt16BigEndian(packet[2..]);
        int end = isQuote ? Math.Min(total, packet.Length) : total;
        if (header < V4HeaderLength || end < header || end > packet.Length)
        {
            return Drop.BadHeaderLength;
        }

        ushort fragment = BinaryPrimitives.ReadUInt16BigEndian(packet[6..]);
        Family = IpFamily.V4;
        TrafficClass = packet[1];
        TotalLength = total;
        Identification = BinaryPrimitives.ReadUInt16BigEndian(packet[4..]);
        DontFragment = (fragment & 0x4000) != 0;
        MoreFragments = (fragment & 0x2000) != 0;
        FragmentOffset = (fragment & 0x1FFF) * 8;
        IsFragment = MoreFragments || FragmentOffset != 0;
        HopLimit = packet[8];
        Protocol = (IpProtocol)packet[9];
        Source = Address.V4(packet[12..]);
        Destination = Address.V4(packet[16..]);
        UpperOffset = TransportOffset = header;
        ProtocolOffset = TransportProtocolOffset = 9;
        ReadPorts(packet[..end]);
        return Drop.None;
    }

    private Drop ParseV6(ReadOnlySpan<byte> packet, bool isQuote)
    {
        if (packet.Length < V6HeaderLength)
        {
            return Drop.PacketTooShort;
        }

        int total = V6HeaderLength + BinaryPrimitives.ReadUInt16BigEndian(packet[4..]);
        int end = isQuote ? Math.Min(total, packet.Length) : total;
        if (end > packet.Length)
        {
            return Drop.BadHeaderLength;
        }

        Family = IpFamily.V6;
        TrafficClass = (byte)(BinaryPrimitives.ReadUInt16BigEndian(packet) >> 4);
        TotalLength = total;
        HopLimit = packet[7];
        Protocol = (IpProtocol)packet[6];
        Source = Address.V6(packet[8..]);
        Destination = Address.V6(packet[24..]);
        UpperOffset = TransportOffset = V6HeaderLength;
        ProtocolOffset = TransportProtocolOffset = 6;
        for (int headers = 0; ; headers++)
        {
            bool options = Protocol == IpProtocol.DestinationOptions;
            if (!options && Protocol is not (IpProtocol.HopByHop or IpProtocol.Routing or IpProtocol.Fragment))
            {
                break;
            }

            // A second fragment header would hide that the first one says "fragment". (Hop-by-hop options are taken at any
            // place: NetBSD 10 puts its fragment header before them, against RFC 8200 4.1.)
            bool second = Protocol == IpProtocol.Fragment && FragmentHeaderOffset != 0;
            if (second || headers == MaxExtensionHeaders || UpperOffset + 8 > end)
            {
                return Drop.BadExtensionHeader;
            }

            ReadOnlySpan<byte> header = packet[UpperOffset..end];
            int length = Protocol == IpProtocol.Fragment ? 8 : (header[1] + 1) * 8;
            if (length > header.Length)
            {
                return Drop.BadExtensionHeader;
            }

            if (Protocol == IpProtocol.Fragment)
            {
                ushort place = BinaryPrimitives.ReadUInt16BigEndian(header[2..]);
                FragmentHeaderOffset = UpperOffset;
                FragmentOffset = place & 0xFFF8;
                MoreFragments = (place & 1) != 0;
                // An atomic fragment (RFC 6946) is a whole datagram.
                IsFragment = FragmentOffset != 0 || MoreFragments;
                Identification = BinaryPrimitives.ReadUInt32BigEndian(header[4..]);
            }

            Protocol = (IpProtocol)header[0];
            ProtocolOffset = UpperOffset;
            UpperOffset += length;
            if (!options)
            {
                TransportOffset = UpperOffset;
                TransportProtocolOffset = ProtocolOffset;
            }

            if (FragmentOffset != 0)
            {
                break; // what follows is the middle of a datagram, no header
            }
        }

        ReadPorts(packet[..end]);
        return Drop.None;
    }

    private void ReadPorts(ReadOnlySpan<byte> packet)
    {
        if (FragmentOffset != 0 || packet.Length < UpperOffset + 4)
        {
            return;
        }

        ReadOnlySpan<byte> upper = packet[UpperOffset..];
        switch (Protocol)
        {
            case IpProtocol.Tcp or IpProtocol.Udp or IpProtocol.UdpLite or IpProtocol.Sctp:
                SourcePort = BinaryPrimitives.ReadUInt16BigEndian(upper);
                DestinationPort = BinaryPrimitives.ReadUInt16BigEndian(upper[2..]);
                HasPorts = true;
                break;
            case IpProtocol.Icmp or IpProtocol.Icmpv6:
                SourcePort = upper[0];
                DestinationPort = upper[1];
                HasPorts = true;
                break;
            case IpProtocol.Mobility:
                SourcePort = upper[2];
                HasPorts = true;
                break;
        }
    }
}
