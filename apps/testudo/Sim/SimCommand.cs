// testudo sim: a whole network by chance from one seed, and what must hold in it. A failure is seen again by its seed.

using System.CommandLine;
using System.Diagnostics;
using System.Text.Json;
using Testudo.Simulation;
using Testudo.Wire;

namespace Testudo.App.Sim;

internal static class SimCommand
{
    private static readonly Option<ulong> s_seed = new("--seed") { Description = "the number that decides everything", Required = true };
    private static readonly Option<double> s_seconds = new("--seconds") { Description = "virtual seconds of traffic (default 25: about 10000 packets)", DefaultValueFactory = static _ => 25 };
    private static readonly Option<bool> s_json = new("--json") { Description = "one JSON document on standard output" };

    public static Command Make()
    {
        var command = new Command("sim", "simulate a network of gateways, hosts, a NAT and bad links, and check what must always hold") { s_seed, s_seconds, s_json };
        command.SetAction(Run);
        return command;
    }

    private static int Run(ParseResult parsed)
    {
        double seconds = parsed.GetValue(s_seconds);
        if (!(seconds is > 0 and <= 25_000))
        {
            Console.Error.WriteLine("testudo sim: --seconds is more than 0 and at most 25000");
            return 2;
        }

        var clock = Stopwatch.StartNew();
        using var scenario = new Scenario(parsed.GetRequiredValue(s_seed));
        scenario.Network.Invariants.Throws = false;
        scenario.Run(TimeSpan.FromSeconds(seconds));
        SimAccount account = SimAccount.Of(scenario, clock.Elapsed);
        if (parsed.GetValue(s_json))
        {
            using Stream output = Console.OpenStandardOutput();
            output.Write(JsonSerializer.SerializeToUtf8Bytes(account, AppJson.Default.SimAccount));
            output.Write("\n"u8);
        }
        else
        {
            account.Write(Console.Out);
        }

        return account.Passed ? 0 : 1;
    }
}

/// <summary>One invariant: how often it was checked, and what was seen against it.</summary>
internal sealed record SimInvariant(string Name, long Checks, string[] Violations);

/// <summary>The document of --json.</summary>
internal sealed record SimAccount
{
    /// <summary>True where every invariant was checked and held.</summary>
    public required bool Passed { get; init; }

    public required ulong Seed { get; init; }

    public required string Scenario { get; init; }

    public required double VirtualSeconds { get; init; }

    public required double Seconds { get; init; }

    public required long Events { get; init; }

    /// <summary>Packets that programs sent, all that nodes made, carried over links, and received by programs.</summary>
    public required long Sent { get; init; }

    public required long Made { get; init; }

    public required long Carried { get; init; }

    public required long Received { get; init; }

    public required long Lost { get; init; }

    public required long Duplicated { get; init; }

    public required long Corrupted { get; init; }

    /// <summary>Drops of all nodes by name.</summary>
    public required SortedDictionary<string, long> Drops { get; init; }

    public required SimInvariant[] Invariants { get; init; }

    /// <summary>SHA-256 of everything that was on any wire and at any door.</summary>
    public required string Hash { get; init; }

    public static SimAccount Of(Scenario scenario, TimeSpan took)
    {
        Network network = scenario.Network;
        var drops = new SortedDictionary<string, long>(StringComparer.Ordinal);
        foreach (SimulatedNode node in network.Nodes)
        {
            foreach ((string name, long count) in node.Ledger.Drops)
            {
                drops[name] = drops.GetValueOrDefault(name) + count;
            }
        }

        foreach (DropText text in Wire.Drops.Table)
        {
            long count = text.Drop == Drop.None ? 0 : network.Hosts.Sum(host => host.Dropped(text.Drop));
            if (count > 0)
            {
                drops[text.Name] = drops.GetValueOrDefault(text.Name) + count;
            }
        }

        SimInvariant[] invariants = [.. Enum.GetValues<Invariant>().Select(rule => new SimInvariant(
            rule.ToString().ToLowerInvariant(), network.Invariants.Checks(rule), [.. network.Invariants.Violations.Where(one => one.Rule == rule).Take(20).Select(static one => one.ToString())]))];
        return new SimAccount
        {
            Passed = invariants.All(static one => one is { Checks: > 0, Violations.Length: 0 }),
            Seed = network.Seed,
            Scenario = scenario.Description,
            VirtualSeconds = network.Time / 1e9,
            Seconds = took.TotalSeconds,
            Events = network.Events,
            Sent = scenario.Sent,
            Made = network.Nodes.Sum(static node => node.Ledger.Made),
            Carried = network.Links.Sum(static link => link.Carried),
            Received = network.Nodes.Sum(static node => node.Ledger.Absorbed),
            Lost = network.Links.Sum(static link => (long)link.Lost),
            Duplicated = network.Links.Sum(static link => (long)link.Duplicated),
            Corrupted = network.Links.Sum(static link => (long)link.Corrupted),
            Drops = drops,
            Invariants = invariants,
            Hash = network.Trace.Hash(),
        };
    }

    public void Write(TextWriter output)
    {
        FormattableString[] lines =
        [
            $"seed {Seed}: {Scenario}",
            $"{VirtualSeconds:F1} virtual seconds in {Seconds:F2} s, {Events} events",
            $"packets: {Sent} sent by programs, {Made} made in all, {Carried} over links, {Received} received by programs",
            $"links: {Lost} lost, {Duplicated} duplicated, {Corrupted} corrupted",
            $"drops: {string.Join(", ", Drops.Select(static drop => $"{drop.Key} {drop.Value}"))}",
        ];
        foreach (FormattableString line in lines)
        {
            output.WriteLine(FormattableString.Invariant(line));
        }

        foreach (SimInvariant one in Invariants)
        {
            output.WriteLine($"{(one.Violations.Length > 0 ? "VIOLATED" : one.Checks == 0 ? "never checked" : "held"),-13} {one.Name} ({one.Checks} checks)");
            foreach (string violation in one.Violations)
            {
                output.WriteLine("  " + violation);
            }
        }

        output.WriteLine($"hash {Hash}");
    }
}
