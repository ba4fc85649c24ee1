// Stage 7: IPv6 wants a UDP checksum (RFC 8200, 8.1), which can be summed only when everything is encrypted.

using Testudo.Engine.Keys;
using Testudo.Wire;

namespace Testudo.Engine.Outbound;

internal static partial class OutboundPath
{
    private static void Finish(ref Packet packet, PacketState state, Worker me, int index)
    {
        Sa sa = state.Chain[state.Done];
        Span<byte> bytes = packet.Span;
        if (sa.Protocol == IpProtocol.Ah)
        {
            AuthenticateFinish(ref packet, state, me, index);
        }
        else if (sa.UdpLength > 0 && bytes[0] >> 4 == 6)
        {
            UdpHeader.SetChecksum(bytes[state.OuterLength..], Address.V6(bytes[8..]), Address.V6(bytes[24..]));
        }
    }
}
