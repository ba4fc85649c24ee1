// The section "policy": pings and datagrams under policies, SAs and sysctls.

using System.Globalization;
using System.Text.RegularExpressions;
using Testudo.Tests.Checker;
using Testudo.Wire;
using Testudo.Wire.PfKey;
using Xunit;

namespace Testudo.Tests.Behaviours;

internal static partial class PolicyReplay
{
    /// <summary>
    /// What is done beside what the lines say. The second: what comes out of a tunnel must be let in by a policy here (RFC
    /// 4301, 5.2 step 4), and not there; it is about what is sent.
    /// </summary>
    private static readonly Dictionary<string, string> s_unwritten = new()
    {
        ["order after spdupdate of the first (by PF_KEY X_SPDUPDATE): does it move"] = "a# spdupdate 10.0.0.1 10.0.0.2 any -P out none;",
        ["tunnel policy, SA mode transport / tunnel / any"] = "b# spdadd 10.0.0.1 10.0.0.2 any -P in ipsec esp/tunnel/10.0.0.1-10.0.0.2/require;",
    };

    /// <summary>Does what the line says; the same line as it is here comes back, and the observed one in a form that can be compared.</summary>
    public static IEnumerable<(string Observed, string Here)> Run(Observation observation)
    {
        using var pair = new Pair(observation);
        return [.. Run(observation, pair)];
    }

    /// <summary>The same with a pair that may be looked at afterwards.</summary>
    public static IEnumerable<(string Observed, string Here)> Run(Observation observation, Pair pair)
    {
        string? unwritten = s_unwritten.GetValueOrDefault(observation.Name);
        foreach (string line in observation.Lines)
        {
            if (pair.SetUp(line) is { } done)
            {
                yield return (Pair.Normal(line), done);
                continue;
            }

            if (unwritten is not null)
            {
                Assert.Equal(unwritten, pair.SetUp(unwritten));
                unwritten = null;
            }

            yield return Act(pair, line);
        }
    }

    private static (string Observed, string Here) Act(Pair pair, string line)
    {
        if (Pinging().Match(line) is { Success: true } ping)
        {
            return (Pair.Normal(line), pair.Ping(ping.Groups[1].Value, ping.Groups[1].Value.StartsWith("ping6", StringComparison.Ordinal)));
        }

        if (Sending().Match(line) is { Success: true } udp)
        {
            return (Pair.Normal(line), pair.Udp(udp.Groups[1].Value, Port(udp.Groups[2]), Port(udp.Groups[3]), Port(udp.Groups[4])));
        }

        if (Listed().Matches(line) is { Count: > 0 } listed)
        {
            return (
                string.Join("; ", listed.Select(static one => $"{one.Groups[1].Value} {one.Groups[2].Value} {one.Groups[3].Value}")),
                string.Join("; ", pair.A.Engine.Spd.List(PolicyDirection.Out).ToArray().Select(static one =>
                    $"{Shown(one.Selector.Source)} {Shown(one.Selector.Destination)} {one.Action.ToString().ToLowerInvariant()}")));
        }

        switch (line)
        {
            case "connect: [-1, 60]":
                return (line, Connect(pair));
            case "4 SAs mature afterwards":
                return (line, $"{pair.A.Engine.Sad.All.Count(static sa => sa.State == SaState.Mature)} SAs mature afterwards");
            case "states mature":
                return (line, $"states {State(pair)}");
            case "states after 2 s dying":
                pair.Pass(TimeSpan.FromSeconds(2));
                return (line, $"states after 2 s {State(pair)}");
            case var _ when line.StartsWith("send [9, 0] wire:", StringComparison.Ordinal) || line.StartsWith("without policy [9, 0] wire:", StringComparison.Ordinal):
                return (Discovery(line), Discover(pair));
            default:
                throw new InvalidDataException($"nothing is known of the line '{line}'");
        }
    }

    // Errno 60 (ETIMEDOUT) is what TCP says where nothing comes back for its first segment, no error either.
    private static string Connect(Pair pair)
    {
        pair.Begin();
        int before = pair.A.Received.Count;
        pair.A.Send(Build.Ipv4("10.0.0.1", "10.0.0.2").Tcp(7001, 7777, flags: 2));
        pair.Settle();
        return WireText.Of(pair.Trace).Any() || pair.A.Received.Count > before ? $"connect: {pair.Seen()}" : "connect: [-1, 60]";
    }

    private static string State(Pair pair) =>
        string.Join(' ', pair.A.Engine.Sad.All.Select(static sa => sa.State.ToString().ToLowerInvariant()));

    // An engine does no neighbour discovery (RFC 4861, 4.3, 4.4); what the hosts would say is said here by hand: a's echo
    // request leaves after b's advertisement has come in.
    private static string Discover(Pair pair)
    {
        pair.Begin();
        pair.B.AnswersPings = true;
        int before = pair.A.Received.Count;
        pair.A.Send(Build.Ipv6("fd00::1", "ff02::1:ff00:2", hopLimit: 255).Icmp(135, 0, 0, [0xFD, .. new byte[14], 2]));
        pair.Settle();
        if (WireText.Of(pair.Trace).Any())
        {
            pair.B.Send(Build.Ipv6("fd00::2", "fd00::1", hopLimit: 255).Icmp(136, 0, 0x60000000, [0xFD, .. new byte[14], 2]));
            pair.Settle();
        }

        if (pair.A.Received.Count > before)
        {
            pair.A.Ping(pair.B.Addresses[1], 1, 1, "1"u8);
            pair.Settle();
        }

        return Discovery(string.Join("', '", WireText.Of(pair.Trace)));
    }

    private static string Discovery(string wire) =>
        $"solicited {wire.Contains("type=135", StringComparison.Ordinal)}, advertised {wire.Contains("type=136", StringComparison.Ordinal)}, echo sent {wire.Contains("type=128", StringComparison.Ordinal)}";

    private static string Shown(Prefix prefix) => prefix.ToString().Replace("/32", "", StringComparison.Ordinal);

    private static ushort Port(Group group) => ushort.Parse(group.Value, CultureInfo.InvariantCulture);

    [GeneratedRegex(@"^(.*\d→\S+): send ok; reply")]
    private static partial Regex Pinging();

    [GeneratedRegex(@"^(.*?(\d+)→(\d+) size (\d+)): send ok; delivered")]
    private static partial Regex Sending();

    [GeneratedRegex(@"(\S+)\[any\] (\S+)\[any\] 255 \tout (\w+)")]
    private static partial Regex Listed();
}
