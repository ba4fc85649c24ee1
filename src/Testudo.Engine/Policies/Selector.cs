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
        MatchesButForPorts(packet)
        && (SourcePort is not { } source || (packet.HasPorts && packet.SourcePort == source))
        && (DestinationPort is not { } destination || (packet.HasPorts && packet.DestinationPort == destination));

    /// <summary>True where addresses and protocol are selected, whatever the ports.</summary>
    internal bool MatchesButForPorts(in IpInfo packet) =>
        Source.Contains(packet.Source) && Destination.Contains(packet.Destination)
        && (Protocol == IpProtocol.Any || Protocol == packet.Protocol || IsHiddenBehindFragment(packet));

    // The protocol behind a later IPv6 fragment may be an extension header: only the first fragment shows the rest.
    private static bool IsHiddenBehindFragment(in IpInfo packet) => packet.Family == IpFamily.V6 && packet.FragmentOffset != 0;

    /// <inheritdoc/>
    public override string ToString() =>
        $"{Source}[{SourcePort?.ToString(null, null) ?? "any"}] {Destination}[{DestinationPort?.ToString(null, null) ?? "any"}] "
        + (Protocol == IpProtocol.Any ? "any" : ((byte)Protocol).ToString(null, null));
}
