// Algorithms and their keys: "text", byte by byte, or 0x and hexadecimal digits. No message here ever has a key in it.

using System.Buffers;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace Testudo.Control.Setkey;

public sealed partial class SetkeyParser
{
    private static readonly SearchValues<char> s_hexDigits = SearchValues.Create("0123456789abcdefABCDEF");

    private bool TryParseAlgorithm(SaDraft sa, string option)
    {
        if (option == "-C")
        {
            string[] compressions = [.. SetkeyWords.Compression.Select(static c => c.Name)];
            sa.CompressionToken = _token;
            sa.Compression = _token.Kind == TokenKind.Word ? SetkeyWords.FindNumber(SetkeyWords.Compression, Word) ?? 0 : (byte)0;
            if (sa.Compression == 0)
            {
                return Fail($"{ShownToken()} is no compression algorithm{Hint(compressions)}", compressions);
            }

            Advance();
            return true;
        }

        bool isCipher = option == "-E";
        IReadOnlyList<AlgorithmWord> table = isCipher ? SetkeyWords.Encryption : SetkeyWords.Authentication;
        AlgorithmWord? algorithm = _token.Kind == TokenKind.Word ? SetkeyWords.Find(table, Word) : null;
        if (algorithm is null)
        {
            return FailAtAlgorithm(isCipher, table);
        }

        Token token = _token;
        Advance();
        if (algorithm.Name == "simple")
        {
            Warn(token, "'simple' is an obsolete algorithm: say 'null'");
        }

        if (!TryParseKey(algorithm, out byte[] key))
        {
            return false;
        }

        if (isCipher)
        {
            (sa.Encrypt, sa.EncryptToken, sa.EncryptKey) = (algorithm, token, key);
        }
        else
        {
            (sa.Auth, sa.AuthToken, sa.AuthKey) = (algorithm, token, key);
        }

        return true;
    }

    private bool FailAtAlgorithm(bool isCipher, IReadOnlyList<AlgorithmWord> table)
    {
        string kind = isCipher ? "encryption" : "authentication";
        string[] names = [.. Names(table)];
        if (_token.Kind is TokenKind.Quoted || (_token.Kind == TokenKind.Word && SetkeyWords.LooksLikeKey(Word)))
        {
            return Fail($"the {kind} algorithm is missing: a key stands in its place", names);
        }

        if (_token.Kind == TokenKind.Word && SetkeyWords.Find(isCipher ? SetkeyWords.Authentication : SetkeyWords.Encryption, Word) is { } other)
        {
            return Fail(isCipher ? $"'{other.Name}' authenticates: it belongs behind -A" : $"'{other.Name}' encrypts: it belongs behind -E", names);
        }

        string shown = _token.Kind == TokenKind.Word && !SetkeyWords.LooksLikeAlgorithm(Word) ? $"this word of {_token.Length} characters" : ShownToken();
        return Fail($"{shown} is no {kind} algorithm{Hint(names)}", names);
    }

    private static IEnumerable<string> Names(IReadOnlyList<AlgorithmWord> table) => table.Select(static a => a.Name);

    private bool TryParseKey(AlgorithmWord algorithm, out byte[] key)
    {
        key = [];
        Token token = _token;
        bool isText = token.Kind == TokenKind.Quoted;
        bool isAbsent = token.Kind is TokenKind.Semicolon or TokenKind.End || (token.Kind == TokenKind.Option && SetkeyWords.IsOption(Word)) || IsCommandAtLineStart;
        if (isAbsent)
        {
            return algorithm.MinBits == 0 || Fail($"the key of {algorithm.Name} is missing", "a key of 0x and hexadecimal digits", "a \"text\" as key");
        }

        if (token.Kind == TokenKind.Bad && (Word is ['"' or '$' or '\\' or '{'] or ['$' or '{', ..]))
        {
            return Fail("");
        }

        if (!isText && !(token.Kind == TokenKind.Word && Word.StartsWith("0x", StringComparison.OrdinalIgnoreCase)))
        {
            return FailAtKeyWithoutMark();
        }

        if (isText)
        {
            // setkey takes the bytes as the file has them, and that is UTF-8 today.
            key = Encoding.UTF8.GetBytes(_text, token.Offset + 1, token.Length - 2);
        }
        else if (!TryReadHex(token, out key))
        {
            return false;
        }

        int bits = key.Length * 8;
        if (algorithm.Takes(bits))
        {
            Advance();
            bool isRest = _token.Kind is TokenKind.Word or TokenKind.Quoted or TokenKind.Slash or TokenKind.Comma || (_token.Kind == TokenKind.Option && _token.Length > 9 && !SetkeyWords.IsOption(Word));
            if (!isRest || IsCommandAtLineStart)
            {
                return true;
            }

            // Most likely the rest of the same key, so it is not shown.
            CryptographicOperations.ZeroMemory(key);
            return FailAt(_token, "something stands behind the key: a key has no blanks and line ends in it", [.. s_saOptions, ";"]);
        }

        string hint = isText && bits > 0 && TextOf(token)[1..^1].IndexOfAnyExcept(s_hexDigits) < 0 && algorithm.Takes(bits / 2)
            ? "; in quotes every digit is a byte of its own: write 0x and the digits without quotes"
            : algorithm.Note is { } note ? $" ({note})" : "";
        CryptographicOperations.ZeroMemory(key);
        return FailAt(token, $"{algorithm.Name} takes a key of {algorithm.Lengths} bits, and this one has {bits}{hint}");
    }

    // Words and characters up to the next blank: a key without quotes. Only its length is told.
    private bool FailAtKeyWithoutMark()
    {
        int end = _token.EndOffset;
        while (end < _text.Length && !char.IsWhiteSpace(_text[end]) && _text[end] is not (';' or '"'))
        {
            end++;
        }

        Token whole = _token with { Length = end - _token.Offset };
        bool isHex = TextOf(whole).IndexOfAnyExcept(s_hexDigits) < 0;
        _lexer.Position = end;
        return FailAt(whole, isHex ? $"the key ({whole.Length} hexadecimal digits) has no 0x before it" : $"the key ({whole.Length} characters) has no quotes: a text key is written \"text\", a hexadecimal one 0x and digits",
            "a key of 0x and hexadecimal digits", "a \"text\" as key");
    }

    // With an odd number of digits the first is a byte of its own: 0xabc is 0a bc.
    private bool TryReadHex(Token token, out byte[] key)
    {
        key = [];
        ReadOnlySpan<char> digits = TextOf(token)[2..];
        int wrong = digits.IndexOfAnyExcept(s_hexDigits);
        if (digits.Length == 0 || wrong >= 0)
        {
            return FailAt(token, digits.Length == 0 ? "the key has no digits behind 0x" : $"the key's character {wrong + 1} behind 0x is no hexadecimal digit");
        }

        key = new byte[(digits.Length + 1) / 2];
        for (int i = digits.Length, at = key.Length - 1; i > 0; i -= 2, at--)
        {
            key[at] = byte.Parse(digits[Math.Max(0, i - 2)..i], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);
        }

        if (digits.Length % 2 != 0)
        {
            Warn(token, $"the key has an odd number of digits ({digits.Length}): the first is taken for a whole byte");
        }

        return true;
    }
}
