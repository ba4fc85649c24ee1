// The page of conformance is what the lists of sentences and the tests' attributes say: TESTUDO_WRITE_DOCS=1 writes it anew.

using System.Reflection;
using Xunit;

namespace Testudo.Tests.Conformance;

public sealed class ConformanceTests
{
    [Fact]
    public void Every_attribute_names_sentences_that_are_there()
    {
        Assert.True(Standard.All.Count > 5, "the lists of sentences are not found");
        string[] faults = [.. ConformancePage.Faults(Standard.All, ShownBy.All)];
        Assert.True(faults.Length == 0, string.Join('\n', faults));
    }

    [Fact]
    public void The_page_is_what_they_say()
    {
        string path = Path.Combine(Repository.Root, "docs", "conformance.md");
        string page = ConformancePage.Write(Standard.All, ShownBy.All);
        if (Environment.GetEnvironmentVariable("TESTUDO_WRITE_DOCS") == "1")
        {
            File.WriteAllText(path, page);
        }

        Assert.True(
            File.Exists(path) && File.ReadAllText(path) == page,
            "docs/conformance.md is stale: run the tests with TESTUDO_WRITE_DOCS=1 and commit the file");
    }

    [Fact]
    public void The_text_of_the_tests_says_what_their_program_says()
    {
        const BindingFlags Own = BindingFlags.Public | BindingFlags.Instance | BindingFlags.Static | BindingFlags.DeclaredOnly;
        MethodInfo[] methods = [.. typeof(ConformanceTests).Assembly.GetTypes().SelectMany(static type => type.GetMethods(Own))];
        MethodInfo[] showing = [.. methods.Where(static method => method.IsDefined(typeof(ShowsAttribute)))];
        Assert.All(showing, static method => Assert.True(method.IsDefined(typeof(FactAttribute), true), $"{method.Name} is no test"));
        Assert.Equal(
            showing.SelectMany(static method => method.GetCustomAttributes<ShowsAttribute>().SelectMany(static shows => shows.Ids)
                .Select(id => $"{id} {method.DeclaringType!.Name}.{method.Name}")).Order(StringComparer.Ordinal),
            ShownBy.All.Where(static one => !one.Test.StartsWith("SystemTests.", StringComparison.Ordinal))
                .Select(static one => $"{one.Id} {string.Join('.', one.Test.Split('.')[^2..])}").Order(StringComparer.Ordinal));
    }

    [Fact]
    public void A_wrong_id_is_found()
    {
        Standard one = Standard.Read(["# One", "a-1 | 1 | MUST | It does.", "a-2 | 2 | SHOULD | It may. | outside: no", "a-3 | 3 | MUST | It does. | same: a-1"], "one.txt");
        Assert.Empty(ConformancePage.Faults([one], [new("a-1", "T.X")]));
        Assert.Contains("T.X shows a-9", Assert.Single(ConformancePage.Faults([one], [new("a-9", "T.X")])));
        Assert.Contains("outside: no", Assert.Single(ConformancePage.Faults([one], [new("a-2", "T.X")])));
        Assert.Contains("two files", ConformancePage.Faults([one, one], []).First());
        Standard other = Standard.Read(["# Other", "b-1 | 1 | MUST | It does. | same: b-9"], "other.txt");
        Assert.Contains("b-9", Assert.Single(ConformancePage.Faults([one, other], [])));
        string page = ConformancePage.Write([one], [new("a-1", "T.X")]);
        Assert.Contains("| One | 3 | 2 | 0 | 0 | 1 |", page);
        Assert.Contains("| a-3 | 3 | MUST | It does. | same as a-1: shown |", page);
    }

    [Theory]
    [InlineData("a-1 | 1 | MUST", "one.txt:2: a line is")]
    [InlineData("a-1 | 1 | OUGHT | It does.", "the level OUGHT")]
    [InlineData("a-1 | 1 | MUST | It does. | no", "begins with outside:")]
    public void A_wrong_line_is_told_with_its_place(string line, string words) =>
        Assert.Contains(words, Assert.Throws<FormatException>(() => Standard.Read(["# One", line], "one.txt")).Message);
}
