// What policy protects does not travel in clear: not without keys, not from a forger, not while keys, policies or the daemon
// itself come and go. tcpdump on the wire is the judge; each test first shows that it would see a clear packet.

using System.Net;
using System.Net.Sockets;
using Testudo.SystemTests.Netns;
using Xunit;

namespace Testudo.SystemTests.Daemon;

public sealed class SafetyTests
{
    // What a flood sends, in clear.
    private const string Clear = "udp port 7777";
    private static readonly Protection[] s_both =
        [new("10.9.0.1", "10.9.0.2", Suite.Gcm, 0x5001), new("fd09::1", "fd09::2", Suite.Gcm, 0x5003)];

    private static string Policies => string.Concat(s_both.Select(static p => p.Policies(sideA: true)));

    private static string Sas => string.Concat(s_both.Select(static p => p.Sas));

    [Fact]
    [Shows("ipsec4-policy-11")]
    public void Without_an_SA_nothing_leaves_and_the_drop_is_named()
    {
        using var a = new NetworkNamespace();
        using var b = new NetworkNamespace();
        TwoHosts.Connect(a, b);
        using TestudoDaemon daemon = TestudoDaemon.Start(a, Policies);
        using var sniffer = new Sniffer(b, "eth0", "src 10.9.0.1 or src fd09::1");
        Assert.NotEqual(0, a.TryRun("ping -c 2 -i 0.1 -W 1 10.9.0.2").Status);
        Assert.NotEqual(0, a.TryRun("ping -c 2 -i 0.1 -W 1 fd09::2").Status);
        Assert.Equal(4, daemon.Status().Dropped("no-sa"));
        Traffic.Ping(a, "-I 10.9.0.11 10.9.0.2");
        sniffer.Stop();
        Assert.Equal(0, sniffer.Count("icmp or icmp6[0] = 128"));
    }

    [Fact]
    public void Forged_clear_packets_reach_no_socket_and_are_counted_and_those_of_others_pass()
    {
        using var a = new NetworkNamespace();
        using var b = new NetworkNamespace();
        TwoHosts.Connect(a, b);
        using TestudoDaemon daemon = TestudoDaemon.Start(a, Sas + Policies);
        using Socket udp = a.Do(() => new Socket(AddressFamily.InterNetworkV6, SocketType.Dgram, ProtocolType.Udp) { DualMode = true });
        using Socket raw = a.Do(() => new Socket(AddressFamily.InterNetwork, SocketType.Raw, ProtocolType.Udp));
        a.Do(() =>
        {
            udp.Bind(new IPEndPoint(IPAddress.IPv6Any, 5000));
            raw.Bind(new IPEndPoint(IPAddress.Any, 0));
        });
        b.Do(() =>
        {
            foreach ((string from, string to, string text) in (ReadOnlySpan<(string, string, string)>)[
                ("10.9.0.2", "10.9.0.1", "forged"), ("fd09::2", "fd09::1", "forged"), ("10.9.0.2", "10.9.0.1", new string('f', 5000)),
                ("10.9.0.12", "10.9.0.1", "other"), ("fd09::12", "fd09::1", "other"), ("10.9.0.12", "10.9.0.11", "last")])
            {
                using var socket = new Socket(IPAddress.Parse(from).AddressFamily, SocketType.Dgram, ProtocolType.Udp);
                socket.Bind(new IPEndPoint(IPAddress.Parse(from), 0));
                socket.SendTo(System.Text.Encoding.ASCII.GetBytes(text), new IPEndPoint(IPAddress.Parse(to), 5000));
            }
        });
        Assert.Equal(["other", "other", "last"], ReadUntil(udp, "last", 0));
        Assert.Equal(["other", "last"], ReadUntil(raw, "last", 28));
        Assert.Equal(3, daemon.Status().Dropped("guard-in"));
    }

