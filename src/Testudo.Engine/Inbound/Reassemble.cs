// Stage 1: fragments of packets for this host are put together before anything is looked at (RFC 4303, 3.4.1).

using Testudo.Wire;

namespace Testudo.Engine.Inbound;

internal static partial class InboundPath
{
    private static void Reassemble(Batch work, in Now now, Worker me)
    {
        for (int i = 0; i < work.Count; i++)
        {
            ref Packet packet = ref work[i];
            packet.Drop = IpInfo.TryParse(packet.Span, out IpInfo info);
            if (packet.Drop == Drop.None && info.IsFragment)
            {
                packet.Drop = me.Reassembly.Take(packet, info, now, me.Assembled);
                if (packet.Drop == Drop.None)
                {
                    packet.Flags |= PacketFlags.Held;
                }
            }
        }

        me.CountReassembly(now);
    }
}
