// Stage 8: to the wire. What is longer than its path and may be fragmented loses the outer DF; where no link fragments it,
// it is fragmented here (RFC 4301, 8.2.1). And the pieces of a packet that was to be cut before it is protected.

using System.Buffers.Binary;
using Testudo.Engine.Fragments;
using Testudo.Wire;

namespace Testudo.Engine.Outbound;

internal static partial class OutboundPath
{
    private static void Send(ref Packet packet, PacketState state, Batch wire, Worker me)
    {
        if (packet.Drop == Drop.None && state.IsOversize)
        {
            ClearDontFragment(packet);
        }

        if (packet.Drop == Drop.None && state.FragmentTo > 0 && packet.Length > state.FragmentTo)
        {
            int first = me.Pieces.Count;
            IpInfo.TryParse(packet.Span, out IpInfo info);
            uint identification = state.Count > 0 ? (uint)(packet.Sequence ^ state.Chain[state.Count - 1].IvMask) : me.NextIdentification();
            if (Cut.Try(packet, info, state.FragmentTo, identification, me.Pieces))
            {
                Move(ref packet, first, wire, me);
                return;
            }

            packet.Drop = Drop.LinkFull;
        }

        if (packet.Drop == Drop.None && !wire.TryMove(packet))
        {
            packet.Drop = Drop.LinkFull;
        }

        if (packet.Drop == Drop.None)
        {
            me.Count(packet);
        }
        else
        {
            me.Count(packet.Drop);
        }
    }

    private static void ProtectPieces(IpsecEngine engine, ref Packet packet, PacketState state, Batch wire, in Now now, Worker me)
    {
        Batch pieces = me.Pieces;
        int first = pieces.Count;
        if (!Cut.Try(packet, state.Info, state.CutTo, 0, pieces))
        {
            packet.Drop = Drop.LinkFull;
            me.Count(packet.Drop);
            return;
        }

        for (int i = first; i < pieces.Count; i++)
        {
            PacketState piece = me.PieceStates[i - first];
            piece.BePieceOf(state);
            pieces[i].Drop = IpInfo.TryParse(pieces[i].Span, out piece.Info);
        }

        Protect(engine, pieces, first, me.PieceStates, now, me);
        Move(ref packet, first, wire, me);
    }

    // All pieces or, as far as can be said, none: the packet has the drop of the first one that did not go.
    private static void Move(ref Packet packet, int first, Batch wire, Worker me)
    {
        int sent = 0;
        for (int i = first; i < me.Pieces.Count && packet.Drop == Drop.None; i++)
        {
            packet.Drop = me.Pieces[i].Drop == Drop.None && !wire.TryMove(me.Pieces[i]) ? Drop.LinkFull : me.Pieces[i].Drop;
            if (packet.Drop == Drop.None)
            {
                me.Count(me.Pieces[i]);
                sent++;
            }
        }

        me.CountPieces(packet.Drop == Drop.None ? sent - 1 : sent);

        if (packet.Drop == Drop.None)
        {
            packet.Flags |= PacketFlags.Cut;
        }
        else
        {
            me.Count(packet.Drop);
        }
    }

    private static void ClearDontFragment(in Packet packet)
    {
        Span<byte> bytes = packet.Span;
        if (bytes[0] >> 4 == 4 && (bytes[6] & 0x40) != 0)
        {
            bytes[6] &= 0xBF;
            IpWrite.SetLength(bytes, BinaryPrimitives.ReadUInt16BigEndian(bytes[2..]), (bytes[0] & 15) * 4);
        }
    }
}
