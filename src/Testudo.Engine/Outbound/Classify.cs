// Stage 1: the packet's headers, once. Bytes behind the IP packet are no part of it.

using Testudo.Wire;

namespace Testudo.Engine.Outbound;

internal static partial class OutboundPath
{
    private static Drop Classify(ref Packet packet, PacketState state)
    {
        Drop drop = IpInfo.TryParse(packet.Span, out state.Info);
        if (drop == Drop.None)
        {
            packet.Truncate(state.Info.TotalLength);
        }

        return drop;
    }
}
