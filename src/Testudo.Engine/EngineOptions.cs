// What an engine may be told once, at its start.

using Testudo.Engine.Ecn;
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

    /// <summary>Congestion marks in tunnels (net.inet.ipsec.ecn).</summary>
    /// <exception cref="ArgumentOutOfRangeException">It is none of the five.</exception>
    public EcnMode Ecn
    {
        get;
        init => field = Enum.IsDefined(value)
            ? value
            : throw new ArgumentOutOfRangeException(nameof(value), (int)value, "net.inet.ipsec.ecn is -1, 0, 1 (KAME's ignore, forbidden, allowed), 2 or 3 (RFC 6040, normal and compatibility mode)");
    } = EcnMode.Normal;

    /// <summary>
    /// True where the TOS byte of IPv4 counts as zero for AH's ICV, since routers change it (net.inet.ipsec.ah_cleartos;
    /// RFC 4302, 3.3.3.1.1). Both ends must agree.
    /// </summary>
    public bool AhClearTos { get; init; } = true;

    /// <summary>
    /// The bits of IPv4's flags and fragment offset that AH's ICV covers (net.inet.ipsec.ah_offsetmask); 0x4000 is DF. Both
    /// ends must agree.
    /// </summary>
    public ushort AhOffsetMask { get; init; }

    /// <summary>What level <c>default</c> means: use or require (net.inet.ipsec.esp_trans_deflev and its kin).</summary>
    public PolicyLevel DefaultLevel { get; init; } = PolicyLevel.Use;

    /// <summary>
    /// True where the wire link carries clear packets too. False on a host whose kernel routes clear traffic itself: a
    /// packet that needs no protection is then dropped by name, since it came here by mistake.
    /// </summary>
    public bool CarriesClear { get; init; } = true;

    /// <summary>Payloads shorter than this are not tried to be compressed: they would hardly become shorter.</summary>
    public int CompressionThreshold { get; init; } = 90;

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
