// Stage 6: does the packet fit with its protection (RFC 4301, 8.2)? If it may not be fragmented, its sender is told how long
// it may be, by ICMP as if the next hop had said it (8.2.1 cases 1 and 3); else it is cut before IPsec or behind it (case 2).

using Testudo.Engine.Keys;
using Testudo.Engine.PathMtu;
using Testudo.Wire;

namespace Testudo.Engine.Outbound;

internal static partial class OutboundPath
{
    /// <summary>The largest block that a cipher pads to.</summary>
    private const int MaxPadTo = 16;

    private static Drop Size(IpsecEngine engine, in Packet packet, PacketState state, in Now now, Batch back)
    {
        if (state.Count == 0)
        {
            // Put together only to be looked at: it goes on in pieces again.
            state.FragmentTo = (packet.Flags & PacketFlags.Reassembled) != 0 ? engine.PathMtus.Of(state.Info.Destination, now) : 0;
            return Drop.None;
        }

        int length = Protected(state, packet.Length, out Address destination);
        PathLimit path = engine.PathMtus.Find(destination, now);
        if (length <= path.Mtu)
        {
            return Drop.None;
        }

        bool tooLong = length > Batch.MaxPacketLength;
        int fits = Fits(state, packet.Length, tooLong ? Batch.MaxPacketLength : path.Mtu);
        if (IsCutBefore(engine, state, path.Mtu, out int piece))
        {
            state.CutTo = piece;
            return Drop.None;
        }

        int least = state.Info.Family == IpFamily.V6 ? 1280 : 68; // RFC 8200, 5; RFC 791, 3.2
        if (!tooLong && (!MustFit(engine, state.Info, packet.Length, path.Device) || (fits < least && packet.Length <= least)))
        {
            // Its sender may leave it to others, or may not go lower. What is protected is fragmented: by its link or by
            // routers, but an IPv6 path that is smaller than the device is known to nobody else.
            state.IsOversize = true;
            state.FragmentTo = engine.Options.FragmentsProtected || (destination.Family == IpFamily.V6 && path.IsLearned) ? path.Mtu : 0;
            return Drop.None;
        }

        IpsecEngine.Tell(packet, Math.Max(fits, least), back);
        return tooLong ? Drop.TooLong : Drop.TooBig;
    }

    /// <summary>The longest packet, shorter than this one, that is not longer than the limit with its protection; 0 or less for none.</summary>
    private static int Fits(PacketState state, int length, int limit)
    {
        int fits = Math.Min(length - 1, length - (Protected(state, length, out _) - limit) + (state.Count * MaxPadTo));
        while (fits > 0 && Protected(state, fits, out _) > limit)
        {
            fits--; // padding is less or more for another length: a few steps for each SA
        }

        return fits;
    }

    // Only tunnels carry fragments (RFC 4301, 4.1). An outer DF that is always set leaves no other way.
    private static bool IsCutBefore(IpsecEngine engine, PacketState state, int mtu, out int piece)
    {
        piece = 0;
        if (!state.IsTunnel[0] || state.Info.Family != IpFamily.V4 || state.Info.DontFragment
            || (engine.Options.Fragments != FragmentPlace.Before && engine.Options.DfBit != DfBit.Set))
        {
            return false;
        }

        piece = Fits(state, Batch.MaxPacketLength, mtu);
        return piece >= 68;
    }

    // IPv4 with DF must fit. IPv6 must fit where its sender looks for the path MTU itself: what is forwarded, TCP, and what
    // is no longer than the link; a longer local datagram was left to the kernel to fragment, and telling its sender would
    // make it fail for ever.
    private static bool MustFit(IpsecEngine engine, in IpInfo info, int length, int device) =>
        info.Family == IpFamily.V4
            ? info.DontFragment
            : info.Protocol == IpProtocol.Tcp || length <= device || !engine.IsLocal(info.Source);

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
