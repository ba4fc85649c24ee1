// Programs that the demo runs: ip, ping, setkey. Each has a time to end in, and none outlives a cancelled demo.

using System.Diagnostics;

namespace Testudo.App.Demo;

internal static class Shell
{
    /// <summary>How this very program is started again: the native program, or dotnet with the assembly.</summary>
    public static IReadOnlyList<string> Ourselves { get; } = Path.GetFileNameWithoutExtension(Environment.ProcessPath) == "dotnet"
        ? [Environment.ProcessPath!, Path.GetFullPath(Environment.GetCommandLineArgs()[0])]
        : [Environment.ProcessPath!];

    /// <summary>Runs a program to its end: its exit status and all it wrote.</summary>
    /// <exception cref="OperationCanceledException">The demo is to end; the program has been killed.</exception>
    /// <exception cref="IOException">It did not end in time, or there is no such program.</exception>
    public static (int Status, string Output) Try(IReadOnlyList<string> command, CancellationToken cancel, string? input = null, int seconds = 15)
    {
        using Process process = Start(command, redirects: true);
        Task<string> output = process.StandardOutput.ReadToEndAsync(CancellationToken.None);
        Task<string> errors = process.StandardError.ReadToEndAsync(CancellationToken.None);
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        limit.CancelAfter(TimeSpan.FromSeconds(seconds));
        try
        {
            process.StandardInput.Write(input);
            process.StandardInput.Close();
            process.WaitForExitAsync(limit.Token).GetAwaiter().GetResult();
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            process.WaitForExit();
            cancel.ThrowIfCancellationRequested();
            throw new IOException($"'{string.Join(' ', command)}' did not end within {seconds} s");
        }

        return (process.ExitCode, output.GetAwaiter().GetResult() + errors.GetAwaiter().GetResult());
    }

    /// <summary>As <see cref="Try"/>, and a failure is an exception with the program's own words.</summary>
    /// <exception cref="IOException">It failed.</exception>
    public static string Run(IReadOnlyList<string> command, CancellationToken cancel, string? input = null)
    {
        (int status, string output) = Try(command, cancel, input);
        return status == 0 ? output : throw new IOException($"'{string.Join(' ', command)}' ended with status {status}: {output.Trim()}");
    }

    /// <summary>Starts a program.</summary>
    /// <exception cref="IOException">There is no such program.</exception>
    public static Process Start(IReadOnlyList<string> command, bool redirects)
    {
        var start = new ProcessStartInfo(command[0], command.Skip(1))
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = redirects,
            RedirectStandardError = redirects,
        };
        try
        {
            return Process.Start(start)!;
        }
        catch (System.ComponentModel.Win32Exception e)
        {
            throw new IOException($"{command[0]} could not be started: {e.Message}", e);
        }
    }
}
