// Writes docs/conformance.md: for each standard, each sentence with the tests that show it, or "not".

using System.Text;

namespace Testudo.Tests.Conformance;

internal static class ConformancePage
{
    /// <summary>What is wrong with ids and attributes; empty where the page can be written.</summary>
    public static IEnumerable<string> Faults(IReadOnlyList<Standard> standards, IReadOnlyList<Showing> showings)
    {
        ILookup<string, Sentence> known = standards.SelectMany(static standard => standard.Sentences).ToLookup(static sentence => sentence.Id);
        foreach (IGrouping<string, Sentence> twice in known.Where(static group => group.Count() > 1))
        {
            yield return $"{twice.Key} stands in two files";
        }

        foreach (Sentence sentence in known.SelectMany(static group => group))
        {
            if (sentence.SameAs is { } other && known[other].FirstOrDefault() is not { SameAs: null })
            {
                yield return $"{sentence.Id} says the same as {other}, which is no sentence of its own";
            }
        }

        foreach (Showing showing in showings)
        {
            if (!known.Contains(showing.Id))
            {
                yield return $"{showing.Test} shows {showing.Id}, which is in no file of tests/Testudo.Tests/Conformance";
            }
            else if (known[showing.Id].First().Reason is { Length: > 0 } reason)
            {
                yield return $"{showing.Test} shows {showing.Id}, of which is said: {reason}";
            }
        }
    }

    public static string Write(IReadOnlyList<Standard> standards, IReadOnlyList<Showing> showings)
    {
        ILookup<string, string> tests = showings.ToLookup(static showing => showing.Id, static showing => showing.Test);
        Dictionary<string, Sentence> all = standards.SelectMany(static standard => standard.Sentences).ToDictionary(static sentence => sentence.Id);
        var page = new StringBuilder();
        page.Append("""
            # Conformance

            Each sentence of BSD's ipsec(4) and each MUST, MUST NOT, SHOULD, SHOULD NOT, SHALL and REQUIRED of the RFCs, in our own
            words, with the tests that show it. "not" is what no test shows: not done, done otherwise, or done and not shown.
            "outside" is what does not concern Testudo, with the reason: above all key exchange, which daemons do over PF_KEY.
            "same" points to the sentence that says it too.

            This page is made by the tests (`TESTUDO_WRITE_DOCS=1`) of `tests/Testudo.Tests/Conformance/*.txt` and of the `[Shows]`
            attributes of tests/Testudo.Tests and tests/Testudo.SystemTests; edit it there.

            | Source | Sentences | Shown | Not | of these MUST | Outside |
            |---|--:|--:|--:|--:|--:|

            """);
        foreach (Standard standard in standards)
        {
            int not = standard.Sentences.Count(sentence => State(sentence) == "not");
            int must = standard.Sentences.Count(sentence => State(sentence) == "not" && sentence.Level is not ("SHOULD" or "SHOULD NOT" or "says"));
            int outside = standard.Sentences.Count(sentence => State(sentence) == "outside");
            page.Append($"| {standard.Title} | {standard.Sentences.Count} | {standard.Sentences.Count - not - outside} | {not} | {must} | {outside} |\n");
        }

        foreach (Standard standard in standards)
        {
            page.Append($"\n## {standard.Title}\n\n| Id | Section | Level | Sentence | Shown by |\n|---|---|---|---|---|\n");
            foreach (Sentence sentence in standard.Sentences)
            {
                string shown = sentence.SameAs is { } other ? $"same as {other}: {State(all[other])}"
                    : sentence.IsOutside ? sentence.Reason
                    : State(sentence) == "not" ? "not"
                    : string.Join(", ", tests[sentence.Id].Distinct().Select(static test => $"`{test}`"));
                page.Append($"| {sentence.Id} | {sentence.Section} | {sentence.Level} | {sentence.Text} | {shown} |\n");
            }
        }

        return page.ToString();

        string State(Sentence sentence) =>
            sentence.SameAs is { } other ? State(all[other]) : sentence.IsOutside ? "outside" : tests.Contains(sentence.Id) ? "shown" : "not";
    }
}
