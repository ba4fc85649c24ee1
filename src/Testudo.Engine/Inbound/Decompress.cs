// IPComp on the way in (RFC 3173): the payload grows, so that the packet moves to the worker's own memory. What the sender
// could not make shorter came as it was: in transport mode as if there were no IPComp, in tunnel mode as IP in IP between
// the ends of the SA (2.2).

using System.Buffers.Binary;
using Testudo.Crypto;
using Testudo.Engine.Keys;
using Testudo.Wire;
using Testudo.Wire.PfKey;

namespace Testudo.Engine.Inbound;

internal static partial class InboundPath
{
    // No SA and no drop: the packet is clear, or others'.
    private static Drop FindIpComp(IpsecEngine engine, ref Packet packet, PacketState state, bool isForOthers, out Sa? sa)
    {
        sa = null;
        state.EspOffset = state.Info.UpperOffset;
        state.UdpLength = 0;
        if (state.Info.Protocol != IpProtocol.IpComp)
        {
            sa = isForOthers && engine.KnowsLocalAddresses ? null : engine.Sad.FindForSending(IpProtocol.IpComp, state.Info.Source, state.Info.Destination, IpsecMode.Tunnel, 0);
            return Drop.None;
        }

        ReadOnlySpan<byte> comp = packet.Span[state.Info.UpperOffset..];
        if (comp.Length < IpComp.HeaderLength)
        {
            return isForOthers ? Drop.None : Drop.BadCompression;
        }

        packet.Spi = BinaryPrimitives.ReadUInt16BigEndian(comp[2..]);
        packet.Sequence = 0;
        return FindSa(engine, packet.Spi, IpProtocol.IpComp, state.Info.Destination, isForOthers, out sa);
    }

    private static Drop Decompress(IpsecEngine engine, ref Packet packet, PacketState state, in Now now, Worker me)
    {
        Sa sa = state.Chain[state.Count];
        int header = state.EspOffset;
        PacketFlags flags = packet.Flags;
        if (state.Info.Protocol != IpProtocol.IpComp)
        {
            Drop plain = Take(packet.Length - header, now);
            plain = plain != Drop.None ? plain : Uncover(engine, ref packet, state, header, header, (byte)state.Info.Protocol);
            packet.Flags = flags; // nothing was removed but what any tunnel has
            return plain;
        }

        Span<byte> room = me.Decompressed.Reserve();
        if (room.IsEmpty)
        {
            return Drop.NoRoom;
        }

        ReadOnlySpan<byte> bytes = packet.Span;
        byte next = bytes[header];
        int length = me.Compressor.Decompress(bytes[(header + IpComp.HeaderLength)..], room[header..]);
        if (length < 0)
        {
            return length == Compressor.DoesNotFit ? Drop.DecompressedTooLong : Drop.BadCompression;
        }

        Drop drop = Take(length, now);
        if (drop != Drop.None)
        {
            return drop;
        }

        bytes[..header].CopyTo(room);
        ref Packet whole = ref me.Decompressed.Commit(header + length);
        (int front, int back) = (whole.Front, whole.Back);
        unsafe
        {
            packet.Data = whole.Data;
        }

        (packet.Length, packet.Front, packet.Back) = (whole.Length, front, back);
        return Uncover(engine, ref packet, state, header, header, next);

        Drop Take(int payload, in Now at)
        {
            if (!sa.Admits(payload))
            {
                return Drop.LifetimeOver;
            }

            sa.Count(payload, at);
            return Drop.None;
        }
    }
}
