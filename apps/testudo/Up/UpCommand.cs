// testudo up: joins this host and stays in the foreground until it is told to end (Ctrl-C, SIGTERM, testudo down).

using System.CommandLine;
using System.Runtime.InteropServices;
using Testudo.App.Keys;
using Testudo.Control.Setkey;

namespace Testudo.App.Up;

internal static class UpCommand
{
    public static Command Make()
    {
        var command = new Command("up", "join this host and stay in the foreground")
        {
            UpOptions.File, UpOptions.LinkList, UpOptions.PfKey, UpOptions.Api, UpOptions.InstanceNumber, UpOptions.Confirm, UpOptions.CaptureFile, UpOptions.Limit,
            UpOptions.Mss, UpOptions.Fragment, UpOptions.IgnoreIcmp,
        };
        EngineSettings.AddTo(command);
        command.SetAction(Run);
        return command;
    }

    private static async Task<int> Run(ParseResult parsed, CancellationToken cancel)
    {
        UpOptions? options = UpOptions.Read(parsed, out string? fault);
        if (options is null)
        {
            Console.Error.WriteLine($"testudo up: {fault}");
            return 1;
        }

        try
        {
            return await Run(options, cancel).ConfigureAwait(false);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or System.Net.Sockets.SocketException)
        {
            Console.Error.WriteLine($"testudo up: {e.Message}");
            return 1;
        }
    }

    private static async Task<int> Run(UpOptions options, CancellationToken cancel)
    {
        // Files first: nothing is touched when one of them is wrong.
        var scripts = new List<(SetkeyScript Script, string Text)>();
        foreach (string file in options.Files)
        {
            string text = file == "-" ? await Console.In.ReadToEndAsync(cancel).ConfigureAwait(false) : await File.ReadAllTextAsync(file, cancel).ConfigureAwait(false);
            SetkeyScript script = SetkeyParser.Parse(text, file, SystemLookups.All);
            if (!ScriptRunner.Report(script, text, Console.Error))
            {
                return 1;
            }

            scripts.Add((script, text));
        }

        using var ending = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        void End(PosixSignalContext context)
        {
            context.Cancel = true;
            ending.Cancel();
        }

        using PosixSignalRegistration interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, End);
        using PosixSignalRegistration terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, End);
        await using Daemon daemon = Daemon.Start(options, scripts.Select(static script => script.Script), Console.Error, ending);
        Console.Out.WriteLine($"testudo: ready, pfkey {options.PfKeyPath}, api {options.ApiPath}{(options.ConfirmSeconds > 0 ? $"; waiting {options.ConfirmSeconds} s for testudo confirm" : "")}");
        await Console.Out.FlushAsync(CancellationToken.None).ConfigureAwait(false);
        return await daemon.WaitAsync().ConfigureAwait(false);
    }
}
