// Runs the program, as it was built beside these tests.

using System.Diagnostics;

namespace Testudo.Tests.Open;

/// <summary>What a run of the program gave.</summary>
internal sealed record CliResult(int Status, string Output, string Error);

internal static class Cli
{
    // artifacts/bin/Testudo.Tests/release/ -> artifacts/bin/Testudo.App/release/testudo
    private static readonly string s_program = Path.GetFullPath(Path.Combine(
        AppContext.BaseDirectory, "..", "..", "Testudo.App", Path.GetFileName(Path.TrimEndingDirectorySeparator(AppContext.BaseDirectory)), "testudo"));

    public static CliResult Run(params IEnumerable<string> arguments)
    {
        var start = new ProcessStartInfo(s_program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true, RedirectStandardInput = true };
        using Process process = Process.Start(start)!;
        process.StandardInput.Close();
        Task<string> error = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return new CliResult(process.ExitCode, output, error.Result);
    }
}

/// <summary>A folder of its own for a test's files.</summary>
internal sealed class Scratch : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("testudo-");

    /// <summary>The path of a file in it.</summary>
    public string this[string name] => Path.Combine(_folder.FullName, name);

    /// <summary>Writes a text file; returns its path.</summary>
    public string Write(string name, string text)
    {
        File.WriteAllText(this[name], text);
        return this[name];
    }

    /// <summary>Writes a file; returns its path.</summary>
    public string Write(string name, byte[] bytes)
    {
        File.WriteAllBytes(this[name], bytes);
        return this[name];
    }

    public void Dispose() => _folder.Delete(recursive: true);
}
