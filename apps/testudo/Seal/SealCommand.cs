// testudo seal: the reverse of open. A capture of plain packets, the keys, and what would have gone over the wire.

using System.CommandLine;
using System.Security.Cryptography;
using Testudo.App.Keys;
using Testudo.App.Open;
using Testudo.Crypto;
using Testudo.Engine;
using Testudo.Offline;
using Testudo.Simulation;
using Testudo.Wire;

namespace Testudo.App.Seal;

internal static class SealCommand
{
    private static readonly Option<string[]> s_keys = new("--file", "-f") { Description = "a setkey file with the keys (and policies); may be repeated", Required = true };
    private static readonly Option<FileInfo> s_output = new("--write", "-w") { Description = "where to write what comes out: FILE.pcapng or FILE.pcap", Required = true };
    private static readonly Option<ulong?> s_seed = new("--seed") { Description = "draw IVs from this number instead of the system's random source, so that the same input gives the same bytes: for tests, never for packets that are sent" };
    private static readonly Option<bool> s_json = new("--json") { Description = "one line of JSON a frame on standard output" };
    private static readonly Argument<FileInfo> s_input = new("IN") { Description = OpenCommand.InputDescription };

    public static Command Make()
    {
        var command = new Command(
            "seal",
            "encrypt a capture with the keys of a setkey file: the reverse of open. The out policies of the files decide. Where they have none, an SA protects "
            + "what runs between its own two addresses (of several the first), and the first tunnel-mode SA whatever no other SA fits.")
        { s_input, s_keys, s_output, s_seed, s_json };
        EngineSettings.AddTo(command);
        command.SetAction(Run);
        return command;
    }

    private static int Run(ParseResult parsed)
    {
        FileInfo input = parsed.GetRequiredValue(s_input);
        try
        {
            // No path is known: what is sealed is as long as it gets.
            var options = new EngineOptions { Mtu = Batch.MaxPacketLength };
            if (EngineSettings.TryApply(parsed, ref options) is { } fault)
            {
                Console.Error.WriteLine($"testudo seal: {fault}");
                return 1;
            }

            Providers providers = EngineSettings.Providers(parsed);
            var offline = parsed.GetValue(s_seed) is { } seed
                ? new OfflineEngine(providers, options, new SeededRandom(seed).Fill)
                : new OfflineEngine(providers, options, RandomNumberGenerator.Fill);
            if (!ScriptRunner.RunFiles(parsed.GetRequiredValue(s_keys), offline.Keys, Console.Error))
            {
                return 1;
            }

            if (!offline.ProtectBySas())
            {
                Console.Error.WriteLine("testudo seal: the files have neither an SA nor an out policy, so nothing would be sealed: add SAs (add ... esp ...)");
                return 1;
            }

            return Seal(parsed, input, offline.Engine);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or CaptureFormatException)
        {
            Console.Error.WriteLine($"testudo seal: {(e is CaptureFormatException ? input.Name + ": " : "")}{e.Message}");
            return 1;
        }
    }

    private static int Seal(ParseResult parsed, FileInfo input, IpsecEngine engine)
    {
        using var sealer = new CaptureSealer(engine);
        using CaptureOutput output = CaptureOutput.Create(parsed.GetRequiredValue(s_output), "seal", "sealed");
        var loop = new FrameLoop(
            "seal",
            static verdict => verdict is Verdict.Sealed or Verdict.Clear,
            static account => $"{account.Of(Verdict.Sealed)} sealed, {account.Of(Verdict.Clear)} in clear by policy");
        return loop.Run(input, output, parsed.GetValue(s_json), sealer.Seal);
    }
}
