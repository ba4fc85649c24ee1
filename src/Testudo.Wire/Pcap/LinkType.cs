// What stands before the IP packet in a captured frame, by the link types of captures (the LINKTYPE_ registry of
// tcpdump.org), and how to find the packet behind it.

using System.Buffers.Binary;

namespace Testudo.Wire;

/// <summary>The link types that are known here, and the way to the IP packet in a frame of each.</summary>
public static class LinkType
{
    /// <summary>BSD loopback: the address family in the byte order of the capturing machine, 4 bytes.</summary>
    public const int Null = 0;

    /// <summary>Ethernet, with VLAN tags or without.</summary>
    public const int Ethernet = 1;

    /// <summary>An IP packet and nothing before it: what Testudo writes.</summary>
    public const int Raw = 101;

    /// <summary>OpenBSD loopback: the address family in network order, 4 bytes.</summary>
    public const int Loop = 108;

    /// <summary>Linux "cooked" capture, as of the device "any".</summary>
    public const int LinuxCooked = 113;

    /// <summary>An IPv4 packet and nothing before it.</summary>
    public const int Ipv4 = 228;

    /// <summary>An IPv6 packet and nothing before it.</summary>
    public const int Ipv6 = 229;

    /// <summary>Linux "cooked" capture, version 2; a VLAN tag's other half stands behind its header.</summary>
    public const int LinuxCooked2 = 276;

    // DLT_RAW was written to files as 12 or 14, depending on the system, before it became 101.
    private const int RawBsd = 12, RawOpenBsd = 14;

    /// <summary>True for the types that <see cref="TryFindIp"/> can look into.</summary>
    public static bool IsKnown(int linkType) => linkType
        is Null or Ethernet or RawBsd or RawOpenBsd or Raw or Loop or LinuxCooked or Ipv4 or Ipv6 or LinuxCooked2;

    /// <summary>
    /// Finds the IP packet in a captured frame. It ends where its own header says, so that Ethernet's padding is cut;
    /// in a frame that was not captured whole it ends with the frame.
    /// </summary>
    /// <param name="linkType">The link type of the frame's interface.</param>
    /// <param name="frame">The bytes captured.</param>
    /// <param name="ip">Where the packet is in them.</param>
    /// <returns>False for other protocols (ARP), unknown link types and frames cut before the IP header.</returns>
    public static bool TryFindIp(int linkType, ReadOnlySpan<byte> frame, out Range ip)
    {
        ip = default;
        (int start, IpFamily family) = linkType switch
        {
            Raw or RawBsd or RawOpenBsd => (0, IpFamily.None),
            Ipv4 => (0, IpFamily.V4),
            Ipv6 => (0, IpFamily.V6),
            Ethernet => BehindTags(frame, 12),
            // | packet type | ARPHRD type | address length | address, 8 | protocol |
            LinuxCooked => BehindTags(frame, 14),
            // | protocol | reserved | interface, 4 | ARPHRD type | packet type, 1 | address length, 1 | address, 8 |
            LinuxCooked2 => IsTag(frame, 0) ? BehindTags(frame, 22) : (20, OfEthertype(frame, 0)),
            Null or Loop => (4, OfAddressFamily(frame)),
            _ => (frame.Length, IpFamily.None),
        };
        if (start >= frame.Length)
        {
            return false;
        }

        ReadOnlySpan<byte> packet = frame[start..];
        int version = packet[0] >> 4;
        int header = version == 4 ? IpInfo.V4HeaderLength : IpInfo.V6HeaderLength;
        bool raw = linkType is Raw or RawBsd or RawOpenBsd;
        if (version is not (4 or 6) || (!raw && version != (int)family) || packet.Length < header)
        {
            return false;
        }

        // A length of 0 is a packet that segmentation offload has not cut yet, or a jumbogram: take what is there.
        int field = BinaryPrimitives.ReadUInt16BigEndian(packet[(version == 4 ? 2 : 4)..]);
        int total = version == 4 ? field : field + header;
        int length = field == 0 && !IsHeaderOnly(packet, version) ? packet.Length : Math.Clamp(total, header, packet.Length);
        ip = start..(start + length);
        return true;
    }

    // IPv6 with no payload at all (next header 59) is a packet of 40 bytes, not a jumbogram.
    private static bool IsHeaderOnly(ReadOnlySpan<byte> packet, int version) => version == 6 && packet[6] == (byte)IpProtocol.None;

    // The type field at a place, or behind the VLAN tags (802.1Q, 802.1ad and the older 0x9100) that stand there.
    private static (int Start, IpFamily Family) BehindTags(ReadOnlySpan<byte> frame, int at)
    {
        while (IsTag(frame, at))
        {
            at += 4;
        }

        return (at + 2, OfEthertype(frame, at));
    }

    private static bool IsTag(ReadOnlySpan<byte> frame, int at) =>
        at + 2 <= frame.Length && BinaryPrimitives.ReadUInt16BigEndian(frame[at..]) is 0x8100 or 0x88A8 or 0x9100;

    private static IpFamily OfEthertype(ReadOnlySpan<byte> frame, int at)
    {
        if (at + 2 > frame.Length)
        {
            return IpFamily.None;
        }

        return BinaryPrimitives.ReadUInt16BigEndian(frame[at..]) switch
        {
            0x0800 => IpFamily.V4,
            0x86DD => IpFamily.V6,
            _ => IpFamily.None,
        };
    }

    // AF_INET is 2 everywhere; AF_INET6 is 10 on Linux, 24 on NetBSD and OpenBSD, 28 on FreeBSD, 30 on Darwin.
    private static IpFamily OfAddressFamily(ReadOnlySpan<byte> frame)
    {
        if (frame.Length < 4)
        {
            return IpFamily.None;
        }

        uint value = BinaryPrimitives.ReadUInt32LittleEndian(frame);
        return (value > 0xFFFF ? BinaryPrimitives.ReverseEndianness(value) : value) switch
        {
            2 => IpFamily.V4,
            10 or 24 or 28 or 30 => IpFamily.V6,
            _ => IpFamily.None,
        };
    }
}
