// A network namespace for a test. A namespace belongs to a thread, so each has a thread of its own: bodies and commands
// are run there, and when the thread ends and nobody else holds the namespace, the kernel removes it with all that is in it.
//
//     using var a = new NetworkNamespace();
//     using var b = new NetworkNamespace();
//     NetworkNamespace.Connect(a, "eth0", "10.9.0.1/24 fd09::1/64", b, "eth0", "10.9.0.2/24 fd09::2/64");
//     a.Run("ping -c1 10.9.0.2");
//     a.Do(() => { using var tun = ...; });          // sockets made here belong to the namespace for as long as they live

using System.Collections.Concurrent;
using System.Diagnostics;
using System.Runtime.ExceptionServices;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using Xunit;

namespace Testudo.SystemTests.Netns;

/// <summary>A network namespace and the thread that lives in it. Needs CAP_SYS_ADMIN (root).</summary>
public sealed partial class NetworkNamespace : IDisposable
{
    private const int CloneNewNet = 0x40000000;
    private const string Why = "needs root (CAP_SYS_ADMIN) to make a network namespace";
    private readonly BlockingCollection<Action> _work = [];
    private readonly List<Process> _processes = [];
    private readonly List<Thread> _others = [];
    private readonly Thread _thread;
    private SafeFileHandle? _handle;

    /// <summary>Makes a namespace whose loopback device is up. Skips the test where that is not permitted.</summary>
    public NetworkNamespace()
    {
        Assert.SkipUnless(Environment.IsPrivilegedProcess, Why);
        _thread = new Thread(Work) { Name = "netns", IsBackground = true };
        _thread.Start();
        Do(() =>
        {
            if (Unshare(CloneNewNet) != 0)
            {
                throw new InvalidOperationException($"unshare(CLONE_NEWNET): {Marshal.GetLastPInvokeErrorMessage()}");
            }

            _handle = File.OpenHandle("/proc/thread-self/ns/net");
        });
        Run("ip link set lo up");
    }

    /// <summary>A path that names this namespace while it lives: <c>nsenter --net=PATH</c>, <c>ip link ... netns PATH</c>.</summary>
    public string Path => $"/proc/{Environment.ProcessId}/fd/{_handle!.DangerousGetHandle()}";

    /// <summary>
    /// Makes a veth pair with one end in each. Addresses are ADDRESS/LENGTH, separated by blanks; there is no duplicate
    /// address detection, so they may be used at once.
    /// </summary>
    public static void Connect(NetworkNamespace a, string deviceA, string addressesA, NetworkNamespace b, string deviceB, string addressesB)
    {
        a.Run($"ip link add {deviceA} type veth peer name {deviceB} netns {b.Path}");
        // Both up before either has an address: a neighbour that is asked too early is asked again only a second later.
        a.Run($"ip link set {deviceA} up");
        b.Run($"ip link set {deviceB} up");
        Configure(a, deviceA, addressesA);
        Configure(b, deviceB, addressesB);
    }

    /// <summary>Runs a body on the namespace's thread and waits for it; what it throws is thrown here.</summary>
    public void Do(Action body)
    {
        if (Thread.CurrentThread == _thread)
        {
            body();
            return;
        }

        ExceptionDispatchInfo? failure = null;
        using var done = new ManualResetEventSlim();
        _work.Add(() =>
        {
            try
            {
                body();
            }
            catch (Exception e)
            {
                failure = ExceptionDispatchInfo.Capture(e);
            }
            finally
            {
                done.Set();
            }
        });
        done.Wait();
        failure?.Throw();
    }

    /// <summary>Runs a body on the namespace's thread and gives its result.</summary>
    public T Do<T>(Func<T> body)
    {
        T result = default!;
        Do(() => { result = body(); });
        return result;
    }

    /// <summary>Starts another thread in the namespace. Its body must end before <see cref="Dispose"/>, which joins it.</summary>
    public Thread StartThread(Action body)
    {
        int handle = (int)_handle!.DangerousGetHandle();
        var thread = new Thread(() =>
        {
            if (SetNs(handle, CloneNewNet) != 0)
            {
                throw new InvalidOperationException($"setns: {Marshal.GetLastPInvokeErrorMessage()}");
            }

            body();
        })
        { IsBackground = true };
        _others.Add(thread);
        thread.Start();
        return thread;
    }

    /// <summary>Runs a shell command in the namespace; what it wrote is returned, an exit status but 0 fails the test.</summary>
    public string Run(string command, string? input = null)
    {
        (int status, string output) = TryRun(command, input);
        return status == 0 ? output : throw new InvalidOperationException($"'{command}' ended with status {status}: {output}");
    }

    /// <summary>Runs a shell command in the namespace: its exit status and what it wrote, errors included.</summary>
    public (int Status, string Output) TryRun(string command, string? input = null)
    {
        using Process process = Launch(command);
        // Read both at once: a full pipe would stop the program.
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        Task<string> errors = process.StandardError.ReadToEndAsync();
        process.StandardInput.Write(input);
        process.StandardInput.Close();
        process.WaitForExit();
        return (process.ExitCode, output.GetAwaiter().GetResult() + errors.GetAwaiter().GetResult());
    }

    /// <summary>Starts a program that goes on; <see cref="Dispose"/> kills it and its children, and disposes of it. Its output is the caller's to read.</summary>
    public Process Start(string command)
    {
        Process process = Launch(command);
        _processes.Add(process);
        return process;
    }

    /// <summary>Kills what <see cref="Start"/> began, joins the threads and leaves the namespace, which ends with its last user.</summary>
    public void Dispose()
    {
        foreach (Process process in _processes)
        {
            if (!process.HasExited)
            {
                process.Kill(entireProcessTree: true);
                process.WaitForExit();
            }

            process.Dispose();
        }

        foreach (Thread thread in _others)
        {
            thread.Join();
        }

        _work.CompleteAdding();
        _thread.Join();
        _handle?.Dispose();
        _work.Dispose();
    }

    private static void Configure(NetworkNamespace ns, string device, string addresses)
    {
        foreach (string address in addresses.Split(' ', StringSplitOptions.RemoveEmptyEntries))
        {
            ns.Run($"ip addr add {address} dev {device}{(address.Contains(':', StringComparison.Ordinal) ? " nodad" : "")}");
        }
    }

    // A process is forked from the thread that starts it, so that it lands in this thread's namespace.
    private Process Launch(string command) => Do(() => Process.Start(new ProcessStartInfo("/bin/sh", ["-c", command])
    {
        RedirectStandardInput = true,
        RedirectStandardOutput = true,
        RedirectStandardError = true,
    })!);

    private void Work()
    {
        foreach (Action work in _work.GetConsumingEnumerable())
        {
            work();
        }
    }

    [LibraryImport("libc", EntryPoint = "unshare", SetLastError = true)]
    private static partial int Unshare(int flags);

    [LibraryImport("libc", EntryPoint = "setns", SetLastError = true)]
    private static partial int SetNs(int descriptor, int kind);
}
