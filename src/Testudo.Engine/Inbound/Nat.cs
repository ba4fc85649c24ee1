// A NAT on the way (RFC 3948): the peer's address and port may change while an SA lives, and what was summed over the
// addresses before the NAT does not fit those behind it.

using System.Buffers.Binary;
using Testudo.Engine.Keys;
using Testudo.Wire;

namespace Testudo.Engine.Inbound;

internal static partial class InboundPath
{
    /// <summary>
    /// Follows the peer to where a verified packet came from (RFC 5996, 2.23), in both directions. Only the newest packet
    /// says where the peer is: one that was held back leads nobody astray. True where the packet, though its source is not
    /// the SA's, came from the SA's peer.
    /// </summary>
    private static bool Follow(IpsecEngine engine, PacketState state, Sa sa)
    {
        if (sa.Encapsulation is not { } udp || !engine.Options.FollowsPeers)
        {
            return false;
        }

        Address source = state.Info.Source;
        ushort port = state.Info.SourcePort;
        bool isKnown = sa.Peer is { } peer ? source == peer.Address && port == peer.Port : source == sa.Source && port == udp.SourcePort;
        bool canBePeer = !engine.IsLocal(source) && !source.IsUnspecified && !source.IsLoopback && port != 0; // IsLocal: groups too
        if (!isKnown && canBePeer && state.IsNewest)
        {
            var place = new UdpPeer(source, port);
            sa.Move(place);
            foreach (Sa back in engine.Sad.Between(sa.Protocol, sa.Destination, sa.Source))
            {
                if (back.Encapsulation is { } other && other.DestinationPort == udp.SourcePort && other.SourcePort == udp.DestinationPort)
                {
                    back.Move(place);
                }
            }
        }

        // Also what overtook the move: it was verified under the SA's key.
        return source != sa.Source;
    }

    /// <summary>
    /// Mends the checksum of transport mode behind a NAT (section 3.1.2): by the difference of the addresses where the peer
    /// has said what they were, else anew. ESP has shown already that nothing was damaged on the way.
    /// </summary>
    private static void MendChecksum(Span<byte> packet, in IpInfo info, in UdpEncapsulation udp)
    {
        int place = info.Protocol switch
        {
            IpProtocol.Tcp => 16,
            IpProtocol.Udp => 6,
            IpProtocol.Icmpv6 when info.Family == IpFamily.V6 => 2,
            _ => -1, // without a pseudo header
        };
        Span<byte> upper = packet[info.UpperOffset..];
        if (place < 0 || upper.Length < place + 2 || info.IsFragment)
        {
            return;
        }

        Span<byte> field = upper[place..];
        ushort was = BinaryPrimitives.ReadUInt16BigEndian(field);
        if (info.Protocol == IpProtocol.Udp && was == 0)
        {
            return; // the sender sums nothing
        }

        ushort now;
        if (udp.OriginalSource.Family == info.Family && udp.OriginalDestination.Family == info.Family)
        {
            // RFC 1624: the sum without the old addresses and with the new ones.
            ulong old = Checksum.PseudoHeader(udp.OriginalSource, udp.OriginalDestination, 0, 0);
            ulong sum = (ulong)(ushort)~was + Checksum.Finish(old) + Checksum.PseudoHeader(info.Source, info.Destination, 0, 0);
            now = Checksum.Finish(sum);
        }
        else
        {
            BinaryPrimitives.WriteUInt16BigEndian(field, 0);
            now = Checksum.Finish(Checksum.Add(Checksum.PseudoHeader(info.Source, info.Destination, upper.Length, info.Protocol), upper));
        }

        BinaryPrimitives.WriteUInt16BigEndian(field, now == 0 && info.Protocol == IpProtocol.Udp ? (ushort)0xFFFF : now);
    }
}
