// IPComp's header (RFC 3173, 3.3):
//
//  0       1       2       3
// | next  | 0     | CPI           |
//
// The CPI is the SA's SPI, 16 bits: 2 is DEFLATE by itself, 256 to 61439 are negotiated, those above private.

namespace Testudo.Engine;

internal static class IpComp
{
    /// <summary>Next header, flags, CPI.</summary>
    public const int HeaderLength = 4;

    /// <summary>The well-known CPI of DEFLATE.</summary>
    public const uint WellKnownDeflate = 2;

    /// <summary>Bytes of packets that one batch may be decompressed to: an attacker's packets are no lever for memory.</summary>
    public const int BatchBytes = 4 * 1024 * 1024;
}
