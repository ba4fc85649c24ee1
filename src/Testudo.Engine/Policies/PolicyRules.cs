// What a policy must be like, checked before it is kept.

using Testudo.Wire;
using Testudo.Wire.PfKey;

namespace Testudo.Engine.Policies;

/// <summary>The rules for a new policy.</summary>
public static class PolicyRules
{
    /// <summary>Null, or why this policy cannot be.</summary>
    public static Refusal? Check(Policy policy)
    {
        Selector selector = policy.Selector;
        if (policy.Direction is not (PolicyDirection.In or PolicyDirection.Out or PolicyDirection.Fwd))
        {
            return Invalid("a policy is for direction in, out or fwd");
        }

        if (policy.Action is not (PolicyAction.Discard or PolicyAction.None or PolicyAction.Ipsec))
        {
            return Invalid("a policy of the database says discard, none or ipsec; bypass and entrust are for sockets");
        }

        if (selector.Source.Address.Family != selector.Destination.Address.Family || selector.Source.Address.Family == IpFamily.None)
        {
            return Invalid("source and destination of a policy are of one family");
        }

        if (selector.Source.Length > selector.Source.Address.Bits || selector.Destination.Length > selector.Destination.Address.Bits)
        {
            return Invalid("a prefix is longer than its address");
        }

        if (selector.HasPorts && selector.Protocol == IpProtocol.Any)
        {
            return Invalid("ports need an upper-layer protocol that has them: name tcp, udp or another one");
        }

        if (policy.Action != PolicyAction.Ipsec)
        {
            return policy.Requests.IsEmpty ? null : Invalid($"a policy that says {policy.Action.ToString().ToLowerInvariant()} has no requests");
        }

        if (policy.Requests.IsEmpty)
        {
            return Invalid("a policy that says ipsec has at least one request, such as esp/transport//require");
        }

        if (policy.Requests.Length > Policy.MaxRequests)
        {
            return Invalid($"a policy has at most {Policy.MaxRequests} requests");
        }

        foreach (PolicyRequest request in policy.Requests)
        {
            if (Check(request) is { } fault)
            {
                return fault;
            }
        }

        return IsToItself(policy) ? Invalid("a policy from a host to itself cannot be honoured: its packets never leave the host") : null;
    }

    private static Refusal? Check(PolicyRequest request)
    {
        if (request.Protocol is not (IpProtocol.Esp or IpProtocol.Ah or IpProtocol.IpComp))
        {
            return new Refusal(PfKeyError.ProtocolNotSupported, $"a request for protocol {(byte)request.Protocol} is not supported: esp, ah and ipcomp are");
        }

        if (request.Level == PolicyLevel.Unique && request.Reqid == 0)
        {
            return Invalid("level unique names its reqid here: write unique:N");
        }

        switch (request.Mode)
        {
            case IpsecMode.Transport:
                return null;
            case IpsecMode.Tunnel when request.Source is { } source && request.Destination is { } destination:
                return source.Family != destination.Family || source.IsUnspecified || destination.IsUnspecified
                    ? Invalid("a tunnel runs between two addresses of one family")
                    : null;
            case IpsecMode.Tunnel:
                return Invalid("a tunnel request names both ends: esp/tunnel/SRC-DST/require");
            default:
                return Invalid("a request is for mode transport or tunnel");
        }
    }

    private static bool IsToItself(Policy policy) =>
        policy.Selector.Source == policy.Selector.Destination && policy.Selector.Source.Length == policy.Selector.Source.Address.Bits;

    private static Refusal Invalid(string sentence) => new(PfKeyError.Invalid, sentence);
}
