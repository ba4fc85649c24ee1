// The options of "up", and the names that follow from the instance number.

using System.Collections.Immutable;
using System.CommandLine;
using Testudo.App.Keys;
using Testudo.Crypto;
using Testudo.Engine;
using Testudo.Linux;
using Testudo.PfKey;

namespace Testudo.App.Up;

/// <summary>What "up" was asked for.</summary>
internal sealed record UpOptions(
    ImmutableArray<string> Files, ImmutableArray<HostLink> Links, string PfKeyPath, string ApiPath, int Instance, int ConfirmSeconds, FileInfo? Capture, long CaptureLimit,
    Providers Providers, EngineOptions Engine)
{
    public static Option<string[]> File { get; } = new("--file", "-f") { Description = "a setkey file to begin with; may be repeated" };

    public static Option<string> LinkList { get; } = new("--links")
    {
        Description = "ways to the network: a list of tun, raw and udp, or none (no guard, no routes, no privilege)",
        DefaultValueFactory = static _ => "tun,raw,udp",
    };

    public static Option<string?> PfKey { get; } = new("--pfkey") { Description = "the PF_KEY socket (else TESTUDO_PFKEY, else /run/testudo/pfkey.sock)" };

    public static Option<string?> Api { get; } = new("--api") { Description = "the control API's socket (else TESTUDO_API, else /run/testudo/api.sock)" };

    public static Option<int> InstanceNumber { get; } = new("--instance") { Description = "keeps several instances apart: marks, tables, priorities and names follow from it" };

    public static Option<int> Confirm { get; } = new("--confirm") { Description = "undo everything after so many seconds unless \"testudo confirm\" comes" };

    public static Option<FileInfo?> CaptureFile { get; } = new("--capture") { Description = "write what passes to this pcapng file: wire side and clear side, drops by name" };

    public static Option<long> Limit { get; } = new("--capture-limit")
    {
        Description = "bytes of capture; beyond them only what is dropped is written",
        DefaultValueFactory = static _ => long.MaxValue,
    };

    public static Option<string> Mss { get; } = new("--mss-clamp")
    {
        Description = "lower the MSS of TCP connections through IPsec: auto (what fits the path), bytes, or off",
        DefaultValueFactory = static _ => "off",
    };

    public static Option<string> Fragment { get; } = new("--fragment")
    {
        Description = "cut packets that are too long and may be fragmented: before or after IPsec (before: tunnel mode, IPv4)",
        DefaultValueFactory = static _ => "after",
    };

    public static Option<bool> IgnoreIcmp { get; } = new("--ignore-icmp") { Description = "let no ICMP error from the network lower a path MTU" };

    /// <summary>A file locked while an instance lives. Named after the network namespace, where its routes and rules are.</summary>
    public static string LockFile(int instance)
    {
        // net:[4026531840]
        string space = System.IO.File.ResolveLinkTarget("/proc/self/ns/net", returnFinalTarget: false)?.Name ?? "net";
        string name = string.Concat(space.Where(char.IsAsciiDigit));
        return Path.Combine(RunFolder(), $"instance{instance}-{name}.lock");
    }

    /// <summary>/run/testudo where that can be written to, else a folder of the user's own.</summary>
    public static string RunFolder()
    {
        string folder = "/run/testudo";
        try
        {
            PrivateSocket.MakeFolder(folder);
            return folder;
        }
        catch (Exception e) when (e is UnauthorizedAccessException or IOException)
        {
            folder = Path.Combine(Path.GetTempPath(), $"testudo-{Environment.UserName}");
            PrivateSocket.MakeFolder(folder);
            return folder;
        }
    }

    /// <summary>Reads the command line; null with the fault in words.</summary>
    public static UpOptions? Read(ParseResult parsed, out string? fault)
    {
        int instance = parsed.GetValue(InstanceNumber);
        if (!TryReadLinks(parsed.GetValue(LinkList)!, out ImmutableArray<HostLink> links, out fault))
        {
            return null;
        }

        if (instance is < 0 or > Testudo.Links.HostJoinOptions.MaxInstance)
        {
            fault = $"--instance is 0 to {Testudo.Links.HostJoinOptions.MaxInstance}";
            return null;
        }

        if (!TryReadMss(parsed.GetValue(Mss)!, out int mss, out fault))
        {
            return null;
        }

        if (parsed.GetValue(Fragment) is not ("before" or "after"))
        {
            fault = $"--fragment: '{parsed.GetValue(Fragment)}' is neither before nor after";
            return null;
        }

        var engine = new EngineOptions
        {
            MssClamp = mss,
            Fragments = parsed.GetValue(Fragment) == "before" ? FragmentPlace.Before : FragmentPlace.After,
            HonoursTooBig = !parsed.GetValue(IgnoreIcmp),
        };
        fault = EngineSettings.TryApply(parsed, ref engine);
        if (fault is not null)
        {
            return null;
        }

        return new UpOptions(
            [.. parsed.GetValue(File) ?? []],
            links,
            ForInstance(parsed.GetValue(PfKey), SocketPaths.PfKey, instance),
            ForInstance(parsed.GetValue(Api), SocketPaths.Api, instance),
            instance,
            parsed.GetValue(Confirm),
            parsed.GetValue(CaptureFile),
            parsed.GetValue(Limit),
            EngineSettings.Providers(parsed),
            engine);
    }

    /// <summary>A socket's path: as given, or the usual one with the instance's number in it.</summary>
    public static string ForInstance(string? given, Func<string?, string> usual, int instance)
    {
        string path = usual(given);
        return given is not null || instance == 0 ? path : Path.ChangeExtension(path, null) + instance + Path.GetExtension(path);
    }

    private static bool TryReadMss(string text, out int mss, out string? fault)
    {
        fault = null;
        mss = text switch { "off" => EngineOptions.MssOff, "auto" => EngineOptions.MssAuto, _ => -2 };
        if (mss == -2 && (!int.TryParse(text, System.Globalization.NumberStyles.None, null, out mss) || mss is < 536 or > 65495))
        {
            fault = $"--mss-clamp: '{text}' is neither auto, off nor a number from 536 to 65495";
        }

        return fault is null;
    }

    private static bool TryReadLinks(string list, out ImmutableArray<HostLink> links, out string? fault)
    {
        links = [];
        fault = null;
        if (list == "none")
        {
            return true;
        }

        foreach (string word in list.Split(','))
        {
            if (word is not ("tun" or "raw" or "udp"))
            {
                fault = $"--links: '{word}' is no link; write a list of tun, raw and udp, or none";
                return false;
            }

            links = links.Add(Enum.Parse<HostLink>(word, ignoreCase: true));
        }

        if (!links.Contains(HostLink.Tun))
        {
            fault = "--links: without tun nothing reaches this host's programs; write tun,raw or tun,udp";
            return false;
        }

        return true;
    }
}
