// Policies as extensions, in the order of KAME's messages.

using System.Collections.Immutable;
using Testudo.Engine.Policies;
using Testudo.Wire.PfKey;

namespace Testudo.Control.PfKey;

internal static class PolicyWriter
{
    /// <summary>What SADB_X_SPDGET and SPDDUMP say of a policy. Its current lifetime counts the packets that it selected.</summary>
    internal static ImmutableArray<PfKeyExtension> Describe(Policy policy) =>
    [
        Source(policy),
        Destination(policy),
        Policy(policy),
        new LifetimeExtension(LifetimeRole.Current, (uint)policy.Packets, 0, (ulong)policy.Created.UnixSeconds, 0),
        new LifetimeExtension(LifetimeRole.Hard, 0, 0, 0, 0),
    ];

    internal static PolicyExtension Policy(Policy policy) =>
        new(policy.Action, policy.Direction, policy.Id, policy.Priority, [.. policy.Requests.Select(WithBothEndsOrNone)]);

    internal static AddressExtension Source(Policy policy) => new(
        AddressRole.Source, (byte)policy.Selector.Protocol, (byte)policy.Selector.Source.Length, policy.Selector.Source.Address,
        policy.Selector.SourcePort ?? 0);

    internal static AddressExtension Destination(Policy policy) => new(
        AddressRole.Destination, (byte)policy.Selector.Protocol, (byte)policy.Selector.Destination.Length, policy.Selector.Destination.Address,
        policy.Selector.DestinationPort ?? 0);

    // The layout has room for two ends of one family or none; a policy of the embedding program may name one for transport.
    private static PolicyRequest WithBothEndsOrNone(PolicyRequest request) =>
        request.Source is { } source && request.Destination is { } destination && source.Family == destination.Family
            ? request
            : request with { Source = null, Destination = null };
}
