// testudo open: a capture, the keys, and what was inside. The capture's own clock is the time.

using System.CommandLine;
using System.Text.Json;
using Testudo.App.Keys;
using Testudo.Control.Setkey;
using Testudo.Engine;
using Testudo.Offline;
using Testudo.Wire;

namespace Testudo.App.Open;

internal static class OpenCommand
{
    private static readonly Option<string[]> s_keys = new("--file", "-f") { Description = "a setkey file with the keys (and policies); may be repeated", Required = true };
    private static readonly Option<FileInfo?> s_output = new("--write", "-w") { Description = "where to write what comes out: FILE.pcapng or FILE.pcap" };
    private static readonly Option<bool> s_all = new("--all") { Description = "write packets that were not protected too" };
    private static readonly Option<bool> s_policy = new("--policy") { Description = "check packets against the policies of the files" };
    private static readonly Option<bool> s_json = new("--json") { Description = "one line of JSON a frame on standard output" };
    private static readonly Argument<FileInfo> s_input = new("IN") { Description = "the capture: pcap or pcapng, Ethernet or raw IP" };

    public static Command Make()
    {
        var command = new Command("open", "decrypt a capture with the keys of a setkey file") { s_input, s_keys, s_output, s_all, s_policy, s_json, AlgorithmOptions.Legacy, AlgorithmOptions.Unauthenticated };
        command.SetAction(Run);
        return command;
    }

    private static int Run(ParseResult parsed)
    {
        FileInfo input = parsed.GetRequiredValue(s_input);
        try
        {
            var offline = new OfflineEngine(
                AlgorithmOptions.Providers(parsed.GetValue(AlgorithmOptions.Legacy)),
                checksPolicy: parsed.GetValue(s_policy),
                allowsUnauthenticated: parsed.GetValue(AlgorithmOptions.Unauthenticated));
            foreach (string file in parsed.GetRequiredValue(s_keys))
            {
                string text = file == "-" ? Console.In.ReadToEnd() : File.ReadAllText(file);
                SetkeyScript script = SetkeyParser.Parse(text, file, SystemLookups.All);
                if (!ScriptRunner.Report(script, text, Console.Error)
                    || !ScriptRunner.Run(script, offline.Keys.Ask, SetkeyProgram.Show, Console.Error))
                {
                    return 1;
                }
            }

            return Open(parsed, input, offline.Engine);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or CaptureFormatException)
        {
            Console.Error.WriteLine($"testudo open: {(e is CaptureFormatException ? input.Name + ": " : "")}{e.Message}");
            return 1;
        }
    }

    private static int Open(ParseResult parsed, FileInfo input, IpsecEngine engine)
    {
        var counts = new long[Enum.GetValues<Verdict>().Length];
        var drops = new long[Drops.Count];
        using CaptureReader reader = CaptureReader.Open(input.OpenRead());
        using var opener = new CaptureOpener(engine);
        using CaptureOutput? output = parsed.GetValue(s_output) is { } file ? CaptureOutput.Create(file) : null;
        using Stream? json = parsed.GetValue(s_json) ? Console.OpenStandardOutput() : null;
        CaptureFormatException? damage = null;
        try
        {
            while (reader.TryRead(out CaptureFrame frame))
            {
                OpenedFrame opened = opener.Open(frame);
                counts[(int)opened.Verdict]++;
                drops[(int)opened.Drop]++;
                if (opened.Verdict == Verdict.Opened || (opened.Verdict == Verdict.Clear && parsed.GetValue(s_all)))
                {
                    output?.Write(opened.Time, opened.Packet.Span);
                }

                json?.Write(JsonSerializer.SerializeToUtf8Bytes(FrameLine.Of(opened), AppJson.Default.FrameLine));
                json?.Write("\n"u8);
            }
        }
        catch (CaptureFormatException e)
        {
            damage = e; // the frames before it are good, and have been written
        }

        string dropped = string.Join(", ", Drops.Table.ToArray().Where(text => text.Drop != Drop.None && drops[(int)text.Drop] > 0).Select(text => $"{text.Name} {drops[(int)text.Drop]}"));
        Console.Error.WriteLine(
            $"testudo open: {counts.Sum()} frames: {counts[(int)Verdict.Opened]} opened, {counts[(int)Verdict.Clear]} not protected, "
            + $"{counts[(int)Verdict.Held]} fragments, {counts[(int)Verdict.NotIp]} not IP, {counts[(int)Verdict.Dropped]} dropped{(dropped.Length > 0 ? $" ({dropped})" : "")}");
        if (damage is not null)
        {
            Console.Error.WriteLine($"testudo open: {input.Name}: {damage.Message}");
            return 1;
        }

        return 0;
    }
}

/// <summary>One line of --json.</summary>
internal sealed record FrameLine(int Frame, string Verdict, string? Drop, string? Spi, ulong? Sequence)
{
    public static FrameLine Of(in OpenedFrame frame) => new(
        frame.Number,
        frame.Verdict.ToString().ToLowerInvariant(),
        frame.Drop == Wire.Drop.None ? null : Drops.Name(frame.Drop),
        frame.Spi == 0 ? null : $"0x{frame.Spi:x8}",
        frame.Spi == 0 ? null : frame.Sequence);
}
