// Stage 4: does the packet fit with its protection (RFC 4301, 8.2)? If it may not be fragmented behind us, its sender is
// told how long it may be, by ICMP as if the next hop had said it.

using Testudo.Engine.Keys;
using Testudo.Wire;

namespace Testudo.Engine.Outbound;

internal static partial class OutboundPath
{
    /// <summary>The largest block that a cipher pads to.</summary>
    private const int MaxPadTo = 16;

    private static Drop Size(IpsecEngine engine, in Packet packet, PacketState state, Batch back)
    {
        if (state.Count == 0)
        {
            return Drop.None;
        }

        int length = Protected(state, packet.Length, out Address destination);
        int mtu = engine.PathMtus.Of(destination);
        if (length <= mtu)
        {
            return Drop.None;
        }

        bool tooLong = length > Batch.MaxPacketLength;
        if (!tooLong && !MustFit(engine, state.Info, packet.Length, mtu))
        {
            return Drop.None; // what is protected will be fragmented
        }

        int limit = tooLong ? Batch.MaxPacketLength : mtu;
        int fits = Math.Min(packet.Length - 1, packet.Length - (length - limit) + (state.Count * MaxPadTo));
        while (fits > 0 && Protected(state, fits, out _) > limit)
        {
            fits--; // padding is less or more for another length: a few steps for each SA
        }

        int least = state.Info.Family == IpFamily.V6 ? 1280 : 68; // RFC 8200, 5; RFC 791, 3.2
        if (fits < least)
        {
            if (!tooLong && packet.Length <= least)
            {
                return Drop.None; // the sender may not go lower: what is protected will be fragmented
            }

            fits = least;
        }

        IpsecEngine.TellTooBig(packet, fits, back);
        return tooLong ? Drop.TooLong : Drop.TooBig;
    }

    // IPv4 with DF must fit. IPv6 must fit where its sender looks for the path MTU itself: what is forwarded, TCP, and what
    // is no longer than the link; a longer local datagram was left to the kernel to fragment, and telling its sender would
    // make it fail for ever.
    private static bool MustFit(IpsecEngine engine, in IpInfo info, int length, int mtu) =>
        info.Family == IpFamily.V4
            ? info.DontFragment
            : info.Protocol == IpProtocol.Tcp || length <= mtu || !engine.IsLocal(info.Source);

    /// <summary>The length of the packet when all its SAs have been applied, and where it goes then.</summary>
    private static int Protected(PacketState state, int length, out Address destination)
    {
        int header = state.Info.TransportOffset;
        destination = state.Info.Destination;
        for (int i = 0; i < state.Count; i++)
        {
            Sa sa = state.Chain[i];
            if (state.IsTunnel[i])
            {
                header = sa.Source.Family == IpFamily.V4 ? IpInfo.V4HeaderLength : IpInfo.V6HeaderLength;
                destination = sa.SendsTo;
                length = header + Transformed(sa, length);
            }
            else
            {
                length = header + Transformed(sa, length - header);
            }
        }

        return length;
    }

    // IPComp makes nothing longer: it is left out where it would.
    private static int Transformed(Sa sa, int payload) => sa.Protocol switch
    {
        IpProtocol.Ah => Ah.Length(sa) + payload,
        IpProtocol.IpComp => payload,
        _ => Esp.Length(sa, payload),
    };
}
