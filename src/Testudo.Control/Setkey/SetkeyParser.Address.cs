// The parser's addresses, ports and numbers.

using System.Globalization;
using Testudo.Wire;

namespace Testudo.Control.Setkey;

public sealed partial class SetkeyParser
{
    /// <summary>An address of a command as written; a port's meaning may wait for the upper-layer protocol.</summary>
    private sealed record Endpoint(Token Word, IReadOnlyList<Address> Addresses, uint Scope)
    {
        public int? PrefixLength { get; init; }

        public Token? Port { get; init; }

        public Address Address => Addresses[0];
    }

    private readonly record struct AddressFlags(IpFamily Family, bool IsNumeric);

    // -4, -6 and -n, alone or together (-46n); both families together are the same as none.
    private bool TryParseAddressFlags(out AddressFlags flags)
    {
        flags = default;
        bool four = false;
        bool six = false;
        bool numeric = false;
        while (_token.Kind == TokenKind.Option)
        {
            if (_token.Length < 2 || Word[1..].ContainsAnyExcept("46n"))
            {
                return Fail($"{ShownToken()} does not belong before the addresses", "-4", "-6", "-n", "an address");
            }

            four |= Word.Contains('4');
            six |= Word.Contains('6');
            numeric |= Word.Contains('n');
            Advance();
        }

        flags = new AddressFlags(four == six ? IpFamily.None : four ? IpFamily.V4 : IpFamily.V6, numeric);
        return true;
    }

    private bool TryParseEndpoint(AddressFlags flags, string role, [System.Diagnostics.CodeAnalysis.NotNullWhen(true)] out Endpoint? endpoint)
    {
        endpoint = null;
        if (_token.Kind != TokenKind.Word)
        {
            return Fail($"the {role} address is missing: {ShownToken()} stands in its place", "an address");
        }

        string word = Word.ToString();
        int percent = word.IndexOf('%', StringComparison.Ordinal);
        string host = percent < 0 ? word : word[..percent];
        IReadOnlyList<Address> addresses;
        if (Address.TryParse(host, out Address address))
        {
            if (flags.Family != IpFamily.None && address.Family != flags.Family)
            {
                return Fail($"{address} is an IPv{(int)address.Family} address, and -{(int)flags.Family} asks for IPv{(int)flags.Family}");
            }

            addresses = [address];
        }
        else if (!TryLookUp(host, flags, role, out addresses))
        {
            return false;
        }

        if (!TryParseZone(percent < 0 ? "" : word[percent..], out uint scope))
        {
            return false;
        }

        endpoint = new Endpoint(_token, addresses, scope);
        Advance();
        return true;
    }

    private bool TryLookUp(string host, AddressFlags flags, string role, out IReadOnlyList<Address> addresses)
    {
        addresses = [];
        string shown = ShownToken();
        if (host.All(static c => char.IsAsciiDigit(c) || c == '.'))
        {
            return Fail($"{shown} is no IPv4 address: four numbers from 0 to 255 with dots between them", "an address");
        }

        if (host.Contains(':', StringComparison.Ordinal))
        {
            return Fail($"{shown} is no IPv6 address", "an address");
        }

        if (SetkeyWords.LooksLikeKey(host) || host.StartsWith("0x", StringComparison.OrdinalIgnoreCase))
        {
            return Fail($"{shown} stands where the {role} address belongs", "an address");
        }

        if (flags.IsNumeric || _lookups.Hosts is null)
        {
            string why = flags.IsNumeric ? "-n forbids to look up names" : "names are not looked up here";
            return Fail($"{shown} is no address, and {why}", "an address");
        }

        addresses = [.. _lookups.Hosts(host, flags.Family).Where(a => flags.Family == IpFamily.None || a.Family == flags.Family)];
        return addresses.Count > 0 || Fail($"the host {shown} is not known{(flags.Family == IpFamily.None ? "" : $" with an IPv{(int)flags.Family} address")}", "an address");
    }

    private bool TryParseZone(string zone, out uint scope)
    {
        scope = 0;
        if (zone.Length == 0)
        {
            return true;
        }

        string name = zone[1..];
        if (uint.TryParse(name, NumberStyles.None, CultureInfo.InvariantCulture, out scope))
        {
            return true;
        }

        if (name.Length > 0 && _lookups.Interfaces?.Invoke(name) is { } index)
        {
            scope = index;
            return true;
        }

        return Fail(_lookups.Interfaces is null ? $"the zone of {ShownToken()} is to be a number here: names of interfaces are not looked up"
            : $"there is no interface for the zone of {ShownToken()}");
    }

    // "[" port "]", and nothing where no bracket stands.
    private bool TryParsePort(out Token? port)
    {
        port = null;
        if (_token.Kind != TokenKind.Open)
        {
            return true;
        }

        Advance();
        if (_token.Kind != TokenKind.Word)
        {
            return Fail($"{ShownToken()} is no port", "a number up to 65535", "any");
        }

        port = _token;
        Advance();
        if (_token.Kind != TokenKind.Close)
        {
            return Fail($"a port stands in brackets: {ShownToken()} is not the closing one", "]");
        }

        Advance();
        return true;
    }

    private bool TryReadPort(Token token, byte protocol, out ushort port)
    {
        port = 0;
        ReadOnlySpan<char> word = TextOf(token);
        if (word is "any" || ushort.TryParse(word, NumberStyles.None, CultureInfo.InvariantCulture, out port))
        {
            return true;
        }

        if (char.IsAsciiLetter(word[0]) && _lookups.Services is { } services)
        {
            if (services(word.ToString(), protocol) is { } found)
            {
                port = found;
                return true;
            }

            return FailAt(token, $"the service {Shown(token)} is not known", "a number up to 65535", "any");
        }

        string why = word.ContainsAnyExceptInRange('0', '9') ? (char.IsAsciiLetter(word[0]) ? ", and names of services are not looked up here" : "") : ": it is above 65535";
        return FailAt(token, $"{Shown(token)} is no port{why}", "a number up to 65535", "any");
    }

    /// <summary>Reads a decimal or 0x number; the current word must be one.</summary>
    private bool TryParseNumber(string what, ulong max, out ulong value)
    {
        value = 0;
        if (_token.Kind is not (TokenKind.Word or TokenKind.Option))
        {
            return Fail($"{what} is missing: {ShownToken()} stands in its place", "a number");
        }

        bool isHex = Word.StartsWith("0x", StringComparison.OrdinalIgnoreCase);
        ReadOnlySpan<char> digits = isHex ? Word[2..] : Word;
        bool isNumber = digits.Length > 0;
        foreach (char c in digits)
        {
            isNumber &= isHex ? char.IsAsciiHexDigit(c) : char.IsAsciiDigit(c);
        }

        if (!isNumber)
        {
            return Fail(SetkeyWords.IsOption(Word) || _token.Kind == TokenKind.Option ? $"{what} is missing: {ShownToken()} stands in its place" : $"{ShownToken()} is no number: it stands where {what} belongs", "a number");
        }

        if (!ulong.TryParse(digits, isHex ? NumberStyles.AllowHexSpecifier : NumberStyles.None, CultureInfo.InvariantCulture, out value) || value > max)
        {
            return Fail($"{what} is at most {max}{(max == uint.MaxValue ? " (0xffffffff)" : "")}");
        }

        Advance();
        return true;
    }
}
