// What a pair of NetBSD 10 kernels did is done here too, in the simulator: each observation is repeated line by line, and
// each line must come out the same, unless Differs says otherwise.

using Xunit;

namespace Testudo.Tests.Behaviours;

public sealed class BehaviourTests
{
    public static TheoryData<string> Names => [.. Observation.OfPackets.Select(static one => one.Name)];

    [Theory]
    [MemberData(nameof(Names))]
    public void What_NetBSD_did_is_done_here_or_differs_as_listed(string name)
    {
        (string Observed, string Here)[] lines = [.. Repeat(Observation.All.Single(one => one.Name == name))];
        Assert.NotEmpty(lines);
        string[] others = [.. lines.Where(static line => line.Observed != line.Here).Select(static line => line.Here)];
        Difference? listed = Differs.List.GetValueOrDefault(name);
        Assert.True(
            others.SequenceEqual(listed?.Here ?? []),
            string.Join('\n', lines.Select(static line => line.Observed == line.Here ? $"  {line.Here}" : $"- {line.Observed}\n+ {line.Here}").Prepend(name)));
    }

    internal static IEnumerable<(string Observed, string Here)> Repeat(Observation observation) => observation.Section switch
    {
        "policy" => PolicyReplay.Run(observation),
        "nat-t" => NatReplay.Run(observation),
        _ => PacketReplay.Run(observation),
    };
}
