// Stage 5 for AH (RFC 4302, 3.3): the packet gets its outer header (tunnel mode) and AH, and becomes a job for the provider.
//
//   transport   | IP header, extensions | AH | upper-layer data   |
//   tunnel      | new IP header         | AH | whole inner packet |
//
// The ICV is over the whole packet, its mutable fields and the ICV itself as zeros: so the packet is laid out for the
// computation, the headers as they will be sent are put aside, and the ICV comes behind the packet, where there is room.
// AuthenticateFinish puts both in their places.

using System.Buffers.Binary;
using Testudo.Crypto;
using Testudo.Engine.Keys;
using Testudo.Wire;

namespace Testudo.Engine.Outbound;

internal static unsafe partial class OutboundPath
{
    private static Drop Authenticate(IpsecEngine engine, ref Packet packet, PacketState state, Worker me, int index, in Now now, out CryptoJob job)
    {
        job = default;
        Sa sa = state.Chain[state.Done];
        bool tunnel = state.IsTunnel[state.Done];
        if (!tunnel && state.Info.FragmentHeaderOffset != 0)
        {
            AtomicFragment.Remove(ref packet, ref state.Info);
        }

        int header = tunnel ? 0 : state.Info.TransportOffset;
        int payload = packet.Length - header;
        int length = Ah.Length(sa);
        int outer = !tunnel ? header : sa.Source.Family == IpFamily.V4 ? IpInfo.V4HeaderLength : IpInfo.V6HeaderLength;
        int before = length + (tunnel ? outer : 0);
        int check = sa.Transform.IcvLength;
        if (packet.Front < before || packet.Back < check || outer + length > Ah.MaxHeaders)
        {
            return Drop.NoRoom;
        }

        byte next = tunnel
            ? (byte)(state.Info.Family == IpFamily.V4 ? IpProtocol.Ipv4 : IpProtocol.Ipv6)
            : packet.Data[state.Info.TransportProtocolOffset];
        Span<byte> aside = me.Aside(index)[..outer];
        Drop drop = Drop.None;
        if (!tunnel)
        {
            packet.Span[..header].CopyTo(aside);
            drop = MutableFields.Clear(packet.Span[..header], engine.Options);
        }

        ulong sequence = 0;
        if (drop == Drop.None && !sa.Admits(payload))
        {
            drop = Drop.LifetimeOver;
        }

        if (drop == Drop.None && !sa.IsOld && !sa.TryTakeSequence(out sequence))
        {
            drop = Drop.SequenceOverflow;
        }

        if (drop != Drop.None)
        {
            aside[..header].CopyTo(packet.Span); // one that ends stays as it came
            return drop;
        }

        packet.TryPush(before);
        Span<byte> bytes = packet.Span;
        if (tunnel)
        {
            WriteTunnelHeader(engine, bytes, bytes[before..], state.Info, sa, IpProtocol.Ah, me);
            bytes[..outer].CopyTo(aside);
            _ = MutableFields.Clear(bytes[..outer], engine.Options);
        }
        else
        {
            bytes.Slice(before, header).CopyTo(bytes);
            aside[state.Info.TransportProtocolOffset] = bytes[state.Info.TransportProtocolOffset] = (byte)IpProtocol.Ah;
            if (state.Info.Family == IpFamily.V4 && state.Info.Identification == 0)
            {
                // The ICV covers it, and a host that sends for us would put a number of its own in the place of 0.
                BinaryPrimitives.WriteUInt16BigEndian(aside[4..], me.NextIdentification());
                aside.Slice(4, 2).CopyTo(bytes[4..]);
            }

            IpWrite.SetLength(aside, packet.Length, header);
            int field = state.Info.Family == IpFamily.V4 ? 2 : 4;
            aside.Slice(field, 2).CopyTo(bytes[field..]);
        }

        Span<byte> ah = bytes.Slice(outer, length);
        ah.Clear();
        ah[0] = next;
        ah[1] = (byte)((length / 4) - 2);
        BinaryPrimitives.WriteUInt32BigEndian(ah[4..], sa.Spi);
        if (!sa.IsOld)
        {
            BinaryPrimitives.WriteUInt32BigEndian(ah[8..], (uint)sequence);
        }

        byte* end = packet.Data + packet.Length;
        WriteIv(new Span<byte>(end, sa.IcvIvLength), sequence ^ sa.IvMask);
        packet.Spi = sa.Spi;
        packet.Sequence = sequence;
        state.OuterLength = outer;
        sa.Count(payload, now);
        job.Key = sa.SealingKey!;
        job.Head = packet.Data;
        job.HeadLength = packet.Length;
        job.ExtendedSequence = sa.ExtendedSequence;
        job.SequenceHigh = (uint)(sequence >> 32);
        return Drop.None;
    }

    // What was computed over the packet as it arrives goes into the packet as it is sent.
    private static void AuthenticateFinish(ref Packet packet, PacketState state, Worker me, int index)
    {
        Sa sa = state.Chain[state.Done];
        int outer = state.OuterLength;
        me.Aside(index)[..outer].CopyTo(packet.Span);
        new ReadOnlySpan<byte>(packet.Data + packet.Length, sa.Transform.IcvLength)
            .CopyTo(packet.Span[(outer + Ah.FixedLength(sa))..]);
    }
}
