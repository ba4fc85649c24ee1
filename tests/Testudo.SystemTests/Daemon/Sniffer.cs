// tcpdump in a namespace: what is really on the wire, seen by a program that is not ours.

using System.Diagnostics;
using System.Globalization;
using Testudo.SystemTests.Netns;

namespace Testudo.SystemTests.Daemon;

/// <summary>A running tcpdump that writes to a file.</summary>
internal sealed class Sniffer : IDisposable
{
    private readonly Process _process;
    private readonly NetworkNamespace _namespace;

    /// <summary>Starts it and waits until it listens. In immediate mode its buffer holds as many packets as fit at their greatest length.</summary>
    public Sniffer(NetworkNamespace ns, string device, string filter = "")
    {
        _namespace = ns;
        File = System.IO.Path.GetTempFileName();
        _process = ns.Start($"exec tcpdump -Z root -B 16384 -i {device} -U --immediate-mode -s 2048 -w {File} '{filter}'");
        while (_process.StandardError.ReadLine() is { } line && !line.Contains("listening on", StringComparison.Ordinal))
        {
        }
    }

    /// <summary>The capture.</summary>
    public string File { get; }

    /// <summary>How many packets of the capture match; only those that tcpdump has written.</summary>
    public int Count(string filter = "") =>
        int.Parse(_namespace.Run($"tcpdump -nn -r {File} '{filter}' 2>/dev/null | wc -l"), CultureInfo.InvariantCulture);

    /// <summary>The packets that match, a line each.</summary>
    public string Show(string filter = "") => _namespace.Run($"tcpdump -nn -r {File} '{filter}' 2>/dev/null | head -20");

    /// <summary>Ends it, so that everything is in the file.</summary>
    public void Stop()
    {
        if (!_process.HasExited)
        {
            _namespace.Run($"kill -INT {_process.Id}");
            _process.StandardError.ReadToEnd();
            _process.WaitForExit();
        }
    }

    public void Dispose()
    {
        Stop();
        System.IO.File.Delete(File);
    }
}
