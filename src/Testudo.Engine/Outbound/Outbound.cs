// The way out (RFC 4301, 5.1): the list of stages, one file a stage.
//
//   Classify    the packet's headers
//   FindPolicy  the policy that selects it
//   FindSas     an SA for each request of the policy
//   Hold        fragments that must be whole for that wait for each other
//   Clamp       the MSS that a TCP connection announces
//   Size        does it fit with its protection; if not, its sender is told, or it is cut
//   then for each request, the innermost first:
//   Encapsulate tunnel header, UDP header, padding, sequence number, IV   (AH: Authenticate; IPComp: Compress, and nothing else)
//   Protect     the provider's work, for the whole batch at once
//   Finish      the UDP checksum over IPv6; AH's ICV to its place
//   at last:
//   Send        to the wire; fragmented where no link does it
//
// A packet that ends stays in the batch it came in, with its drop; one that goes on is moved to the wire's batch. One that
// was put together from fragments ends in the worker's own batch.

using Testudo.Crypto;
using Testudo.Wire;

namespace Testudo.Engine.Outbound;

internal static partial class OutboundPath
{
    public static void Run(IpsecEngine engine, Batch work, Batch wire, Batch back, in Now now, Worker me)
    {
        me.ClearMade();
        Pass(engine, work, wire, back, now, me);
        Pass(engine, me.Assembled, wire, back, now, me);
        me.CountReassembly(now);
    }

    private static void Pass(IpsecEngine engine, Batch work, Batch wire, Batch back, in Now now, Worker me)
    {
        for (int i = 0; i < work.Count; i++)
        {
            ref Packet packet = ref work[i];
            PacketState state = me.States[i];
            state.Reset();
            packet.Drop = Classify(ref packet, state);
            if (packet.Drop == Drop.None)
            {
                packet.Drop = FindPolicy(engine, packet, state);
            }

            if (packet.Drop == Drop.None)
            {
                packet.Drop = FindSas(engine, state);
            }

            if (state.Info.IsFragment)
            {
                packet.Drop = Hold(engine, ref packet, state, now, me);
            }

            if (packet.Drop == Drop.None && (packet.Flags & PacketFlags.Held) == 0)
            {
                Clamp(engine, packet, state, now);
                packet.Drop = Size(engine, packet, state, now, back);
            }
            else if (engine.Options.TellsProhibited && packet.Drop is Drop.NoPolicy or Drop.PolicyDiscard or Drop.NoSa)
            {
                IpsecEngine.Tell(packet, null, back);
            }
        }

        Protect(engine, work, 0, me.States, now, me);
        for (int i = 0; i < work.Count; i++)
        {
            if ((work[i].Flags & PacketFlags.Held) == 0 && me.States[i].CutTo == 0)
            {
                Send(ref work[i], me.States[i], wire, me);
            }
        }

        // Last, and not in their places: their sequence numbers are higher than those of all others in the batch.
        for (int i = 0; i < work.Count; i++)
        {
            if (me.States[i].CutTo > 0)
            {
                ProtectPieces(engine, ref work[i], me.States[i], wire, now, me);
            }
        }
    }

    // The packets of a batch from one on, at most as many as there are states.
    private static void Protect(IpsecEngine engine, Batch work, int first, PacketState[] states, in Now now, Worker me)
    {
        int rounds = 0;
        for (int i = first; i < work.Count; i++)
        {
            rounds = Math.Max(rounds, states[i - first].Count);
        }

        for (int round = 0; round < rounds; round++)
        {
            int jobs = 0;
            for (int i = first; i < work.Count; i++)
            {
                ref Packet packet = ref work[i];
                PacketState state = states[i - first];
                if (packet.Drop != Drop.None || (packet.Flags & PacketFlags.Held) != 0 || state.Done == state.Count || state.CutTo > 0)
                {
                    continue;
                }

                if (state.Chain[state.Done].Protocol == IpProtocol.IpComp)
                {
                    packet.Drop = Compress(engine, ref packet, state, me, now);
                    Advance(ref packet, state);
                    continue;
                }

                packet.Drop = state.Chain[state.Done].Protocol == IpProtocol.Ah
                    ? Authenticate(engine, ref packet, state, me, i - first, now, out me.Jobs[jobs])
                    : Encapsulate(engine, ref packet, state, me, now, out me.Jobs[jobs]);
                if (packet.Drop == Drop.None)
                {
                    me.Jobs[jobs++].Tag = i;
                }
            }

            Providers.Seal(me.Jobs.AsSpan(0, jobs));
            for (int j = 0; j < jobs; j++)
            {
                ref Packet packet = ref work[me.Jobs[j].Tag];
                PacketState state = states[me.Jobs[j].Tag - first];
                if (!me.Jobs[j].Ok)
                {
                    packet.Drop = Drop.CryptoFailed;
                    continue;
                }

                Finish(ref packet, state, me, me.Jobs[j].Tag - first);
                Advance(ref packet, state);
            }
        }
    }

    // One SA more was applied: what the next one finds is another packet.
    private static void Advance(ref Packet packet, PacketState state)
    {
        state.Done++;
        if (packet.Drop == Drop.None && state.Done < state.Count)
        {
            packet.Drop = IpInfo.TryParse(packet.Span, out state.Info);
        }
    }
}
