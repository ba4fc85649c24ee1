// setkey(8)'s language, by recursive descent. This file has the commands and how the parser finds its way again behind an
// error; SAs, policies and addresses have files of their own. The grammar, with ipsec-tools' and FreeBSD's forms together:
//
//   add | update    [-46n] src dst PROTO spi option* ;        flush | dump  [PROTO] ;
//   get | delete    [-46n] src dst PROTO spi option* ;        spdadd | spdupdate  [-46n] range range UPPER [misc] -P policy ;
//   getspi          [-46n] src dst PROTO [spi] option* ;      spddelete           [-46n] range range UPPER [misc] -P policy ;
//   deleteall       [-46n] src dst PROTO ;                    spddump | spdflush ;     exit | quit | bye ;

using System.Collections.Immutable;
using Testudo.Wire.PfKey;

namespace Testudo.Control.Setkey;

/// <summary>Reads scripts of setkey's language. The whole text is read before anything is to be executed.</summary>
public sealed partial class SetkeyParser
{
    // Beyond these a reader has lost the thread, or the file is of another kind.
    private const int MaxErrors = 20;

    private readonly string _text;
    private readonly string _file;
    private readonly SetkeyLookups _lookups;
    private readonly SetkeyLexer _lexer;
    private readonly List<int> _lineStarts = [0];
    private readonly List<SetkeyError> _errors = [];
    private readonly List<SetkeyError> _warnings = [];
    private readonly bool _isShellScript;
    private List<(int Start, int End, string Mask)>? _secrets;
    private Token _token;
    private Token _previous;
    private Token _first;

    private SetkeyParser(string text, string file, SetkeyLookups lookups)
    {
        _text = text;
        _file = file;
        _lookups = lookups;
        for (int i = text.IndexOf('\n', StringComparison.Ordinal); i >= 0; i = text.IndexOf('\n', i + 1))
        {
            _lineStarts.Add(i + 1);
        }

        ReadOnlySpan<char> firstLine = text.AsSpan(0, _lineStarts.Count > 1 ? _lineStarts[1] : text.Length).Trim();
        _isShellScript = firstLine.StartsWith("#!", StringComparison.Ordinal) && !firstLine.Contains("setkey", StringComparison.Ordinal);
        _lexer = new SetkeyLexer(text);
        Advance();
    }

    /// <summary>Reads a whole script.</summary>
    /// <param name="text">The script.</param>
    /// <param name="file">Its name, for errors; "-" or "stdin" as the caller likes.</param>
    /// <param name="lookups">Answers to names; without it all addresses, ports and zones are numbers.</param>
    /// <returns>The commands, and what was wrong. It never throws for what stands in the text.</returns>
    public static SetkeyScript Parse(string text, string file, SetkeyLookups? lookups = null)
    {
        ArgumentNullException.ThrowIfNull(text);
        return new SetkeyParser(text, file, lookups ?? new SetkeyLookups()).ParseScript();
    }

    private SetkeyScript ParseScript()
    {
        ImmutableArray<SetkeyCommand>.Builder commands = ImmutableArray.CreateBuilder<SetkeyCommand>();
        bool isOver = false;
        while (!isOver && _token.Kind != TokenKind.End && _errors.Count < MaxErrors)
        {
            if (_token.Kind == TokenKind.Semicolon)
            {
                // setkey takes an empty command for a syntax error; it does no harm.
                Advance();
                continue;
            }

            _first = _token;
            int errors = _errors.Count;
            if (TryParseCommand(out SetkeyVerb verb, out ImmutableArray<PfKeyMessage> messages) && _errors.Count == errors && TryEnd())
            {
                (int line, int column) = Place(_first.Offset);
                commands.Add(new SetkeyCommand(verb, _file, line, column, Place(_previous.Offset).Line, messages));
                isOver = verb == SetkeyVerb.Exit;
            }
            else
            {
                Recover();
            }
        }

        return new SetkeyScript(commands.ToImmutable(), [.. _errors], [.. _warnings]);
    }

    private bool TryParseCommand(out SetkeyVerb verb, out ImmutableArray<PfKeyMessage> messages)
    {
        verb = default;
        messages = [];
        if (_token.Kind != TokenKind.Word || SetkeyWords.FindVerb(Word) is not { } found)
        {
            return FailAtCommand();
        }

        verb = found;
        Advance();
        switch (verb)
        {
            case SetkeyVerb.Flush or SetkeyVerb.Dump:
                SaType type = SaType.Unspec;
                if (_token.Kind is TokenKind.Word or TokenKind.Option && !IsCommandAtLineStart)
                {
                    if (!TryParseProtocol(out SaProtocol protocol))
                    {
                        return false;
                    }

                    type = protocol.Type;
                }

                messages = [Message(verb == SetkeyVerb.Flush ? PfKeyType.Flush : PfKeyType.Dump, type)];
                return true;
            case SetkeyVerb.SpdFlush:
                messages = [Message(PfKeyType.SpdFlush, SaType.Unspec)];
                return true;
            case SetkeyVerb.SpdDump:
                messages = [Message(PfKeyType.SpdDump, SaType.Unspec)];
                return true;
            case SetkeyVerb.Exit:
                return true;
            case SetkeyVerb.SpdAdd or SetkeyVerb.SpdUpdate or SetkeyVerb.SpdDelete:
                return TryParseSpd(verb, out messages);
            default:
                return TryParseSa(verb, out messages);
        }
    }

