// The way out (RFC 4301, 5.1): the list of stages, one file a stage.
//
//   Classify    the packet's headers
//   FindPolicy  the policy that selects it
//   FindSas     an SA for each request of the policy
//   Size        does it fit with its protection; if not, its sender is told
//   then for each request, the innermost first:
//   Encapsulate tunnel header, UDP header, padding, sequence number, IV   (AH: Authenticate; IPComp: Compress, and nothing else)
//   Protect     the provider's work, for the whole batch at once
//   Finish      the UDP checksum over IPv6; AH's ICV to its place
//
// A packet that ends stays in the batch it came in, with its drop; one that goes on is moved to the wire's batch.

using Testudo.Crypto;
using Testudo.Wire;

namespace Testudo.Engine.Outbound;

internal static partial class OutboundPath
{
    public static void Run(IpsecEngine engine, Batch work, Batch wire, Batch back, in Now now, Worker me)
    {
        int rounds = 0;
        for (int i = 0; i < work.Count; i++)
        {
            ref Packet packet = ref work[i];
            PacketState state = me.States[i];
            state.Reset();
            packet.Drop = Classify(ref packet, state);
            if (packet.Drop == Drop.None)
            {
                packet.Drop = FindPolicy(engine, state);
            }

            if (packet.Drop == Drop.None)
            {
                packet.Drop = FindSas(engine, state);
            }

            if (packet.Drop == Drop.None)
            {
                packet.Drop = Size(engine, packet, state, back);
            }

            rounds = Math.Max(rounds, state.Count);
        }

        for (int round = 0; round < rounds; round++)
        {
            int jobs = 0;
            for (int i = 0; i < work.Count; i++)
            {
                ref Packet packet = ref work[i];
                PacketState state = me.States[i];
                if (packet.Drop != Drop.None || state.Done == state.Count)
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
                    ? Authenticate(engine, ref packet, state, me, i, now, out me.Jobs[jobs])
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
                PacketState state = me.States[me.Jobs[j].Tag];
                if (!me.Jobs[j].Ok)
                {
                    packet.Drop = Drop.CryptoFailed;
                    continue;
                }

                Finish(ref packet, state, me, me.Jobs[j].Tag);
                Advance(ref packet, state);
            }
        }

        for (int i = 0; i < work.Count; i++)
        {
            ref Packet packet = ref work[i];
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
