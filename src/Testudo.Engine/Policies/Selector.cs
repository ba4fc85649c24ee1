// What a policy selects (RFC 4301, 4.4.1.1).

using Testudo.Wire;

namespace Testudo.Engine.Policies;

/// <summary>
/// A selector. Ports are host order, null for any; for ICMP the type stands as source port and the code as destination
/// port, as in KAME.
/// </summary>
public readonly record struct Selector(Prefix Source, Prefix Destination, IpProtocol Protocol = IpProtocol.Any, ushort? SourcePort = null, ushort? DestinationPort = null)
{
    /// <summary>True where the selector looks at ports (or ICMP type and code).</summary>
    public bool HasPorts => SourcePort is not null || DestinationPort is not null;

    /// <summary>True where the packet is selected; ports that the packet does not show do not match a port.</summary>
    internal bool Matches(in IpInfo packet) =>
        MatchesAddresses(packet)
        && (Protocol == IpProtocol.Any || Protocol == packet.Protocol)
        && (SourcePort is not { } source || (packet.HasPorts && packet.SourcePort == source))
        && (DestinationPort is not { } destination || (packet.HasPorts && packet.DestinationPort == destination));

    /// <summary>
    /// True where a fragment does not show whether it is selected: its ports, or its protocol, stand in the first one only
    /// (RFC 4301, 7.2). A later IPv6 fragment names its protocol unless an extension header comes before it.
    /// </summary>
    internal bool MightMatch(in IpInfo fragment) =>
        fragment.IsFragment && !fragment.HasPorts && MatchesAddresses(fragment)
        && (Protocol == IpProtocol.Any || (Protocol == fragment.Protocol ? HasPorts : IsHidden(fragment)));

    private bool MatchesAddresses(in IpInfo packet) => Source.Contains(packet.Source) && Destination.Contains(packet.Destination);

    private static bool IsHidden(in IpInfo packet) =>
        packet.FragmentOffset != 0 && packet.Family == IpFamily.V6
        && packet.Protocol is IpProtocol.HopByHop or IpProtocol.Routing or IpProtocol.DestinationOptions;

    /// <inheritdoc/>
    public override string ToString() =>
        $"{Source}[{SourcePort?.ToString(null, null) ?? "any"}] {Destination}[{DestinationPort?.ToString(null, null) ?? "any"}] "
        + (Protocol == IpProtocol.Any ? "any" : ((byte)Protocol).ToString(null, null));
}
