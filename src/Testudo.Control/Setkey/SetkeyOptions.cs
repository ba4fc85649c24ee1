// setkey's own command line, by the rules of getopt(3): flags may be joined (-DP, -fFILE), and the last of -D, -F, -c, -f, -e
// wins as it always did. Pure: words in, a record or a refusal out.

using System.Collections.Immutable;
using System.Globalization;
using Testudo.Wire.PfKey;

namespace Testudo.Control.Setkey;

/// <summary>What a command line asks for.</summary>
public enum SetkeyAction : byte
{
    /// <summary>Nothing, or -h, -?: the usage, and exit status 1.</summary>
    Usage,

    /// <summary>-V: the version.</summary>
    Version,

    /// <summary>-c, -f, -e: a script.</summary>
    Script,

    /// <summary>-D.</summary>
    Dump,

    /// <summary>-F.</summary>
    Flush,
}

/// <summary>A command line that was understood.</summary>
public sealed record SetkeyOptions
{
    /// <summary>The usage text, with a line end.</summary>
    public const string Usage = """
        usage: setkey [-nv] [--pfkey PATH] -c
               setkey [-nv] [--pfkey PATH] -f file
               setkey [-nv] [--pfkey PATH] -e script
               setkey [-aNpPv] [--pfkey PATH] -D
               setkey [-Pv] [--pfkey PATH] -F
               setkey [-V] [-h]

        """;

    public SetkeyAction Action { get; init; }

    /// <summary>-P: the SPD instead of the SAD.</summary>
    public bool IsSpd { get; init; }

    /// <summary>The script's file; "-" for standard input, null where <see cref="Script"/> has the text.</summary>
    public string? File { get; init; }

    /// <summary>-e: the script itself. It may have keys in it.</summary>
    public string? Script { get; init; }

    /// <summary>-n: read the script, send nothing.</summary>
    public bool ChecksOnly { get; init; }

    /// <summary>-v: prints each message in outline, as it is sent and as it comes back.</summary>
    public bool IsVerbose { get; init; }

    /// <summary>-a: dead SAs too.</summary>
    public bool ShowsDead { get; init; }

    /// <summary>-p: the ports of ESP in UDP; they are shown anyway, as NetBSD does.</summary>
    public bool ShowsPorts { get; init; }

    /// <summary>-N: policies of sockets are left out of -DP.</summary>
    public bool HidesSocketPolicies { get; init; }

    /// <summary>--pfkey: the server's socket; null for the usual one.</summary>
    public string? PfKeyPath { get; init; }

    /// <summary>What setkey prints before it goes on.</summary>
    public ImmutableArray<string> Warnings { get; init; } = [];

    /// <summary>Never the script.</summary>
    public override string ToString() => $"SetkeyOptions {{ Action = {Action}, IsSpd = {IsSpd}, File = {File}, ChecksOnly = {ChecksOnly} }}";

    /// <summary>The message of -D, -DP, -F or -FP; null for everything else.</summary>
    public PfKeyMessage? ToMessage() => Action is not (SetkeyAction.Dump or SetkeyAction.Flush) ? null
        : new PfKeyMessage(Action == SetkeyAction.Dump ? (IsSpd ? PfKeyType.SpdDump : PfKeyType.Dump) : IsSpd ? PfKeyType.SpdFlush : PfKeyType.Flush)
        {
            Extensions = [new TestudoExtension()],
        };

