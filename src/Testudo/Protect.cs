// Policies that embedding programs want most often, in one line each.

using Testudo.Engine.Policies;
using Testudo.Wire;
using Testudo.Wire.PfKey;

namespace Testudo;

/// <summary>Makes policies that require ESP. Further properties by <c>with { Priority = ... }</c>.</summary>
public static class Protect
{
    /// <summary>Everything between two hosts, in transport mode.</summary>
    public static Policy Transport(PolicyDirection direction, Address source, Address destination) =>
        Make(direction, new Selector(Prefix.Host(source), Prefix.Host(destination)), new PolicyRequest(IpProtocol.Esp, IpsecMode.Transport, PolicyLevel.Require, 0, null, null));

    /// <summary>Everything from one network to another, in a tunnel between two gateways.</summary>
    /// <param name="direction">Out at the sending gateway; in at the receiving one, and fwd where it has fwd policies.</param>
    /// <param name="source">The network that the inner packets come from.</param>
    /// <param name="destination">The network that they go to.</param>
    /// <param name="from">The sending gateway.</param>
    /// <param name="to">The receiving gateway.</param>
    public static Policy Tunnel(PolicyDirection direction, Prefix source, Prefix destination, Address from, Address to) =>
        Make(direction, new Selector(source, destination), new PolicyRequest(IpProtocol.Esp, IpsecMode.Tunnel, PolicyLevel.Require, 0, from, to));

    private static Policy Make(PolicyDirection direction, Selector selector, PolicyRequest request) =>
        new() { Direction = direction, Selector = selector, Action = PolicyAction.Ipsec, Requests = [request] };
}
