// IPComp on the way out (RFC 3173): the payload is replaced by a compressed one behind a header of four bytes, where that is
// shorter; else the packet goes on as it is, in tunnel mode inside of its outer header (2.2). Nothing is a job for a provider.
//
//   transport   | IP header, extensions | next, flags, CPI | compressed upper-layer data |
//   tunnel      | new IP header         | next, flags, CPI | compressed inner packet     |

using System.Buffers.Binary;
using Testudo.Crypto;
using Testudo.Engine.Keys;
using Testudo.Wire;

namespace Testudo.Engine.Outbound;

internal static unsafe partial class OutboundPath
{
    private static Drop Compress(IpsecEngine engine, ref Packet packet, PacketState state, Worker me, in Now now)
    {
        Sa sa = state.Chain[state.Done];
        bool tunnel = state.IsTunnel[state.Done];
        int header = tunnel ? 0 : state.Info.TransportOffset;
        int payload = packet.Length - header;
        int outer = !tunnel ? header : sa.Source.Family == IpFamily.V4 ? IpInfo.V4HeaderLength : IpInfo.V6HeaderLength;
        if (tunnel && packet.Front < outer + IpComp.HeaderLength)
        {
            return Drop.NoRoom;
        }

        if (!sa.Admits(payload))
        {
            return Drop.LifetimeOver;
        }

        sa.Count(payload, now);
        IpProtocol next = tunnel
            ? state.Info.Family == IpFamily.V4 ? IpProtocol.Ipv4 : IpProtocol.Ipv6
            : (IpProtocol)packet.Data[state.Info.TransportProtocolOffset];
        Span<byte> scratch = me.CompressionScratch;
        int length = payload < engine.Options.CompressionThreshold
            ? Compressor.DoesNotFit
            : me.Compressor.Compress(packet.Span[header..], scratch[..Math.Max(0, payload - IpComp.HeaderLength - 1)]);
        bool isCompressed = length > 0;
        Span<byte> inner = stackalloc byte[IpInfo.V4HeaderLength];
        packet.Span[..inner.Length].CopyTo(inner);
        if (isCompressed)
        {
            int place = tunnel ? 0 : header + IpComp.HeaderLength;
            scratch[..length].CopyTo(packet.Span[place..]);
            packet.Truncate(place + length);
            packet.Spi = sa.Spi;
            packet.Sequence = 0;
        }

        if (tunnel)
        {
            packet.TryPush(outer + (isCompressed ? IpComp.HeaderLength : 0));
            WriteTunnelHeader(engine, packet.Span, inner, state.Info, sa, isCompressed ? IpProtocol.IpComp : next, me);
        }
        else if (isCompressed)
        {
            packet.Data[state.Info.TransportProtocolOffset] = (byte)IpProtocol.IpComp;
            IpWrite.SetLength(packet.Span, packet.Length, header);
        }

        if (isCompressed)
        {
            Span<byte> comp = packet.Span.Slice(outer, IpComp.HeaderLength);
            comp[0] = (byte)next;
            comp[1] = 0;
            BinaryPrimitives.WriteUInt16BigEndian(comp[2..], (ushort)sa.Spi);
        }

        return Drop.None;
    }
}
