// A run of "testudo demo" in folders of its own, so that whatever it leaves is found.

using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Runtime.Versioning;
using System.Text;
using System.Text.Json;
using Testudo.SystemTests.Daemon;
using Xunit;

namespace Testudo.SystemTests.Demo;

[SupportedOSPlatform("linux")]
internal sealed partial class DemoRun : IDisposable
{
    /// <summary>Nobody, with a /dev/net of its own: with a tun that everybody may open, as on usual hosts, or with none.</summary>
    private const string Unprivileged = "mount -t tmpfs none /dev/net && {0} exec setpriv --reuid 65534 --regid 65534 --clear-groups \"$@\"";

    private const UnixFileMode Everybody = (UnixFileMode)0b111_111_111;
    private readonly DirectoryInfo _root = Directory.CreateTempSubdirectory("dt-");
    private readonly StringBuilder _output = new();
    private readonly StringBuilder _errors = new();
    private readonly Process _process;

    private DemoRun(IReadOnlyList<string> command, bool isAfterDead = false)
    {
        File.SetUnixFileMode(_root.FullName, Everybody);
        foreach (string folder in (string[])[Folder, Temporary])
        {
            Directory.CreateDirectory(folder);
            File.SetUnixFileMode(folder, Everybody);
        }

        if (isAfterDead)
        {
            // What a demo that was killed has left (no process has such an id): this one removes it.
            string dead = Path.Combine(Temporary, "testudo-demo-2147483647-x");
            Directory.CreateDirectory(dead);
            File.WriteAllText(Path.Combine(dead, "demo.esp_sa"), "a key");
        }

        var start = new ProcessStartInfo(command[0], command.Skip(1))
        {
            WorkingDirectory = Folder,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment["TMPDIR"] = Temporary;
        _process = Process.Start(start)!;
        _process.OutputDataReceived += (_, line) => Hear(_output, line.Data);
        _process.ErrorDataReceived += (_, line) => Hear(_errors, line.Data);
        _process.BeginOutputReadLine();
        _process.BeginErrorReadLine();
    }

    /// <summary>Where it runs and leaves its files.</summary>
    public string Folder => Path.Combine(_root.FullName, "here");

    public string Output => Heard(_output);

    public string Errors => Heard(_errors);

    private string Temporary => Path.Combine(_root.FullName, "tmp");

    public static DemoRun Start(params string[] options)
    {
        Assert.SkipUnless(Environment.IsPrivilegedProcess, "needs root to make network namespaces");
        Assert.SkipUnless(File.Exists("/dev/net/tun"), "needs /dev/net/tun");
        return new DemoRun([TestudoDaemon.Program, "demo", .. options], isAfterDead: true);
    }

    public static DemoRun StartUnprivileged(bool hasTun, params string[] options)
    {
        Assert.SkipUnless(Environment.IsPrivilegedProcess, "needs root to become another user with another /dev/net");
        Assert.SkipUnless(File.Exists("/usr/bin/setpriv"), "needs setpriv");
        Assert.SkipUnless(Try("test", "-x", TestudoDaemon.Program), "needs the program in a folder that every user may enter");
        Assert.SkipUnless(!hasTun || Try("unshare", "-Urnm", "true"), "needs user namespaces for unprivileged users");
        string setUp = Unprivileged.Replace("{0}", hasTun ? "mknod -m 666 /dev/net/tun c 10 200 &&" : "", StringComparison.Ordinal);
        return new DemoRun(["unshare", "-m", "--", "sh", "-c", setUp, "sh", TestudoDaemon.Program, "demo", .. options]);
    }

    /// <summary>A file of <see cref="Folder"/>.</summary>
    public string At(string file) => Path.Combine(Folder, file);

    public void WaitFor(string words) => Wait.Until(() => Output.Contains(words, StringComparison.Ordinal), () => $"no '{words}' in: {Output}{Errors}", 60);

    public int WaitForExit(int seconds)
    {
        if (!_process.WaitForExit(TimeSpan.FromSeconds(seconds)))
        {
            throw new TimeoutException($"the demo does not end: {Output}{Errors}");
        }

        _process.WaitForExit(); // for the last line too
        return _process.ExitCode;
    }

    public void Signal(int number) => Assert.Equal(0, Kill(_process.Id, number));

    public JsonElement Json()
    {
        using var document = JsonDocument.Parse(Output);
        return document.RootElement.Clone();
    }

    /// <summary>Fails where a namespace, a process or a file of it is left but those in <see cref="Folder"/>.</summary>
    public void AssertNothingLeft()
    {
        Assert.Empty(Directory.GetFileSystemEntries(Temporary));
        Assert.Empty(Directory.Exists("/run/netns") ? Directory.GetFiles("/run/netns", $"testudo-demo-{_process.Id}-*") : []);
        Assert.Empty(Processes());
    }

    /// <summary>The daemons and the inner demo that live: the folder for temporary files is among their words.</summary>
    public List<string> Processes()
    {
        var found = new List<string>();
        foreach (string folder in Directory.GetDirectories("/proc").Where(static folder => char.IsAsciiDigit(Path.GetFileName(folder)[0])))
        {
            try
            {
                string words = File.ReadAllText(Path.Combine(folder, "cmdline")).Replace('\0', ' ');
                if (words.Contains(Temporary, StringComparison.Ordinal))
                {
                    found.Add(words);
                }
            }
            catch (IOException)
            {
                // it has ended
            }
        }

        return found;
    }

    public void Dispose()
    {
        if (!_process.HasExited)
        {
            _process.Kill(entireProcessTree: true);
            _process.WaitForExit();
        }

        _process.Dispose();
        _root.Delete(recursive: true);
    }

    private static bool Try(params string[] command)
    {
        using Process process = Process.Start(new ProcessStartInfo("setpriv", ["--reuid", "65534", "--regid", "65534", "--clear-groups", .. command]))!;
        process.WaitForExit();
        return process.ExitCode == 0;
    }

    private static void Hear(StringBuilder text, string? line)
    {
        lock (text)
        {
            if (line is not null)
            {
                text.Append(line).Append('\n');
            }
        }
    }

    private static string Heard(StringBuilder text)
    {
        lock (text)
        {
            return text.ToString();
        }
    }

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int Kill(int process, int signal);
}
