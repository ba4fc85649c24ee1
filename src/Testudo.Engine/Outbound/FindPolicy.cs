// Stage 2: the SPD decides (RFC 4301, 5.1 steps 2 and 3). An ICMP error that no policy selects goes the way of the traffic
// that the packet it speaks of would be answered by (6.2): otherwise it would tell in clear what is protected.

using Testudo.Engine.Policies;
using Testudo.Wire;
using Testudo.Wire.PfKey;

namespace Testudo.Engine.Outbound;

internal static partial class OutboundPath
{
    private static Drop FindPolicy(IpsecEngine engine, in Packet packet, PacketState state)
    {
        Policy? policy = engine.Spd.Lookup(PolicyDirection.Out, state.Info, out Drop drop);
        if (drop != Drop.None)
        {
            return drop;
        }

        policy ??= IcmpRule.Find(engine.Spd, PolicyDirection.Out, packet, state.Info);
        policy?.Count();
        switch (policy?.Action ?? engine.Spd.DefaultAction)
        {
            case PolicyAction.Ipsec:
                state.Policy = policy;
                return Drop.None;
            case PolicyAction.None or PolicyAction.Bypass:
                return engine.Options.CarriesClear ? Drop.None : Drop.NeedsNoProtection;
            default:
                return policy is null ? Drop.NoPolicy : Drop.PolicyDiscard;
        }
    }
}