    private PfKeyMessage Message(PfKeyType type, SaType saType, IEnumerable<PfKeyExtension>? extensions = null, TestudoExtension? own = null)
    {
        TestudoExtension? last = own ?? (_lookups.AsksForWords ? new TestudoExtension() : null);
        return new PfKeyMessage(type, saType) { Extensions = last is null ? [.. extensions ?? []] : [.. extensions ?? [], last] };
    }

    // The ';' is the end of the command and stays the previous token, for the command's last line.
    private bool TryEnd()
    {
        if (_token.Kind == TokenKind.Semicolon)
        {
            Advance();
            return true;
        }

        return Fail(_token.Kind is TokenKind.Bad ? "" : $"{ShownToken()} does not belong here", ";");
    }

    private bool FailAtCommand()
    {
        string[] verbs = [.. SetkeyWords.Verbs.Select(static v => v.Name)];
        if (_token.Kind is not TokenKind.Word)
        {
            return Fail($"{ShownToken()} is no command", verbs);
        }

        string word = Word.ToString();
        if (_isShellScript || word is "setkey" or "sudo" or "echo" or "cat" or "export" or "if" or "for" or "while" or "set" or "fi" or "done" or "sh")
        {
            return Fail($"{ShownToken()} is no command of setkey's language: this looks like a script for the shell; run it with sh, or keep only the lines that it gives to setkey", verbs);
        }

        if (word is "EOF" or "EOT" or "END" or "EOS")
        {
            return Fail($"{ShownToken()} is the end mark of a shell's here-document and does not belong into the file", verbs);
        }

        return Fail($"{ShownToken()} is no command{Hint(verbs)}", verbs);
    }

    // Behind an error: on to the next ';', or to a command's word at the beginning of a line, whichever comes first.
    private void Recover()
    {
        bool isFirst = _token.Offset == _first.Offset;
        while (_token.Kind is not (TokenKind.End or TokenKind.Semicolon) && (isFirst || !IsCommandAtLineStart))
        {
            isFirst = false;
            Advance();
        }
    }

    private bool IsCommandAtLineStart => _token.Kind == TokenKind.Word && SetkeyWords.FindVerb(Word) is not null && SetkeyWords.BeginsLine(_text, _token.Offset);

    private ReadOnlySpan<char> Word => _text.AsSpan(_token.Offset, _token.Length);

    private ReadOnlySpan<char> TextOf(Token token) => _text.AsSpan(token.Offset, token.Length);

    private void Advance()
    {
        _previous = _token;
        _token = _lexer.Next();
    }

    private string ShownToken() => _token.Kind switch
    {
        TokenKind.End => "the end of the script",
        TokenKind.Semicolon => "the end of the command (';')",
        TokenKind.Bad => "this character",
        _ => Shown(_token),
    };

    // Looks and place both tell a key: a word may be the rest of one that was torn apart.
    private string Shown(Token token)
    {
        _secrets ??= SetkeySecrets.Find(_text);
        return _secrets.Exists(secret => secret.Start < token.EndOffset && token.Offset < secret.End) && !SetkeyWords.LooksLikeKey(TextOf(token)) && token.Kind != TokenKind.Quoted
            ? $"a word of {token.Length} characters that may be of a key" : SetkeyWords.Shown(TextOf(token));
    }

    private string Hint(IEnumerable<string> known) =>
        _token.Kind is TokenKind.Word or TokenKind.Option && SetkeyWords.Nearest(Word, known) is { } near ? $" (did you mean '{near}'?)" : "";

    /// <summary>Records an error at the current word. Where that word shows the true fault by itself, the message says so instead.</summary>
    private bool Fail(string message, params string[] expected)
    {
        if (_token.Kind == TokenKind.Bad)
        {
            string? explanation = Word is ['"'] ? "this quote is never closed" : SetkeyWords.ExplainCharacter(_text, _token.Offset)?.Message;
            return FailAt(_token, explanation ?? $"{Shown(_token)} has no meaning here", expected);
        }

        if (_token.Offset != _first.Offset && (_token.Kind == TokenKind.End || IsCommandAtLineStart))
        {
            // The fault is before this word: the mark goes to where the ';' belongs.
            (int line, int column) = Place(_previous.EndOffset);
            string begins = _token.Kind == TokenKind.End ? "the script ends" : $"'{Word}' begins a new command";
            bool isComplete = expected.Contains(";");
            string text = isComplete ? $"the command is not ended: put ';' here, before {begins}" : $"the command is not complete: {begins} before it is ended by ';'";
            _errors.Add(new SetkeyError(_file, line, column, 1, text, [.. expected]));
            return false;
        }

        return FailAt(_token, message, expected);
    }

    private bool FailAt(Token token, string message, params string[] expected)
    {
        _errors.Add(At(token, message, expected));
        return false;
    }

    private void Warn(Token token, string message) => _warnings.Add(At(token, message, []));

    private SetkeyError At(Token token, string message, string[] expected)
    {
        (int line, int column) = Place(token.Offset);
        return new SetkeyError(_file, line, column, Math.Max(1, token.Length), message, [.. expected]);
    }

    private (int Line, int Column) Place(int offset)
    {
        int index = _lineStarts.BinarySearch(offset);
        index = index < 0 ? ~index - 1 : index;
        return (index + 1, offset - _lineStarts[index] + 1);
    }
}
