// What an engine may be told once, at its start.

using Testudo.Wire.PfKey;

namespace Testudo.Engine;

/// <summary>The outer DF bit of IPv4 tunnels (net.inet.ipsec.dfbit).</summary>
public enum DfBit : byte
{
    /// <summary>Cleared: routers may fragment what is protected.</summary>
    Clear = 0,

    /// <summary>Set.</summary>
    Set = 1,

    /// <summary>As the inner packet has it; set over IPv6.</summary>
    Copy = 2,
}

/// <summary>Options of an engine.</summary>
public sealed record EngineOptions
{
    /// <summary>Bytes of the longest packet that the network takes where nothing better is known.</summary>
    public int Mtu { get; init; } = 1500;

    /// <summary>The outer DF bit of IPv4 tunnels.</summary>
    public DfBit DfBit { get; init; } = DfBit.Clear;

    /// <summary>What level <c>default</c> means: use or require (net.inet.ipsec.esp_trans_deflev and its kin).</summary>
    public PolicyLevel DefaultLevel { get; init; } = PolicyLevel.Use;

    /// <summary>
    /// True where the wire link carries clear packets too. False on a host whose kernel routes clear traffic itself: a
    /// packet that needs no protection is then dropped by name, since it came here by mistake.
    /// </summary>
    public bool CarriesClear { get; init; } = true;

    /// <summary>Bytes that fragments may hold while they wait for each other.</summary>
    public int ReassemblyBytes { get; init; } = 4 * 1024 * 1024;

    /// <summary>
    /// True where a peer behind a NAT is followed to another address or port, once a packet from there was verified and is
    /// the newest (RFC 5996, 2.23).
    /// </summary>
    public bool FollowsPeers { get; init; } = true;

    /// <summary>Seconds without a packet after which a NAT keepalive is sent (RFC 3948, 4); 0 sends none.</summary>
    public int KeepaliveSeconds { get; init; } = 20;

    /// <summary>True where ESP may be without authentication, which is open to forgery (RFC 4303, 1; RFC 8221, 4).</summary>
    public bool AllowsUnauthenticated { get; init; }

    /// <summary>True where inbound packets are checked against policy; false only to look at captures without one.</summary>
    public bool ChecksPolicy { get; init; } = true;
}
