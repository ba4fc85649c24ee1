// A live Linux kernel as a peer: Debian's user-mode-linux, one process, on a TAP device in a test's network namespace. It has
// ESP, AH, IPComp, XFRM and PF_KEY, boots in about two seconds, and runs the host's programs. A witness for
// correctness, not for speed.
//
//     using var lan = new NetworkNamespace();
//     using var peer = LinuxPeer.Start(lan, "tap0", "10.9.0.2/24 fd09::2/64");
//     lan.Run("ip addr add 10.9.0.1/24 dev tap0");
//     peer.Run("ip xfrm state add ...");

using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Text;
using Testudo.SystemTests.Netns;
using Testudo.Tests;
using Xunit;

namespace Testudo.SystemTests.LinuxKernel;

/// <summary>A running user-mode Linux kernel. Its network device is eth0.</summary>
public sealed class LinuxPeer : IDisposable
{
    private const string Kernel = "/usr/bin/linux.uml";
    private static readonly TimeSpan s_bootLimit = TimeSpan.FromSeconds(60);
    private readonly NetworkNamespace _namespace;
    private readonly string _tap;
    private readonly DirectoryInfo _folder;
    private readonly Process _process;
    private readonly BlockingCollection<string> _answers = [];
    private readonly StringBuilder _console = new();
    private readonly Lock _one = new();
    private int _scripts;
    private bool _ended;

    private LinuxPeer(NetworkNamespace ns, string tap, string addresses, int mtu)
    {
        (_namespace, _tap) = (ns, tap);
        _folder = Directory.CreateTempSubdirectory("peer-");
        string init = Path.Combine(Repository.Root, "tests", "Testudo.SystemTests", "LinuxKernel", "peer-init.sh");
        int id = Environment.ProcessId ^ tap.Aggregate(7, (hash, c) => unchecked((hash * 31) + c));
        ns.Run($"ip tuntap add dev {tap} mode tap && ip link set {tap} mtu {mtu} up");

        // The serial line is our pipe: when this process dies, the peer reads its end and ends too. TMPDIR would be where it
        // keeps its memory; without, it takes /dev/shm.
        _process = ns.Start(
            $"unset TMPDIR; exec {Kernel} mem=128M rootfstype=hostfs rootflags=/ ro 'init={init}' quiet panic=1 "
            + "con=null con0=null,fd:2 ssl=null ssl0=fd:0,fd:1 "
            + $"'uml_dir={_folder.FullName}' umid=uml vec0:transport=tap,ifname={tap},depth=128,gro=0 "
            + $"'PEER_IO={_folder.FullName}' PEER_NAME={tap} PEER_MTU={mtu} PEER_ADDRESSES={addresses.Replace(' ', ',')} "
            + $"PEER_MAC=02:00:{id >> 24 & 255:x2}:{id >> 16 & 255:x2}:{id >> 8 & 255:x2}:{id & 255:x2}");
        _process.OutputDataReceived += (_, line) => Hear(line.Data);
        _process.ErrorDataReceived += (_, line) => Log(line.Data);
        _process.BeginOutputReadLine();
        _process.BeginErrorReadLine();
    }

    /// <summary>What the kernel and the boot script wrote, for a failing test's message.</summary>
    public string Console
    {
        get
        {
            lock (_console)
            {
                return _console.ToString();
            }
        }
    }

    /// <summary>Skips the test where the machine cannot run a peer.</summary>
    public static void SkipWhereImpossible()
    {
        Assert.SkipUnless(Environment.IsPrivilegedProcess, "needs root to make a network namespace and a TAP device");
        Assert.SkipUnless(File.Exists(Kernel), $"needs {Kernel} (package user-mode-linux)");
        Assert.SkipUnless(File.Exists("/dev/net/tun"), "needs /dev/net/tun");
    }

    /// <summary>
    /// Boots a peer on a TAP device that it makes in the namespace. Skips the test where that is impossible; throws with
    /// the console's text when the kernel is not ready within a minute.
    /// </summary>
    /// <param name="ns">The namespace; it must outlive the peer.</param>
    /// <param name="tap">Name of the TAP device; the peer's host name too.</param>
    /// <param name="addresses">The peer's addresses on eth0, ADDRESS/LENGTH, separated by blanks.</param>
    /// <param name="mtu">MTU of both ends, in bytes.</param>
    public static LinuxPeer Start(NetworkNamespace ns, string tap, string addresses, int mtu = 1500)
    {
        SkipWhereImpossible();
        var peer = new LinuxPeer(ns, tap, addresses, mtu);
        try
        {
            peer.Expect("READY ", s_bootLimit);
            return peer;
        }
        catch
        {
            peer.Dispose();
            throw;
        }
    }

    /// <summary>Runs a shell script in the peer; what it wrote is returned, an exit status but 0 fails the test.</summary>
    public string Run(string script)
    {
        (int status, string output) = TryRun(script);
        return status == 0 ? output : throw new InvalidOperationException($"in {_tap}: '{script}' ended with status {status}: {output}");
    }

    /// <summary>
    /// Runs a shell script in the peer: its exit status and what it wrote, errors included. A program left in the
    /// background stays. Throws after the time limit, in seconds.
    /// </summary>
    public (int Status, string Output) TryRun(string script, int limit = 120)
    {
        lock (_one)
        {
            int number = ++_scripts;
            string path = Path.Combine(_folder.FullName, number.ToString(CultureInfo.InvariantCulture));
            File.WriteAllText(path + ".sh", script);
            _process.StandardInput.Write($"{number}\n");
            _process.StandardInput.Flush();
            int status = int.Parse(Expect($"END {number} ", TimeSpan.FromSeconds(limit)), CultureInfo.InvariantCulture);
            return (status, File.ReadAllText(path + ".out"));
        }
    }

    /// <summary>Ends the kernel and removes its TAP device.</summary>
    public void Dispose()
    {
        if (_ended)
        {
            return;
        }

        _ended = true;
        _process.StandardInput.Close();
        if (!_process.WaitForExit(TimeSpan.FromSeconds(5)))
        {
            _process.Kill(entireProcessTree: true);
            _process.WaitForExit();
        }

        _namespace.TryRun($"ip link del {_tap}");
        _folder.Delete(recursive: true);
        _answers.Dispose();
    }

    private string Expect(string start, TimeSpan limit)
    {
        if (!_answers.TryTake(out string? answer, limit) || answer.Length == 0)
        {
            throw new TimeoutException($"the Linux peer {_tap} {(answer is null ? $"gave no answer in {limit.TotalSeconds:0} s" : "died")}:\n{Console}");
        }

        return answer.StartsWith(start, StringComparison.Ordinal)
            ? answer[start.Length..] : throw new InvalidOperationException($"the Linux peer {_tap} said '{answer}', not '{start}...'");
    }

    // Null is the end of the stream: whoever waits is told by an empty answer.
    private void Hear(string? line)
    {
        int mark = line?.IndexOf("@@", StringComparison.Ordinal) ?? 0;
        if (line is null || mark >= 0)
        {
            _answers.Add(line?[(mark + 2)..].TrimEnd('\r') ?? "");
        }
        else
        {
            Log(line);
        }
    }

    private void Log(string? line)
    {
        lock (_console)
        {
            _console.AppendLine(line);
        }
    }
}
