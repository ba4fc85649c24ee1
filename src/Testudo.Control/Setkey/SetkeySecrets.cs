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
        int gap = 0;
        for (Token token = lexer.Next(); ; token = lexer.Next())
        {
            AddComments(text, gap, token.Offset, found);
            if (token.Kind == TokenKind.End)
            {
                return found;
            }

            ReadOnlySpan<char> word = text.AsSpan(token.Offset, token.Length);
            algorithmIn--;
            if (token.Kind == TokenKind.Quoted && IsOutOfStep(text, token))
            {
                // A quote too few or too many: what looks like the outside may be the inside, up to the line's end.
                int end = text.IndexOf('\n', token.EndOffset);
                lexer.Position = end < 0 ? text.Length : end;
                found.Add((GluedStart(text, token.Offset, found), lexer.Position, "\"…"));
            }
            else if (token.Kind == TokenKind.Quoted)
            {
                found.Add((token.Offset, token.EndOffset, "\"…\""));
            }
            else if (token.Kind == TokenKind.Bad && word is ['"'])
            {
                found.Add((GluedStart(text, token.Offset, found), text.Length, "\"…"));
            }
            else if (token.Kind is TokenKind.Semicolon || (token.Kind == TokenKind.Option && SetkeyWords.IsOption(word))
                || (SetkeyWords.FindVerb(word) is not null && SetkeyWords.BeginsLine(text, token.Offset)))
            {
                keyFollows = false;
                algorithmIn = word is "-E" or "-A" ? 1 : -1;
            }
            else if (keyFollows || SetkeyWords.LooksLikeKey(word) || (algorithmIn == 0 && !SetkeyWords.LooksLikeAlgorithm(word)))
            {
                // A key without quotes goes on until the next blank, whatever its characters; what stands behind a key may be its rest.
                int end = token.EndOffset;
                while (end < text.Length && text[end] is not (' ' or '\t' or '\r' or '\n' or '"') && !(text[end] == ';' && IsBlank(text, end + 1)))
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

            gap = lexer.Position;
        }
    }

    private static bool IsOutOfStep(string text, Token token) =>
        text.AsSpan(token.Offset, token.Length).Contains('\n')
        || (token.Offset > 0 && !char.IsWhiteSpace(text[token.Offset - 1]))
        || !(IsBlank(text, token.EndOffset) || text[token.EndOffset] == ';');

    // From the last blank on: what stands right before a quote may have been inside.
    private static int GluedStart(string text, int offset, List<(int Start, int End, string Mask)> found)
    {
        int least = found.Count == 0 ? 0 : found[^1].End;
        while (offset > least && !char.IsWhiteSpace(text[offset - 1]))
        {
            offset--;
        }

        return offset;
    }

    private static bool IsBlank(string text, int offset) => offset >= text.Length || char.IsWhiteSpace(text[offset]) || text[offset] == '#';

    // Commands that are commented out have keys like all others.
    private static void AddComments(string text, int from, int to, List<(int Start, int End, string Mask)> found)
    {
        for (int hash = text.IndexOf('#', from, to - from); hash >= 0; hash = text.IndexOf('#', from, to - from))
        {
            int end = text.IndexOf('\n', hash, to - hash);
            end = end < 0 ? to : end;
            if (Find(text[(hash + 1)..end].Replace('#', ' ')).Count > 0)
            {
                found.Add((hash, end, "#…"));
            }

            from = end;
        }
    }
}
