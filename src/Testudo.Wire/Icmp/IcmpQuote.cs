// What an ICMP error says, and the packet that it says it of (RFC 792; RFC 4443, 3). Routers quote as much as they like, at
// least the IP header and 8 bytes; whoever believes an error compares the quote with what he knows.
//
//  0       1       2       3
// | type  | code  | checksum      |
// | parameter: 0 and MTU (v4), MTU (v6), else of no interest |
// | the quoted packet, as much as the router liked |

using System.Buffers.Binary;

namespace Testudo.Wire;

/// <summary>An ICMP error with a right checksum and a quote whose headers can be read. It reads the bytes where they are.</summary>
public readonly ref struct IcmpQuote
{
    /// <summary>The quoted packet's headers. Its total length may lie beyond <see cref="Bytes"/>.</summary>
    public readonly IpInfo Packet;

    private const int HeaderLength = 8;
    private readonly ReadOnlySpan<byte> _icmp;
    private readonly bool _v4;

    private IcmpQuote(ReadOnlySpan<byte> icmp, bool v4, IpInfo packet)
    {
        _icmp = icmp;
        _v4 = v4;
        Packet = packet;
    }

    /// <summary>The type.</summary>
    public byte Type => _icmp[0];

    /// <summary>The code.</summary>
    public byte Code => _icmp[1];

    /// <summary>The quoted packet, from its IP header on.</summary>
    public ReadOnlySpan<byte> Bytes => _icmp[HeaderLength..];

    /// <summary>True for "fragmentation needed" and "packet too big".</summary>
    public bool IsTooBig => _v4 ? Type == 3 && Code == 4 : Type == 2;

    /// <summary>
    /// The MTU that such an error names, at most 2³¹-1; where an old router names none, the next usual one below the
    /// quoted packet's length (RFC 1191, 7.1).
    /// </summary>
    public int Mtu
    {
        get
        {
            uint named = _v4 ? BinaryPrimitives.ReadUInt16BigEndian(_icmp[6..]) : BinaryPrimitives.ReadUInt32BigEndian(_icmp[4..]);
            return named != 0 || !_v4 ? (int)Math.Min(named, int.MaxValue) : PlateauBelow(Packet.TotalLength);
        }
    }

    /// <summary>True for a packet whose ICMP type is that of an error; redirects count as errors.</summary>
    public static bool IsError(in IpInfo info) => info.HasPorts && info.Protocol switch
    {
        IpProtocol.Icmp => info.Family == IpFamily.V4 && info.SourcePort is 3 or 4 or 5 or 11 or 12,
        IpProtocol.Icmpv6 => info.Family == IpFamily.V6 && info.SourcePort < 128,
        _ => false,
    };

    /// <summary>Reads an error; false for other packets, a wrong checksum and a quote without a whole IP header.</summary>
    public static bool TryParse(ReadOnlySpan<byte> packet, in IpInfo info, out IcmpQuote quote)
    {
        quote = default;
        if (!IsError(info) || info.IsFragment || info.UpperOffset + HeaderLength > info.TotalLength)
        {
            return false;
        }

        bool v4 = info.Family == IpFamily.V4;
        ReadOnlySpan<byte> icmp = packet[info.UpperOffset..info.TotalLength];
        ulong sum = v4 ? 0 : Checksum.PseudoHeader(info.Source, info.Destination, icmp.Length, IpProtocol.Icmpv6);
        if (Checksum.Finish(Checksum.Add(sum, icmp)) != 0
            || IpInfo.TryParseQuoted(icmp[HeaderLength..], out IpInfo quoted) != Drop.None || quoted.Family != info.Family)
        {
            return false;
        }

        quote = new IcmpQuote(icmp, v4, quoted);
        return true;
    }

    private static int PlateauBelow(int length)
    {
        foreach (int plateau in (ReadOnlySpan<int>)[32000, 17914, 8166, 4352, 2002, 1492, 1006, 508, 296])
        {
            if (plateau < length)
            {
                return plateau;
            }
        }

        return 68;
    }
}
