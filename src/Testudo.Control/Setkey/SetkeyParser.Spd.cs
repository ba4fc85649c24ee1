// The parser's commands on policies: spdadd, spdupdate, spddelete.

using System.Collections.Immutable;
using System.Globalization;
using Testudo.Wire;
using Testudo.Wire.PfKey;

namespace Testudo.Control.Setkey;

public sealed partial class SetkeyParser
{
    private bool TryParseSpd(SetkeyVerb verb, out ImmutableArray<PfKeyMessage> messages)
    {
        messages = [];
        if (_token.Kind == TokenKind.Word && Word is "tagged")
        {
            return Fail("policies by tag of a packet filter are not carried here", "an address");
        }

        if (!TryParseAddressFlags(out AddressFlags flags)
            || !TryParseRange(flags, "source", out Endpoint? source)
            || !TryParseRange(flags, "destination", out Endpoint? destination)
            || !TryParseUpper(source, destination, out Upper upper))
        {
            return false;
        }

        if (source.Address.Family != destination.Address.Family)
        {
            return FailAt(destination.Word, $"source and destination are of different families: IPv{(int)source.Address.Family} and IPv{(int)destination.Address.Family}");
        }

        if (_token.Kind != TokenKind.Option || Word is not "-P")
        {
            return Fail(_token.Kind == TokenKind.Option && Word is "-ctx" ? "security contexts (-ctx) are not carried here"
                : _token.Kind == TokenKind.Word && Word is "in" or "out" or "fwd" ? "the policy begins with -P" : $"{ShownToken()} does not belong here", "-P");
        }

        if (!TryParsePolicy(out PolicyExtension? policy))
        {
            return false;
        }

        PfKeyType type = verb switch { SetkeyVerb.SpdAdd => PfKeyType.SpdAdd, SetkeyVerb.SpdUpdate => PfKeyType.SpdUpdate, _ => PfKeyType.SpdDelete };
        messages = [Message(type, SaType.Unspec, [policy, Selector(AddressRole.Source, source, upper.Protocol, upper.SourcePort), Selector(AddressRole.Destination, destination, upper.Protocol, upper.DestinationPort)])];
        return true;
    }

    private static AddressExtension Selector(AddressRole role, Endpoint endpoint, byte protocol, ushort port) =>
        new(role, protocol, (byte)(endpoint.PrefixLength ?? endpoint.Address.Bits), endpoint.Address, port, endpoint.Scope);

    // address["/"length]["[" port "]"]
    private bool TryParseRange(AddressFlags flags, string role, [System.Diagnostics.CodeAnalysis.NotNullWhen(true)] out Endpoint? range)
    {
        if (!TryParseEndpoint(flags, role, out range))
        {
            return false;
        }

        if (range.Addresses.Count > 1)
        {
            return FailAt(range.Word, $"{Shown(range.Word)} has {range.Addresses.Count} addresses: a policy needs one, write it as a number");
        }

        if (_token.Kind == TokenKind.Slash)
        {
            Advance();
            Token token = _token;
            if (token.Kind == TokenKind.Word && Word.Contains('.'))
            {
                return Fail($"{ShownToken()} is a mask: write the number of leading bits, such as /24", "a number");
            }

            if (!TryParseNumber("the prefix length", (ulong)range.Address.Bits, out ulong length))
            {
                return false;
            }

            range = range with { PrefixLength = (int)length };
            Prefix masked = new Prefix(range.Address, (int)length).Masked();
            if (masked.Address != range.Address)
            {
                // Kept: kernels compare selectors with these bits, so a spddelete of such an entry needs them too.
                Warn(range.Word, $"{range.Address}/{length} has bits set behind its prefix: {masked} is most likely meant");
            }
        }

        if (!TryParsePort(out Token? port))
        {
            return false;
        }

        range = range with { Port = port };
        return true;
    }

    private readonly record struct Upper(byte Protocol, ushort SourcePort, ushort DestinationPort);

