// The networks of these tests, once for each class: two hosts on a veth, or two gateways with a host behind each, a daemon
// in each. Every case sets its own keys and policies over what the case before has left.

using System.Diagnostics;
using Testudo.SystemTests.Netns;

namespace Testudo.SystemTests.Daemon;

/// <summary>Hosts A (10.9.0.1, fd09::1) and B (10.9.0.2, fd09::2), and another address of each that no policy names (.11, .12).</summary>
public sealed class TwoHosts : IDisposable
{
    public TwoHosts()
    {
        Connect(A, B);
        DaemonA = TestudoDaemon.Start(A, options: "--capture {folder}/capture.pcapng");
        DaemonB = TestudoDaemon.Start(B);
        Traffic.StartIperfServer(B);
    }

    internal NetworkNamespace A { get; } = new();

    internal NetworkNamespace B { get; } = new();

    internal TestudoDaemon DaemonA { get; }

    internal TestudoDaemon DaemonB { get; }

    /// <summary>Joins two namespaces as hosts A and B.</summary>
    internal static void Connect(NetworkNamespace a, NetworkNamespace b)
    {
        NetworkNamespace.Connect(a, "eth0", "10.9.0.1/24 10.9.0.11/24 fd09::1/64", b, "eth0", "10.9.0.2/24 10.9.0.12/24 fd09::2/64");

        // Deprecated: the kernel would choose the newest as source.
        a.Run("ip addr add fd09::11/64 dev eth0 nodad preferred_lft 0");
        b.Run("ip addr add fd09::12/64 dev eth0 nodad preferred_lft 0");
    }

    /// <summary>Both sides: what was there goes, this comes.</summary>
    internal void Set(params Protection[] protections)
    {
        DaemonA.Setkey("flush; spdflush;\n" + string.Concat(protections.Select(static p => p.Text(sideA: true))));
        DaemonB.Setkey("flush; spdflush;\n" + string.Concat(protections.Select(static p => p.Text(sideA: false))));
    }

    public void Dispose()
    {
        DaemonA?.Dispose();
        DaemonB?.Dispose();
        A.Dispose();
        B.Dispose();
    }
}

/// <summary>Hosts 10.1.0.2/fd01::2 and 10.2.0.2/fd02::2 behind gateways A and B, which are as in <see cref="TwoHosts"/>.</summary>
public sealed class TwoSites : IDisposable
{
    public TwoSites()
    {
        TwoHosts.Connect(A, B);
        NetworkNamespace.Connect(A, "lan0", "10.1.0.1/24 fd01::1/64", HostA, "eth0", "10.1.0.2/24 fd01::2/64");
        NetworkNamespace.Connect(B, "lan0", "10.2.0.1/24 fd02::1/64", HostB, "eth0", "10.2.0.2/24 fd02::2/64");
        foreach (NetworkNamespace gateway in (NetworkNamespace[])[A, B])
        {
            gateway.Run("sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1");
        }

        HostA.Run("ip route add default via 10.1.0.1; ip -6 route add default via fd01::1");
        HostB.Run("ip route add default via 10.2.0.1; ip -6 route add default via fd02::1");
        A.Run("ip route add 10.2.0.0/24 via 10.9.0.2; ip -6 route add fd02::/64 via fd09::2");
        B.Run("ip route add 10.1.0.0/24 via 10.9.0.1; ip -6 route add fd01::/64 via fd09::1");
        DaemonA = TestudoDaemon.Start(A);
        DaemonB = TestudoDaemon.Start(B);
        Traffic.StartIperfServer(HostB);
    }

    internal NetworkNamespace A { get; } = new();

    internal NetworkNamespace B { get; } = new();

    internal NetworkNamespace HostA { get; } = new();

    internal NetworkNamespace HostB { get; } = new();

    internal TestudoDaemon DaemonA { get; }

    internal TestudoDaemon DaemonB { get; }

    /// <inheritdoc cref="TwoHosts.Set"/>
    internal void Set(params Protection[] protections)
    {
        DaemonA.Setkey("flush; spdflush;\n" + string.Concat(protections.Select(static p => p.Text(sideA: true))));
        DaemonB.Setkey("flush; spdflush;\n" + string.Concat(protections.Select(static p => p.Text(sideA: false))));
    }

    public void Dispose()
    {
        DaemonA?.Dispose();
        DaemonB?.Dispose();
        HostA.Dispose();
        HostB.Dispose();
        A.Dispose();
        B.Dispose();
    }
}

/// <summary>Programs that make traffic.</summary>
internal static class Traffic
{
    /// <summary>Starts iperf3's server, which serves both families until the namespace ends.</summary>
    public static void StartIperfServer(NetworkNamespace ns)
    {
        Process server = ns.Start("exec iperf3 -s --forceflush 2>/dev/null");
        while (server.StandardOutput.ReadLine() is { } line && !line.Contains("listening", StringComparison.Ordinal))
        {
        }

        _ = server.StandardOutput.ReadToEndAsync(); // a full pipe would stop it
    }

    /// <summary>Runs iperf3's client. A server that has not yet ended the run before, or listens again only in a moment, refuses it: then again.</summary>
    public static void Iperf(NetworkNamespace ns, string arguments)
    {
        string said = "";
        Wait.Until(
            () =>
            {
                (int status, said) = ns.TryRun($"iperf3 {arguments}");
                bool isBusy = said.Contains("server is busy", StringComparison.Ordinal) || said.Contains("control message: Connection reset", StringComparison.Ordinal)
                    || said.Contains("unable to connect to server: Connection re", StringComparison.Ordinal); // reset, or refused between two runs
                return status == 0 || isBusy ? status == 0 : throw new InvalidOperationException($"iperf3 {arguments}: {said}");
            },
            () => said);
    }

    /// <summary>Pings; all must be answered.</summary>
    public static void Ping(NetworkNamespace ns, string to, int size = 56, int count = 3) =>
        ns.Run($"ping -q -c {count} -i 0.02 -W 5 -s {size} {to}");
}
