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
using Testudo.Wire;
using Testudo.Wire.PfKey;

namespace Testudo.Control;

internal sealed class PolicyReader(string text, int start, bool endsAtSemicolon)
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

    private bool TryReadRequest([System.Diagnostics.CodeAnalysis.NotNullWhen(true)] out PolicyRequest? request)
    {
        request = null;
        (int requestOffset, _) = (_offset, _length);
        IpProtocol protocol;
        switch (Current)
        {
            case "esp": protocol = IpProtocol.Esp; break;
            case "ah": protocol = IpProtocol.Ah; break;
            case "ipcomp": protocol = IpProtocol.IpComp; break;
            case "tcp": protocol = IpProtocol.Tcp; break;
            case "-":
                Fail("a policy is the last of a command: options belong before -P", "esp", "ah", "ipcomp", ";");
                return false;
            default:
                Fail($"{Shown()} is no request", "esp", "ah", "ipcomp", ";");
                return false;
        }

        Next();
        if (!Take('/', $"a request is {text.AsSpan(requestOffset, _offset - requestOffset).Trim()}/MODE/ENDPOINTS/LEVEL"))
        {
            return false;
        }

        IpsecMode mode;
        switch (Current)
        {
            case "transport": mode = IpsecMode.Transport; break;
            case "tunnel": mode = IpsecMode.Tunnel; break;
            default:
                Fail(AtEnd ? "the request's mode is missing" : $"{Shown()} is no mode", "transport", "tunnel");
                return false;
        }

        (int modeOffset, int modeLength) = (_offset, _length);
        Next();
        Address? source = null;
        Address? destination = null;
        PolicyLevel level = PolicyLevel.Default;
        uint reqid = 0;
        if (Current is "/")
        {
            Next();
            if (Current is not "/" && !AtEnd && !IsProtocolBeforeSlash)
            {
                if (TryLevel(Current, out _))
                {
                    Fail($"{Shown()} is a level, and stands where the endpoints belong: without endpoints write two slashes, {(mode == IpsecMode.Tunnel ? "tunnel" : "transport")}//{Current}", "an address", "/");
                    return false;
                }

                if (!TryReadEndpoints(out source, out destination))
                {
                    return false;
                }
            }

            if (Current is "/")
            {
                Next();
                if (!TryReadLevel(ref level, ref reqid))
                {
                    return false;
                }
            }
            else if (!AtEnd && !IsProtocol)
            {
                Fail($"{Shown()} does not belong here", "/", "esp", "ah", "ipcomp", ";");
                return false;
            }
        }

        if (mode == IpsecMode.Tunnel && source is null)
        {
            FailAt(modeOffset, modeLength, "tunnel mode needs the tunnel's endpoints: tunnel/SOURCE-DESTINATION/LEVEL", "transport");
            return false;
        }

        request = new PolicyRequest(protocol, mode, level, reqid, source, destination);
        return true;
    }

    private bool TryReadEndpoints(out Address? source, out Address? destination)
    {
        source = destination = null;
        if (Current is "me" or "any")
        {
            // Parsed by every library, and set to no address by every one; KAME meant to fill in the host's own.
            string wanted = Current is "me" ? "any" : "me";
            Next();
            if (!Take('-', "endpoints are SOURCE-DESTINATION"))
            {
                return false;
            }

            if (!Current.SequenceEqual(wanted))
            {
                Fail($"{Shown()} does not go with the first endpoint", wanted);
                return false;
            }

            Next();
            return true;
        }

        if (!TryReadAddress(out Address first) || !Take('-', "endpoints are SOURCE-DESTINATION"))
        {
            return false;
        }

        (int offset, int length) = (_offset, _length);
        if (!TryReadAddress(out Address second))
        {
            return false;
        }

        if (first.Family != second.Family)
        {
            FailAt(offset, length, $"both ends of a request are of one family: {first} is IPv{(int)first.Family}, {second} is IPv{(int)second.Family}");
            return false;
        }

        source = first;
        destination = second;
        return true;
    }

    private bool TryReadAddress(out Address address)
    {
        address = default;
        if (!IsWord || !Address.TryParse(Current.ToString(), out address))
        {
            Fail(AtEnd ? "an endpoint is missing"
                : Current.Contains('%') ? $"{Shown()}: a zone cannot be carried in a request; leave out what follows '%'"
                : IsWord ? $"{Shown()} is no numeric address, and names are not looked up in a policy" : $"{Shown()} stands where an endpoint belongs", "an address");
            return false;
        }

        Next();
        if (Current is not "[")
        {
            return true;
        }

        Next();
        (int offset, int length) = (_offset, _length);
        if (!ushort.TryParse(Current, NumberStyles.None, CultureInfo.InvariantCulture, out ushort port) && Current is not "any")
        {
            Fail(AtEnd ? "the port is missing" : $"{Shown()} is no port", "a number up to 65535", "any");
            return false;
        }

        Next();
        if (!Take(']', "a port stands in brackets"))
        {
            return false;
        }

        if (port != 0)
        {
            Warn(offset, length, $"the port {port} of a request is not carried: the SA's own NAT traversal ports count");
        }

        return true;
    }

    private bool TryReadLevel(ref PolicyLevel level, ref uint reqid)
    {
        if (AtEnd || IsProtocolBeforeSlash)
        {
            return true;
        }

        int colon = Current.IndexOf(':');
        if (!TryLevel(colon < 0 ? Current : Current[..colon], out level))
        {
            Fail($"{Shown()} is no level", "default", "use", "require", "unique", "unique:N");
            return false;
        }

        int end = _offset + _length;
        int idOffset = _offset + colon + 1;
        Next();
        if (colon < 0)
        {
            if (Current is not "#" || _offset != end || _position >= text.Length || !char.IsAsciiDigit(text[_position]))
            {
                return true;
            }

            // The form of a dump, where '#' marks an id that the kernel chose.
            Next();
            (idOffset, end) = (_offset, _offset + _length);
            Next();
        }

        ReadOnlySpan<char> id = text.AsSpan(idOffset, end - idOffset);
        if (level != PolicyLevel.Unique)
        {
            FailAt(idOffset, Math.Max(id.Length, 1), "only the level 'unique' takes a number", "unique:N");
            return false;
        }

        if (!uint.TryParse(id, NumberStyles.None, CultureInfo.InvariantCulture, out reqid))
        {
            FailAt(idOffset, Math.Max(id.Length, 1), id.IsEmpty ? "the number behind 'unique' is missing" : $"{Setkey.SetkeyWords.Shown(id)} is no request id", "a number from 1 to 16383");
            return false;
        }

        if (reqid > PolicyText.MaxManualReqid)
        {
            Warn(idOffset, id.Length, $"request ids above {PolicyText.MaxManualReqid} are the kernel's own: it puts another in the place of {reqid}", "a number from 1 to 16383");
        }

        return true;
    }

    private static bool TryLevel(ReadOnlySpan<char> word, out PolicyLevel level)
    {
        level = word switch { "use" => PolicyLevel.Use, "require" => PolicyLevel.Require, "unique" => PolicyLevel.Unique, _ => PolicyLevel.Default };
        return level != PolicyLevel.Default || word is "default";
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
