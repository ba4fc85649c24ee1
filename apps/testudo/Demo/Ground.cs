// Where the demo can take place, the best first: two network namespaces, the same inside a user namespace, or one process.

using System.Diagnostics;

namespace Testudo.App.Demo;

internal static class Ground
{
    /// <summary>The exit status of the inner demo where the ground does not bear.</summary>
    public const int Refused = 77;

    /// <summary>Why real namespaces cannot be used by this process; null where they may be tried.</summary>
    public static string? WhyNoNamespaces() =>
        !Environment.IsPrivilegedProcess ? "not root" : Missing("ip", "ping") ?? WhyNoTun();

    /// <summary>Why a user namespace cannot be used; null where it may be tried.</summary>
    public static string? WhyNoUserNamespace(CancellationToken cancel)
    {
        if ((Missing("ip", "ping", "unshare", "mount", "sh") ?? WhyNoTun()) is { } fault)
        {
            return fault;
        }

        (int status, string output) = Shell.Try(["unshare", "-Urnm", "--kill-child", "--", "true"], cancel);
        return status == 0 ? null : $"this system lets you make no user namespace ({output.Trim()})";
    }

    /// <summary>
    /// Runs this program again inside a user namespace, which a process with threads cannot enter itself. It writes to
    /// our own standard output and ends when its standard input does, whatever happens to us.
    /// </summary>
    /// <returns>Its exit status.</returns>
    public static int RunInner(string folder, bool json, CancellationToken cancel)
    {
        // ip netns keeps its names below /run, which is not ours to write to: a private one over it.
        using Process inner = Shell.Start(
        [
            "unshare", "-Urnm", "--kill-child", "--", "sh", "-c", "mount -t tmpfs none /run && exec \"$@\"", "sh",
            .. Shell.Ourselves, "demo", "--inner", folder, .. json ? (string[])["--json"] : [],
        ], redirects: false);
        using (cancel.Register(inner.StandardInput.Close))
        {
            inner.WaitForExit();
        }

        return inner.ExitCode;
    }

    private static string? WhyNoTun()
    {
        try
        {
            using FileStream tun = File.Open("/dev/net/tun", FileMode.Open, FileAccess.ReadWrite);
            return null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or NotSupportedException)
        {
            return File.Exists("/dev/net/tun") ? "/dev/net/tun is there and you may not open it (its usual mode is 0666)" : "/dev/net/tun is not there";
        }
    }

    private static string? Missing(params ReadOnlySpan<string> programs)
    {
        string[] folders = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':');
        foreach (string program in programs)
        {
            if (!Array.Exists(folders, folder => File.Exists(Path.Combine(folder, program))))
            {
                return $"the program {program} is not installed, or not in PATH";
            }
        }

        return null;
    }
}