    [Fact]
    [Shows("ipsec4-policy-4", "rfc4301-4.4.1-7")]
    public void Nothing_leaves_in_clear_while_keys_policies_and_the_daemon_come_and_go()
    {
        using var a = new NetworkNamespace();
        using var b = new NetworkNamespace();
        TwoHosts.Connect(a, b);
        using (var look = new Sniffer(b, "eth0", Clear))
        using (Flood.Start(a))
        {
            Wait.Until(() => look.Count() > 10, "tcpdump does not see the flood while nothing protects it");
        }

        TestudoDaemon daemon = TestudoDaemon.Start(a, Policies);
        using var sniffer = new Sniffer(b, "eth0");
        using Flood flood = Flood.Start(a);
        try
        {
            long esp = 0;
            for (int round = 0; round < 3; round++)
            {
                daemon.Setkey(Sas);
                daemon.Setkey("flush;\n" + Sas);
                daemon.Setkey("spdadd 10.9.0.1 10.9.0.77 any -P out none; spdadd 10.9.0.1 10.9.0.78 any -P out discard;");
                daemon.Setkey("spddelete 10.9.0.1 10.9.0.77 any -P out; spddelete 10.9.0.1 10.9.0.78 any -P out;");
                daemon.Setkey("delete 10.9.0.1 10.9.0.2 esp 0x5001; delete fd09::1 fd09::2 esp 0x5003;");
                daemon.Setkey("flush;");
            }

            daemon.Setkey(Sas);
            Wait.Until(() => sniffer.Count("esp") > esp + 10, "no ESP is seen");

            // Killed: what policy protects is refused to the sender, the rest flows.
            daemon.Kill9();
            foreach (string to in (string[])["10.9.0.2", "fd09::2"])
            {
                Assert.NotEqual(0, a.TryRun($"ping -c 1 -W 1 {to}").Status);
                var refused = Assert.Throws<SocketException>(() => a.Do(() =>
                {
                    using var socket = new Socket(IPAddress.Parse(to).AddressFamily, SocketType.Dgram, ProtocolType.Udp);
                    socket.SendTo("text"u8, new IPEndPoint(IPAddress.Parse(to), 7777));
                }));
                Assert.Equal(SocketError.AccessDenied, refused.SocketErrorCode);
            }

            Traffic.Ping(a, "-I 10.9.0.11 10.9.0.2");
            Traffic.Ping(a, "-I fd09::11 fd09::2");

            // The next one takes over what the killed one left.
            string folder = daemon.Folder;
            daemon = TestudoDaemon.Start(a, Sas + Policies, folder: folder);
            esp = sniffer.Count("esp");
            Wait.Until(() => sniffer.Count("esp") > esp + 10, "no ESP is seen after the restart");
        }
        finally
        {
            // The flood ends before the guard does.
            flood.Dispose();
            daemon.Dispose();
        }

        sniffer.Stop();
        Assert.True(sniffer.Count(Clear) == 0, $"in clear: {sniffer.Show(Clear)}");
        Assert.True(flood.Sent > 1000, $"the flood sent {flood.Sent}");
    }

    [Fact]
    public void Nothing_leaves_in_clear_while_a_file_that_begins_with_spdflush_is_loaded_again_and_again()
    {
        using var a = new NetworkNamespace();
        using var b = new NetworkNamespace();
        TwoHosts.Connect(a, b);
        using TestudoDaemon daemon = TestudoDaemon.Start(a, Sas + Policies);
        using var sniffer = new Sniffer(b, "eth0");
        using (Flood flood = Flood.Start(a))
        {
            for (int round = 0; round < 10; round++)
            {
                daemon.Setkey($"flush; spdflush;\n{Sas}{Policies}spdadd 10.9.0.1 10.9.0.7{round} any -P out discard;");
            }

            // A policy among them that cannot be: all stay as they were, and the command says so.
            (int status, string output) = daemon.TryRun($"setkey --pfkey {daemon.PfKey} -c", $"spdflush; spdadd 10.9.0.1 10.9.0.1 any -P out ipsec esp/transport//require;\n{Policies}");
            Assert.True(status == 1 && output.Contains("stay as they were", StringComparison.Ordinal), output);
            long esp = sniffer.Count("esp");
            Wait.Until(() => sniffer.Count("esp") > esp + 10, "no ESP is seen");
            Assert.True(flood.Sent > 1000, $"the flood sent {flood.Sent}");
        }

        sniffer.Stop();
        Assert.True(sniffer.Count(Clear) == 0, $"in clear: {sniffer.Show(Clear)}");
    }

