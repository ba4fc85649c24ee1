// The Authentication Header (RFC 4302, 2) and its sizes:
//
//   0       1       2       3
//  | next  | length| reserved      |   length: of the whole header in words of 4 bytes, minus 2
//  | SPI                           |
//  | sequence number, low 32 bits  |   not in the old format (RFC 1826)
//  | IV, ICV, padding ...          |   padded to 4 bytes over IPv4, to 8 over IPv6 (2.6)
//
// Linux pads to 8 bytes over IPv4 too, and takes nothing else, unless its SA has the flag align4: an SA with the flag
// AlignTo8 sends so. What is received is taken with either padding: the length says which it is.

using Testudo.Engine.Keys;
using Testudo.Wire;
using Testudo.Wire.PfKey;

namespace Testudo.Engine;

internal static class Ah
{
    /// <summary>
    /// Bytes of headers up to the end of AH that are looked at. They are put aside while the ICV is computed; nobody sends
    /// as many.
    /// </summary>
    public const int MaxHeaders = 1024;

    /// <summary>The shortest header: of the old format, without an ICV.</summary>
    public const int MinLength = 8;

    /// <summary>Bytes before the IV and the ICV.</summary>
    public static int FixedLength(Sa sa) => sa.IsOld ? 8 : 12;

    /// <summary>Bytes of the header as it is sent.</summary>
    public static int Length(Sa sa) =>
        Aligned(sa, sa.Source.Family == IpFamily.V6 || (sa.Flags & SaFlags.AlignTo8) != 0 ? 8 : 4);

    /// <summary>True where a received header may have this length.</summary>
    public static bool IsLength(Sa sa, int length) => length == Aligned(sa, 4) || length == Aligned(sa, 8);

    private static int Aligned(Sa sa, int to) => (FixedLength(sa) + sa.Transform.IcvLength + to - 1) & -to;
}
