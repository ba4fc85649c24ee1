// NAT keepalives (RFC 3948, 4): a byte 0xFF to each peer to which nothing else was sent, so that the NAT between keeps the
// mapping. They have no other meaning.
//
//   | IP | UDP, the ports of the SA | 0xFF |

using System.Collections.Concurrent;
using Testudo.Engine.Keys;
using Testudo.Wire;

namespace Testudo.Engine.Outbound;

internal static class Keepalive
{
    private const int MaxLength = IpInfo.V6HeaderLength + UdpHeader.Length + 1;

    /// <summary>
    /// For the control thread: hands over one SA for each peer to which nothing was sent for so long, however many SAs lead
    /// to it; a packet of any of them is as good.
    /// </summary>
    internal static void Find(IpsecEngine engine, in Now now, ConcurrentQueue<Sa> silent)
    {
        if (engine.Options.KeepaliveSeconds == 0)
        {
            return;
        }

        var latest = new Dictionary<(Address Source, Address Destination, ushort SourcePort, ushort DestinationPort), Sa>();
        foreach (Sa sa in engine.Sad.All)
        {
            if (sa is { Encapsulation: { } udp, IsUsable: true } && engine.IsLocal(sa.Source))
            {
                var peer = (sa.Source, sa.Destination, udp.SourcePort, udp.DestinationPort);
                if (!latest.TryGetValue(peer, out Sa? other) || other.LastSent < sa.LastSent)
                {
                    latest[peer] = sa;
                }
            }
        }

        foreach (Sa sa in latest.Values)
        {
            if (now.UnixSeconds - sa.LastSent >= engine.Options.KeepaliveSeconds)
            {
                sa.KeptAlive = now.UnixSeconds;
                silent.Enqueue(sa);
            }
        }
    }

    /// <summary>For the sending thread: writes what was handed over.</summary>
    internal static void Run(ConcurrentQueue<Sa> silent, Batch wire, Worker me)
    {
        while (wire.HasRoom(1, MaxLength) && silent.TryDequeue(out Sa? sa))
        {
            if (sa is { Encapsulation: { } udp, IsUsable: true })
            {
                Write(sa, udp, wire, me);
            }
        }
    }

    private static void Write(Sa sa, in UdpEncapsulation udp, Batch wire, Worker me)
    {
        bool v4 = sa.Source.Family == IpFamily.V4;
        int outer = v4 ? IpInfo.V4HeaderLength : IpInfo.V6HeaderLength;
        int length = outer + UdpHeader.Length + 1;
        Span<byte> bytes = wire.Reserve(length);
        Address to = sa.SendsTo;
        if (v4)
        {
            IpWrite.V4(bytes, length, 0, me.NextIdentification(), dontFragment: false, IpWrite.TunnelHopLimit, IpProtocol.Udp, sa.Source, to);
        }
        else
        {
            IpWrite.V6(bytes, length, 0, 0, IpWrite.TunnelHopLimit, IpProtocol.Udp, sa.Source, to);
        }

        new UdpHeader(udp.SourcePort, sa.Peer?.Port ?? udp.DestinationPort, (ushort)(length - outer), 0).Write(bytes[outer..]);
        bytes[outer + UdpHeader.Length] = 0xFF;
        if (!v4)
        {
            UdpHeader.SetChecksum(bytes[outer..length], sa.Source, to);
        }

        ref Packet packet = ref wire.Commit(length);
        packet.Spi = sa.Spi; // it goes the way of the SA's packets
        me.Count(packet);
    }
}
