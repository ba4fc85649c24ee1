// The closed list of drops has its words, and docs/drops.md is made of them: TESTUDO_WRITE_DOCS=1 writes it anew.

using System.Text;
using System.Text.RegularExpressions;
using Testudo.Wire;
using Xunit;

namespace Testudo.Tests.Wire;

public sealed partial class DropsTests
{
    [Fact]
    public void Every_drop_has_its_words()
    {
        Assert.Equal(Enum.GetValues<Drop>().Length, Drops.Count);
        foreach (Drop drop in Enum.GetValues<Drop>())
        {
            DropText text = Drops.Text(drop);
            Assert.Equal(drop, text.Drop);
            Assert.Equal(Drops.Name(drop), text.Name);
            Assert.Matches(Sentence(), text.Sentence);
            if (drop == Drop.None)
            {
                continue;
            }

            Assert.Matches(Phrase(), text.Cause);
            Assert.Matches(Phrase(), text.Remedy);
            // What the buffer and the system refuse is in no RFC.
            Assert.Matches(drop is Drop.NoRoom or Drop.LinkFull or Drop.LinkRefused ? NoSection() : Section(), text.Section);
        }
    }

    [Fact]
    public void The_numbers_have_no_gaps_and_fit_a_byte()
    {
        Assert.Equal(Enumerable.Range(0, Drops.Count), Enum.GetValues<Drop>().Select(static drop => (int)drop));
        Assert.Equal(Enum.GetValues<Drop>(), Drops.Table.ToArray().Select(static text => text.Drop));
    }

    [Fact]
    public void Names_and_sentences_are_unique_and_names_are_lower_case_with_dashes()
    {
        DropText[] all = Drops.Table.ToArray();
        Assert.Equal(all.Length, all.Select(static text => text.Name).Distinct().Count());
        Assert.Equal(all.Length, all.Select(static text => text.Sentence).Distinct().Count());
        Assert.All(all, static text => Assert.Matches(Name(), text.Name));
        Assert.Equal("bad-icv", Drops.Name(Drop.BadIcv));
        Assert.Equal("inner-source-is-ours", Drops.Name(Drop.InnerSourceIsOurs));
    }

    [Fact]
    public void The_page_of_drops_is_what_the_code_says()
    {
        string path = Path.Combine(Repository.Root, "docs", "drops.md");
        string page = Page();
        if (Environment.GetEnvironmentVariable("TESTUDO_WRITE_DOCS") == "1")
        {
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            File.WriteAllText(path, page);
        }

        Assert.True(
            File.Exists(path) && File.ReadAllText(path) == page,
            "docs/drops.md is stale: run the tests with TESTUDO_WRITE_DOCS=1 and commit the file");
    }

    private static string Page()
    {
        var page = new StringBuilder();
        page.Append("# Drops\n\n");
        page.Append("Every packet that Testudo does not pass on ends with one of these names: in counters, in status, as the comment of its\n");
        page.Append("frame in a capture. The names stay the same from version to version.\n\n");
        page.Append("This page is made from src/Testudo.Wire/Buffers/Drop.cs by the tests (`TESTUDO_WRITE_DOCS=1`); edit it there.\n\n");
        page.Append("| Name | What happened | Written in | Usual cause | What helps |\n|---|---|---|---|---|\n");
        foreach (DropText text in Drops.Table)
        {
            if (text.Drop != Drop.None)
            {
                page.Append($"| `{text.Name}` | {text.Sentence} | {text.Section} | {text.Cause} | {text.Remedy} |\n");
            }
        }

        return page.ToString();
    }

    [GeneratedRegex(@"^[A-Z][^|\n]*\.$")]
    private static partial Regex Sentence();

    [GeneratedRegex(@"^[a-zA-Z][^|\n]*[a-zA-Z0-9)]$")]
    private static partial Regex Phrase();

    [GeneratedRegex(@"^RFC \d+ \d+(\.\d+)*( step \d)?(, (RFC \d+ )?\d+(\.\d+)*)*$")]
    private static partial Regex Section();

    [GeneratedRegex("^$")]
    private static partial Regex NoSection();

    [GeneratedRegex("^[a-z0-9]+(-[a-z0-9]+)*$")]
    private static partial Regex Name();
}
