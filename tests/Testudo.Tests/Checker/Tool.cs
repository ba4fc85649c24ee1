// Programs that are not ours, as witnesses. A test that needs one names it with SkipUnless, so that a run without it
// says what was not tested.

using System.Diagnostics;

namespace Testudo.Tests.Checker;

public static class Tool
{
    public const string NoWireshark = "tshark, capinfos, editcap or mergecap is missing (Debian: tshark)";

    /// <summary>Whether Wireshark's command-line programs are here.</summary>
    public static bool HasWireshark { get; } = Has("tshark") && Has("capinfos") && Has("editcap") && Has("mergecap");

    /// <summary>Whether a program is in PATH.</summary>
    public static bool Has(string program) =>
        (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Any(folder => File.Exists(Path.Combine(folder, program)));

    /// <summary>Runs a program to its end; what it answers is its standard output. Any exit code but 0 is an error.</summary>
    public static string Run(string program, params IEnumerable<string> arguments)
    {
        var start = new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true };
        using Process process = Process.Start(start) ?? throw new InvalidOperationException($"{program} did not start");
        Task<string> errors = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return process.ExitCode == 0
            ? output
            : throw new InvalidOperationException($"{program} ended with {process.ExitCode}: {errors.GetAwaiter().GetResult()}");
    }

    /// <summary>Fields of every frame as tshark sees them: a line a frame, the first occurrence of each field.</summary>
    public static List<string[]> Fields(string file, params string[] fields) =>
        [.. Run("tshark", ["-r", file, "-n", "-T", "fields", "-E", "occurrence=f", .. fields.SelectMany(static f => new[] { "-e", f })])
            .Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(static line => line.Split('\t'))];
}

/// <summary>A folder for one test, removed behind it.</summary>
internal sealed class TemporaryFolder : IDisposable
{
    public string Path { get; } = Directory.CreateTempSubdirectory("testudo-test-").FullName;

    public string File(string name) => System.IO.Path.Combine(Path, name);

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
