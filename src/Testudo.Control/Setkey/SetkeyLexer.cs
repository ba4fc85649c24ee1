// Splits a script into words. A policy's text has words of its own (PolicyReader): the parser hands it over and comes back.

namespace Testudo.Control.Setkey;

internal enum TokenKind : byte
{
    End,
    Semicolon,
    Word,
    Quoted,

    /// <summary>A word that begins with '-'.</summary>
    Option,
    Open,
    Close,
    Slash,
    Comma,

    /// <summary>A character without meaning, or a quote that is never closed.</summary>
    Bad,
}

internal readonly record struct Token(TokenKind Kind, int Offset, int Length)
{
    public int EndOffset => Offset + Length;
}

internal sealed class SetkeyLexer(string text)
{
    /// <summary>Where the next token is looked for. A byte order mark is no part of the text.</summary>
    public int Position { get; set; } = text is ['\uFEFF', ..] ? 1 : 0;

    public Token Next()
    {
        SkipBlanks();
        int start = Position;
        if (start >= text.Length)
        {
            return new Token(TokenKind.End, text.Length, 0);
        }

        char c = text[start];
        Position++;
        switch (c)
        {
            case ';':
                return new Token(TokenKind.Semicolon, start, 1);
            case '[':
                return new Token(TokenKind.Open, start, 1);
            case ']':
                return new Token(TokenKind.Close, start, 1);
            case ',':
                return new Token(TokenKind.Comma, start, 1);
            case '/' when text.AsSpan(Position) is not ['/' or '*', ..]:
                return new Token(TokenKind.Slash, start, 1);
            case '"':
                // No escapes, and lines may end inside: so it is in every setkey.
                int close = text.IndexOf('"', Position);
                Position = close < 0 ? text.Length : close + 1;
                return close < 0 ? new Token(TokenKind.Bad, start, 1) : new Token(TokenKind.Quoted, start, Position - start);
            case '-':
                SkipWord();
                return new Token(TokenKind.Option, start, Position - start);
        }

        if (IsWordCharacter(c))
        {
            SkipWord();
            return new Token(TokenKind.Word, start, Position - start);
        }

        return new Token(TokenKind.Bad, start, SetkeyWords.ExplainCharacter(text, start)?.Length ?? 1);
    }

    // '_' is in names of hosts and interfaces; setkey's own lexer does not have it.
    private static bool IsWordCharacter(char c) => char.IsAsciiLetterOrDigit(c) || c is '.' or ':' or '%' or '-' or '_' or '+';

    private void SkipWord()
    {
        while (Position < text.Length && IsWordCharacter(text[Position]))
        {
            Position++;
        }
    }

    private void SkipBlanks()
    {
        while (Position < text.Length)
        {
            if (text[Position] is ' ' or '\t' or '\r' or '\n' or '\f' or '\v')
            {
                Position++;
            }
            else if (text[Position] == '#')
            {
                int end = text.IndexOf('\n', Position);
                Position = end < 0 ? text.Length : end;
            }
            else
            {
                return;
            }
        }
    }
}
