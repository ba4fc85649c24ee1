// Stage 2: the SPD decides (RFC 4301, 5.1 steps 2 and 3).

using Testudo.Engine.Policies;
using Testudo.Wire;
using Testudo.Wire.PfKey;

namespace Testudo.Engine.Outbound;

internal static partial class OutboundPath
{
    private static Drop FindPolicy(IpsecEngine engine, PacketState state)
    {
        Policy? policy = engine.Spd.Lookup(PolicyDirection.Out, state.Info, out Drop drop);
        if (drop != Drop.None)
        {
            return drop;
        }

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
