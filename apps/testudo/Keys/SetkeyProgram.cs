// testudo setkey: setkey(8) over PF_KEY. Exit status 0 when everything was done, 1 when anything was not.

using System.Net.Sockets;
using Testudo.Control.Setkey;
using Testudo.PfKey;
using Testudo.Wire.PfKey;

namespace Testudo.App.Keys;

internal static class SetkeyProgram
{
    public static int Run(IReadOnlyList<string> args)
    {
        if (SetkeyOptions.TryParse(args, out SetkeyOptions? options) is { } fault)
        {
            Console.Error.WriteLine($"setkey: {fault}");
            Console.Error.Write(SetkeyOptions.Usage);
            return 1;
        }

        foreach (string warning in options!.Warnings)
        {
            Console.Error.WriteLine($"setkey: {warning}");
        }

        switch (options.Action)
        {
            case SetkeyAction.Usage:
                Console.Out.Write(SetkeyOptions.Usage);
                return 0;
            case SetkeyAction.Version:
                Console.Out.WriteLine($"setkey of testudo {AppVersion.Text}");
                return 0;
        }

        try
        {
            return options.ToMessage() is { } message ? Ask(options, message) : Execute(options);
        }
        catch (SocketException e)
        {
            string path = SocketPaths.PfKey(options.PfKeyPath);
            Console.Error.WriteLine($"setkey: {path}: {e.Message}. Is testudo up? Another socket is named by --pfkey PATH or TESTUDO_PFKEY.");
            return 1;
        }
        catch (IOException e)
        {
            Console.Error.WriteLine($"setkey: {e.Message}");
            return 1;
        }
    }

    private static int Ask(SetkeyOptions options, PfKeyMessage message)
    {
        using var client = new PfKeyClient(SocketPaths.PfKey(options.PfKeyPath));
        IReadOnlyList<PfKeyMessage> answers = Asking(options, client)(message);
        if (Showing(options)(answers))
        {
            return 0;
        }

        Console.Error.WriteLine($"setkey: {SetkeyFormat.ErrorText(message.Type, answers[^1].Error)}{Words(answers[^1])}");
        return 1;
    }

    private static int Execute(SetkeyOptions options)
    {
        string name = options.Script is not null ? "script" : options.File is "-" or null ? "stdin" : options.File;
        string text = options.Script ?? (name == "stdin" ? Console.In.ReadToEnd() : File.ReadAllText(options.File!));
        SetkeyScript script = SetkeyParser.Parse(text, name, SystemLookups.All);
        if (!ScriptRunner.Report(script, text, Console.Error))
        {
            return 1;
        }

        if (options.ChecksOnly)
        {
            return 0;
        }

        using var client = new PfKeyClient(SocketPaths.PfKey(options.PfKeyPath));
        return ScriptRunner.Run(script, Asking(options, client), Showing(options), Console.Error) ? 0 : 1;
    }

    // -v: each message as it is sent, and what comes back.
    private static Func<PfKeyMessage, IReadOnlyList<PfKeyMessage>> Asking(SetkeyOptions options, PfKeyClient client) => !options.IsVerbose ? client.Ask : message =>
    {
        Console.Out.Write(SetkeyFormat.Message(message, Dialect.Linux));
        IReadOnlyList<PfKeyMessage> answers = client.Ask(message);
        foreach (PfKeyMessage answer in answers)
        {
            Console.Out.Write(SetkeyFormat.Message(answer, Dialect.Linux));
        }

        return answers;
    };

    private static Func<IReadOnlyList<PfKeyMessage>, bool> Showing(SetkeyOptions options)
    {
        var format = new SetkeyFormatOptions((ulong)DateTimeOffset.UtcNow.ToUnixTimeSeconds(), TimeZoneInfo.Local)
        {
            ShowsExtras = true,
            ShowsDead = options.ShowsDead,
        };
        return answers => Show(answers, format);
    }

    /// <summary>Prints what a dump or get brought; false where the answer is an error. An empty dump is no error.</summary>
    internal static bool Show(IReadOnlyList<PfKeyMessage> answers) => Showing(new SetkeyOptions())(answers);

    private static bool Show(IReadOnlyList<PfKeyMessage> answers, SetkeyFormatOptions format)
    {
        PfKeyMessage last = answers[^1];
        bool isDump = last.Type is PfKeyType.Dump or PfKeyType.SpdDump;
        if (last.Error != PfKeyError.None && !(isDump && last.Error == PfKeyError.NoEntry))
        {
            return false;
        }

        IEnumerable<PfKeyMessage> entries = last.Error == PfKeyError.None ? answers : [];
        switch (last.Type)
        {
            case PfKeyType.Dump or PfKeyType.Get:
                Console.Out.Write(SetkeyFormat.Sad(entries, format));
                break;
            case PfKeyType.SpdDump:
                Console.Out.Write(SetkeyFormat.Spd(entries, format));
                break;
            case PfKeyType.GetSpi when last.Find<SaExtension>() is { } sa:
                Console.Out.WriteLine($"{sa.Spi}(0x{sa.Spi:x8})");
                break;
        }

        return true;
    }

    private static string Words(PfKeyMessage answer) => answer.Find<TestudoExtension>()?.Text is { Length: > 0 } text ? ": " + text : "";
}
