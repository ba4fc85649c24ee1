// Executes a setkey script that has been read: command by command, refusals in words at their place. Its changes of policy
// are one change: no packet travels between a spdflush and the spdadd after it.

using Testudo.Control.Setkey;
using Testudo.PfKey;
using Testudo.Wire.PfKey;

namespace Testudo.App.Keys;

internal static class ScriptRunner
{
    /// <summary>Says what reading found; false where the script must not be executed.</summary>
    public static bool Report(SetkeyScript script, string text, TextWriter errors)
    {
        foreach (SetkeyError warning in script.Warnings)
        {
            errors.WriteLine("warning: " + warning.Render(text));
        }

        foreach (SetkeyError error in script.Errors)
        {
            errors.WriteLine(error.Render(text));
        }

        if (script.Errors.Length > 0)
        {
            errors.WriteLine("nothing of this script was applied");
        }

        return script.Errors.Length == 0;
    }

    /// <summary>Reads and executes files, "-" being standard input; false where one has an error, which was said.</summary>
    /// <exception cref="IOException">A file cannot be read.</exception>
    public static bool RunFiles(IEnumerable<string> files, LocalKeys keys, TextWriter errors)
    {
        foreach (string file in files)
        {
            string text = file == "-" ? Console.In.ReadToEnd() : File.ReadAllText(file);
            SetkeyScript script = SetkeyParser.Parse(text, file, SystemLookups.All);
            if (!Report(script, text, errors) || !Run(script, keys.Ask, SetkeyProgram.Show, errors))
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>Executes a script; false where a command was refused. The script's keys are wiped.</summary>
    /// <param name="script">The script, without errors.</param>
    /// <param name="ask">Gives a message to a key server and returns its answers.</param>
    /// <param name="show">Shows what a dump or get brought; false where the answers are an error.</param>
    /// <param name="errors">Where refusals and warnings go.</param>
    public static bool Run(SetkeyScript script, Func<PfKeyMessage, IReadOnlyList<PfKeyMessage>> ask, Func<IReadOnlyList<PfKeyMessage>, bool> show, TextWriter errors)
    {
        bool all = true;
        PfKeyMessage? lastChange = script.Commands.SelectMany(static command => command.Messages).LastOrDefault(ChangesPolicy);
        foreach (SetkeyCommand command in script.Commands)
        {
            foreach (PfKeyMessage message in command.Messages)
            {
                bool moreFollows = ChangesPolicy(message) && !ReferenceEquals(message, lastChange);
                IReadOnlyList<PfKeyMessage> answers = ask(moreFollows ? MoreFollows(message) : message);
                if (!show(answers))
                {
                    errors.WriteLine(SetkeyFormat.Refusal(command, answers[^1]));
                    all = false;
                }
                else if (answers[^1].Find<TestudoExtension>()?.Text is { Length: > 0 } warning)
                {
                    errors.WriteLine($"{command.File}:{command.Line}:{command.Column}: warning: {warning}");
                }
            }
        }

        script.WipeKeys();
        return all;
    }

    private static bool ChangesPolicy(PfKeyMessage message) =>
        message.Type is PfKeyType.SpdAdd or PfKeyType.SpdUpdate or PfKeyType.SpdDelete or PfKeyType.SpdDelete2 or PfKeyType.SpdFlush;

    private static PfKeyMessage MoreFollows(PfKeyMessage message) => message with
    {
        Extensions = [.. message.Extensions.Select(static extension => extension is TestudoExtension own ? own with { MoreFollows = true } : extension)],
    };
}
