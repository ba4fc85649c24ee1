// How a daemon comes, goes, is killed, and lives beside another: what it adds to a host it takes away again.

using Testudo.SystemTests.Netns;
using Xunit;

namespace Testudo.SystemTests.Daemon;

public sealed class LifecycleTests
{
    private static readonly Protection s_connection = new("10.9.0.1", "10.9.0.2", Suite.Gcm, 0x6001);
    private static readonly Protection s_tunnel = new("10.9.0.1", "10.9.0.2", Suite.Gcm, 0x6003, "10.9.0.0/24", "10.77.0.0/24");

    private static string Conf => s_connection.Text(sideA: true) + s_tunnel.Text(sideA: true);

    // Everything that a daemon adds to a host.
    private static string Footprint(NetworkNamespace ns) => ns.Run(
        "ip rule; ip -6 rule; ip route show table all; ip -6 route show table all; nft list ruleset; ip -o link | sed 's/.*: \\([^:]*\\):.*/\\1/'; ss -lwnuH")
        .Split('\n').Where(static line => !line.Contains("fe80", StringComparison.Ordinal) && !line.Contains("ff00", StringComparison.Ordinal)).Aggregate(static (all, line) => all + "\n" + line);

    private static NetworkNamespace Host()
    {
        var ns = new NetworkNamespace();
        ns.Run("ip link add eth0 type veth peer name peer0; ip link set eth0 up; ip link set peer0 up; ip addr add 10.9.0.1/24 dev eth0; ip addr add fd09::1/64 dev eth0 nodad");

        // Until the devices have their own link-local addresses the routes change by themselves.
        Wait.Until(() => ns.Run("ip -6 addr show tentative; ip -6 route show table all").Split("\nlocal fe80").Length == 3, () => ns.Run("ip -6 addr; ip -6 route show table all"));
        return ns;
    }

    [Theory]
    [InlineData("down")]
    [InlineData("SIGTERM")]
    [InlineData("SIGINT")]
    public void An_orderly_end_leaves_nothing(string how)
    {
        using NetworkNamespace ns = Host();
        string before = Footprint(ns);
        using TestudoDaemon daemon = TestudoDaemon.Start(ns, Conf);
        Assert.NotEqual(before, Footprint(ns));
        if (how == "SIGINT")
        {
            ns.Run($"kill -INT {daemon.Pid}");
        }

        Assert.Equal(0, how switch { "down" => daemon.Down(), "SIGTERM" => daemon.Terminate(), _ => daemon.WaitForExit() });
        Assert.Equal(before, Footprint(ns));
        Assert.False(File.Exists(daemon.PfKey) || File.Exists(daemon.Api), "a socket was left");
    }

    [Fact]
    public void After_a_kill_the_next_one_adopts_what_was_left_and_down_removes_it()
    {
        using NetworkNamespace ns = Host();
        string before = Footprint(ns);
        using TestudoDaemon first = TestudoDaemon.Start(ns, Conf);
        string joined = Footprint(ns);
        first.Kill9();
        Assert.NotEqual(before, Footprint(ns));

        using (TestudoDaemon second = TestudoDaemon.Start(ns, Conf, folder: first.Folder))
        {
            Assert.Equal(joined.Split('\n').Length, Footprint(ns).Split('\n').Length);
            Assert.Equal(4, second.Status().Policies);
            second.Kill9();
            (int status, string output) = second.TryRun($"down --api {second.Api}");
            Assert.True(status == 0 && output.Contains("removed nft table", StringComparison.Ordinal), output);
            Assert.Equal(before, Footprint(ns));
            (status, output) = second.TryRun($"down --api {second.Api}");
            Assert.True(status == 0 && output.Contains("nothing runs and nothing was left", StringComparison.Ordinal), output);
        }
    }

    [Fact]
    public void A_second_up_of_a_live_instance_is_refused_in_words_and_harms_nothing()
    {
        using NetworkNamespace ns = Host();
        using TestudoDaemon first = TestudoDaemon.Start(ns, Conf);
        string joined = Footprint(ns);

        // Other sockets: only the lock tells. The same sockets: the first fault found tells.
        using (TestudoDaemon second = TestudoDaemon.Launch(ns, "spdflush;"))
        {
            Assert.Equal(1, second.WaitForExit());
            Wait.Until(() => second.Said.Contains($"is running as process {first.Pid}", StringComparison.Ordinal), () => second.Said);
        }

        (int status, string output) = first.TryRun($"up --pfkey {first.PfKey} --api {first.Api}");
        Assert.True(status == 1 && output.Contains("testudo up: ", StringComparison.Ordinal), output);
        Assert.Equal(joined, Footprint(ns));
        Assert.Equal(4, first.Status().Policies);
        Assert.Contains("0x00006001", first.Dump("-D"), StringComparison.Ordinal);
    }