    private bool TryParseUpper(Endpoint source, Endpoint destination, out Upper upper)
    {
        upper = default;
        Token token = _token;
        if (token.Kind != TokenKind.Word || !TryReadUpper(Word, out byte protocol))
        {
            string[] names = ["any", "tcp", "udp", "icmp", "icmp6", "ip4"];
            return Fail(token.Kind == TokenKind.Option ? "the upper-layer protocol is missing before the option"
                : token.Kind == TokenKind.Open ? "a port stands directly behind its address, before the protocol" : $"{ShownToken()} is no upper-layer protocol{Hint(SetkeyWords.Protocols.Select(static p => p.Name))}", [.. names, "a number up to 255"]);
        }

        string name = Word.ToString();
        Advance();
        var kind = (IpProtocol)protocol;
        bool isTyped = kind is IpProtocol.Icmp or IpProtocol.Icmpv6 or IpProtocol.Mobility;
        if (isTyped && (source.Port ?? destination.Port) is { } misplaced)
        {
            return TextOf(misplaced) is "any" ? TryParseMisc(token, kind, out upper) : FailAt(misplaced, $"{name} has no ports: write type and code behind it, such as {name} 8,0");
        }

        if (_token.Kind == TokenKind.Word && Word is not ("in" or "out" or "fwd") && !IsCommandAtLineStart)
        {
            return isTyped || kind == IpProtocol.Gre ? TryParseMisc(token, kind, out upper) : Fail($"{ShownToken()} does not belong behind '{name}': only icmp, icmp6, mh and gre have more to say", "-P");
        }

        (ushort from, ushort to) = (0, 0);
        if ((source.Port is { } a && !TryReadPort(a, protocol, out from)) || (destination.Port is { } b && !TryReadPort(b, protocol, out to)))
        {
            return false;
        }

        if ((from | to) != 0 && kind is not (IpProtocol.Tcp or IpProtocol.Udp or IpProtocol.Sctp or IpProtocol.UdpLite) && protocol != 33)
        {
            Warn((from != 0 ? source : destination).Port!.Value, protocol == 255 ? "a port with the protocol 'any': say tcp or udp, only their packets have ports" : $"a port with the protocol '{name}', whose packets have none: the policy never matches");
        }

        upper = new Upper(protocol, from, to);
        return true;
    }

    private bool TryReadUpper(ReadOnlySpan<char> word, out byte protocol)
    {
        if (byte.TryParse(word, NumberStyles.None, CultureInfo.InvariantCulture, out protocol))
        {
            return true;
        }

        byte? found = SetkeyWords.FindNumber(SetkeyWords.Protocols, word) ?? (char.IsAsciiLetter(word[0]) ? _lookups.Protocols?.Invoke(word.ToString()) : null);
        protocol = found ?? 0;
        return found is not null;
    }

    // type["," code] of icmp, icmp6 and mh; the key of gre as a number or four with dots. They travel where ports do.
    private bool TryParseMisc(Token upperToken, IpProtocol kind, out Upper upper)
    {
        upper = new Upper((byte)kind, 0, 0);
        if (_token.Kind != TokenKind.Word)
        {
            return true;
        }

        ulong type;
        if (kind == IpProtocol.Gre)
        {
            if (Word.Contains('.') && Address.TryParse(Word.ToString(), out Address key))
            {
                type = key.Low;
                Advance();
            }
            else if (!TryParseNumber("the key of gre", uint.MaxValue, out type))
            {
                return false;
            }

            upper = new Upper((byte)kind, (ushort)(type >> 16), (ushort)type);
            return true;
        }

        if (!TryParseNumber("the type", byte.MaxValue, out type))
        {
            return false;
        }

        ulong code = 0;
        if (_token.Kind == TokenKind.Comma)
        {
            Advance();
            if (!TryParseNumber("the code", byte.MaxValue, out code))
            {
                return false;
            }
        }

        if (type == 0)
        {
            Warn(upperToken, "type 0 cannot be told from 'every type' in PF_KEY: the policy matches every type");
        }

        upper = new Upper((byte)kind, (ushort)type, (ushort)code);
        return true;
    }

    private bool TryParsePolicy([System.Diagnostics.CodeAnalysis.NotNullWhen(true)] out PolicyExtension? policy)
    {
        var reader = new PolicyReader(_text, _token.EndOffset, endsAtSemicolon: true);
        PolicyTextResult result = reader.Read();
        policy = result.Policy;
        foreach (PolicyProblem warning in result.Warnings)
        {
            _warnings.Add(At(new Token(TokenKind.Word, warning.Offset, warning.Length), warning.Message, [.. warning.Expected]));
        }

        // From here on with the words of the script: the ';', the end, or the word that is wrong in the policy.
        _lexer.Position = reader.Offset;
        Advance();
        _previous = new Token(TokenKind.Word, reader.PreviousEnd, 0);
        if (result.Error is not { } error)
        {
            return policy is not null;
        }

        var token = new Token(TokenKind.Word, error.Offset, error.Length);
        if (token.EndOffset <= _text.Length && Shown(token).StartsWith("a word", StringComparison.Ordinal))
        {
            error = error with { Message = "this word may be of a key, and does not belong into a policy" };
        }

        bool isMissing = error.Offset == _token.Offset && (_token.Kind == TokenKind.End || IsCommandAtLineStart);
        return isMissing ? Fail(error.Message, [.. error.Expected]) : FailAt(token, error.Message, [.. error.Expected]);
    }
}
