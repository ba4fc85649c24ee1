// ESP in UDP (RFC 3948): what an SA says about it, and where a peer behind a NAT is now.
//
//   RFC 3948          | UDP (8) | ESP ...                             port 4500
//   non-IKE marker    | UDP (8) | 0 0 0 0 0 0 0 0 | ESP ...           port 500, before there was an RFC

using Testudo.Wire;

namespace Testudo.Engine.Keys;

/// <summary>What stands between the UDP header and ESP; the numbers are PF_KEY's (UDP_ENCAP_*).</summary>
public enum UdpForm : byte
{
    /// <summary>Eight zero bytes, where IKE has its first cookie (draft-ietf-ipsec-udp-encaps-00).</summary>
    NonIkeMarker = 1,

    /// <summary>Nothing (RFC 3948, 2.1).</summary>
    Rfc3948 = 2,
}

/// <summary>UDP encapsulation of an SA. Ports are host order.</summary>
/// <param name="SourcePort">Of the sending end.</param>
/// <param name="DestinationPort">Of the receiving end.</param>
public readonly record struct UdpEncapsulation(ushort SourcePort, ushort DestinationPort)
{
    /// <summary>Bytes of the marker before ESP.</summary>
    private const int MarkerLength = 8;

    /// <summary>What stands between the UDP header and ESP.</summary>
    public UdpForm Form { get; init; } = UdpForm.Rfc3948;

    /// <summary>The address that the sending end has for itself (NAT-OA, RFC 3947 5.2); of no family where nobody said.</summary>
    public Address OriginalSource { get; init; }

    /// <summary>The address under which the sending end knows the receiving one; of no family where nobody said.</summary>
    public Address OriginalDestination { get; init; }

    /// <summary>Bytes before ESP: 8 or 16.</summary>
    internal int Length => UdpHeader.Length + (Form == UdpForm.NonIkeMarker ? MarkerLength : 0);
}

/// <summary>Where the far end of an SA was last heard, after its NAT gave it another address or port.</summary>
public sealed record UdpPeer(Address Address, ushort Port);
