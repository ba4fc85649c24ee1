// The grammar of ipsec_set_policy(3), by recursive descent over the text in place, so that every fault is named at its word:
//
//   policy  := DIR | DIR [priority] ACTION request*
//   request := PROTO "/" MODE ["/" [endpoints] ["/" LEVEL]]
//   endpoints := IP ["[" port "]"] "-" IP ["[" port "]"] | "me" "-" "any" | "any" "-" "me"
//   priority  := ("priority" | "prio") (["-"] N | ("low" | "def" | "high") [("+" | "-") N])
//
// Beyond it: '#' behind white space begins a comment, which setkey's users expect; the old libraries echo it to the terminal.

using System.Collections.Immutable;
using System.Globalization;
using Testudo.Wire.PfKey;

namespace Testudo.Control;

internal sealed partial class PolicyReader(string text, int start, bool endsAtSemicolon)
{
    private static readonly string[] s_actions = ["ipsec", "none", "discard", "bypass", "entrust"];

    private readonly List<PolicyProblem> _warnings = [];
    private PolicyProblem? _error;
    private readonly int _start = start;
    private int _position = start;
    private int _offset = start;
    private int _length;

    // The current piece of text: a word, or one character of punctuation; empty at the end.
    private ReadOnlySpan<char> Current => text.AsSpan(_offset, _length);

    /// <summary>Where reading stopped: at the ';' or the end of the text, or at the faulty word.</summary>
    public int Offset => _offset;

    /// <summary>Where the last word before <see cref="Offset"/> ended.</summary>
    public int PreviousEnd { get; private set; }

    public PolicyTextResult Read()
    {
        Next();
        PolicyExtension? policy = ReadPolicy();
        return new PolicyTextResult(_error is null ? policy : null, _error, [.. _warnings]);
    }

    private PolicyExtension? ReadPolicy()
    {
        PolicyDirection direction;
        switch (Current)
        {
            case "in": direction = PolicyDirection.In; break;
            case "out": direction = PolicyDirection.Out; break;
            case "fwd": direction = PolicyDirection.Fwd; break;
            default: return Fail(AtEnd ? "a policy begins with its direction" : $"{Shown()} is no direction", "in", "out", "fwd");
        }

        Next();
        if (AtEnd)
        {
            return new PolicyExtension(PolicyAction.Discard, direction, 0, PolicyText.DefaultPriority, []);
        }

        uint priority = PolicyText.DefaultPriority;
        bool hasPriority = Current is "prio" or "priority";
        if (hasPriority && !TryReadPriority(out priority))
        {
            return null;
        }

        PolicyAction action;
        switch (Current)
        {
            case "ipsec": action = PolicyAction.Ipsec; break;
            case "none": action = PolicyAction.None; break;
            case "discard": action = PolicyAction.Discard; break;
            case "bypass": action = PolicyAction.Bypass; break;
            case "entrust": action = PolicyAction.Entrust; break;
            default:
                string message = AtEnd ? "the action is missing" : Current.Contains('/') || IsProtocol ? $"{Shown()} is a request: the action 'ipsec' belongs before it" : $"{Shown()} is no action";
                return Fail(message, hasPriority ? s_actions : [.. s_actions, "prio"]);
        }

        (int actionOffset, int actionLength) = (_offset, _length);
        string actionWord = Current.ToString();
        Next();
        ImmutableArray<PolicyRequest>.Builder requests = ImmutableArray.CreateBuilder<PolicyRequest>();
        while (!AtEnd)
        {
            if (action != PolicyAction.Ipsec)
            {
                return IsProtocol ? Fail($"'{actionWord}' takes no requests: write 'ipsec' in its place, or take them away", ";")
                    : Fail($"{Shown()} does not belong behind '{actionWord}'", ";");
            }

            if (!TryReadRequest(out PolicyRequest? request))
            {
                return null;
            }

            requests.Add(request);
        }

        if (action == PolicyAction.Ipsec && requests.Count == 0)
        {
            Warn(actionOffset, actionLength, "'ipsec' without a request such as esp/transport//require is refused by kernels", "esp", "ah", "ipcomp");
        }

        return new PolicyExtension(action, direction, 0, priority, requests.ToImmutable());
    }

