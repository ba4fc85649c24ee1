// ICMP errors about a packet, for its sender, as if the next hop had sent them (RFC 792, RFC 1191 4; RFC 4443 3).
//
//  0       1       2       3
// | type  | code  | checksum      |
// | parameter: 0 and MTU (v4), MTU (v6), else 0 |
// | the packet, as much as fits: up to 576 bytes in all for IPv4 (RFC 1812, 4.3.2.3), 1280 for IPv6 (RFC 4443, 2.4) |
//
// The source is the packet's destination: an address that the sender knows, that the policy selecting the flow covers and
// that passes the sender's checks, where this host may have none that does.

using System.Buffers.Binary;

namespace Testudo.Wire;

/// <summary>Writes ICMP errors, and knows the packets about which none may be sent.</summary>
public static class IcmpError
{
    /// <summary>The longest error for IPv4.</summary>
    public const int MaxV4Length = 576;

    /// <summary>The longest error for IPv6, and so of any.</summary>
    public const int MaxLength = 1280;

    private const int HeaderLength = 8;

    /// <summary>"Fragmentation needed" (type 3, code 4) or "packet too big" (ICMPv6 type 2) with the MTU that would do.</summary>
    /// <param name="packet">The IP packet that did not fit.</param>
    /// <param name="mtu">The greatest length of a packet that fits; IPv4's field ends at 65535.</param>
    /// <param name="into">Where the error goes, <see cref="MaxLength"/> bytes; not over the packet.</param>
    /// <returns>The length of the error; 0 where none may be sent.</returns>
    public static int TooBig(ReadOnlySpan<byte> packet, int mtu, Span<byte> into) =>
        IsV4(packet) ? Write(packet, 3, 4, (uint)Math.Min(mtu, ushort.MaxValue), into) : Write(packet, 2, 0, (uint)mtu, into);

    /// <summary>"Communication administratively prohibited" (type 3, code 13; ICMPv6 type 1, code 1), as <see cref="TooBig"/>.</summary>
    public static int Prohibited(ReadOnlySpan<byte> packet, Span<byte> into) =>
        IsV4(packet) ? Write(packet, 3, 13, 0, into) : Write(packet, 1, 1, 0, into);

    /// <summary>"Time exceeded in transit" (type 11, code 0; ICMPv6 type 3, code 0), as <see cref="TooBig"/>.</summary>
    public static int TimeExceeded(ReadOnlySpan<byte> packet, Span<byte> into) =>
        IsV4(packet) ? Write(packet, 11, 0, 0, into) : Write(packet, 3, 0, 0, into);

    /// <summary>True where an error may be sent about the packet (RFC 1122, 3.2.2; RFC 4443, 2.4 (e)).</summary>
    public static bool IsAllowedAbout(in IpInfo info)
    {
        // Never about a fragment other than the first.
        if (info.FragmentOffset != 0)
        {
            return false;
        }

        // Never to what is not a single host; and never as if a group had sent it, which leaves out RFC 4443's exception
        // for multicast too.
        if (!IsHost(info.Source) || !IsHost(info.Destination))
        {
            return false;
        }

        // Never about an error, or about what might be one because its type is not there. Redirects count as errors.
        return info.Protocol switch
        {
            IpProtocol.Icmp => info.HasPorts && info.SourcePort is not (3 or 4 or 5 or 11 or 12),
            IpProtocol.Icmpv6 => info.HasPorts && info.SourcePort is >= 128 and not 137,
            _ => true,
        };
    }

    private static int Write(ReadOnlySpan<byte> packet, byte type, byte code, uint parameter, Span<byte> into)
    {
        if (IpInfo.TryParse(packet, out IpInfo info) != Drop.None || !IsAllowedAbout(info))
        {
            return 0;
        }

        bool v4 = info.Family == IpFamily.V4;
        int header = v4 ? IpInfo.V4HeaderLength : IpInfo.V6HeaderLength;
        int room = Math.Min(into.Length, v4 ? MaxV4Length : MaxLength) - header - HeaderLength;
        int quoted = Math.Min(room, info.TotalLength);
        if (quoted < Math.Min(info.TotalLength, info.UpperOffset + 8))
        {
            return 0; // without its ports nobody knows what the error is about
        }

        int total = header + HeaderLength + quoted;
        Span<byte> icmp = into[header..total];
        icmp[0] = type;
        icmp[1] = code;
        BinaryPrimitives.WriteUInt16BigEndian(icmp[2..], 0);
        BinaryPrimitives.WriteUInt32BigEndian(icmp[4..], parameter);
        packet[..quoted].CopyTo(icmp[HeaderLength..]);
        ulong sum = v4 ? 0 : Checksum.PseudoHeader(info.Destination, info.Source, icmp.Length, IpProtocol.Icmpv6);
        BinaryPrimitives.WriteUInt16BigEndian(icmp[2..], Checksum.Finish(Checksum.Add(sum, icmp)));
        if (v4)
        {
            // Precedence 6, as RFC 1812 4.3.2.5 wants it; DF, so that the identification 0 is no claim (RFC 6864, 4.1).
            IpWrite.V4(into, total, 0xC0, 0, true, 64, IpProtocol.Icmp, info.Destination, info.Source);
        }
        else
        {
            IpWrite.V6(into, total, 0, 0, 64, IpProtocol.Icmpv6, info.Destination, info.Source);
        }

        return total;
    }

    private static bool IsV4(ReadOnlySpan<byte> packet) => !packet.IsEmpty && packet[0] >> 4 == 4;

    // IPv4: not 0.0.0.0/8, loopback, multicast, class E or broadcast (RFC 1122, 3.2.2). IPv6: neither :: nor multicast.
    private static bool IsHost(in Address address) => address.Family == IpFamily.V4
        ? (address.Low >> 24) is not (0 or 127 or >= 224)
        : !address.IsUnspecified && !address.IsMulticastOrBroadcast;
}
