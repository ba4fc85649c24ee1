// Finds [Shows("...")] in the text of both test programs: which sentence is shown by which tests.

using System.Text.RegularExpressions;
using Testudo.Tests.Architecture;

namespace Testudo.Tests.Conformance;

/// <summary>A test that shows a sentence. The name is Folder.Class.Method, with the program before it where it is the other one.</summary>
internal readonly record struct Showing(string Id, string Test);

internal static partial class ShownBy
{
    /// <summary>All of both programs, in the order of files and lines.</summary>
    public static IReadOnlyList<Showing> All { get; } =
        [.. Of("tests/Testudo.Tests", ""), .. Of("tests/Testudo.SystemTests", "SystemTests.")];

    /// <summary>Those in a file's text, whose tests' names begin with <paramref name="prefix"/>.</summary>
    public static IEnumerable<Showing> In(string text, string prefix)
    {
        string type = "";
        List<string> ids = [];
        foreach (string line in text.Split('\n'))
        {
            if (Class().Match(line) is { Success: true } @class)
            {
                type = @class.Groups[1].Value;
            }
            else if (line.TrimStart().StartsWith("[Shows(", StringComparison.Ordinal))
            {
                ids.AddRange(Id().Matches(line).Select(static match => match.Groups[1].Value));
            }
            else if (ids.Count > 0 && Method().Match(line) is { Success: true } method)
            {
                foreach (string id in ids)
                {
                    yield return new(id, $"{prefix}{type}.{method.Groups[1].Value}");
                }

                ids = [];
            }
        }
    }

    private static IEnumerable<Showing> Of(string project, string program)
    {
        foreach (string file in Sources.Of(project).Order(StringComparer.Ordinal))
        {
            string folder = Path.GetRelativePath(Path.Combine(Repository.Root, project), Path.GetDirectoryName(file)!).Replace('/', '.');
            foreach (Showing showing in In(File.ReadAllText(file), folder == "." ? program : $"{program}{folder}."))
            {
                yield return showing;
            }
        }
    }

    [GeneratedRegex(@"^(?:public|internal|file)[\w ]* class (\w+)")]
    private static partial Regex Class();

    [GeneratedRegex(@"^\s+public [\w<>\[\] ]*?(\w+)\(")]
    private static partial Regex Method();

    [GeneratedRegex("\"([^\"]+)\"")]
    private static partial Regex Id();
}
