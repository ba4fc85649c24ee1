// What an engine may be told once, at its start.

using Testudo.Engine.Ecn;
using Testudo.Wire;
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

/// <summary>Where a packet is cut that does not fit its path with its protection (RFC 4301, 8.2.1 case 2).</summary>
public enum FragmentPlace : byte
{
    /// <summary>Behind IPsec: what is protected is fragmented, by its link, by a router or here.</summary>
    After = 0,

    /// <summary>
    /// Before IPsec, where that can be: the peer need not reassemble. Tunnel mode, IPv4 without DF; else as
    /// <see cref="After"/>.
    /// </summary>
    Before = 1,
}

/// <summary>Options of an engine.</summary>
public sealed record EngineOptions
{
    /// <summary>Bytes of the longest packet that the network takes where nothing better is known.</summary>
    public int Mtu { get; init; } = 1500;

    /// <summary>The outer DF bit of IPv4 tunnels.</summary>
    public DfBit DfBit { get; init; } = DfBit.Copy;

    /// <summary>Congestion marks in tunnels (net.inet.ipsec.ecn; for an outer IPv6 header too, unless <see cref="Ecn6"/> says otherwise).</summary>
    /// <exception cref="ArgumentOutOfRangeException">It is none of the five.</exception>
    public EcnMode Ecn
    {
        get;
        init => field = Enum.IsDefined(value)
            ? value
            : throw new ArgumentOutOfRangeException(nameof(value), (int)value, "net.inet.ipsec.ecn is -1, 0, 1 (KAME's ignore, forbidden, allowed), 2 or 3 (RFC 6040, normal and compatibility mode)");
    } = EcnMode.Normal;

    /// <summary>The same where the outer header is IPv6 (net.inet6.ipsec6.ecn); null for <see cref="Ecn"/>.</summary>
    public EcnMode? Ecn6 { get; init; }

    internal EcnMode EcnOf(IpFamily outer) => outer == IpFamily.V6 ? Ecn6 ?? Ecn : Ecn;

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

    /// <summary>Where packets are cut that may be and have to.</summary>
    public FragmentPlace Fragments { get; init; }

    /// <summary>
    /// True where no link or router fragments what is protected: the engine does it then. (Where a router's ICMP error
    /// lowered an IPv6 path, the engine does it in any case: only the source may, and links know their device only.)
    /// </summary>
    public bool FragmentsProtected { get; init; }

    /// <summary>
    /// True where unauthenticated ICMP errors about protected packets may lower a path MTU (RFC 4301, 6.1.1). They must
    /// quote a packet that was sent lately, and are forgotten after <see cref="PathMtuSeconds"/>.
    /// </summary>
    public bool HonoursTooBig { get; init; } = true;

    /// <summary>No ICMP error lowers an IPv4 path below this (net.inet.ipsec.min_pmtu); 68 to 65535.</summary>
    public int MinPathMtu { get; init; } = 576;

    /// <summary>Seconds after which a path MTU that a router named is forgotten (RFC 1191, 6.3).</summary>
    public int PathMtuSeconds { get; init; } = 600;

    /// <summary>
    /// The greatest MSS that TCP connections through IPsec may announce: <see cref="MssOff"/> leaves it alone,
    /// <see cref="MssAuto"/> takes what fits the path with its protection, else bytes.
    /// </summary>
    public int MssClamp { get; init; } = MssOff;

    /// <summary>For <see cref="MssClamp"/>: left alone.</summary>
    public const int MssOff = 0;

    /// <summary>For <see cref="MssClamp"/>: what fits.</summary>
    public const int MssAuto = -1;

    /// <summary>
    /// True to look into every ICMP error that comes by an SA: the packet that it speaks of must belong to that SA. False
    /// for RFC 4301's convention (6.2): only into those that no policy selects by their own header.
    /// </summary>
    public bool InspectsIcmpErrors { get; init; }

    /// <summary>True to tell the sender of an outbound packet that policy discards, or that finds no SA, by ICMP (RFC 4301, 5.1).</summary>
    public bool TellsProhibited { get; init; }

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
