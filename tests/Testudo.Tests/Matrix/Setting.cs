// The matrix: every way that a pair of hosts can be set, as the product of its axes less what cannot be. A rule leaves out
// for one reason, which is its name.

using Testudo.Crypto;
using Testudo.Engine.Keys;
using Testudo.Wire;

namespace Testudo.Tests.Matrix;

/// <summary>Which protocols, innermost first.</summary>
public enum Shape
{
    Esp,
    Ah,
    IpComp,
    EspThenAh,
    EspTunnelThenAh,
    IpCompThenEsp,
}

/// <summary>Where the packet is cut, and by whom.</summary>
public enum Pieces
{
    None,
    BeforeItIsProtected,
    ByTheSender,
    OnTheWay,
}

/// <summary>One point of the matrix but for the packet's size: the SAs of a pair of hosts.</summary>
public sealed record Setting(
    Shape Shape, bool IsTunnel, int Inner, int Outer, Testudo.Tests.Crypto.Suite? Suite, bool IsExtended, UdpForm? Udp, bool HasWindow, Pieces Pieces)
{
    private static readonly Testudo.Tests.Crypto.Suite?[] s_suites = [.. Testudo.Tests.Crypto.Suite.All.Concat(Testudo.Tests.Crypto.Suite.Historic).Where(IsWanted), null];

    /// <summary>What is left out, and why.</summary>
    public static IReadOnlyList<(string Why, Func<Setting, bool> LeavesOut)> Rules { get; } =
    [
        ("transport mode keeps the packet's own header, and its family", static s => !s.IsTunnel && s.Inner != s.Outer),
        ("a shape that names its tunnel has no transport mode", static s => s.Shape == Shape.EspTunnelThenAh && !s.IsTunnel),
        ("IPComp alone has no algorithm but DEFLATE, and all others have one", static s => s.Shape == Shape.IpComp != s.Suite is null),
        ("AH alone has an integrity algorithm and no cipher, ESP has a cipher", static s => s.Suite is { } suite && s.Shape == Shape.Ah != (suite.Transform.Cipher == Cipher.None)),
        ("only ESP goes through UDP (RFC 3948)", static s => s.Udp is not null && s.Protocols[^1] != IpProtocol.Esp),
        ("IPComp has no sequence numbers, neither long nor in a window", static s => s.Shape == Shape.IpComp && (s.IsExtended || s.HasWindow)),
        ("IPComp leaves fragments as they are in transport mode (RFC 3173, 2.1)", static s => s.Shape == Shape.IpComp && !s.IsTunnel && s.Pieces == Pieces.BeforeItIsProtected),
        ("extended sequence numbers need a window (RFC 4303, 3.4.3)", static s => s.IsExtended && !s.HasWindow),
    ];

    /// <summary>All that is left.</summary>
    public static IEnumerable<Setting> All() => Product().Where(static s => !Rules.Any(rule => rule.LeavesOut(s)));

    /// <summary>All there would be without the rules.</summary>
    public static IEnumerable<Setting> Product() =>
        from shape in Enum.GetValues<Shape>()
        from tunnel in (bool[])[false, true]
        from inner in (int[])[4, 6]
        from outer in (int[])[4, 6]
        from suite in s_suites
        from extended in (bool[])[false, true]
        from udp in (UdpForm?[])[null, UdpForm.Rfc3948, UdpForm.NonIkeMarker]
        from window in (bool[])[true, false]
        from pieces in Enum.GetValues<Pieces>()
        select new Setting(shape, tunnel, inner, outer, suite, extended, udp, window, pieces);

    /// <summary>The protocols in the order in which they are applied.</summary>
    public IpProtocol[] Protocols => Shape switch
    {
        Shape.Esp => [IpProtocol.Esp],
        Shape.Ah => [IpProtocol.Ah],
        Shape.IpComp => [IpProtocol.IpComp],
        Shape.IpCompThenEsp => [IpProtocol.IpComp, IpProtocol.Esp],
        _ => [IpProtocol.Esp, IpProtocol.Ah],
    };

    /// <summary>Which of them is the tunnel; -1 for none. Of ESP and AH it is the last, of the others the first.</summary>
    public int Tunnel => !IsTunnel ? -1 : Shape == Shape.EspThenAh ? 1 : 0;

    /// <summary>What stands between UDP header and ESP, without one for none.</summary>
    public int UdpLength => Udp switch { null => 0, UdpForm.Rfc3948 => 8, _ => 16 };

    /// <summary>Bytes of the protected packet for a payload of so many, counted by hand (RFC 4303, 2; RFC 4302, 2). IPComp counts nothing.</summary>
    public int Length(int payload)
    {
        int header = Header(Inner);
        for (int i = 0; i < Protocols.Length; i++)
        {
            if (i == Tunnel)
            {
                payload += header;
                header = Header(Outer);
            }

            payload = Protocols[i] switch
            {
                IpProtocol.Ah => payload + Round(12 + AhIcv, i >= Tunnel && Outer == 6 ? 8 : 4),
                IpProtocol.Esp => UdpLength + 8 + Suite!.IvLength + Round(payload + 2, Math.Max(4, Suite.BlockLength)) + Suite.Transform.IcvLength,
                _ => payload,
            };
        }

        return header + payload;

        static int Round(int length, int to) => (length + to - 1) / to * to;
    }

    /// <summary>Payloads: none, one byte, around blocks, around a path of 1500 bytes, up to the longest packet there is, and one more.</summary>
    public IEnumerable<int> Sizes() =>
        ((int[])[0, 1, 2, 6, 7, 8, 9, 13, 14, 15, 16, 17, 31, 32, 33, 89, 90, 255, 256, 257, .. Around(1500), 4000, .. Around(65535)])
            .Where(size => size + Header(Inner) <= 65535 && (Pieces == Pieces.None || size > 8)); // more is no packet, less cannot be cut

    /// <summary>The greatest payload with which the packet is no longer than so many bytes.</summary>
    public int Greatest(int length) => Enumerable.Range(0, length - Header(Inner) + 1).Last(size => Length(size) <= length);

    public static int Header(int family) => family == 4 ? 20 : 40;

    public override string ToString() =>
        $"{Shape} {(IsTunnel ? $"tunnel {Inner} in {Outer}" : $"transport {Inner}")} {Suite}{(IsExtended ? " esn" : "")}{(Udp is null ? "" : $" {Udp}")}{(HasWindow ? "" : " no window")}, cut: {Pieces}";

    // Beside ESP the AH of a bundle is always the same.
    private int AhIcv => Shape == Shape.Ah ? Suite!.Transform.IcvLength : 16;

    private IEnumerable<int> Around(int length)
    {
        int greatest = Greatest(length);
        return [greatest - 1, greatest, greatest + 1];
    }

    // Every cipher with HMAC-SHA-256, every integrity algorithm with AES-CBC's first key and with NULL, and all that stands alone.
    private static bool IsWanted(Testudo.Tests.Crypto.Suite suite) =>
        suite.Transform.Cipher is Cipher.None or Cipher.Null || suite.Transform.Integrity is Integrity.None or Integrity.HmacSha256
        || (suite.Transform.Cipher == Cipher.AesCbc && suite.CipherKeyLength == 16);
}
