// Two hosts on one wire: two network namespaces joined by a veth pair. Their names have this process's number in them, so
// that several demos do not meet, and that a later one knows what a killed one left.

using System.Globalization;
using System.Runtime.ExceptionServices;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using Testudo.App.Up;

namespace Testudo.App.Demo;

internal sealed class TwoNamespaces : IDisposable
{
    private const string Folder = "/run/netns", Prefix = "testudo-demo-";
    private readonly List<string> _locks = [];

    /// <summary>Makes both; where that fails, what was made is removed again.</summary>
    /// <exception cref="IOException">The system refused; the message has its words.</exception>
    public TwoNamespaces(CancellationToken cancel)
    {
        RemoveDead();
        try
        {
            Shell.Run(["ip", "netns", "add", A], cancel);
            Shell.Run(["ip", "netns", "add", B], cancel);
            Shell.Run(["ip", "-n", A, "link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns", B], cancel);
            Configure(A, "1", cancel);
            Configure(B, "2", cancel);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public static string AddressA => "10.9.0.1";

    public static string AddressB => "10.9.0.2";

    public static string Address6A => "fd09::1";

    public static string Address6B => "fd09::2";

    public string A { get; } = $"{Prefix}{Environment.ProcessId}-a";

    public string B { get; } = $"{Prefix}{Environment.ProcessId}-b";

    /// <summary>What is left of these two on this machine; empty after <see cref="Dispose"/>.</summary>
    public IReadOnlyList<string> Left => [.. new[] { A, B }.Select(static name => Path.Combine(Folder, name)).Concat(_locks).Where(File.Exists)];

    /// <summary>Runs a body on a thread of its own in a namespace. Sockets that it makes belong to the namespace for as long as they live.</summary>
    public static T In<T>(string name, Func<T> body)
    {
        ExceptionDispatchInfo? failure = null;
        T result = default!;
        using SafeFileHandle handle = File.OpenHandle(Path.Combine(Folder, name));
        var thread = new Thread(() =>
        {
            try
            {
                if (DemoNative.SetNs((int)handle.DangerousGetHandle(), DemoNative.CloneNewNet) != 0)
                {
                    throw new IOException($"setns to {name}: {Marshal.GetLastPInvokeErrorMessage()}");
                }

                result = body();
            }
            catch (Exception e)
            {
                failure = ExceptionDispatchInfo.Capture(e);
            }
        });
        thread.Start();
        thread.Join();
        failure?.Throw();
        return result;
    }

    public void Dispose()
    {
        foreach (string name in (string[])[A, B])
        {
            Remove(name);
        }
    }

    private void Configure(string name, string number, CancellationToken cancel)
    {
        Shell.Run(["ip", "-n", name, "-batch", "-"], cancel, $"""
            link set lo up
            link set eth0 up
            addr add 10.9.0.{number}/24 dev eth0
            addr add fd09::{number}/64 dev eth0 nodad

            """);
        _locks.Add(In(name, static () => UpOptions.LockFile(0)));
    }

    private void Remove(string name)
    {
        if (File.Exists(Path.Combine(Folder, name)))
        {
            _ = Shell.Try(["ip", "netns", "del", name], CancellationToken.None);
        }

        // A daemon that was killed leaves its lock file, and it is named after a namespace that is no more.
        _locks.ForEach(File.Delete);
    }

    private static void RemoveDead()
    {
        foreach (string path in Directory.Exists(Folder) ? Directory.GetFiles(Folder, Prefix + "*") : [])
        {
            string name = Path.GetFileName(path);
            string number = name[Prefix.Length..].Split('-')[0];
            if (int.TryParse(number, CultureInfo.InvariantCulture, out int pid) && !Directory.Exists($"/proc/{pid}"))
            {
                foreach (string left in Shell.Try(["ip", "netns", "pids", name], CancellationToken.None).Output.Split('\n', StringSplitOptions.RemoveEmptyEntries))
                {
                    _ = DemoNative.Kill(int.Parse(left, CultureInfo.InvariantCulture), DemoNative.Terminate);
                }

                _ = Shell.Try(["ip", "netns", "del", name], CancellationToken.None);
            }
        }
    }
}
