// Stage 7: IPv6 wants a UDP checksum (RFC 8200, 8.1), which can be summed only when everything is encrypted.

using Testudo.Engine.Keys;
using Testudo.Wire;

namespace Testudo.Engine.Outbound;

internal static partial class OutboundPath
{
    private static void Finish(ref Packet packet, PacketState state, Worker me, int index)
    {
        Sa sa = state.Chain[state.Done];
        if (sa.Protocol == IpProtocol.Ah)
        {
            AuthenticateFinish(ref packet, state, me, index);
        }
        else if (sa.UdpLength > 0)
        {
            UdpWrite.Checksum(packet.Span, state.OuterLength);
        }
    }
}
