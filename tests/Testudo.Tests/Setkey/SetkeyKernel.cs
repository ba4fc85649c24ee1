// Turns what a script asked for into the dump messages that a kernel would answer, by the few rules that the recorded
// listings show; the text made from them is then compared with the recording, line by line.

using System.Globalization;
using System.Text.RegularExpressions;
using Testudo.Control.Setkey;
using Testudo.Wire;
using Testudo.Wire.PfKey;

namespace Testudo.Tests.Setkey;

internal static partial class SetkeyKernel
{
    /// <summary>The SAs of a listing as dump messages: those of the script whose SPI the listing shows, in the listing's order.</summary>
    public static List<PfKeyMessage> Sad(IEnumerable<PfKeyMessage> script, IReadOnlyList<string> listing)
    {
        List<PfKeyMessage> dump = [];
        string text = string.Join('\n', listing);
        MatchCollection spis = Spis().Matches(text);
        MatchCollection times = Times().Matches(text);
        MatchCollection tails = Tails().Matches(text);
        for (int i = 0; i < spis.Count; i++)
        {
            uint spi = uint.Parse(spis[i].Groups[2].ValueSpan, CultureInfo.InvariantCulture);
            SaType type = spis[i].Groups[1].Value switch { "ah" => SaType.Ah, "ipcomp" => SaType.IpComp, _ => SaType.Esp };
            PfKeyMessage add = script.First(m => m.Type == PfKeyType.Add && m.SaType == type && m.Find<SaExtension>()!.Spi == spi);
            var current = new LifetimeExtension(LifetimeRole.Current, 0, 0, Unix(times[3 * i]), Unix(times[(3 * i) + 2]));
            dump.Add(add with
            {
                Type = PfKeyType.Dump,
                Sequence = Number(tails[i], 1),
                Pid = Number(tails[i], 2),
                Reserved = (ushort)Number(tails[i], 3),

                // NetBSD ignores a destination port other than 4500 in a script; the kernel's listing is taken as it is.
                Extensions = [.. add.Extensions.Select(static e => e switch
                {
                    SaExtension sa => sa with { State = SaState.Mature },
                    NatTPortExtension port => port with { Port = 4500 },
                    _ => e,
                }), current, .. add.Find<NatTTypeExtension>() is null ? [new NatTTypeExtension(0)] : Array.Empty<PfKeyExtension>()],
            });
        }

        return dump;
    }

    /// <summary>The time "now" of a listing of SAs: its first "current:".</summary>
    public static ulong Now(IReadOnlyList<string> listing) =>
        Times().Matches(string.Join('\n', listing)) is { Count: > 1 } times ? Unix(times[1]) : 0;

    /// <summary>The policies of a listing as dump messages: those of the script with the destination and direction that the listing shows.</summary>
    public static List<PfKeyMessage> Spd(IEnumerable<PfKeyMessage> script, IReadOnlyList<string> listing)
    {
        List<PfKeyMessage> dump = [];
        string text = string.Join('\n', listing);
        foreach (Match entry in Policies().Matches(text))
        {
            (string source, string destination, string direction) = (entry.Groups[1].Value, entry.Groups[2].Value, entry.Groups[3].Value);
            PfKeyMessage add = script.First(m => m.Type == PfKeyType.SpdAdd && Shown(m, AddressRole.Source) == source && Shown(m, AddressRole.Destination) == destination
                && m.Find<PolicyExtension>()!.Direction == (direction == "in" ? PolicyDirection.In : PolicyDirection.Out));
            uint reqid = entry.Groups[5].Success ? uint.Parse(entry.Groups[5].ValueSpan, CultureInfo.InvariantCulture) : 0;
            PolicyExtension policy = add.Find<PolicyExtension>()!;
            policy = policy with
            {
                Id = Number(entry, 6),
                Priority = 0,
                Requests = [.. policy.Requests.Select(r => reqid == 0 ? r : r with { Reqid = reqid })],
            };
            dump.Add(new PfKeyMessage(PfKeyType.SpdDump)
            {
                Sequence = Number(entry, 7),
                Pid = Number(entry, 8),
                Extensions = [add.Find(AddressRole.Source)!, add.Find(AddressRole.Destination)!, policy],
            });
        }

        return dump;
    }

    /// <summary>All messages of a script that parses.</summary>
    public static IEnumerable<PfKeyMessage> Messages(SetkeyScript script) => script.Commands.SelectMany(static c => c.Messages);

    private static string Shown(PfKeyMessage message, AddressRole role)
    {
        AddressExtension a = message.Find(role)!;
        return a.PrefixLength == a.Address.Bits ? a.Address.ToString() : new Prefix(a.Address, a.PrefixLength).ToString();
    }

    private static uint Number(Match match, int group) => uint.Parse(match.Groups[group].ValueSpan, CultureInfo.InvariantCulture);

    private static ulong Unix(Match time) => (ulong)(DateTime.ParseExact(Regex.Replace(time.Groups[1].Value, " +", " "), "MMM d HH:mm:ss yyyy", CultureInfo.InvariantCulture,
        DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal) - DateTime.UnixEpoch).TotalSeconds;

    [GeneratedRegex(@"^\t(\S+) mode=\S+ spi=(\d+)", RegexOptions.Multiline)]
    private static partial Regex Spis();

    [GeneratedRegex(@"(?:created|current|last): ([A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4})")]
    private static partial Regex Times();

    [GeneratedRegex(@"sadb_seq=(\d+) pid=(\d+) refcnt=(\d+)")]
    private static partial Regex Tails();

    [GeneratedRegex(@"^(\S+)\[any\] (\S+)\[any\] 255\n\t(in|out) \w+\n(?:\t[^\n]*?([:#](\d+))?\n)?\tspid=(\d+) seq=(\d+) pid=(\d+)", RegexOptions.Multiline)]
    private static partial Regex Policies();
}
