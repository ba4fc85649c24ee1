// testudo open: a capture, the keys, and what was inside. The capture's own clock is the time.

using System.CommandLine;
using Testudo.App.Keys;
using Testudo.Engine;
using Testudo.Offline;
using Testudo.Wire;

namespace Testudo.App.Open;

internal static class OpenCommand
{
    /// <summary>What open and seal read.</summary>
    public const string InputDescription = "the capture: pcap or pcapng; Ethernet (VLAN tags too), raw IP, BSD loopback, or Linux cooked";

    private static readonly Option<string[]> s_keys = new("--file", "-f") { Description = "a setkey file with the keys (and policies); may be repeated", Required = true };
    private static readonly Option<FileInfo?> s_output = new("--write", "-w") { Description = "where to write what comes out: FILE.pcapng or FILE.pcap" };
    private static readonly Option<bool> s_all = new("--all") { Description = "write packets that were not protected too" };
    private static readonly Option<bool> s_policy = new("--policy") { Description = "check packets against the policies of the files" };
    private static readonly Option<bool> s_json = new("--json") { Description = "one line of JSON a frame on standard output" };
    private static readonly Argument<FileInfo> s_input = new("IN") { Description = InputDescription };

    public static Command Make()
    {
        var command = new Command("open", "decrypt a capture with the keys of a setkey file") { s_input, s_keys, s_output, s_all, s_policy, s_json };
        EngineSettings.AddTo(command);
        command.SetAction(Run);
        return command;
    }

    private static int Run(ParseResult parsed)
    {
        FileInfo input = parsed.GetRequiredValue(s_input);
        try
        {
            var options = new EngineOptions { ChecksPolicy = parsed.GetValue(s_policy) };
            if (EngineSettings.TryApply(parsed, ref options) is { } fault)
            {
                Console.Error.WriteLine($"testudo open: {fault}");
                return 1;
            }

            var offline = new OfflineEngine(EngineSettings.Providers(parsed), options, static bytes => bytes.Clear()); // never sends
            return ScriptRunner.RunFiles(parsed.GetRequiredValue(s_keys), offline.Keys, Console.Error) ? Open(parsed, input, offline.Engine) : 1;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or CaptureFormatException)
        {
            Console.Error.WriteLine($"testudo open: {(e is CaptureFormatException ? input.Name + ": " : "")}{e.Message}");
            return 1;
        }
    }

    private static int Open(ParseResult parsed, FileInfo input, IpsecEngine engine)
    {
        using var opener = new CaptureOpener(engine);
        using CaptureOutput? output = parsed.GetValue(s_output) is { } file ? CaptureOutput.Create(file, "open", "opened") : null;
        bool writesAll = parsed.GetValue(s_all);
        var loop = new FrameLoop(
            "open",
            verdict => verdict == Verdict.Opened || (verdict == Verdict.Clear && writesAll),
            static account => $"{account.Of(Verdict.Opened)} opened, {account.Of(Verdict.Clear)} not protected, {account.Of(Verdict.Held)} fragments");
        return loop.Run(input, output, parsed.GetValue(s_json), opener.Open);
    }
}
