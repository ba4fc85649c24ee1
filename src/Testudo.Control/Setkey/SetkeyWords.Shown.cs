// How a user's wrong word is shown: never where it may be a key, with the remedy where its character tells the mistake, and
// with the word that was most likely meant.

using System.Buffers;
using System.Globalization;

namespace Testudo.Control.Setkey;

internal static partial class SetkeyWords
{
    private static readonly SearchValues<char> s_nameCharacters = SearchValues.Create("abcdefghijklmnopqrstuvwxyz0123456789-_");

    /// <summary>True for text that may be a key by its looks: it is shown nowhere.</summary>
    public static bool LooksLikeKey(ReadOnlySpan<char> word)
    {
        int run = 0;
        for (int i = 0; i < word.Length; i++)
        {
            run = char.IsAsciiHexDigit(word[i]) ? run + 1 : 0;

            // An SPI has at most 8 digits behind 0x; an IPv6 address has colons between its groups.
            int start = i - run;
            bool hasPrefix = start >= 1 && word[start] is 'x' or 'X' && word[start - 1] == '0';
            if (run >= (hasPrefix ? 9 : 16))
            {
                return true;
            }
        }

        // Mistyped within: 0x and much behind it that is not all digits.
        return word.Length > 10 && word.StartsWith("0x", StringComparison.OrdinalIgnoreCase);
    }

    /// <summary>True for a wrong word that may be shown where an algorithm belongs; another may be a key whose algorithm was left out.</summary>
    public static bool LooksLikeAlgorithm(ReadOnlySpan<char> word)
    {
        if (word.Length <= 12 && !word.ContainsAnyExcept(s_nameCharacters))
        {
            return true;
        }

        return Nearest(word, Encryption.Concat(Authentication).Select(static a => a.Name)) is not null;
    }

    /// <summary>A user's word between quotes, for a message: shortened, without control characters, and never a key.</summary>
    public static string Shown(ReadOnlySpan<char> word)
    {
        if (word is ['"', ..])
        {
            return "a quoted text";
        }

        if (LooksLikeKey(word))
        {
            return word.StartsWith("0x", StringComparison.OrdinalIgnoreCase) ? "'0x…'" : "a word that looks like a key";
        }

        string text = string.Create(CultureInfo.InvariantCulture, $"'{word[..Math.Min(word.Length, 40)]}{(word.Length > 40 ? "…" : "")}'");
        return new string([.. text.Select(static c => char.IsControl(c) ? '?' : c)]);
    }

    /// <summary>Why a character means nothing in the language, and the remedy; null for one that has a meaning. The length is that of the whole leftover.</summary>
    public static (string Message, int Length)? ExplainCharacter(string text, int offset)
    {
        ReadOnlySpan<char> rest = text.AsSpan(offset);
        switch (rest[0])
        {
            case '\\':
                return rest.Length == 1 || rest[1..].TrimStart(" \t\r") is [] or ['\n', ..]
                    ? ("a backslash does not continue a line: take it away, a command goes on until its ';'", 1)
                    : ("a backslash has no meaning here", 1);
            case '$':
                int end = 1;
                while (end < rest.Length && (char.IsAsciiLetterOrDigit(rest[end]) || rest[end] is '_' or '{' or '}' or '(' or ')'))
                {
                    end++;
                }

                return ("a variable of the shell is not replaced here: write its value, or let the shell make the script", end);
            case '{' when rest is ['{' or '%', ..] or ['{', '{' or '%', ..]:
            case '}':
                return ("this is left over from a template that was not filled in", rest.Length > 1 && rest[1] is '{' or '%' or '}' ? 2 : 1);
            case '\'':
                return ("single quotes do not quote here: use double quotes (\")", 1);
            case '`':
                return ("backquotes belong to the shell: nothing is executed here", 1);
            case '“' or '”' or '„' or '‘' or '’':
                return ("typographic quotes do not quote here: use plain double quotes (\")", 1);
            case '<' or '>' or '|' or '&':
                return ($"'{rest[0]}' belongs to the shell: this file is read as setkey's own language", 1);
            case '=':
                return ("'=' has no meaning here: this language has no variables", 1);
            case '(' or ')' or '{' or '*' or '?' or '!' or '~' or '^' or '@':
                return ($"'{rest[0]}' has no meaning here", 1);
            case '#':
                return ("a comment inside a policy begins behind a blank", 1);
            case '/' when rest is ['/', '/' or '*', ..]:
                return ("a comment begins with '#'", 2);
            default:
                return char.IsAscii(rest[0]) && !char.IsControl(rest[0]) ? null
                    : (string.Create(CultureInfo.InvariantCulture, $"the character U+{(int)rest[0]:X4} has no meaning here{(char.IsWhiteSpace(rest[0]) ? ": put a plain blank in its place" : "")}"), 1);
        }
    }

    /// <summary>The known word that a user most likely meant: equal but for case, '_', or a letter or two; null where none is near.</summary>
    public static string? Nearest(ReadOnlySpan<char> word, IEnumerable<string> known)
    {
        if (word.Length is < 3 or > 24)
        {
            return null;
        }

        string folded = word.ToString().ToLowerInvariant().Replace('_', '-');
        (string? best, int distance) = (null, folded.Length < 5 ? 2 : 3);
        foreach (string candidate in known)
        {
            int d = Distance(folded, candidate);
            if (d < distance)
            {
                (best, distance) = (candidate, d);
            }
        }

        return best;
    }

    // Letters put in, left out, replaced, or two neighbours exchanged (Damerau's distance).
    private static int Distance(string a, string b)
    {
        int[,] d = new int[a.Length + 1, b.Length + 1];
        for (int i = 0; i <= a.Length; i++)
        {
            for (int j = 0; j <= b.Length; j++)
            {
                d[i, j] = i == 0 || j == 0 ? i + j
                    : Math.Min(Math.Min(d[i - 1, j], d[i, j - 1]) + 1, d[i - 1, j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1));
                if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                {
                    d[i, j] = Math.Min(d[i, j], d[i - 2, j - 2] + 1);
                }
            }
        }

        return d[a.Length, b.Length];
    }
}
