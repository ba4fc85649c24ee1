// Stage 3: an SA for each request of the policy, in the order they are applied. Behind a tunnel request the packet's
// addresses are the tunnel's, so a transport request after it protects the tunnel packet (control-plane rule of KAME:
// "the addresses of the packet at that moment").

using Testudo.Engine.Keys;
using Testudo.Wire;
using Testudo.Wire.PfKey;

namespace Testudo.Engine.Outbound;

internal static partial class OutboundPath
{
    private static Drop FindSas(IpsecEngine engine, PacketState state)
    {
        if (state.Policy is not { } policy)
        {
            return Drop.None;
        }

        Address source = state.Info.Source, destination = state.Info.Destination;
        bool isWhole = !state.Info.IsFragment;
        foreach (PolicyRequest request in policy.Requests)
        {
            // Checked when the policy was added: a tunnel request names both ends. What a transport request names is not
            // asked: it can only protect what runs between the packet's own addresses.
            bool tunnel = request.Mode == IpsecMode.Tunnel;
            Address from = tunnel ? request.Source!.Value : source;
            Address to = tunnel ? request.Destination!.Value : destination;
            Sa? sa = engine.Sad.FindForSending(request.Protocol, from, to, request.Mode, request.Reqid);
            if (sa is null)
            {
                policy.Want();
                if (engine.IsRequired(request))
                {
                    return Drop.NoSa;
                }

                continue; // level use
            }

            if (!tunnel && !isWhole)
            {
                if (request.Protocol == IpProtocol.IpComp)
                {
                    continue; // a fragment is not compressed (RFC 3173, 2.1), and may go without
                }

                state.MustBeWhole = true; // RFC 4303, 3.3.4
                return Drop.None;
            }

            state.Chain[state.Count] = sa;
            state.IsTunnel[state.Count++] = tunnel;
            source = from;
            destination = to;
            isWhole |= tunnel;
        }

        return state.Count > 0 || engine.Options.CarriesClear ? Drop.None : Drop.NeedsNoProtection;
    }
}
