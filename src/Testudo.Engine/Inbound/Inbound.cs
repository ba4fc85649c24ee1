// The way in (RFC 4301, 5.2): the list of stages, one file a stage.
//
//   Reassemble  fragments become whole packets
//   TakeError   is it an ICMP error about a packet that was protected here
//   then, while an ESP header is in front:
//   Find        the SA by destination, protocol and SPI
//   Window      has this number come before
//   Verify      the provider's work, for the whole batch at once
//   Slide       the window takes the number
//   Strip       padding, trailer, ESP and UDP header, tunnel header; the history grows by one SA
//   at last:
//   Check       the history against the policy that the inner packet selects
//   Clamp       the MSS that a TCP connection announces
//   Deliver     to the clear side
//
// A packet that ends stays in the batch it came in, with its drop. One that was put together from fragments ends in the
// worker's own batch.

using Testudo.Crypto;
using Testudo.Engine.Keys;
using Testudo.Engine.Policies;
using Testudo.Wire;

namespace Testudo.Engine.Inbound;

internal static partial class InboundPath
{
    public static void Run(IpsecEngine engine, Batch work, Batch clear, in Now now, Worker me)
    {
        me.ClearMade();
        Reassemble(work, now, me);
        Decapsulate(engine, work, clear, now, me);
        Decapsulate(engine, me.Assembled, clear, now, me);
    }

    private static void Decapsulate(IpsecEngine engine, Batch work, Batch clear, in Now now, Worker me)
    {
        for (int i = 0; i < work.Count; i++)
        {
            ref Packet packet = ref work[i];
            PacketState state = me.States[i];
            state.Reset();
            if (packet.Drop == Drop.None && (packet.Flags & PacketFlags.Held) == 0)
            {
                packet.Drop = Parse(ref packet, state);
            }

            if (packet.Drop == Drop.None && (packet.Flags & PacketFlags.Held) == 0)
            {
                packet.Drop = TakeError(engine, packet, state.Info, now);
            }
        }

        for (int round = 0; ; round++)
        {
            int jobs = 0;
            for (int i = 0; i < work.Count; i++)
            {
                ref Packet packet = ref work[i];
                PacketState state = me.States[i];
                if (packet.Drop != Drop.None || (packet.Flags & PacketFlags.Held) != 0 || state.Count != round)
                {
                    continue;
                }

                packet.Drop = Find(engine, ref packet, state, out Sa? sa);
                if (packet.Drop != Drop.None || sa is null)
                {
                    continue;
                }

                if (round == Policy.MaxRequests)
                {
                    packet.Drop = Drop.TooManyHeaders;
                    continue;
                }

                packet.Drop = Window(ref packet, state, sa, out me.Jobs[jobs]);
                if (packet.Drop == Drop.None)
                {
                    state.Chain[round] = sa;
                    me.Jobs[jobs++].Tag = i;
                }
            }

            if (jobs == 0)
            {
                break;
            }

            Providers.Open(me.Jobs.AsSpan(0, jobs));
            for (int j = 0; j < jobs; j++)
            {
                ref Packet packet = ref work[me.Jobs[j].Tag];
                PacketState state = me.States[me.Jobs[j].Tag];
                state.IsNewest = packet.Sequence > state.Chain[round].Window.Highest;
                packet.Drop = me.Jobs[j].Ok ? state.Chain[round].Window.Slide(packet.Sequence) : Drop.BadIcv;
                if (packet.Drop == Drop.None)
                {
                    packet.Drop = Strip(engine, ref packet, state, now);
                }
            }
        }

        for (int i = 0; i < work.Count; i++)
        {
            ref Packet packet = ref work[i];
            if ((packet.Flags & PacketFlags.Held) != 0)
            {
                continue;
            }

            if (packet.Drop == Drop.None && engine.Options.ChecksPolicy)
            {
                packet.Drop = Check(engine, packet, me.States[i]);
            }

            if (packet.Drop == Drop.None)
            {
                Clamp(engine, packet, me.States[i], now);
            }

            if (packet.Drop == Drop.None && !clear.TryMove(packet))
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

    private static Drop Parse(ref Packet packet, PacketState state)
    {
        Drop drop = IpInfo.TryParse(packet.Span, out state.Info);
        if (drop == Drop.None)
        {
            packet.Truncate(state.Info.TotalLength);
        }

        return drop;
    }
}
