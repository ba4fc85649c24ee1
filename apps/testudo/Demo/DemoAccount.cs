// What the demo tells: claims, each with what was measured, and the counters of both hosts. The same as text and as JSON.

using System.Globalization;
using Testudo.App.Up;

namespace Testudo.App.Demo;

/// <summary>Something that was claimed, and whether it was seen.</summary>
/// <param name="Name">Short, for programs.</param>
/// <param name="Sentence">What is claimed.</param>
/// <param name="Seen">True where everything that belongs to it was measured.</param>
/// <param name="Measured">What was measured, in words.</param>
/// <param name="Figures">The same as numbers.</param>
internal sealed record DemoClaim(string Name, string Sentence, bool Seen, string Measured, Dictionary<string, double> Figures);

/// <summary>The counters of one host at the end.</summary>
internal sealed record DemoHostCounters(string Name, Traffic Outbound, Traffic Inbound, DropCount[] Drops);

/// <summary>The document of --json.</summary>
internal sealed record DemoAccount
{
    /// <summary>True where every claim was seen.</summary>
    public required bool Passed { get; init; }

    /// <summary>namespaces, user-namespace or memory.</summary>
    public required string Ground { get; init; }

    /// <summary>Why none of the better grounds was used, or null.</summary>
    public string? WhyNotBetter { get; init; }

    public required double Seconds { get; init; }

    public required DemoClaim[] Claims { get; init; }

    /// <summary>The claims that were not seen, or never came to be tried.</summary>
    public required string[] NotSeen { get; init; }

    public required DemoHostCounters[] Hosts { get; init; }

    /// <summary>What stopped the demo, or null.</summary>
    public string? Fault { get; init; }

    public required string[] Files { get; init; }

    /// <summary>A line for a shell in the folder of the files.</summary>
    public string? Tshark { get; init; }
}

/// <summary>Takes claims as they come; says them at once where text is wanted.</summary>
internal sealed class DemoTeller(bool json, string ground, string? whyNotBetter)
{
    private readonly List<DemoClaim> _claims = [];

    /// <summary>True where the account is to be one JSON document.</summary>
    public bool IsJson => json;

    /// <summary>True where something was claimed already.</summary>
    public bool HasClaims => _claims.Count > 0;

    /// <summary>A line of text; nothing where JSON is wanted.</summary>
    public void Say(string line)
    {
        if (!json)
        {
            Console.Out.WriteLine(line);
        }
    }

    /// <summary>A claim and its figures.</summary>
    public void Claim(string name, string sentence, bool seen, string measured, params ReadOnlySpan<(string Name, double Value)> figures)
    {
        var all = new Dictionary<string, double>();
        foreach ((string figure, double value) in figures)
        {
            all[figure] = value;
        }

        _claims.Add(new DemoClaim(name, sentence, seen, measured, all));
        Say($"  {(seen ? "seen    " : "NOT SEEN")} {sentence}");
        Say($"           {measured}");
    }

    /// <summary>The end: the counters, the files, and what was not seen.</summary>
    /// <param name="expected">Every claim that belongs to this ground.</param>
    /// <param name="seconds">How long it took.</param>
    /// <param name="hosts">The counters.</param>
    /// <param name="files">What lies in the current folder now.</param>
    /// <param name="tshark">The line that decrypts it.</param>
    /// <param name="fault">What stopped it, or null.</param>
    public DemoAccount End(IEnumerable<string> expected, double seconds, DemoHostCounters[] hosts, string[] files, string? tshark, string? fault)
    {
        string[] notSeen = [.. expected.Where(name => !_claims.Exists(claim => claim.Name == name && claim.Seen))];
        var account = new DemoAccount
        {
            Passed = notSeen.Length == 0 && fault is null,
            Ground = ground,
            WhyNotBetter = whyNotBetter,
            Seconds = Math.Round(seconds, 1),
            Claims = [.. _claims],
            NotSeen = notSeen,
            Hosts = hosts,
            Fault = fault,
            Files = files,
            Tshark = tshark,
        };
        foreach (DemoHostCounters host in hosts)
        {
            Say(string.Create(CultureInfo.InvariantCulture, $"host {host.Name}: {host.Outbound.Packets} packets and {host.Outbound.Bytes} bytes protected, {host.Inbound.Packets} packets and {host.Inbound.Bytes} bytes accepted"));
            Say($"        dropped: {(host.Drops.Length > 0 ? string.Join(", ", host.Drops.Select(static drop => $"{drop.Packets} {drop.Name}")) : "nothing")}");
        }

        if (files.Length > 0)
        {
            Say($"left here: {string.Join(", ", files)}");
        }

        if (tshark is not null)
        {
            Say("to look inside with tshark:");
            Say("  " + tshark);
        }

        if (fault is not null)
        {
            Say($"stopped: {fault}");
        }

        Say(string.Create(CultureInfo.InvariantCulture, $"{(account.Passed ? "everything that was claimed was seen" : $"not seen: {string.Join(", ", notSeen)}")}, in {seconds:0.0} s"));
        return account;
    }
}
