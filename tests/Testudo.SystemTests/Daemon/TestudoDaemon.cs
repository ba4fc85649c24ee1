// The program under test, started in a namespace of a test as a user would start it: "testudo up". Its sockets are in a
// folder of the test's own, so that many run at once.
//
//     using var a = TestudoDaemon.Start(namespaceA, conf);
//     a.Setkey("flush;");
//     a.Status().Dropped("no-sa");

using System.Diagnostics;
using System.Text;
using System.Text.Json;
using Testudo.SystemTests.Netns;
using Testudo.Tests;

namespace Testudo.SystemTests.Daemon;

/// <summary>What <c>testudo status --json</c> tells.</summary>
internal sealed record DaemonStatus(string State, int Pid, int Instance, string[] Links, int Sas, int Policies, DaemonTraffic Outbound, DaemonTraffic Inbound, DaemonPath[] Paths, DaemonDrop[] Drops)
{
    /// <summary>Packets that ended so.</summary>
    public long Dropped(string name) => Drops.FirstOrDefault(drop => drop.Name == name)?.Packets ?? 0;
}

internal sealed record DaemonTraffic(long Packets, long Bytes);

internal sealed record DaemonPath(string Spi, string Source, string Destination, int Mtu, string Why, string? LastError);

internal sealed record DaemonDrop(string Name, long Packets, string Sentence);

/// <summary>A running <c>testudo up</c>.</summary>
internal sealed class TestudoDaemon : IDisposable
{
    private static readonly JsonSerializerOptions s_json = new(JsonSerializerDefaults.Web);
    private readonly NetworkNamespace _namespace;
    private readonly StringBuilder _said = new();
    private readonly Process _process;
    private volatile bool _ready;

    private TestudoDaemon(NetworkNamespace ns, DirectoryInfo folder, string options, string? conf)
    {
        _namespace = ns;
        Folder = folder.FullName;
        string file = Path.Combine(Folder, "ipsec.conf");
        if (conf is not null)
        {
            File.WriteAllText(file, conf);
        }

        _process = ns.Start($"exec {Program} up {(conf is null ? "" : $"-f {file}")} --pfkey {PfKey} --api {Api} {options}");
        _process.OutputDataReceived += (_, line) => Hear(line.Data);
        _process.ErrorDataReceived += (_, line) => Hear(line.Data);
        _process.BeginOutputReadLine();
        _process.BeginErrorReadLine();
    }

    /// <summary>The program, as it was built with these tests.</summary>
    public static string Program { get; } = Path.Combine(
        Repository.Root, "artifacts", "bin", "Testudo.App", new DirectoryInfo(AppContext.BaseDirectory).Name, "testudo");

    /// <summary>The folder of its sockets and files.</summary>
    public string Folder { get; }

    public string PfKey => Path.Combine(Folder, "pfkey.sock");

    public string Api => Path.Combine(Folder, "api.sock");

    /// <summary>The folder's place for <c>--capture</c>.</summary>
    public string Capture => Path.Combine(Folder, "capture.pcapng");

    public int Pid => _process.Id;

    /// <summary>What it wrote to its output and errors.</summary>
    public string Said
    {
        get
        {
            lock (_said)
            {
                return _said.ToString();
            }
        }
    }

    /// <summary>Starts it and waits until it says that it is ready.</summary>
    /// <param name="ns">Where; must outlive it.</param>
    /// <param name="conf">The text of a setkey file.</param>
    /// <param name="options">More options of "up"; {folder} stands for <see cref="Folder"/>.</param>
    /// <param name="folder">The folder of a daemon before it, to follow it; null for a new one.</param>
    public static TestudoDaemon Start(NetworkNamespace ns, string? conf = null, string options = "", string? folder = null)
    {
        TestudoDaemon daemon = Launch(ns, conf, options, folder);
        try
        {
            daemon.WaitForReady();
            return daemon;
        }
        catch
        {
            daemon.Dispose();
            throw;
        }
    }

    /// <summary>Starts it and does not wait.</summary>
    public static TestudoDaemon Launch(NetworkNamespace ns, string? conf = null, string options = "", string? folder = null)
    {
        DirectoryInfo place = folder is null ? Directory.CreateTempSubdirectory("td-") : new DirectoryInfo(folder);
        return new TestudoDaemon(ns, place, options.Replace("{folder}", place.FullName, StringComparison.Ordinal), conf);
    }

    public void WaitForReady() => Wait.Until(
        () => _ready || _process.HasExited ? _ready ? true : throw new InvalidOperationException($"testudo up ended with status {WaitForExit()}: {Said}") : false,
        () => $"testudo up did not become ready: {Said}",
        60);

    /// <summary>Runs the program with these words in the daemon's namespace: its exit status and what it wrote.</summary>
    public (int Status, string Output) TryRun(string words, string? input = null) => _namespace.TryRun($"{Program} {words}", input);

    /// <summary>Gives a text to setkey; all of it must be accepted.</summary>
    public void Setkey(string text)
    {
        (int status, string output) = TryRun($"setkey --pfkey {PfKey} -c", text);
        if (status != 0 || output.Contains("error", StringComparison.OrdinalIgnoreCase))
        {
            throw new InvalidOperationException($"setkey ended with status {status}: {output}");
        }
    }

    /// <summary>What setkey with these options writes (-D, -DP).</summary>
    public string Dump(string options)
    {
        (int status, string output) = TryRun($"setkey --pfkey {PfKey} {options}");
        return status == 0 ? output : throw new InvalidOperationException($"setkey {options} ended with status {status}: {output}");
    }

    /// <summary>What runs, and the counters.</summary>
    public DaemonStatus Status()
    {
        (int status, string output) = TryRun($"status --json --api {Api}");
        return status == 0
            ? JsonSerializer.Deserialize<DaemonStatus>(output, s_json)!
            : throw new InvalidOperationException($"status ended with {status}: {output}{Said}");
    }

    /// <summary>Ends it by "testudo down", which must succeed; its own exit status.</summary>
    public int Down()
    {
        (int status, string output) = TryRun($"down --api {Api}");
        return status == 0 ? WaitForExit() : throw new InvalidOperationException($"down ended with {status}: {output}");
    }

    /// <summary>SIGTERM; its exit status.</summary>
    public int Terminate()
    {
        _namespace.Run($"kill {Pid}");
        return WaitForExit();
    }

    /// <summary>SIGKILL, from one moment to the next.</summary>
    public void Kill9()
    {
        _process.Kill();
        WaitForExit();
    }

    /// <summary>Its exit status, when it ends within twenty seconds.</summary>
    public int WaitForExit()
    {
        if (!_process.WaitForExit(TimeSpan.FromSeconds(20)))
        {
            throw new TimeoutException($"testudo up does not end: {Said}");
        }

        return _process.ExitCode;
    }

    /// <summary>Ends it if it runs, and removes its folder.</summary>
    public void Dispose()
    {
        try
        {
            if (!_process.HasExited)
            {
                Terminate();
            }
        }
        finally
        {
            if (Directory.Exists(Folder))
            {
                Directory.Delete(Folder, recursive: true);
            }
        }
    }

    private void Hear(string? line)
    {
        lock (_said)
        {
            _said.AppendLine(line);
        }

        _ready |= line?.StartsWith("testudo: ready", StringComparison.Ordinal) ?? false;
    }
}
