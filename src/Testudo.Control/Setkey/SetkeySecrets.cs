// Finds everything in a script that is a key, or may be one, so that no message shows it. It looks at words only and so
// works on scripts that do not parse: an error is most often shown for just those.

namespace Testudo.Control.Setkey;

internal static class SetkeySecrets
{
    /// <summary>The places of keys in ascending order, each with what is shown in its place.</summary>
    public static List<(int Start, int End, string Mask)> Find(string text)
    {
        var found = new List<(int, int, string)>();
        var lexer = new SetkeyLexer(text);
        int algorithmIn = -1;
        bool keyFollows = false;
        for (Token token = lexer.Next(); token.Kind != TokenKind.End; token = lexer.Next())
        {
            ReadOnlySpan<char> word = text.AsSpan(token.Offset, token.Length);
            algorithmIn--;
            if (token.Kind == TokenKind.Quoted)
            {
                found.Add((token.Offset, token.EndOffset, "\"…\""));
            }
            else if (token.Kind == TokenKind.Bad && word is ['"'])
            {
                found.Add((token.Offset, text.Length, "\"…"));
            }
            else if (token.Kind is TokenKind.Semicolon || (token.Kind == TokenKind.Option && SetkeyWords.IsOption(word))
                || (SetkeyWords.FindVerb(word) is not null && SetkeyWords.BeginsLine(text, token.Offset)))
            {
                keyFollows = false;
                algorithmIn = word is "-E" or "-A" ? 1 : -1;
            }
            else if (keyFollows || SetkeyWords.LooksLikeKey(word))
            {
                // A key without quotes goes on until the next blank, whatever its characters; what stands behind a key may be its rest.
                int end = token.EndOffset;
                while (end < text.Length && text[end] is not (' ' or '\t' or '\r' or '\n' or ';' or '"'))
                {
                    end++;
                }

                bool isHex = word.StartsWith("0x", StringComparison.OrdinalIgnoreCase);
                found.Add((token.Offset, end, isHex ? "0x…" : "…"));
                lexer.Position = end;
                keyFollows = true;
            }
            else
            {
                keyFollows = algorithmIn == 0 || SetkeyWords.Find(SetkeyWords.Encryption, word) is not null || SetkeyWords.Find(SetkeyWords.Authentication, word) is not null;
            }
        }

        return found;
    }
}
