// Before anything else: is it an ICMP error about a packet that was protected here (RFC 4301, 6.1.1)? It comes in clear from
// anybody, so it is believed only where it quotes an SA of ours by SPI and addresses, and a sequence number that was sent
// lately (RFC 5927, 7.2: who cannot see the traffic must guess 32 and more bits). "Too big" lowers the path's MTU (8.2.1):
// the next packet that does not fit makes its sender told. Other errors say nothing that could be acted upon or passed on,
// for the quote does not show whose packet is inside; the SA keeps the last one to be shown.

using System.Buffers.Binary;
using Testudo.Engine.Keys;
using Testudo.Wire;

namespace Testudo.Engine.Inbound;

internal static partial class InboundPath
{
    /// <summary>Numbers back from the last one sent that an error may quote: seconds of traffic at some gigabits.</summary>
    private const uint RecentNumbers = 1 << 18;

    /// <summary>IcmpNoted or IcmpRefused for an error about a protected packet of ours; else the packet goes on.</summary>
    private static Drop TakeError(IpsecEngine engine, in Packet packet, in IpInfo info, in Now now)
    {
        if (!IcmpQuote.IsError(info) || (engine.KnowsLocalAddresses && !engine.IsLocal(info.Destination)))
        {
            return Drop.None;
        }

        if (!IcmpQuote.TryParse(packet.Span, info, out IcmpQuote quote) || FindSent(engine.Sad, quote, out uint sequence) is not { } sa)
        {
            return Drop.None; // about a clear packet, or about nobody's: policy says whether it comes in
        }

        if (unchecked((uint)sa.LastSequence - sequence) >= RecentNumbers || sa.LastSequence == 0 || sequence == 0)
        {
            return Drop.IcmpRefused;
        }

        sa.NoteError(quote.Type, quote.Code, info.Source, now);
        if (!quote.IsTooBig)
        {
            return Drop.IcmpNoted;
        }

        // A packet that was no longer than what it names did not meet this link.
        return engine.Options.HonoursTooBig && quote.Mtu < quote.Packet.TotalLength
            && engine.PathMtus.Learn(quote.Packet.Destination, quote.Mtu, info.Source, now)
            ? Drop.IcmpNoted
            : Drop.IcmpRefused;
    }

    /// <summary>The SA that the quoted packet was sent by, with its sequence number.</summary>
    private static Sa? FindSent(Sad sad, in IcmpQuote quote, out uint sequence)
    {
        sequence = 0;
        ref readonly IpInfo sent = ref quote.Packet;
        if (sent.FragmentOffset != 0 || quote.Bytes.Length < sent.UpperOffset)
        {
            return null; // the first fragment was too big as well: it is told of too
        }

        ReadOnlySpan<byte> upper = quote.Bytes[sent.UpperOffset..];
        int at = sent.Protocol switch
        {
            IpProtocol.Esp => 0,
            IpProtocol.Ah => 4, // next header, length, reserved
            IpProtocol.Udp when upper.Length >= 12 => UdpHeader.Length + (BinaryPrimitives.ReadUInt32BigEndian(upper[8..]) == 0 ? 8 : 0), // a non-IKE marker
            _ => -1,
        };
        if (at < 0 || upper.Length < at + 8)
        {
            return null;
        }

        uint spi = BinaryPrimitives.ReadUInt32BigEndian(upper[at..]);
        sequence = BinaryPrimitives.ReadUInt32BigEndian(upper[(at + 4)..]);
        Sa? sa = sad.Find(spi, sent.Protocol == IpProtocol.Udp ? IpProtocol.Esp : sent.Protocol, sent.Destination);
        bool isUdp = sent.Protocol == IpProtocol.Udp;
        return sa is not null && sa.IsUsable && sa.Source == sent.Source && (isUdp ? at : 0) == (sa.Encapsulation?.Length ?? 0)
            && (sa.Encapsulation is not { } ports || (ports.SourcePort == sent.SourcePort && ports.DestinationPort == sent.DestinationPort))
            ? sa : null;
    }
}
