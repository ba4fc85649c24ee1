// NetBSD's counters of dropped packets and the drops they stand for here. Its other counters (packets processed, a
// histogram of algorithms) count what the wire and the deliveries show as well; they are left out.

using System.Text.RegularExpressions;
using Testudo.Simulation;
using Testudo.Wire;

namespace Testudo.Tests.Behaviours;

internal static partial class Counters
{
    private const string InputViolations = "policy violations (input)", OutputViolations = "policy violations (output)";

    private static readonly (string Counter, CaptureDirection Direction, Drop[] Drops)[] s_table =
    [
        (InputViolations, CaptureDirection.Inbound, [Drop.NoPolicy, Drop.PolicyDiscard, Drop.ClearButRequired, Drop.HistoryMismatch, Drop.TunnelPolicyMissing]),
        (OutputViolations, CaptureDirection.Outbound, [Drop.NoPolicy, Drop.PolicyDiscard]),
        ("no SA found (output)", CaptureDirection.Outbound, [Drop.NoSa]),
        ("esp packets dropped for possible replay", CaptureDirection.Inbound, [Drop.Replayed, Drop.TooOld, Drop.SequenceZero]),
        ("esp packets with bad authentication", CaptureDirection.Inbound, [Drop.BadIcv]),
        ("esp packets with bad ilen", CaptureDirection.Inbound, [Drop.EspTooShort]),
        ("esp packets with bad encryption", CaptureDirection.Inbound, [Drop.BadPadding]),
        ("esp packets with no SA", CaptureDirection.Inbound, [Drop.UnknownSpi, Drop.WrongEncapsulation]),
        ("ipip IP spoofing attempts", CaptureDirection.Inbound, [Drop.InnerSourceIsOurs]),
        ("ipip packets too short for header length", CaptureDirection.Inbound, [Drop.InnerInvalid]),
    ];

    // What it drops without counting: the keepalive and the dummy packet are dropped as meant.
    private static readonly Drop[] s_uncounted = [Drop.Keepalive, Drop.DummyPacket];

    /// <summary>An observed line with its lists of counters in the form of <see cref="Of"/>.</summary>
    public static string Normal(string line) => Braces().Replace(line, static match => Show(Entry().Matches(match.Value).SelectMany(static entry =>
    {
        string name = entry.Groups[1].Value;
        int count = int.Parse(entry.Groups[2].Value, System.Globalization.CultureInfo.InvariantCulture);
        return name switch
        {
            "policy violations: 1 input 0 output" => [(InputViolations, count)],
            "policy violations: 0 input 1 output" => [(OutputViolations, count)],
            _ => s_table.Any(row => row.Counter == name) ? [(name, count)] : Array.Empty<(string, int)>(),
        };
    })));

    /// <summary>The drops in a trace of one host, by NetBSD's names; those that it has no counter for by ours.</summary>
    public static string Of(IEnumerable<TraceEntry> trace, string host) => Show(trace
        .Where(entry => entry.Host == host && entry.Drop != Drop.None && !s_uncounted.Contains(entry.Drop))
        .GroupBy(Name)
        .Select(static group => (group.Key, group.Count())));

    private static string Name(TraceEntry entry) =>
        s_table.FirstOrDefault(row => row.Direction == entry.Direction && row.Drops.Contains(entry.Drop)).Counter ?? Drops.Name(entry.Drop);

    private static string Show(IEnumerable<(string Name, int Count)> counts) =>
        $"{{{string.Join(", ", counts.OrderBy(static one => one.Name, StringComparer.Ordinal).Select(static one => $"{one.Name}: {one.Count}"))}}}";

    [GeneratedRegex(@"\{[^{}]*\}")]
    private static partial Regex Braces();

    [GeneratedRegex(@"'([^']+)': (\d+)")]
    private static partial Regex Entry();
}
