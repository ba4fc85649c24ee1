// How a stack joins a Linux host.

using System.Collections.Immutable;
using Testudo.Engine.Guard;
using Testudo.Links;

namespace Testudo.Linux;

/// <summary>Ways between the stack and a Linux host's network.</summary>
public enum HostLink
{
    /// <summary>The TUN device: this host's own IP stack.</summary>
    Tun,

    /// <summary>Raw sockets for ESP and AH.</summary>
    Raw,

    /// <summary>UDP sockets for ESP in UDP (RFC 3948).</summary>
    Udp,
}

/// <summary>Options of a <see cref="LinuxHost"/>.</summary>
public sealed record LinuxHostOptions
{
    /// <summary>Names and numbers of everything that is added to the host.</summary>
    public required HostJoinOptions Join { get; init; }

    /// <summary>A file that is locked while the instance lives; another one in each network namespace.</summary>
    public required string LockFile { get; init; }

    /// <summary>Which links to open; the TUN device is needed by the others.</summary>
    public ImmutableArray<HostLink> Links { get; init; } = [HostLink.Tun, HostLink.Raw, HostLink.Udp];

    /// <summary>The UDP port of ESP in UDP.</summary>
    public ushort UdpPort { get; init; } = 4500;

    internal GuardNames GuardNames => new()
    {
        Table = Join.NftTable,
        Device = Join.Device,
        Mask = HostJoinOptions.MarkMask,
        Own = Join.OwnMark,
        ToTunnel = Join.ToTunMark,
        FromTunnel = Join.FromTunMark,
        EncapsulationPorts = Links.Contains(HostLink.Udp) ? [UdpPort] : [],
    };
}