    /// <summary>Reads a command line.</summary>
    /// <param name="arguments">The words behind the program's name.</param>
    /// <param name="options">What they ask for; null where they are refused.</param>
    /// <returns>Null, or the sentence of the refusal.</returns>
    public static string? TryParse(IReadOnlyList<string> arguments, out SetkeyOptions? options)
    {
        ArgumentNullException.ThrowIfNull(arguments);
        options = null;
        var parsed = new SetkeyOptions();
        bool hasFile = false;
        for (int i = 0; i < arguments.Count; i++)
        {
            string word = arguments[i];
            if (word is "--pfkey" || word.StartsWith("--pfkey=", StringComparison.Ordinal))
            {
                string? path = word.Length > 7 ? word[8..] : ++i < arguments.Count ? arguments[i] : null;
                if (string.IsNullOrEmpty(path))
                {
                    return "--pfkey needs the path of the server's socket";
                }

                parsed = parsed with { PfKeyPath = path };
                continue;
            }

            if (word is "--help" or "--version")
            {
                parsed = parsed with { Action = word == "--help" ? SetkeyAction.Usage : SetkeyAction.Version };
                continue;
            }

            if (word.StartsWith("--", StringComparison.Ordinal) && word.Length > 2)
            {
                return $"unknown option {Shown(word)}; the only long ones are --pfkey PATH, --help and --version";
            }

            if (word is "--" or "-" || word is not ['-', ..])
            {
                bool isLast = word == "--" && i + 1 == arguments.Count;
                if (isLast)
                {
                    break;
                }

                return word is "--" or "-" ? "files without a flag are recordings of PF_KEY messages, and those are not read yet: a script is read with -f"
                    : $"{Shown(word)}: files without a flag are recordings of PF_KEY messages, and those are not read yet; a script is read with -f {Shown(word)}";
            }

            for (int j = 1; j < word.Length; j++)
            {
                char flag = word[j];
                if (flag is 'f' or 'e')
                {
                    // One -f or -e: FreeBSD refuses a second.
                    string? value = j + 1 < word.Length ? word[(j + 1)..] : ++i < arguments.Count ? arguments[i] : null;
                    if (value is null)
                    {
                        return $"option requires an argument -- {flag}";
                    }

                    if (hasFile)
                    {
                        return "only one of -f and -e may be given, and once";
                    }

                    hasFile = true;
                    parsed = parsed with { Action = SetkeyAction.Script, File = flag == 'f' ? value : null, Script = flag == 'e' ? value : null };
                    break;
                }

                if (TryParseFlag(flag, ref parsed) is { } refusal)
                {
                    return refusal;
                }
            }
        }

        options = parsed;
        return null;
    }

    private static string? TryParseFlag(char flag, ref SetkeyOptions parsed)
    {
        switch (flag)
        {
            case 'c': parsed = parsed with { Action = SetkeyAction.Script, File = "-", Script = null }; break;
            case 'D': parsed = parsed with { Action = SetkeyAction.Dump }; break;
            case 'F': parsed = parsed with { Action = SetkeyAction.Flush }; break;
            case 'P': parsed = parsed with { IsSpd = true }; break;
            case 'n': parsed = parsed with { ChecksOnly = true }; break;
            case 'v': parsed = parsed with { IsVerbose = true }; break;
            case 'a': parsed = parsed with { ShowsDead = true }; break;
            case 'p': parsed = parsed with { ShowsPorts = true }; break;
            case 'N': parsed = parsed with { HidesSocketPolicies = true }; break;
            case 'd': break;
            case 'V': parsed = parsed with { Action = SetkeyAction.Version }; break;
            case '?': parsed = parsed with { Action = SetkeyAction.Usage }; break;
            case 'h' when parsed.Action == SetkeyAction.Usage: break;
            case 'r' or 'k':
                // Linux's fwd policies. The text is what ipsec-tools says elsewhere.
                const string Warning = "warning: -r and -k options are not supported in this environment";
                parsed = parsed with { Warnings = [.. parsed.Warnings.Where(static w => w != Warning), Warning] };
                break;
            case 'l': return "-l, the dump that repeats itself, is not carried yet: repeat -D from outside";
            case 'x': return "-x, the monitor of PF_KEY messages, is not carried yet";
            case 'h' or 'H': return $"-{flag}, hexadecimal dumps of PF_KEY messages, is not carried yet";
            case 'g' or 't': return $"-{flag}, FreeBSD's choice by scope, is not carried yet: -DP shows all policies";
            default: return string.Create(CultureInfo.InvariantCulture, $"unknown option -- {(char.IsControl(flag) ? '?' : flag)}");
        }

        return null;
    }

    private static string Shown(string word) => SetkeyWords.Shown(word);
}
