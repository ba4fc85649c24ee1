// Habits of the sources: how a file begins, how long it is, what its namespace is called, and which words it never has.

using System.Text.RegularExpressions;
using Xunit;

namespace Testudo.Tests.Architecture;

public sealed partial class SourceTests
{
    private const int LongFile = 500;

    [Fact]
    public void Every_file_opens_with_a_comment()
    {
        string[] bare = [.. Sources.Of("src", "apps", "tests", "bench").Where(static file => Sources.FirstComment(file).Length < 20).Select(Sources.Short)];
        Assert.True(bare.Length == 0, $"without a first sentence that says what they are for: {string.Join(", ", bare)}");
    }

    [Fact]
    public void No_file_is_long_without_a_reason()
    {
        string[] tooLong = [.. Sources.Of("src", "apps", "tests", "bench")
            .Where(static file => File.ReadLines(file).Count() > LongFile && !Sources.FirstComment(file).Contains("one file", StringComparison.OrdinalIgnoreCase))
            .Select(Sources.Short)];
        Assert.True(tooLong.Length == 0, $"over {LongFile} lines, and the first comment does not say why it is \"one file\": {string.Join(", ", tooLong)}");
    }

    [Fact]
    public void A_namespace_is_its_folder_or_one_above_it_in_the_same_room()
    {
        var strangers = new List<string>();
        (string Folder, string Name)[] projects = [.. Room.All.Select(static room => (room.Folder, room.Name)), ("tests/Testudo.Tests", "Testudo.Tests"), ("tests/Testudo.SystemTests", "Testudo.SystemTests")];
        foreach ((string folder, string name) in projects)
        {
            foreach (string file in Sources.Of(folder))
            {
                string below = Path.GetRelativePath(Path.Combine(Repository.Root, folder), Path.GetDirectoryName(file)!).Replace('/', '.');
                string full = below == "." ? name : $"{name}.{below}";
                if (Namespace().Match(File.ReadAllText(file)) is { Success: true } match && !IsWithin(match.Groups[1].Value, name, full))
                {
                    strangers.Add($"{Sources.Short(file)} ({match.Groups[1].Value})");
                }
            }
        }

        Assert.True(strangers.Count == 0, $"namespaces that are not their folders': {string.Join(", ", strangers)}");
    }

    [Fact]
    public void Some_words_stand_nowhere()
    {
        IEnumerable<string> files = Sources.Files(["src", "apps", "tests", "bench", "docs"], "*")
            .Concat(Directory.EnumerateFiles(Repository.Root).Where(static file => !Path.GetFileName(file).StartsWith(".git", StringComparison.Ordinal)))
            .Where(static file => Path.GetExtension(file) is ".cs" or ".csproj" or ".props" or ".targets" or ".slnx" or ".md" or ".txt" or ".json" or ".sh" or ".py" or "");
        string[] found = [.. from file in files from word in Forbidden(File.ReadAllText(file)) select $"{Sources.Short(file)}: {word}"];
        Assert.True(found.Length == 0, string.Join('\n', found));
    }

    [Theory]
    [InlineData("as #" + "12 says", "#" + "12")]
    [InlineData("// TO" + "DO: later", "TO" + "DO")]
    [InlineData("// FIX" + "ME", "FIX" + "ME")]
    [InlineData("see /wo" + "rk/shared", "/wo" + "rk/")]
    [InlineData("in /ho" + "me/me", "/ho" + "me/")]
    public void The_words_are_found(string text, string word) => Assert.Equal([word], Forbidden(text));

    [Theory]
    [InlineData("#if LINUX")]
    [InlineData("network/work/")]
    [InlineData("TodoItem mastodon")]
    public void What_only_looks_like_them_is_not(string text) => Assert.Empty(Forbidden(text));

    private static string[] Forbidden(string text) => [.. Words().Matches(text).Select(static match => match.Value.Trim(' ', '(', '\t', '"', '\''))];

    private static bool IsWithin(string space, string room, string full) =>
        (space + ".").StartsWith(room + ".", StringComparison.Ordinal) && (full + ".").StartsWith(space + ".", StringComparison.Ordinal);

    [GeneratedRegex(@"^namespace ([\w.]+)", RegexOptions.Multiline)]
    private static partial Regex Namespace();

    // Numbers of issues; notes to oneself; paths of one machine.
    [GeneratedRegex(@"(?:^|(?<=[\s(]))#[0-9]+\b|\bTO(?:)DO\b|\bFIX(?:)ME\b|(?<!\w)/wo(?:)rk/|(?<!\w)/ho(?:)me/|(?<!\w)/tmp/w(?:)t\b", RegexOptions.Multiline)]
    private static partial Regex Words();
}
