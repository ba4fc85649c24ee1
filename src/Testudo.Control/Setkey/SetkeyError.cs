// An error or a warning at a word of a script, and how a person gets to see it: with the line, a mark, and never a key.

using System.Collections.Immutable;
using System.Globalization;
using System.Text;

namespace Testudo.Control.Setkey;

/// <summary>A fault of a script at the wrong word itself.</summary>
/// <param name="File">The script's name, as the caller gave it.</param>
/// <param name="Line">From 1.</param>
/// <param name="Column">In characters from 1.</param>
/// <param name="Length">Of the word, in characters.</param>
/// <param name="Message">Why, and the remedy. It never has a key in it.</param>
/// <param name="Expected">What could stand there; may be empty.</param>
public sealed record SetkeyError(string File, int Line, int Column, int Length, string Message, ImmutableArray<string> Expected)
{
    // What a terminal shows of a line.
    private const int Width = 100;

    /// <summary><c>file:line:column: message; expected ...</c> on one line.</summary>
    public override string ToString()
    {
        string expected = Expected switch
        {
            [] => "",
            [string one] => $"; expected {one}",
            _ => $"; expected {string.Join(", ", Expected[..^1])} or {Expected[^1]}",
        };
        return string.Create(CultureInfo.InvariantCulture, $"{File}:{Line}:{Column}: {Message}{expected}");
    }

    /// <summary>The message, the line of the source with every key masked, and a mark below the word.</summary>
    /// <param name="sourceText">The whole text that was parsed.</param>
    public string Render(string sourceText)
    {
        ArgumentNullException.ThrowIfNull(sourceText);
        int start = 0;
        for (int line = 1; line < Line; line++)
        {
            int end = sourceText.IndexOf('\n', start);
            if (end < 0)
            {
                return ToString();
            }

            start = end + 1;
        }

        int stop = sourceText.IndexOf('\n', start);
        stop = stop < 0 ? sourceText.Length : stop;
        (string shown, int column, int length) = Mask(sourceText, start, stop);

        // Of a long line, the part around the word.
        int from = column + length < Width ? 0 : Math.Max(0, Math.Min(column, shown.Length) - (Width / 3));
        string part = shown[from..Math.Min(shown.Length, from + Width)].TrimEnd();
        (string before, string after) = (from > 0 ? "…" : "", from + Width < shown.Length ? "…" : "");
        var mark = new StringBuilder();
        foreach (char c in before + shown[from..Math.Min(column, shown.Length)])
        {
            mark.Append(c == '\t' ? '\t' : ' ');
        }

        mark.Append('^').Append('~', Math.Max(0, Math.Min(length, part.Length - (column - from)) - 1));
        return $"{ToString()}\n{before}{part}{after}\n{mark}";
    }

    // The line with its keys replaced, and where the word has gone by that.
    private (string Line, int Column, int Length) Mask(string text, int start, int stop)
    {
        var shown = new StringBuilder();
        int wordStart = start + Column - 1;
        int wordEnd = wordStart + Length;
        (int column, int end) = (-1, -1);
        int position = start;
        List<(int Start, int End, string Mask)> keys = SetkeySecrets.Find(text);
        int next = 0;
        while (position < stop)
        {
            while (next < keys.Count && keys[next].End <= position)
            {
                next++;
            }

            bool isKey = next < keys.Count && keys[next].Start <= position;
            int step = isKey ? keys[next].End : position + 1;
            column = column < 0 && wordStart < step ? shown.Length : column;
            end = end < 0 && wordEnd < step ? shown.Length : end;
            if (isKey)
            {
                shown.Append(keys[next].Mask);
            }
            else
            {
                shown.Append(char.IsControl(text[position]) && text[position] != '\t' ? (text[position] == '\r' ? ' ' : '?') : text[position]);
            }

            if (isKey && end < 0 && wordEnd <= step && wordEnd > position)
            {
                end = shown.Length;
            }

            position = step;
        }

        column = column < 0 ? shown.Length : column;
        end = end < 0 ? shown.Length : end;
        return (shown.ToString(), column, Math.Max(1, end - column));
    }
}
