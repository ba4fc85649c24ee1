// NAT keepalives (RFC 3948, 4): a byte 0xFF to each peer to which nothing else was sent, so that the NAT between keeps the
// mapping. They have no other meaning.
//
//   | IP | UDP, the ports of the SA | 0xFF |

using Testudo.Engine.Keys;
using Testudo.Wire;

namespace Testudo.Engine.Outbound;

internal static class Keepalive
{
    internal static void Run(IpsecEngine engine, Batch wire, in Now now, Worker me)
    {
        int seconds = engine.Options.KeepaliveSeconds;
        if (seconds == 0)
        {
            return;
        }

        foreach (Sa sa in engine.Sad.Snapshot)
        {
            if (sa is { Encapsulation: { } udp, IsUsable: true } && engine.IsLocal(sa.Source) && IsIdle(engine, sa, udp, seconds, now) && !wire.IsFull)
            {
                Write(sa, udp, wire, now, me);
            }
        }
    }

    // One keepalive a peer, however many SAs lead to it; a packet of any of them is as good.
    private static bool IsIdle(IpsecEngine engine, Sa sa, in UdpEncapsulation udp, int seconds, in Now now)
    {
        foreach (Sa other in engine.Sad.Between(sa.Protocol, sa.Source, sa.Destination))
        {
            if (other.Encapsulation is { } same && same.SourcePort == udp.SourcePort && same.DestinationPort == udp.DestinationPort
                && now.UnixSeconds - other.LastSent < seconds)
            {
                return false;
            }
        }

        return true;
    }

    private static void Write(Sa sa, in UdpEncapsulation udp, Batch wire, in Now now, Worker me)
    {
        bool v4 = sa.Source.Family == IpFamily.V4;
        int outer = v4 ? IpInfo.V4HeaderLength : IpInfo.V6HeaderLength;
        int length = outer + Esp.UdpHeaderLength + 1;
        Span<byte> bytes = wire.Reserve(length);
        if (bytes.IsEmpty)
        {
            return;
        }

        Address to = sa.SendsTo;
        if (v4)
        {
            IpWrite.V4(bytes, length, 0, me.NextIdentification(), dontFragment: false, IpWrite.TunnelHopLimit, IpProtocol.Udp, sa.Source, to);
        }
        else
        {
            IpWrite.V6(bytes, length, 0, 0, IpWrite.TunnelHopLimit, IpProtocol.Udp, sa.Source, to);
        }

        UdpWrite.Header(bytes[outer..length], udp.SourcePort, sa.Peer?.Port ?? udp.DestinationPort);
        bytes[outer + Esp.UdpHeaderLength] = 0xFF;
        UdpWrite.Checksum(bytes[..length], outer);
        sa.KeptAlive = now.UnixSeconds;
        ref Packet packet = ref wire.Commit(length);
        packet.Spi = sa.Spi; // it goes the way of the SA's packets
        me.Count(packet);
    }
}
