// What the guard's rules are called on a host, so that several instances can live beside each other.

using System.Collections.Immutable;

namespace Testudo.Engine.Guard;

/// <summary>Names and marks of one instance. A mark is a value of the bits in <see cref="Mask"/>; the other bits stay a packet's own.</summary>
public sealed record GuardNames
{
    /// <summary>The nftables table, of family inet.</summary>
    public string Table { get; init; } = "testudo";

    /// <summary>The TUN device: what comes from it came from the stack, what goes to it goes to the stack.</summary>
    public string Device { get; init; } = "testudo0";

    /// <summary>The bits of a mark that are the guard's.</summary>
    public uint Mask { get; init; } = 0xFF000000;

    /// <summary>What the stack sends itself (SO_MARK): passes everywhere.</summary>
    public uint Own { get; init; } = 0x53000000;

    /// <summary>What policy wants protected: routed to the TUN device.</summary>
    public uint ToTunnel { get; init; } = 0x54000000;

    /// <summary>What came from the TUN device.</summary>
    public uint FromTunnel { get; init; } = 0x55000000;

    /// <summary>UDP ports of this host where ESP in UDP arrives (RFC 3948): accepted before policy is asked.</summary>
    public ImmutableArray<ushort> EncapsulationPorts { get; init; } = [4500];

    /// <summary>Null, or what is wrong with these names.</summary>
    public string? Fault()
    {
        if (!IsName(Table, 64))
        {
            return $"the table's name '{Table}' is not a letter followed by letters, digits, _ or -";
        }

        if (!IsName(Device, 15))
        {
            return $"the device's name '{Device}' is not a letter followed by up to 14 letters, digits, _ or -";
        }

        uint[] marks = [Own, ToTunnel, FromTunnel];
        return marks.Any(mark => (mark & ~Mask) != 0 || mark == 0) || marks.Distinct().Count() < marks.Length
            ? $"the three marks are three different values, not 0, of the bits 0x{Mask:x8}"
            : null;
    }

    // They are put into a program's text: nothing may stand in them that means something there.
    private static bool IsName(string name, int longest) =>
        name.Length > 0 && name.Length <= longest && char.IsAsciiLetter(name[0])
        && name.All(static c => char.IsAsciiLetterOrDigit(c) || c is '_' or '-');
}
