// The sentences of a standard, read from a text file: one a line, and a line that begins with # is the title.
//
//   id | section | MUST, SHOULD, ... | the sentence in our words | outside: why it is not Testudo's, or same: the id that says it too

using Testudo.Tests.Architecture;

namespace Testudo.Tests.Conformance;

/// <summary>One sentence. <see cref="Reason"/> is empty where a test should show it.</summary>
internal sealed record Sentence(string Id, string Section, string Level, string Text, string Reason)
{
    public const string OutsideMark = "outside: ", SameMark = "same: ";

    public bool IsOutside => Reason.StartsWith(OutsideMark, StringComparison.Ordinal);

    /// <summary>The id of the sentence that says the same, or null.</summary>
    public string? SameAs => Reason.StartsWith(SameMark, StringComparison.Ordinal) ? Reason[SameMark.Length..] : null;
}

/// <summary>A file of sentences.</summary>
internal sealed record Standard(string Title, IReadOnlyList<Sentence> Sentences)
{
    private static readonly string[] s_levels = ["MUST", "MUST NOT", "SHALL", "SHOULD", "SHOULD NOT", "REQUIRED", "says"];

    /// <summary>All files, in the order of their names.</summary>
    public static IReadOnlyList<Standard> All { get; } =
        [.. Sources.Files(["tests/Testudo.Tests/Conformance"], "*.txt").Order(StringComparer.Ordinal).Select(static path => Read(File.ReadAllLines(path), Path.GetFileName(path)))];

    /// <summary>Reads lines; <see cref="FormatException"/> names the file, the line and what is wrong with it.</summary>
    public static Standard Read(IReadOnlyList<string> lines, string file)
    {
        string title = "";
        var sentences = new List<Sentence>();
        for (int i = 0; i < lines.Count; i++)
        {
            if (lines[i].StartsWith('#'))
            {
                title = lines[i][1..].Trim();
                continue;
            }

            string[] parts = [.. lines[i].Split('|').Select(static part => part.Trim())];
            string? fault =
                parts.Length is not (4 or 5) || parts.Any(string.IsNullOrEmpty) ? "a line is: id | section | level | sentence, and perhaps | outside: or same:"
                : !s_levels.Contains(parts[2]) ? $"the level {parts[2]} is none of {string.Join(", ", s_levels)}"
                : sentences.Any(one => one.Id == parts[0]) ? $"{parts[0]} stands there twice"
                : null;
            Sentence sentence = new(parts[0], parts.ElementAtOrDefault(1) ?? "", parts.ElementAtOrDefault(2) ?? "", parts.ElementAtOrDefault(3) ?? "", parts.ElementAtOrDefault(4) ?? "");
            if (fault is null && sentence.Reason.Length > 0 && !sentence.IsOutside && sentence.SameAs is null)
            {
                fault = "the last part begins with outside: or same:";
            }

            sentences.Add(fault is null ? sentence : throw new FormatException($"{file}:{i + 1}: {fault}"));
        }

        return title.Length > 0 ? new(title, sentences) : throw new FormatException($"{file}: a line that begins with # says what the file is");
    }
}
