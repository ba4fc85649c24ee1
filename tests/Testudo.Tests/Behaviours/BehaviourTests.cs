// What a pair of NetBSD 10 kernels did is done here too, in the simulator: each observation is repeated line by line, and
// each line must come out the same, unless Differs says otherwise.

using System.Text.RegularExpressions;
using Testudo.Wire;
using Xunit;

namespace Testudo.Tests.Behaviours;

public sealed partial class BehaviourTests
{
    public static TheoryData<string> Names => [.. Observation.OfPackets.Select(static one => one.Name)];

    [Theory]
    [MemberData(nameof(Names))]
    public void What_NetBSD_did_is_done_here_or_differs_as_listed(string name)
    {
        (string Observed, string Here)[] lines = [.. Repeat(Named(name)).Select(static line => (Short(line.Observed), Short(line.Here)))];
        Assert.NotEmpty(lines);
        string[] others = [.. lines.Where(static line => line.Observed != line.Here).Select(static line => line.Here)];
        Difference? listed = Differs.List.GetValueOrDefault(name);
        Assert.True(
            others.SequenceEqual(listed?.Here ?? []),
            string.Join('\n', lines.Select(static line => line.Observed == line.Here ? $"  {line.Here}" : $"- {line.Observed}\n+ {line.Here}").Prepend($"{name} ({listed?.Why ?? "no difference is listed"})")));
    }

    [Fact]
    public void All_observations_without_sockets_are_repeated()
    {
        Assert.Equal(
            "ecn 5, input 13, nat-t 2, policy 38, replay 5, tunnel 2",
            string.Join(", ", Observation.OfPackets.GroupBy(static one => one.Section.Split(' ')[0]).OrderBy(static group => group.Key, StringComparer.Ordinal).Select(static group => $"{group.Key} {group.Count()}")));
        Assert.Empty(Differs.List.Keys.Except(Observation.OfPackets.Select(static one => one.Name)));
        Assert.All(Differs.List.Values, static one => Assert.NotEmpty(one.Here));
        Assert.Equal((3, 14), (Differs.List.Values.Count(static one => one.IsOpen), Differs.List.Values.Count(static one => !one.IsOpen)));
    }

    // What NetBSD lets in without a policy, and what is given one here for that reason.
    [Theory]
    [InlineData("TFC padding: inner IPv4 packet followed by 40 extra octets")]
    [InlineData("inner IPv4 destination not local, forwarding off / on")]
    public void A_tunnel_brings_in_nothing_without_a_policy(string name)
    {
        string seen = string.Join('\n', PacketReplay.Run(Named(name), hasTunnelPolicy: false).Select(static line => line.Here));
        Assert.Contains("policy violations (input): 1", seen, StringComparison.Ordinal);
        Assert.DoesNotContain("test packet delivered True", seen, StringComparison.Ordinal);
        Assert.DoesNotContain("10.66.0.1>10.0.0.1", seen, StringComparison.Ordinal);
    }

    // Its kind of counter says less than the name of the drop; the names are looked at here.
    [Theory]
    [InlineData("in discard", Drop.PolicyDiscard)]
    [InlineData("in require AH, ESP with authentication arrives", Drop.HistoryMismatch)]
    [InlineData("in require transport, tunnel-mode ESP arrives", Drop.TunnelPolicyMissing)]
    [InlineData("def_policy=0 on b (inbound), unrelated SP, ESP arrives", Drop.NoPolicy)]
    [InlineData("ports: fragmented UDP (3000) with port selector, out and in", Drop.ClearButRequired)]
    public void What_violates_a_policy_is_dropped_by_name(string name, Drop drop)
    {
        using var pair = new Pair(Named(name));
        _ = PolicyReplay.Run(Named(name), pair).Last();
        Assert.Equal(1, pair.B.Dropped(drop));
    }

    internal static IEnumerable<(string Observed, string Here)> Repeat(Observation observation) => observation.Section switch
    {
        "policy" => PolicyReplay.Run(observation),
        "nat-t" => NatReplay.Run(observation),
        _ => PacketReplay.Run(observation),
    };

    private static Observation Named(string name) => Observation.All.Single(one => one.Name == name);

    private static string Short(string line) => Key().Replace(line, "KEY");

    [GeneratedRegex("0x[0-9a-f]{32,}")]
    private static partial Regex Key();
}