    // ipsec-tools counts upwards (higher comes first), the kernel's value downwards from 2^31.
    private bool TryReadPriority(out uint priority)
    {
        priority = 0;
        Next();
        uint anchor = Current switch { "low" => PolicyText.LowPriority, "def" => PolicyText.DefaultPriority, "high" => PolicyText.HighPriority, _ => 0 };
        bool hasWord = anchor != 0;
        bool negative = false;
        if (hasWord)
        {
            Next();
            if (Current is not ("+" or "-"))
            {
                priority = anchor;
                return true;
            }
        }

        if (Current is "-" or "+" && (hasWord || Current is "-"))
        {
            negative = Current is "-";
            Next();
        }

        if (!long.TryParse(Current, NumberStyles.None, CultureInfo.InvariantCulture, out long number))
        {
            Fail(AtEnd ? "the priority's number is missing" : $"{Shown()} is no priority", hasWord ? ["a number"] : ["a number", "low", "def", "high"]);
            return false;
        }

        // The limits of libipsec: those of a 32-bit value for a plain number, those of one step between words for an offset.
        long limit = hasWord ? (negative ? 0x3fff_ffff : 0x4000_0000) : negative ? 0x7fff_ffff : 0x8000_0000;
        if (number > limit)
        {
            string range = hasWord ? "an offset goes from -1073741823 to +1073741824" : "a priority goes from -2147483647 to 2147483648";
            Fail($"{range}, not to {(negative ? "-" : "")}{number}");
            return false;
        }

        long value = (hasWord ? anchor : PolicyText.DefaultPriority) - (negative ? -number : number);
        priority = (uint)Math.Clamp(value, 0, uint.MaxValue);
        Next();
        return true;
    }

    private bool AtEnd => _length == 0;

    private bool IsWord => !AtEnd && IsWordCharacter(Current[0]);

    private bool IsProtocol => Current is "esp" or "ah" or "ipcomp" or "tcp";

    // "esp/transport/ ah/transport//use": the word behind the slash is the next request, not an endpoint.
    private bool IsProtocolBeforeSlash => IsProtocol && text.AsSpan(_position).TrimStart() is ['/', ..];

    private static bool IsWordCharacter(char c) => char.IsAsciiLetterOrDigit(c) || c is '.' or ':' or '_' or '%';

    private void Next()
    {
        PreviousEnd = _offset + _length;
        while (_position < text.Length)
        {
            char c = text[_position];
            if (c is ' ' or '\t' or '\r' or '\n' or '\f' or '\v')
            {
                _position++;
            }
            else if (c == '#' && (_position == _start || char.IsWhiteSpace(text[_position - 1])))
            {
                int end = text.IndexOf('\n', _position);
                _position = end < 0 ? text.Length : end;
            }
            else
            {
                break;
            }
        }

        _offset = _position;
        if (_position >= text.Length || (endsAtSemicolon && text[_position] == ';'))
        {
            _length = 0;
            return;
        }

        _position++;
        while (IsWordCharacter(text[_offset]) && _position < text.Length && IsWordCharacter(text[_position]))
        {
            _position++;
        }

        _length = _position - _offset;
    }

    private bool Take(char punctuation, string form)
    {
        if (_length == 1 && Current[0] == punctuation)
        {
            Next();
            return true;
        }

        Fail(AtEnd ? $"'{punctuation}' is missing: {form}" : $"{Shown()} stands where '{punctuation}' belongs: {form}", $"{punctuation}");
        return false;
    }

    private string Shown() => Setkey.SetkeyWords.Shown(Current);

    private PolicyExtension? Fail(string message, params string[] expected) => FailAt(_offset, Math.Max(_length, 1), message, expected);

    private PolicyExtension? FailAt(int offset, int length, string message, params string[] expected)
    {
        if (offset == _offset && !AtEnd && Setkey.SetkeyWords.ExplainCharacter(text, offset) is (string explanation, int covered))
        {
            (message, length) = (explanation, covered);
        }

        _error ??= new PolicyProblem(offset, length, message, [.. endsAtSemicolon ? expected : expected.Where(static word => word != ";")]);
        return null;
    }

    private void Warn(int offset, int length, string message, params string[] expected) => _warnings.Add(new PolicyProblem(offset, length, message, [.. expected]));
}
