// What setkey prints, in the manner of ipsec-tools and NetBSD: names of numbers, times, addresses, and the words for errors.
// The SAs are in SetkeyFormat.Sa.cs, the policies in SetkeyFormat.Spd.cs. Scripts all over read these lines: their blanks count.

using System.Globalization;
using Testudo.Wire.PfKey;

namespace Testudo.Control.Setkey;

/// <summary>What the printed text depends on besides the message.</summary>
/// <param name="Now">The current time, Unix seconds.</param>
/// <param name="Zone">The zone in which times are shown.</param>
public sealed record SetkeyFormatOptions(ulong Now, TimeZoneInfo Zone)
{
    /// <summary>How an upper-layer protocol is shown; KAME's names where it is null.</summary>
    public Func<byte, string>? Upper { get; init; }

    /// <summary>Adds a line with what other setkeys have no words for: ICV length, 64-bit sequence, window in packets.</summary>
    public bool ShowsExtras { get; init; }

    /// <summary>Shows dead SAs too (-a).</summary>
    public bool ShowsDead { get; init; }
}

/// <summary>The output of setkey.</summary>
public static partial class SetkeyFormat
{
    /// <summary>What -D prints for an empty SAD.</summary>
    public const string NoSadEntries = "No SAD entries.";

    /// <summary>What -DP prints for an empty SPD.</summary>
    public const string NoSpdEntries = "No SPD entries.";

    /// <summary>The text of an error, as setkey says it: without a full stop.</summary>
    /// <param name="type">The type of the message that was answered.</param>
    /// <param name="error">The error of the answer.</param>
    public static string ErrorText(PfKeyType type, PfKeyError error) => error switch
    {
        PfKeyError.NoEntry => type switch
        {
            PfKeyType.Dump => "No SAD entries",
            PfKeyType.SpdDump => "No SPD entries",
            PfKeyType.Delete or PfKeyType.Get or PfKeyType.SpdDelete or PfKeyType.SpdDelete2 or PfKeyType.SpdGet => "No entry",
            _ => "No such file or directory",
        },
        PfKeyError.None => "Success",
        PfKeyError.Perm => "Operation not permitted",
        PfKeyError.NoSuchProcess => "No such process",
        PfKeyError.Io => "Input/output error",
        PfKeyError.NoMemory => "Cannot allocate memory",
        PfKeyError.Access => "Permission denied",
        PfKeyError.Exists => "File exists",
        PfKeyError.Invalid => "Invalid argument",
        PfKeyError.NoBuffers => "No buffer space available",
        PfKeyError.NotSupported => "Operation not supported",
        PfKeyError.ProtocolNotSupported => "Protocol not supported",
        PfKeyError.AddressFamilyNotSupported => "Address family not supported by protocol family",
        PfKeyError.NetDown => "Network is down",
        PfKeyError.TooBig => "Message too long",
        _ => error.ToString(),
    };

    /// <summary>
    /// The line for a refused command: its place, setkey's text, and the server's own words where the answer has some.
    /// </summary>
    public static string Refusal(SetkeyCommand command, PfKeyMessage answer)
    {
        ArgumentNullException.ThrowIfNull(command);
        ArgumentNullException.ThrowIfNull(answer);
        string words = answer.Find<TestudoExtension>()?.Text is { Length: > 0 } text ? $": {text}" : "";
        return string.Create(CultureInfo.InvariantCulture, $"{command.File}:{command.Line}:{command.Column}: {ErrorText(answer.Type, answer.Error)}{words}");
    }

    /// <summary>An upper-layer protocol by KAME's names (any, tcp, icmp6 ...), or its number.</summary>
    public static string UpperByName(byte protocol)
    {
        foreach ((string name, byte number) in SetkeyWords.Protocols)
        {
            if (number == protocol)
            {
                return name;
            }
        }

        return protocol.ToString(CultureInfo.InvariantCulture);
    }

    /// <summary>An upper-layer protocol as NetBSD shows it: 255(reserved), 6(tcp), and a bare number where /etc/protocols has no name.</summary>
    public static string UpperByNumber(byte protocol, Func<byte, string?>? names = null) =>
        names?.Invoke(protocol) is { } name ? string.Create(CultureInfo.InvariantCulture, $"{protocol}({name})") : protocol.ToString(CultureInfo.InvariantCulture);

    /// <summary>The 20 characters of ctime(3) without weekday and line end: <c>Nov 23 10:09:20 2026</c>; 20 blanks for the time 0.</summary>
    public static string Time(ulong unixSeconds, TimeZoneInfo zone)
    {
        // DateTime ends with the year 9999; such a time comes out of a broken server only.
        const ulong Last = 253_402_300_799 - 86_400;
        if (unixSeconds == 0)
        {
            return new string(' ', 20);
        }

        DateTime time = TimeZoneInfo.ConvertTimeFromUtc(DateTime.UnixEpoch.AddSeconds(Math.Min(unixSeconds, Last)), zone);
        return time.ToString("MMM ", CultureInfo.InvariantCulture) + time.Day.ToString(CultureInfo.InvariantCulture).PadLeft(2) + time.ToString(" HH:mm:ss yyyy", CultureInfo.InvariantCulture);
    }

    // getnameinfo's form: a link-local address shows its zone.
    private static string Shown(AddressExtension address) =>
        address.Scope == 0 ? address.Address.ToString() : string.Create(CultureInfo.InvariantCulture, $"{address.Address}%{address.Scope}");
}
