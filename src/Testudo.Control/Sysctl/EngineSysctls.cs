// The sysctls of ipsec(4) that an engine takes at its start: NAME=VALUE in words, checked, as options.

using System.Collections.Immutable;
using System.Globalization;
using Testudo.Engine;
using Testudo.Engine.Ecn;

namespace Testudo.Control.Sysctl;

/// <summary>One of them.</summary>
/// <param name="Name">Its name in the tree.</param>
/// <param name="Least">The least value.</param>
/// <param name="Greatest">The greatest value.</param>
/// <param name="Meaning">What the values mean.</param>
/// <param name="Get">The value that options give it.</param>
/// <param name="Set">Options with another value, which must be one of the legal ones.</param>
public sealed record EngineSysctl(
    string Name, int Least, int Greatest, string Meaning, Func<EngineOptions, int> Get, Func<EngineOptions, int, EngineOptions> Set);

/// <summary>The table of them.</summary>
public static class EngineSysctls
{
    /// <summary>All, by name.</summary>
    public static ImmutableArray<EngineSysctl> All { get; } =
    [
        new("net.inet.ipsec.ah_cleartos", 0, 1, "1: the TOS byte counts as zero for AH",
            static options => options.AhClearTos ? 1 : 0,
            static (options, value) => options with { AhClearTos = value != 0 }),
        new("net.inet.ipsec.ah_offsetmask", 0, ushort.MaxValue, "the bits of IPv4's flags and offset that AH covers",
            static options => options.AhOffsetMask,
            static (options, value) => options with { AhOffsetMask = (ushort)value }),
        new("net.inet.ipsec.dfbit", 0, 2, "outer DF: 0 clear, 1 set, 2 as the inner packet has it",
            static options => (int)options.DfBit,
            static (options, value) => options with { DfBit = (DfBit)value }),
        new("net.inet.ipsec.ecn", -1, 3, Ecn,
            static options => (int)options.Ecn,
            static (options, value) => options with { Ecn = (EcnMode)value, Ecn6 = options.Ecn6 ?? options.Ecn }),
        new("net.inet.ipsec.min_pmtu", 68, ushort.MaxValue, "no ICMP error lowers an IPv4 path below it",
            static options => options.MinPathMtu,
            static (options, value) => options with { MinPathMtu = value }),
        new("net.inet6.ipsec6.ecn", -1, 3, Ecn,
            static options => (int)(options.Ecn6 ?? options.Ecn),
            static (options, value) => options with { Ecn6 = (EcnMode)value }),
    ];

    private const string Ecn = "congestion marks: -1 ignore, 0 forbidden, 1 allowed (KAME's rules), 2 and 3 RFC 6040, normal and compatibility mode";

    /// <summary>Applies one assignment.</summary>
    /// <param name="assignment">NAME=VALUE; the value decimal, or hexadecimal behind 0x.</param>
    /// <param name="options">What it is applied to.</param>
    /// <returns>Null, or why not in words; then nothing was changed.</returns>
    public static string? TryApply(string assignment, ref EngineOptions options)
    {
        int equals = assignment.IndexOf('=', StringComparison.Ordinal);
        string name = (equals < 0 ? assignment : assignment[..equals]).Trim(), text = equals < 0 ? "" : assignment[(equals + 1)..].Trim();
        if (All.FirstOrDefault(one => one.Name == name) is not { } found)
        {
            return $"'{name}' is no sysctl that can be set at the start: there are {string.Join(", ", All.Select(static one => one.Name))}";
        }

        bool isNumber = text.StartsWith("0x", StringComparison.OrdinalIgnoreCase)
            ? int.TryParse(text.AsSpan(2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out int value)
            : int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out value);
        if (!isNumber || value < found.Least || value > found.Greatest)
        {
            return $"{name}={text}: a number from {found.Least} to {found.Greatest} is expected ({found.Meaning})";
        }

        options = found.Set(options, value);
        return null;
    }
}
