// How the frames of a capture ended: a line of JSON each, and their sum in words. For open and seal.

using Testudo.Offline;
using Testudo.Wire;

namespace Testudo.App.Open;

/// <summary>One line of --json.</summary>
internal sealed record FrameLine(int Frame, string Verdict, string? Drop, string? Spi, ulong? Sequence)
{
    public static FrameLine Of(in EndedFrame frame) => new(
        frame.Number,
        frame.Verdict.ToString().ToLowerInvariant(),
        frame.Drop == Wire.Drop.None ? null : Drops.Name(frame.Drop),
        frame.Spi == 0 ? null : $"0x{frame.Spi:x8}",
        frame.Spi == 0 ? null : frame.Sequence);
}

/// <summary>Counts frames by their end.</summary>
internal sealed class FrameAccount
{
    private readonly long[] _verdicts = new long[Enum.GetValues<Verdict>().Length];
    private readonly long[] _drops = new long[Drops.Count];

    /// <summary>All that were counted.</summary>
    public long Frames => _verdicts.Sum();

    public void Count(Verdict verdict, Drop drop)
    {
        _verdicts[(int)verdict]++;
        _drops[(int)drop]++;
    }

    public long Of(Verdict verdict) => _verdicts[(int)verdict];

    /// <summary>"3 dropped (replayed 2, bad-icv 1)".</summary>
    public string Dropped()
    {
        string names = string.Join(", ", Drops.Table.ToArray().Where(text => text.Drop != Drop.None && _drops[(int)text.Drop] > 0).Select(text => $"{text.Name} {_drops[(int)text.Drop]}"));
        return $"{Of(Verdict.Dropped)} dropped{(names.Length > 0 ? $" ({names})" : "")}";
    }
}
