// Stage 2: is it ESP, by itself or in UDP, or AH, and whose (RFC 4303, 3.4.2; RFC 3948, 2; RFC 4302, 3.4.2).

using System.Buffers.Binary;
using Testudo.Engine.Keys;
using Testudo.Wire;
using Testudo.Wire.PfKey;

namespace Testudo.Engine.Inbound;

internal static partial class InboundPath
{
    /// <summary>The port that is ESP in UDP by itself (RFC 3947, 4).</summary>
    private const ushort NatTraversalPort = 4500;

    private const int NonIkeMarker = 8;

    // No SA and no drop: the packet is clear.
    private static Drop Find(IpsecEngine engine, ref Packet packet, PacketState state, out Sa? sa)
    {
        sa = null;
        if (state.Info.IsFragment)
        {
            return Drop.None; // out of a tunnel: it is put together at its own destination
        }

        // RFC 4301, 5.2 step 3: what is addressed to another host is ESP between others, unless there is an SA for it.
        bool isForOthers = !engine.IsLocal(state.Info.Destination) && (state.Count > 0 || engine.KnowsLocalAddresses);
        ReadOnlySpan<byte> upper = packet.Span[state.Info.UpperOffset..];
        switch (state.Info.Protocol)
        {
            case IpProtocol.Esp:
                state.EspOffset = state.Info.UpperOffset;
                state.UdpLength = 0;
                break;
            case IpProtocol.Ah:
                return FindAh(engine, ref packet, state, isForOthers, out sa);
            case IpProtocol.IpComp or IpProtocol.Ipv4 or IpProtocol.Ipv6:
                return FindIpComp(engine, ref packet, state, isForOthers, out sa);
            case IpProtocol.Udp when upper.Length > UdpHeader.Length:
                ushort port = BinaryPrimitives.ReadUInt16BigEndian(upper[2..]);
                upper = upper[UdpHeader.Length..];
                if (port == NatTraversalPort && upper.Length == 1 && upper[0] == 0xFF)
                {
                    return isForOthers ? Drop.None : Drop.Keepalive;
                }

                // Eight zeros are where IKE has its cookie: ESP of the drafts before RFC 3948. Four are IKE behind its
                // non-ESP marker (2.2), or another program's.
                int marker = upper.Length >= NonIkeMarker + Esp.HeaderLength && BinaryPrimitives.ReadUInt64BigEndian(upper) == 0 ? NonIkeMarker : 0;
                upper = upper[marker..];
                if (upper.Length < Esp.HeaderLength || BinaryPrimitives.ReadUInt32BigEndian(upper) == 0)
                {
                    return Drop.None;
                }

                Sa? encapsulated = engine.Sad.Find(BinaryPrimitives.ReadUInt32BigEndian(upper), IpProtocol.Esp, state.Info.Destination);
                if ((port != NatTraversalPort || marker > 0) && encapsulated?.Encapsulation?.DestinationPort != port)
                {
                    return Drop.None;
                }

                state.EspOffset = state.Info.UpperOffset + UdpHeader.Length + marker;
                state.UdpLength = UdpHeader.Length + marker;
                break;
            default:
                return Drop.None;
        }

        if (upper.Length < Esp.HeaderLength)
        {
            return isForOthers ? Drop.None : Drop.EspTooShort;
        }

        packet.Spi = BinaryPrimitives.ReadUInt32BigEndian(upper);
        packet.Sequence = BinaryPrimitives.ReadUInt32BigEndian(upper[4..]);
        Drop drop = FindSa(engine, packet.Spi, IpProtocol.Esp, state.Info.Destination, isForOthers, out sa);
        if (sa is null || drop != Drop.None)
        {
            return drop;
        }

        packet.Sequence = sa.IsOld ? 0 : packet.Sequence;
        return sa.UdpLength == state.UdpLength ? Drop.None : Drop.WrongEncapsulation;
    }

    // The SA that may receive; what is between others goes on without one.
    private static Drop FindSa(IpsecEngine engine, uint spi, IpProtocol protocol, in Address destination, bool isForOthers, out Sa? sa)
    {
        sa = engine.Sad.Find(spi, protocol, destination);
        return sa is null && isForOthers ? Drop.None
            : sa is null or { State: SaState.Larval } ? Drop.UnknownSpi
            : sa.IsSpent ? Drop.LifetimeOver : Drop.None;
    }
}
