// One host of the demo: the real daemon as a child process in its namespace, and what is asked of it.

using System.Diagnostics;
using System.Globalization;
using System.Net.Sockets;
using System.Text;
using Testudo.App.Up;

namespace Testudo.App.Demo;

internal sealed class DemoHost : IDisposable
{
    /// <summary>Bytes of capture, so that a fast transfer does not fill the folder; drops are captured beyond it.</summary>
    private const int CaptureLimit = 8 * 1024 * 1024;

    private readonly Process _daemon;
    private readonly TaskCompletionSource<bool> _ready = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly StringBuilder _errors = new();

    /// <summary>Starts the daemon; <see cref="WaitUntilReady"/> says when it has come up.</summary>
    public DemoHost(string name, string space, string folder)
    {
        Name = name;
        Space = space;
        PfKey = Path.Combine(folder, name + ".pfkey");
        Api = Path.Combine(folder, name + ".api");
        Capture = Path.Combine(folder, name + ".pcapng");
        _daemon = Shell.Start(
        [
            "ip", "netns", "exec", space, .. Shell.Ourselves, "up", "--pfkey", PfKey, "--api", Api, "--capture", Capture,
            "--capture-limit", CaptureLimit.ToString(CultureInfo.InvariantCulture),
        ], redirects: true);
        Pid = _daemon.Id;
        _daemon.OutputDataReceived += (_, line) =>
        {
            if (line.Data is null || line.Data.StartsWith("testudo: ready", StringComparison.Ordinal))
            {
                _ready.TrySetResult(line.Data is not null);
            }
        };
        _daemon.ErrorDataReceived += (_, line) =>
        {
            lock (_errors)
            {
                _errors.AppendLine(line.Data);
            }
        };
        _daemon.BeginOutputReadLine();
        _daemon.BeginErrorReadLine();
    }

    public string Name { get; }

    public string Space { get; }

    public string PfKey { get; }

    public string Api { get; }

    public string Capture { get; }

    public int Pid { get; }

    /// <exception cref="IOException">The daemon ended, or did not come up in time; the message has its words.</exception>
    public void WaitUntilReady(CancellationToken cancel)
    {
        bool came = _ready.Task.Wait(TimeSpan.FromSeconds(30), cancel) && _ready.Task.Result;
        if (!came)
        {
            lock (_errors)
            {
                throw new IOException($"the daemon of host {Name} did not come up: {_errors.ToString().Trim()}");
            }
        }
    }

    /// <summary>testudo setkey with the words given, as a process of its own.</summary>
    /// <exception cref="IOException">It failed.</exception>
    public void Setkey(CancellationToken cancel, params string[] words) => Shell.Run([.. Shell.Ourselves, "setkey", "--pfkey", PfKey, .. words], cancel);

    /// <summary>A program in this host's namespace.</summary>
    public (int Status, string Output) Try(CancellationToken cancel, params string[] command) => Shell.Try(["ip", "netns", "exec", Space, .. command], cancel);

    /// <exception cref="IOException">The daemon does not answer.</exception>
    public Status Status()
    {
        try
        {
            return ApiCommands.Ask(Api, "GET", "/v1/status");
        }
        catch (SocketException e)
        {
            throw new IOException($"the daemon of host {Name} does not answer: {e.Message}", e);
        }
    }

    /// <summary>How many packets ended so until now.</summary>
    public long Dropped(string drop) => Array.Find(Status().Drops, count => count.Name == drop)?.Packets ?? 0;

    /// <summary>Waits until at least so many have ended so, for three seconds at the most; how many there are.</summary>
    public long WaitForDrops(string drop, long atLeast)
    {
        long start = Stopwatch.GetTimestamp();
        long count;
        while ((count = Dropped(drop)) < atLeast && Stopwatch.GetElapsedTime(start).TotalSeconds < 3)
        {
            Thread.Sleep(20);
        }

        return count;
    }

    public DemoHostCounters Counters()
    {
        Status status = Status();
        return new DemoHostCounters(Name, status.Outbound, status.Inbound, status.Drops);
    }

    /// <summary>Ends the daemon in order, and otherwise after ten seconds.</summary>
    public void Dispose()
    {
        if (!_daemon.HasExited)
        {
            _ = DemoNative.Kill(Pid, DemoNative.Terminate);
            if (!_daemon.WaitForExit(10_000))
            {
                _daemon.Kill(entireProcessTree: true);
                _daemon.WaitForExit();
            }
        }

        _daemon.Dispose();
    }
}
