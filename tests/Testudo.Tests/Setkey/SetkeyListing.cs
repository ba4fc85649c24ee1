// The recorded sessions of NetBSD's setkey: the script, and what each run of setkey printed.

namespace Testudo.Tests.Setkey;

/// <summary>One run of setkey: its command line and its standard output.</summary>
internal sealed record SetkeyRun(string Arguments, IReadOnlyList<string> Output);

/// <summary>One recorded session.</summary>
internal sealed record SetkeyListing(string Name, string Script, IReadOnlyList<SetkeyRun> Runs)
{
    public static IReadOnlyList<SetkeyListing> All { get; } = [.. Directory.GetFiles(Repository.Vectors("netbsd", "setkey"), "*.txt")
        .Where(static path => !Path.GetFileName(path).StartsWith('_')).Order(StringComparer.Ordinal).Select(Read)];

    public static SetkeyListing Options { get; } = Read(Repository.Vectors("netbsd", "setkey", "_options.txt"));

    public override string ToString() => Name;

    private static SetkeyListing Read(string path)
    {
        string script = "";
        List<SetkeyRun> runs = [];
        List<string> block = [];
        string? title = null;
        foreach (string line in File.ReadAllLines(path).Append("--- end"))
        {
            if (!line.StartsWith("--- ", StringComparison.Ordinal))
            {
                block.Add(line);
                continue;
            }

            if (title is not null && title.StartsWith("script", StringComparison.Ordinal))
            {
                script = string.Join('\n', block) + "\n";
            }
            else if (title is not null)
            {
                int arrow = title.IndexOf(" →", StringComparison.Ordinal);
                string arguments = (arrow < 0 ? title : title[..arrow])["setkey".Length..].Trim();
                runs.Add(new SetkeyRun(arguments, [.. block.SkipWhile(static l => !l.StartsWith("[stdout", StringComparison.Ordinal)).Skip(1)
                    .TakeWhile(static l => l.Length > 0 && !l.StartsWith("[stderr", StringComparison.Ordinal))]));
            }

            title = line[4..];
            block = [];
        }

        return new SetkeyListing(Path.GetFileNameWithoutExtension(path), script, runs);
    }
}
