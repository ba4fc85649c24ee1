// Stage 5: the packet gets its outer header (tunnel mode), UDP and ESP header, padding and trailer, its sequence number
// and IV, and becomes a job for the provider.
//
//   transport   | IP header, extensions | [UDP] | ESP | IV | upper-layer data    | padding, trailer | ICV |
//   tunnel      | new IP header         | [UDP] | ESP | IV | whole inner packet  | padding, trailer | ICV |

using System.Buffers.Binary;
using Testudo.Crypto;
using Testudo.Engine.Ecn;
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
        int before = sa.UdpLength + sa.HeaderLength + sa.IvLength + (tunnel ? outer : 0);
        int behind = padding + Esp.TrailerLength + sa.Transform.IcvLength;
        if (packet.Front < before || packet.Back < behind)
        {
            return Drop.NoRoom;
        }

        if (!sa.Admits(payload))
        {
            return Drop.LifetimeOver;
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
            WriteTunnelHeader(engine, bytes, bytes[before..], state.Info, sa, sa.UdpLength > 0 ? IpProtocol.Udp : IpProtocol.Esp, me);
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
        if (!sa.IsOld)
        {
            BinaryPrimitives.WriteUInt32BigEndian(bytes[(esp + Esp.OldHeaderLength)..], (uint)sequence);
        }

        int text = esp + sa.HeaderLength + sa.IvLength;
        WriteIv(bytes[(text - sa.IvLength)..text], sequence ^ sa.IvMask);
        Span<byte> trailer = bytes.Slice(text + payload, padding + Esp.TrailerLength);
        WritePadding(trailer[..padding], sa.Flags, sequence ^ sa.IvMask);
        trailer[padding] = (byte)padding;
        trailer[padding + 1] = next;

        packet.Spi = sa.Spi;
        packet.Sequence = sa.IsOld ? 0 : sequence;
        state.OuterLength = outer;
        sa.Count(payload, now);
        job.Key = sa.SealingKey!;
        job.Head = packet.Data + esp;
        job.HeadLength = sa.HeaderLength;
        job.ExtendedSequence = sa.ExtendedSequence;
        job.SequenceHigh = (uint)(sequence >> 32);
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

    // RFC 4303, 2.4: 1, 2, 3 ... unless the SA says zeros, or bytes without a pattern. Those hide nothing (they are as
    // secret as the text beside them): a mixing of the packet's unique number is as good as any (SplitMix64).
    private static void WritePadding(Span<byte> padding, SaFlags flags, ulong unique)
    {
        if ((flags & SaFlags.RandomPad) != 0)
        {
            for (int i = 0; i < padding.Length; i++)
            {
                unique += 0x9E3779B97F4A7C15;
                ulong mixed = (unique ^ (unique >> 30)) * 0xBF58476D1CE4E5B9;
                padding[i] = (byte)(((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) >> 56);
            }

            return;
        }

        for (int i = 0; i < padding.Length; i++)
        {
            padding[i] = (flags & SaFlags.ZeroPad) != 0 ? (byte)0 : (byte)(i + 1);
        }
    }

    // RFC 4301, 5.1.2. The inner packet goes in as it is: its TTL was decremented by the router that the engine stands
    // behind, if it was forwarded (5.1.2.1, note 2; KAME's ip_forward).
    private static void WriteTunnelHeader(
        IpsecEngine engine, Span<byte> outer, ReadOnlySpan<byte> inner, in IpInfo info, Sa sa, IpProtocol next, Worker me)
    {
        byte traffic = EcnRule.Entering(engine.Options.EcnOf(sa.Source.Family), info.TrafficClass);
        if (sa.Source.Family == IpFamily.V4)
        {
            bool df = engine.Options.DfBit switch
            {
                DfBit.Clear => false,
                DfBit.Set => true,
                _ => info.Family == IpFamily.V6 || info.DontFragment,
            };
            IpWrite.V4(outer, outer.Length, traffic, me.NextIdentification(), df, IpWrite.TunnelHopLimit, next, sa.Source, sa.SendsTo);
        }
        else
        {
            // KAME copies the flow label of an inner IPv6 packet, so that a flow stays one.
            uint flow = info.Family == IpFamily.V6 ? BinaryPrimitives.ReadUInt32BigEndian(inner) & 0xFFFFF : 0;
            IpWrite.V6(outer, outer.Length, traffic, flow, IpWrite.TunnelHopLimit, next, sa.Source, sa.SendsTo);
        }
    }
}