    [Fact]
    public void A_start_that_fails_after_a_kill_leaves_closed_what_was_closed()
    {
        using var a = new NetworkNamespace();
        using var b = new NetworkNamespace();
        TwoHosts.Connect(a, b);
        using TestudoDaemon daemon = TestudoDaemon.Start(a, Policies);
        daemon.Kill9();

        // The API's path is taken by a file, which is found out last of all.
        string conf = Path.Combine(daemon.Folder, "ipsec.conf");
        (int status, string output) = daemon.TryRun($"up -f {conf} --pfkey {daemon.PfKey} --api {conf}");
        Assert.True(status == 1 && output.Contains(conf, StringComparison.Ordinal), output);
        using var sniffer = new Sniffer(b, "eth0", "src 10.9.0.1 or src fd09::1");
        Assert.NotEqual(0, a.TryRun("ping -c 2 -i 0.1 -W 1 10.9.0.2").Status);
        Assert.NotEqual(0, a.TryRun("ping -c 2 -i 0.1 -W 1 fd09::2").Status);
        Traffic.Ping(a, "-I 10.9.0.11 10.9.0.2");
        sniffer.Stop();
        Assert.Equal(0, sniffer.Count("icmp or icmp6[0] = 128"));

        (status, output) = daemon.TryRun("down --api " + daemon.Api);
        Assert.True(status == 0, output);
        Traffic.Ping(a, "10.9.0.2");
    }

    [Fact]
    public void Strict_reverse_path_filtering_is_no_hindrance()
    {
        using var a = new NetworkNamespace();
        using var b = new NetworkNamespace();
        TwoHosts.Connect(a, b);
        foreach (NetworkNamespace ns in (NetworkNamespace[])[a, b])
        {
            ns.Run("sysctl -qw net.ipv4.conf.all.rp_filter=1 net.ipv4.conf.default.rp_filter=1 net.ipv4.conf.eth0.rp_filter=1");
        }

        using TestudoDaemon daemonA = TestudoDaemon.Start(a, string.Concat(s_both.Select(static p => p.Text(true))));
        using TestudoDaemon daemonB = TestudoDaemon.Start(b, string.Concat(s_both.Select(static p => p.Text(false))));
        Assert.Equal("1", a.Run("cat /proc/sys/net/ipv4/conf/testudo0/rp_filter").Trim());
        Traffic.Ping(a, "10.9.0.2");
        Traffic.Ping(b, "10.9.0.1", 20_000);
        Traffic.Ping(a, "fd09::2");
        Traffic.Ping(a, "-I 10.9.0.11 10.9.0.2");
    }

    private static List<string> ReadUntil(Socket socket, string last, int skip)
    {
        var texts = new List<string>();
        byte[] buffer = new byte[65536];
        socket.ReceiveTimeout = 10_000;
        while (texts.LastOrDefault() != last)
        {
            int length = socket.Receive(buffer);
            texts.Add(System.Text.Encoding.ASCII.GetString(buffer, skip, length - skip));
        }

        return texts;
    }
}

/// <summary>Sends small datagrams to port 7777 of 10.9.0.2 and fd09::2 until it is disposed, about 10,000 a second.</summary>
internal sealed class Flood : IDisposable
{
    private readonly Thread _thread;
    private volatile bool _stop;
    private long _sent;

    private Flood(NetworkNamespace ns) => _thread = ns.StartThread(Run);

    /// <summary>How many were sent, or refused.</summary>
    public long Sent => Volatile.Read(ref _sent);

    public static Flood Start(NetworkNamespace ns) => new(ns);

    public void Dispose()
    {
        _stop = true;
        _thread.Join();
    }

    private void Run()
    {
        IPEndPoint[] targets = [new(IPAddress.Parse("10.9.0.2"), 7777), new(IPAddress.Parse("fd09::2"), 7777)];
        Socket[] sockets = [.. targets.Select(static target => new Socket(target.AddressFamily, SocketType.Dgram, ProtocolType.Udp))];
        while (!_stop)
        {
            for (int i = 0; i < 20; i++)
            {
                try
                {
                    sockets[i & 1].SendTo("in clear"u8, targets[i & 1]);
                }
                catch (SocketException)
                {
                    // refused: that is what a closed guard does
                }

                Interlocked.Increment(ref _sent);
            }

            Thread.Sleep(1); // leaves the processor to those it floods
        }

        Array.ForEach(sockets, static socket => socket.Dispose());
    }
}