    [Fact]
    public void Two_instances_live_in_one_namespace()
    {
        using var a = new NetworkNamespace();
        using var b = new NetworkNamespace();
        TwoHosts.Connect(a, b);
        string before = Footprint(a);
        var other = new Protection("10.9.0.11", "10.9.0.12", Suite.CbcSha256, 0x6005);
        using (TestudoDaemon peer = TestudoDaemon.Start(b, s_connection.Text(false) + other.Text(false)))
        using (TestudoDaemon zero = TestudoDaemon.Start(a, s_connection.Text(true)))
        using (TestudoDaemon one = TestudoDaemon.Start(a, other.Text(true), "--instance 1 --links tun,raw"))
        {
            Traffic.Ping(a, "-I 10.9.0.1 10.9.0.2");
            Traffic.Ping(a, "-I 10.9.0.11 10.9.0.12");
            Traffic.Ping(b, "-I 10.9.0.12 10.9.0.11", 20_000);
            Assert.Equal(1, one.Status().Instance);
            Assert.InRange(one.Status().Outbound.Packets, 6, long.MaxValue);
            Assert.InRange(zero.Status().Outbound.Packets, 3, long.MaxValue);
            Assert.Equal(0, one.Down());
            Traffic.Ping(a, "-I 10.9.0.1 10.9.0.2");
        }

        Assert.Equal(before, Footprint(a));
    }

    [Fact]
    public void Without_confirm_everything_is_undone_and_with_it_everything_stays()
    {
        using NetworkNamespace ns = Host();
        string before = Footprint(ns);
        using (TestudoDaemon daemon = TestudoDaemon.Start(ns, Conf, "--confirm 1"))
        {
            Assert.Equal(1, daemon.WaitForExit());
            Assert.Equal(before, Footprint(ns));
        }

        using (TestudoDaemon daemon = TestudoDaemon.Start(ns, Conf, "--confirm 3"))
        {
            Assert.Equal("waiting for confirm", daemon.Status().State);
            (int status, string output) = daemon.TryRun($"confirm --api {daemon.Api}");
            Assert.True(status == 0, output);
            Wait.Until(() => ns.Run($"ps -o etimes= -p {daemon.Pid}").Trim() is "5" or "6", "it ended in spite of the confirmation");
            Assert.Equal("up", daemon.Status().State);
            Assert.Equal(0, daemon.Down());
            Assert.Equal(before, Footprint(ns));
        }
    }

    [Fact]
    public void A_wrong_file_or_a_refused_command_starts_nothing()
    {
        using NetworkNamespace ns = Host();
        string before = Footprint(ns);
        foreach ((string conf, string words) in (ReadOnlySpan<(string, string)>)[
            (Conf + "spdadd nonsense;", "ipsec.conf:"), (s_connection.Sas + s_connection.Sas + s_connection.Policies(true), "nothing was started")])
        {
            using TestudoDaemon daemon = TestudoDaemon.Launch(ns, conf);
            Assert.Equal(1, daemon.WaitForExit());
            Wait.Until(() => daemon.Said.Contains(words, StringComparison.Ordinal), () => daemon.Said);
            Assert.Equal(before, Footprint(ns));
        }
    }

    [Fact]
    public void Without_links_nothing_is_touched()
    {
        using NetworkNamespace ns = Host();
        string before = Footprint(ns);
        using (TestudoDaemon daemon = TestudoDaemon.Start(ns, Conf, "--links none"))
        {
            Assert.Equal(before, Footprint(ns));
            Assert.Equal((4, 4), (daemon.Status().Sas, daemon.Status().Policies));
        }

        Assert.Equal(before, Footprint(ns));
    }

    [Fact]
    public void Nobody_may_run_it_without_links()
    {
        using var ns = new NetworkNamespace();
        DirectoryInfo folder = Directory.CreateTempSubdirectory("td-");
        try
        {
            // Everything above the program must let others pass, and a clone below root's home does not.
            string nobody = $"setpriv --reuid 65534 --regid 65534 --clear-groups {TestudoDaemon.Program}";
            Assert.SkipUnless(ns.TryRun($"{nobody} setkey -V").Status == 0, $"needs a place where nobody may run {TestudoDaemon.Program}");
            ns.Run($"chmod 777 {folder.FullName}");
            System.Diagnostics.Process process = ns.Start($"exec {nobody} up --links none --pfkey {folder.FullName}/k --api {folder.FullName}/a 2>&1");
            Assert.StartsWith("testudo: ready", process.StandardOutput.ReadLine(), StringComparison.Ordinal);
            ns.Run($"{nobody} setkey --pfkey {folder.FullName}/k -c", Conf);
            Assert.Contains("0x00006001", ns.Run($"{nobody} setkey --pfkey {folder.FullName}/k -D"), StringComparison.Ordinal);
            ns.Run($"{nobody} down --api {folder.FullName}/a");
            Assert.True(process.WaitForExit(TimeSpan.FromSeconds(20)), "it does not end");
            Assert.Equal(0, process.ExitCode);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }
}
