// Random networks: every invariant is checked and holds, one seed gives one story, and `testudo sim` tells it.

using System.Text.Json;
using Testudo.Simulation;
using Testudo.Tests.Open;
using Testudo.Wire;
using Xunit;

namespace Testudo.Tests.Simulation;

public sealed class ScenarioTests
{
    public static TheoryData<int> Seeds => [.. Enumerable.Range(1, 12)];

    [Theory]
    [MemberData(nameof(Seeds))]
    public void Everything_that_must_hold_is_checked_and_holds(int seed)
    {
        using Scenario scenario = Run((ulong)seed);
        Network network = scenario.Network;
        Assert.Empty(network.Invariants.Violations);
        Assert.All(Enum.GetValues<Invariant>(), rule => Assert.True(network.Invariants.Checks(rule) > 50, rule.ToString()));
        Assert.All(network.Nodes, static node => Assert.Equal(0, node.Ledger.Difference));

        // It is a story worth telling: things arrive, and things go wrong.
        Assert.True(network.Nodes.Sum(static node => node.Ledger.Absorbed) > scenario.Sent / 3);
        Assert.All((Drop[])[Drop.Replayed, Drop.BadIcv, Drop.TooBig], drop => Assert.True(network.Hosts.Sum(host => host.Dropped(drop)) > 0, drop.ToString()));
        Assert.Contains(network.Hosts, static host => host.PeerMoves.Count > 1);
        Assert.Equal("", string.Concat(network.Hosts.Select(static host => host.Dropped(Drop.TunnelPolicyMissing) + host.Dropped(Drop.HistoryMismatch) > 0 ? host.Name : "")));
    }

    [Fact]
    [Trait("Kind", "Long")]
    public void Everything_that_must_hold_holds_under_500_seeds()
    {
        for (ulong seed = 1000; seed < 1500; seed++)
        {
            Run(seed).Dispose();
        }
    }

    [Fact]
    public void One_seed_gives_one_story_and_another_one_another()
    {
        using Scenario first = Run(7), again = Run(7), other = Run(8);
        Assert.Equal((first.Network.Trace.Hash(), first.Network.Events, first.Network.Time), (again.Network.Trace.Hash(), again.Network.Events, again.Network.Time));
        Assert.NotEqual(first.Network.Trace.Hash(), other.Network.Trace.Hash());
    }

    [Fact]
    public void The_program_tells_it_and_ends_well_only_where_all_held()
    {
        CliResult text = Cli.Run("sim", "--seed", "7", "--seconds", "2"), json = Cli.Run("sim", "--seed", "7", "--seconds", "2", "--json");
        Assert.Equal((0, "", 0, ""), (text.Status, text.Error, json.Status, json.Error));
        Assert.Equal(5, text.Output.Split('\n').Count(static line => line.StartsWith("held ", StringComparison.Ordinal)));
        using JsonDocument document = JsonDocument.Parse(json.Output);
        JsonElement root = document.RootElement;
        Assert.True(root.GetProperty("passed").GetBoolean());
        Assert.Equal(5, root.GetProperty("invariants").GetArrayLength());
        using Scenario here = Run(7);
        Assert.Equal(here.Network.Trace.Hash(), root.GetProperty("hash").GetString());
        Assert.EndsWith($"hash {here.Network.Trace.Hash()}\n", text.Output);
        Assert.Equal(here.Network.Links.Sum(static link => link.Carried), root.GetProperty("carried").GetInt64());
        Assert.True(root.GetProperty("drops").GetProperty("replayed").GetInt64() > 0);

        Assert.Equal(2, Cli.Run("sim", "--seed", "7", "--seconds", "0").Status);
        Assert.Equal(1, Cli.Run("sim").Status);
    }

    private static Scenario Run(ulong seed)
    {
        var scenario = new Scenario(seed);
        scenario.Run(TimeSpan.FromSeconds(2));
        return scenario;
    }
}
