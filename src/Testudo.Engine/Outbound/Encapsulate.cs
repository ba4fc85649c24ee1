// Stage 5: the packet gets its outer header (tunnel mode), UDP and ESP header, padding and trailer, its sequence number
// and IV, and becomes a job for the provider.
//
//   transport   | IP header, extensions | [UDP] | ESP | IV | upper-layer data    | padding, trailer | ICV |
//   tunnel      | new IP header         | [UDP] | ESP | IV | whole inner packet  | padding, trailer | ICV |

using System.Buffers.Binary;
using Testudo.Crypto;
using Testudo.Engine.Keys;
using Testudo.Wire;
using Testudo.Wire.PfKey;

namespace Testudo.Engine.Outbound;

internal static unsafe partial class OutboundPath
{
    private static Drop Encapsulate(IpsecEngine engine, ref Packet packet, PacketState state, Worker me, in Now now, out CryptoJob job)
    {
        job = default;
        Sa sa = state.Chain[state.Done];
        bool tunnel = state.IsTunnel[state.Done];
        int header = tunnel ? 0 : state.Info.TransportOffset;
        int payload = packet.Length - header;
        int padding = Esp.Padding(sa, payload);
        byte next = tunnel
            ? (byte)(state.Info.Family == IpFamily.V4 ? IpProtocol.Ipv4 : IpProtocol.Ipv6)
            : packet.Data[state.Info.TransportProtocolOffset];
        int outer = !tunnel ? header : sa.Source.Family == IpFamily.V4 ? IpInfo.V4HeaderLength : IpInfo.V6HeaderLength;
        int before = sa.UdpLength + Esp.HeaderLength + sa.IvLength + (tunnel ? outer : 0);
        int behind = padding + Esp.TrailerLength + sa.Transform.IcvLength;
        if (packet.Front < before || packet.Back < behind)
        {
            return Drop.NoRoom;
        }

        if (!sa.TryTakeSequence(out ulong sequence))
        {
            return Drop.SequenceOverflow;
        }

        // Only now is the packet changed: one that ends stays as it came, to be looked at.
        packet.TryPush(before);
        packet.TryExtend(behind);
        Span<byte> bytes = packet.Span;
        if (tunnel)
        {
            WriteTunnelHeader(engine, bytes, bytes[before..], state.Info, sa, me);
        }
        else
        {
            bytes.Slice(before, header).CopyTo(bytes);
            bytes[state.Info.TransportProtocolOffset] = (byte)(sa.UdpLength > 0 ? IpProtocol.Udp : IpProtocol.Esp);
            if (sa.Peer is { } moved)
            {
                moved.Address.CopyTo(bytes[(state.Info.Family == IpFamily.V4 ? 16 : 24)..]);
            }

            IpWrite.SetLength(bytes, packet.Length, header);
        }

        int esp = outer + sa.UdpLength;
        if (sa.Encapsulation is { } ports)
        {
            // RFC 3948, 2.1: no checksum over IPv4.
            new UdpHeader(ports.SourcePort, sa.Peer?.Port ?? ports.DestinationPort, (ushort)(packet.Length - outer), 0).Write(bytes[outer..]);
            bytes[(outer + UdpHeader.Length)..esp].Clear(); // the marker, where there is one
        }

        BinaryPrimitives.WriteUInt32BigEndian(bytes[esp..], sa.Spi);
        BinaryPrimitives.WriteUInt32BigEndian(bytes[(esp + 4)..], (uint)sequence);
        WriteIv(bytes.Slice(esp + Esp.HeaderLength, sa.IvLength), sequence ^ sa.IvMask);
        int text = esp + Esp.HeaderLength + sa.IvLength;
        Span<byte> trailer = bytes.Slice(text + payload, padding + Esp.TrailerLength);
        WritePadding(trailer[..padding], sa.Flags);
        trailer[padding] = (byte)padding;
        trailer[padding + 1] = next;

        packet.Spi = sa.Spi;
        packet.Sequence = sequence;
        state.OuterLength = outer;
        sa.Count(payload, now);
        job.Key = sa.SealingKey!;
        job.Head = packet.Data + esp;
        job.HeadLength = Esp.HeaderLength;
        job.TextLength = payload + padding + Esp.TrailerLength;
        return Drop.None;
    }

    // The number fills the end of the IV; the provider makes of it what its mode needs. RFC 4106, 3.1: unique under a key.
    private static void WriteIv(Span<byte> iv, ulong unique)
    {
        iv.Clear();
        if (iv.Length >= 8)
        {
            BinaryPrimitives.WriteUInt64BigEndian(iv[^8..], unique);
        }
        else if (iv.Length >= 4)
        {
            BinaryPrimitives.WriteUInt32BigEndian(iv, (uint)unique); // RFC 1829
        }
    }

    // RFC 4303, 2.4: 1, 2, 3 ... unless the SA says zeros. (Random padding is given as sequential: nothing needs it.)
    private static void WritePadding(Span<byte> padding, SaFlags flags)
    {
        for (int i = 0; i < padding.Length; i++)
        {
            padding[i] = (flags & SaFlags.ZeroPad) != 0 ? (byte)0 : (byte)(i + 1);
        }
    }

    // RFC 4301, 5.1.2; ECN by RFC 6040, 4.1 (normal mode: copied).
    private static void WriteTunnelHeader(IpsecEngine engine, Span<byte> outer, ReadOnlySpan<byte> inner, in IpInfo info, Sa sa, Worker me)
    {
        IpProtocol next = sa.UdpLength > 0 ? IpProtocol.Udp : IpProtocol.Esp;
        if (sa.Source.Family == IpFamily.V4)
        {
            bool df = engine.Options.DfBit switch
            {
                DfBit.Clear => false,
                DfBit.Set => true,
                _ => info.Family == IpFamily.V6 || info.DontFragment,
            };
            IpWrite.V4(outer, outer.Length, info.TrafficClass, me.Identification++, df, IpWrite.TunnelHopLimit, next, sa.Source, sa.SendsTo);
        }
        else
        {
            // KAME copies the flow label of an inner IPv6 packet, so that a flow stays one.
            uint flow = info.Family == IpFamily.V6 ? BinaryPrimitives.ReadUInt32BigEndian(inner) & 0xFFFFF : 0;
            IpWrite.V6(outer, outer.Length, info.TrafficClass, flow, IpWrite.TunnelHopLimit, next, sa.Source, sa.SendsTo);
        }
    }
}
