// Stage 7: was the packet protected as policy wants (RFC 4301, 5.2 step 4)? The SAs whose headers were removed, the
// outermost first, are compared with the requests of the policy, the last first: protocol, mode, endpoints and reqid.

using Testudo.Engine.Keys;
using Testudo.Engine.Policies;
using Testudo.Wire;
using Testudo.Wire.PfKey;

namespace Testudo.Engine.Inbound;

internal static partial class InboundPath
{
    private static Drop Check(IpsecEngine engine, in Packet packet, PacketState state)
    {
        bool tunneled = Array.IndexOf(state.IsTunnel, true, 0, state.Count) >= 0;
        ref readonly IpInfo info = ref state.Info;
        if (tunneled && (engine.IsLocal(info.Source) || info.Source.IsLoopback || info.Source.IsMulticastOrBroadcast))
        {
            return Drop.InnerSourceIsOurs;
        }

        PolicyDirection direction = engine.IsLocal(info.Destination) || engine.Spd.List(PolicyDirection.Fwd).IsEmpty
            ? PolicyDirection.In
            : PolicyDirection.Fwd;
        Policy? policy = engine.Spd.Lookup(direction, info, out Drop drop);
        if (drop != Drop.None)
        {
            return drop;
        }

        policy?.Count();
        drop = Judge(engine, policy, state, tunneled);
        if (state.Count == 0 || policy?.Action == PolicyAction.Discard || !IcmpQuote.IsError(info) || (drop == Drop.None && !engine.Options.InspectsIcmpErrors))
        {
            return drop;
        }

        // RFC 4301, 6.2: an error whose own header does not belong to the SA that it came by is in order where the packet
        // that it speaks of does. (Where all are looked into, it has to in any case.)
        return IcmpRule.Find(engine.Spd, direction, packet, info) is { Action: PolicyAction.Ipsec } spokenOf && Compare(engine, spokenOf, state, tunneled) == Drop.None
            ? Drop.None
            : drop is Drop.None or Drop.TunnelPolicyMissing or Drop.HistoryMismatch ? Drop.IcmpMismatch : drop;
    }

    private static Drop Judge(IpsecEngine engine, Policy? policy, PacketState state, bool tunneled)
    {
        switch (policy?.Action ?? engine.Spd.DefaultAction)
        {
            case PolicyAction.Ipsec:
                return Compare(engine, policy!, state, tunneled);
            case PolicyAction.None or PolicyAction.Bypass:
                // What arrives protected though it need not be is taken, but a tunnel brings in only what a policy with its
                // endpoints lets in: anybody's addresses can stand inside.
                return tunneled ? Drop.TunnelPolicyMissing : Drop.None;
            default:
                return policy is null ? Drop.NoPolicy : Drop.PolicyDiscard;
        }
    }

    private static Drop Compare(IpsecEngine engine, Policy policy, PacketState state, bool tunneled)
    {
        int removed = 0;
        for (int r = policy.Requests.Length - 1; r >= 0; r--)
        {
            PolicyRequest request = policy.Requests[r];
            if (removed < state.Count && Satisfies(state.Chain[removed], state.IsTunnel[removed], request))
            {
                removed++;
            }
            else if (request.Protocol != IpProtocol.IpComp && engine.IsRequired(request)) // what did not shrink came without
            {
                return state.Count == 0 ? Drop.ClearButRequired : tunneled ? Drop.TunnelPolicyMissing : Drop.HistoryMismatch;
            }
        }

        return removed == state.Count ? Drop.None : tunneled ? Drop.TunnelPolicyMissing : Drop.HistoryMismatch;
    }

    private static bool Satisfies(Sa sa, bool tunnel, PolicyRequest request) =>
        sa.Protocol == request.Protocol
        && tunnel == (request.Mode == IpsecMode.Tunnel)
        && (!tunnel || (sa.Source == request.Source && sa.Destination == request.Destination))
        && (request.Reqid == 0 || sa.Reqid == request.Reqid);
}
