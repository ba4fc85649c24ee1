// What "up" runs: the stack, the host's side of it, the PF_KEY socket and the control API, begun and ended in the order of
// safety.

using System.Diagnostics;
using Testudo.App.Keys;
using Testudo.Control.Setkey;
using Testudo.Engine;
using Testudo.Host;
using Testudo.Linux;
using Testudo.Links;
using Testudo.PfKey;
using Testudo.Wire;

namespace Testudo.App.Up;

internal sealed class Daemon : IAsyncDisposable
{
    private readonly UpOptions _options;
    private readonly CancellationTokenSource _ending;
    private readonly long _started = Stopwatch.GetTimestamp();
    private readonly LinuxHost? _host;
    private readonly PacketTap? _tap;
    private readonly PfKeySocket _pfkey;
    private readonly ControlApi _api;
    private volatile bool _confirmed;
    private readonly bool _armed;

    private Daemon(UpOptions options, IEnumerable<SetkeyScript> scripts, TextWriter errors, CancellationTokenSource ending)
    {
        _options = options;
        _ending = ending;
        _confirmed = options.ConfirmSeconds <= 0;
        EngineOptions engine = options.Engine;
        _host = options.Links.IsEmpty ? null : new LinuxHost(
            new LinuxHostOptions
            {
                Join = HostJoinOptions.ForInstance(options.Instance),
                LockFile = UpOptions.LockFile(options.Instance),
                Links = options.Links,
            },
            engine);
        _tap = options.Capture is { } file ? new PacketTap(file.Create(), "testudo", options.CaptureLimit) : null;
        Stack = new IpsecStack(new IpsecStackOptions { Engine = engine, Providers = options.Providers, Capture = _tap, Guard = _host is null ? null : policies => _armed ? _host.CommitGuard(policies) : null });
        try
        {
            // The files, then the guard with all their policies at once: it takes the place of one that a killed instance left
            // closed, and must not open it for a moment. Then the links, then the doors.
            foreach (SetkeyScript script in scripts)
            {
                if (!ScriptRunner.Run(script, Stack.Keys.Ask, SetkeyProgram.Show, errors))
                {
                    throw new IOException("a setkey file was refused: nothing was started");
                }
            }

            _armed = true;
            Stack.CommitGuard();
            _host?.Join(Stack);
            Stack.Start();
            _pfkey = new PfKeySocket(Stack, options.PfKeyPath);
            _api = ControlApi.Start(options.ApiPath, this);
        }
        catch
        {
            _host?.Abandon();
            Dispose(null, null);
            throw;
        }
    }

    public IpsecStack Stack { get; }

    /// <summary>Begins everything; what was begun is undone again where something fails.</summary>
    public static Daemon Start(UpOptions options, IEnumerable<SetkeyScript> scripts, TextWriter errors, CancellationTokenSource ending) =>
        new(options, scripts, errors, ending);

    /// <summary>Somebody can still reach this host: it stays.</summary>
    public void Confirm() => _confirmed = true;

    /// <summary>Ends the daemon in order.</summary>
    public void End() => _ending.Cancel();

    /// <summary>Waits for the end; 0, or 1 where no confirmation came.</summary>
    public async Task<int> WaitAsync()
    {
        try
        {
            if (!_confirmed)
            {
                await Task.Delay(TimeSpan.FromSeconds(_options.ConfirmSeconds), _ending.Token).ConfigureAwait(false);
                if (!_confirmed)
                {
                    Console.Error.WriteLine($"testudo up: not confirmed within {_options.ConfirmSeconds} s: everything is undone");
                    return 1;
                }
            }

            await Task.Delay(Timeout.Infinite, _ending.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            // the orderly end
        }

        return 0;
    }

    /// <summary>What runs, and the counters.</summary>
    public Status Status()
    {
        IReadOnlyDictionary<Drop, long> guard = _host?.GuardCounters() ?? new Dictionary<Drop, long>();
        return new Status
        {
            State = _confirmed ? "up" : "waiting for confirm",
            Version = AppVersion.Text,
            Pid = Environment.ProcessId,
            Instance = _options.Instance,
            Seconds = Math.Round(Stopwatch.GetElapsedTime(_started).TotalSeconds, 1),
            Links = [.. Stack.LinkNames],
            Pfkey = _options.PfKeyPath,
            Sas = Stack.Count().Sas,
            Policies = Stack.Count().Policies,
            Outbound = Traffic.Of(Stack.Outbound),
            Inbound = Traffic.Of(Stack.Inbound),
            Paths = [.. Stack.PathMtus().Select(static known => PathOfSa.Of(known.Sa, known.Mtu))],
            Drops = Drops.Table.ToArray()
                .Where(static text => text.Drop != Drop.None)
                .Select(text => new DropCount(text.Name, Stack.Dropped(text.Drop) + guard.GetValueOrDefault(text.Drop), text.Sentence))
                .Where(static count => count.Packets > 0)
                .ToArray(),
        };
    }

    public ValueTask DisposeAsync()
    {
        Dispose(_api, _pfkey);
        return ValueTask.CompletedTask;
    }

    // The doors, then the guard with all it stands on, then the packets.
    private void Dispose(ControlApi? api, PfKeySocket? pfkey)
    {
        api?.Dispose();
        pfkey?.Dispose();
        _host?.Dispose();
        Stack.DisposeAsync().AsTask().GetAwaiter().GetResult();
        _tap?.Dispose();
    }
}
