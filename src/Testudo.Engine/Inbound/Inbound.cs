// The way in (RFC 4301, 5.2): the list of stages, one file a stage.
//
//   Reassemble  fragments become whole packets
//   TakeError   is it an ICMP error about a packet that was protected here
//   then, while an ESP or AH header is in front (AH's stages are in Authenticate.cs):
//   Find        the SA by destination, protocol and SPI
//   Window      has this number come before
//   Verify      the provider's work, for the whole batch at once
//   Slide       the window takes the number
//   Strip       padding, trailer, ESP and UDP (or AH) header, tunnel header; the history grows by one SA
//               (IPComp has one stage in their place: Decompress)
//   at last:
//   Check       the history against the policy that the inner packet selects
//   Clamp       the MSS that a TCP connection announces
//   Deliver     to the clear side
//
// An SA inside of others may come by several links, so by several threads: a worker claims the SAs of a round, and what
// another one holds is left for the next try.
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

        SpinWait wait = default;
        bool isFurther = false; // something was taken off in this round: another one follows
        for (int round = 0; ; round++)
        {
            int jobs = 0;
            bool isWaiting = false;
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

                if (!me.TryClaim(sa))
                {
                    isWaiting = true;
                    continue;
                }

                if (sa.Protocol == IpProtocol.IpComp)
                {
                    state.Chain[round] = sa;
                    packet.Drop = Decompress(engine, ref packet, state, now, me);
                    isFurther = true;
                    continue;
                }

                packet.Drop = sa.Protocol == IpProtocol.Ah
                    ? Authenticate(engine, ref packet, state, sa, me, i, out me.Jobs[jobs])
                    : Window(ref packet, state, sa, out me.Jobs[jobs]);
                if (packet.Drop == Drop.None)
                {
                    state.Chain[round] = sa;
                    me.Jobs[jobs++].Tag = i;
                }
            }

            isFurther |= jobs > 0;
            if (!isFurther && !isWaiting)
            {
                me.ReleaseClaims();
                break;
            }

            Providers.Open(me.Jobs.AsSpan(0, jobs));
            for (int j = 0; j < jobs; j++)
            {
                ref Packet packet = ref work[me.Jobs[j].Tag];
                PacketState state = me.States[me.Jobs[j].Tag];
                Sa sa = state.Chain[round];
                bool isAh = sa.Protocol == IpProtocol.Ah;
                if (isAh)
                {
                    AuthenticateRestore(ref packet, state, me, me.Jobs[j].Tag);
                }

                state.IsNewest = packet.Sequence > sa.Window.Highest;
                packet.Drop = !me.Jobs[j].Ok ? Drop.BadIcv : sa.IsOld ? Drop.None : sa.Window.Slide(packet.Sequence);
                if (packet.Drop == Drop.None)
                {
                    packet.Drop = isAh ? StripAh(engine, ref packet, state, now) : Strip(engine, ref packet, state, now);
                }
            }

            me.ReleaseClaims();
            if (isWaiting)
            {
                round--; // what was left is looked at again; who waits holds nothing
                wait.SpinOnce();
            }
            else
            {
                isFurther = false;
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
