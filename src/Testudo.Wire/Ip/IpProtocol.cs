// The protocol numbers that IPsec has to know (IANA "Assigned Internet Protocol Numbers").

namespace Testudo.Wire;

/// <summary>The value of an IPv4 protocol field or an IPv6 (and ESP, AH) next header field.</summary>
public enum IpProtocol : byte
{
    /// <summary>IPv6 hop-by-hop options (RFC 8200, 4.3).</summary>
    HopByHop = 0,

    /// <summary>ICMP for IPv4.</summary>
    Icmp = 1,

    /// <summary>IPv4 in a tunnel.</summary>
    Ipv4 = 4,

    /// <summary>TCP.</summary>
    Tcp = 6,

    /// <summary>UDP.</summary>
    Udp = 17,

    /// <summary>IPv6 in a tunnel.</summary>
    Ipv6 = 41,

    /// <summary>IPv6 routing header (RFC 8200, 4.4).</summary>
    Routing = 43,

    /// <summary>IPv6 fragment header (RFC 8200, 4.5).</summary>
    Fragment = 44,

    /// <summary>GRE.</summary>
    Gre = 47,

    /// <summary>Encapsulating Security Payload (RFC 4303).</summary>
    Esp = 50,

    /// <summary>Authentication Header (RFC 4302).</summary>
    Ah = 51,

    /// <summary>ICMP for IPv6.</summary>
    Icmpv6 = 58,

    /// <summary>Nothing follows; in ESP a dummy packet (RFC 4303, 2.6).</summary>
    None = 59,

    /// <summary>IPv6 destination options (RFC 8200, 4.6).</summary>
    DestinationOptions = 60,

    /// <summary>IP payload compression (RFC 3173).</summary>
    IpComp = 108,

    /// <summary>SCTP.</summary>
    Sctp = 132,

    /// <summary>Mobility header (RFC 6275).</summary>
    Mobility = 135,

    /// <summary>UDP-Lite (RFC 3828).</summary>
    UdpLite = 136,

    /// <summary>In a selector: every protocol (PF_KEY's wildcard). On the wire it is reserved.</summary>
    Any = 255,
}
