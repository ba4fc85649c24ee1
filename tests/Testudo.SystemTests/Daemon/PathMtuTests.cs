// Paths that are smaller than a device: senders learn what fits with its protection, and TCP goes through.

using Testudo.SystemTests.Netns;
using Xunit;

namespace Testudo.SystemTests.Daemon;

public sealed class PathMtuTests
{
    [Theory]
    [InlineData("10.9.0.1", "10.9.0.2")]
    [InlineData("fd09::1", "fd09::2")]
    [Shows("rfc4301-8.2.1-3", "rfc4301-8.2.1-6", "rfc4303-3.3.4-1")]
    public void TCP_and_tracepath_learn_what_fits_a_device_of_1400_bytes(string from, string to)
    {
        using var a = new NetworkNamespace();
        using var b = new NetworkNamespace();
        TwoHosts.Connect(a, b);
        a.Run("ip link set eth0 mtu 1400");
        b.Run("ip link set eth0 mtu 1400");
        var protection = new Protection(from, to, Suite.Gcm, 0x8001);
        using TestudoDaemon daemonA = TestudoDaemon.Start(a, protection.Text(true));
        using TestudoDaemon daemonB = TestudoDaemon.Start(b, protection.Text(false));
        Traffic.StartIperfServer(b);
        using var sniffer = new Sniffer(b, "eth0");
        Traffic.Iperf(a, $"-c {to} -n 2M");
        Traffic.Iperf(a, $"-c {to} -n 2M -R");
        DaemonStatus status = daemonA.Status();
        Assert.InRange(status.Dropped("too-big"), 1, 1000);

        // Transport mode, ESP 8 + IV 8 + padding and trailer 2 to 5 + ICV 16: 34 bytes at the least, a multiple of 4.
        string path = a.Run($"tracepath -n -m 3 {to}");
        Assert.Contains("pmtu 13", path, StringComparison.Ordinal);
        sniffer.Stop();
        Assert.Equal(0, sniffer.Count("ip[6:2] & 0x3fff != 0 or ip6 proto 44"));
    }

    [Fact]
    [Shows("rfc4301-8.2.1-4", "rfc2401-B.2-1")]
    public void A_smaller_link_behind_the_gateways_peer_fragments_and_all_arrives()
    {
        // a -- r -- b, where r's link to b takes 1300 bytes: ESP of 1400 is fragmented by r, since the outer DF is not set.
        using var a = new NetworkNamespace();
        using var r = new NetworkNamespace();
        using var b = new NetworkNamespace();
        NetworkNamespace.Connect(a, "eth0", "10.9.0.1/24", r, "eth0", "10.9.0.254/24");
        NetworkNamespace.Connect(r, "eth1", "10.8.0.254/24", b, "eth0", "10.8.0.2/24");
        r.Run("sysctl -qw net.ipv4.ip_forward=1; ip link set eth1 mtu 1300");
        a.Run("ip route add default via 10.9.0.254");
        b.Run("ip route add default via 10.8.0.254; ip link set eth0 mtu 1300");
        var protection = new Protection("10.9.0.1", "10.8.0.2", Suite.Gcm, 0x8003, "10.9.0.1", "10.8.0.2");
        using TestudoDaemon daemonA = TestudoDaemon.Start(a, protection.Text(true));
        using TestudoDaemon daemonB = TestudoDaemon.Start(b, protection.Text(false));
        Traffic.StartIperfServer(b);
        Traffic.Ping(a, "10.8.0.2", 1350);
        Traffic.Ping(a, "10.8.0.2", 10_000);
        Traffic.Iperf(a, "-c 10.8.0.2 -n 1M");
        Traffic.Iperf(a, "-c 10.8.0.2 -n 1M -R");
    }

    [Theory]
    [InlineData("fd09::1", "fd08::2", false)]
    [InlineData("fd09::1", "fd08::2", true)]
    [InlineData("10.9.0.1", "10.8.0.2", false)]
    public void In_transport_mode_the_error_of_a_router_is_followed(string from, string to, bool udp)
    {
        using var path = new SmallPath();
        var protection = new Protection(from, to, Suite.Gcm, 0x8005, Udp: udp);
        using TestudoDaemon daemonA = TestudoDaemon.Start(path.A, protection.Text(true));
        using TestudoDaemon daemonB = TestudoDaemon.Start(path.B, protection.Text(false));
        Traffic.StartIperfServer(path.B);
        using var sniffer = new Sniffer(path.B, "eth0");
        Traffic.Iperf(path.A, $"-c {to} -n 2M");
        Traffic.Iperf(path.A, $"-c {to} -n 2M -R");
        DaemonPath known = Assert.Single(daemonA.Status().Paths);
        Assert.Equal(1400, known.Mtu);
        Assert.StartsWith($"ICMP from {from[..^1]}", known.Why, StringComparison.Ordinal);
        sniffer.Stop();
        Assert.Equal(0, sniffer.Count("ip[6:2] & 0x3fff != 0 or ip6 proto 44"));

        // What is longer than the device is fragmented by the kernel or, for the lowered path, by the stack: all arrives.
        Traffic.Ping(path.A, to, 3000);
        Traffic.Ping(path.A, to, 60_000);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Hosts_behind_gateways_are_told_what_fits_a_smaller_link_between_them(bool udp)
    {
        using var path = new SmallPath();
        using var hostA = new NetworkNamespace();
        using var hostB = new NetworkNamespace();
        path.Site(path.A, hostA, 1);
        path.Site(path.B, hostB, 2);
        Protection[] protections =
        [
            new("fd09::1", "fd08::2", Suite.Gcm, 0x8007, "10.1.0.0/24", "10.2.0.0/24", udp),
            new("fd09::1", "fd08::2", Suite.Gcm, 0x8009, "fd01::/64", "fd02::/64", udp),
        ];
        using TestudoDaemon daemonA = TestudoDaemon.Start(path.A, string.Concat(protections.Select(static p => p.Text(true))));
        using TestudoDaemon daemonB = TestudoDaemon.Start(path.B, string.Concat(protections.Select(static p => p.Text(false))));
        Traffic.StartIperfServer(hostB);
        foreach (string to in (string[])["10.2.0.2", "fd02::2"])
        {
            // The first is lost and tells the gateway; the second tells the sender, with the tunnel's share taken off.
            string said = "";
            Wait.Until(() => (said = hostA.TryRun($"ping -M do -c 1 -W 1 -s 1350 {to}").Output).Contains("mtu", StringComparison.Ordinal), () => said);
            Assert.Matches("mtu ?= ?13[0-9][0-9]", said);
            Traffic.Ping(hostA, to, 1200);
            Traffic.Iperf(hostA, $"-c {to} -n 2M");
            Traffic.Iperf(hostA, $"-c {to} -n 2M -R");
        }

        // Without DF nobody need be told: the gateway fragments what is protected.
        hostA.Run("ip route flush cache");
        Traffic.Ping(hostA, "10.2.0.2", 1400);
        Traffic.Ping(hostA, "10.2.0.2", 9000);
        DaemonStatus status = daemonA.Status();
        Assert.All(status.Paths, static known => Assert.Equal(1400, known.Mtu));
        Assert.InRange(status.Dropped("icmp-noted"), 1, 1000);
    }

    [Fact]
    public void An_error_passes_a_guard_that_lets_nothing_else_in_and_a_forged_one_changes_nothing()
    {
        using var path = new SmallPath();
        var protection = new Protection("fd09::1", "fd08::2", Suite.Gcm, 0x800B, "fd09::1", "::/0");
        using TestudoDaemon daemonA = TestudoDaemon.Start(path.A, protection.Sas + """
            spdadd fd09::1 ::/0 any -P out ipsec esp/tunnel/fd09::1-fd08::2/require;
            spdadd ::/0 fd09::1 any -P in ipsec esp/tunnel/fd08::2-fd09::1/require;
            """);
        using TestudoDaemon daemonB = TestudoDaemon.Start(path.B, protection.Sas + """
            spdadd ::/0 fd09::1 any -P out ipsec esp/tunnel/fd08::2-fd09::1/require;
            spdadd fd09::1 ::/0 any -P in ipsec esp/tunnel/fd09::1-fd08::2/require;
            """);
        Traffic.Ping(path.A, "fd08::2");

        // A stranger who has seen an SPI but no packets: a number that was not sent.
        path.R.Run("/usr/bin/python3 -", """
            from scapy.all import *
            quote = IPv6(src="fd09::1", dst="fd08::2", nh=50, plen=1400) / Raw(bytes.fromhex("0000800b00100000") + bytes(100))
            send(IPv6(src="fd09::fe", dst="fd09::1") / ICMPv6PacketTooBig(mtu=1280) / quote, verbose=0)
            """);
        Wait.Until(() => daemonA.Status().Dropped("icmp-refused") == 1, "the forged error was not seen");
        Assert.Equal(1500, Assert.Single(daemonA.Status().Paths).Mtu);
        Wait.Until(
            () =>
            {
                _ = path.A.TryRun("ping -M do -c 1 -W 1 -s 1360 fd08::2");
                return daemonA.Status().Paths[0].Mtu == 1400;
            },
            "the router's error was not followed");
    }

    [Fact]
    public void By_option_the_gateway_cuts_before_the_tunnel_clamps_the_MSS_and_ignores_ICMP()
    {
        using var path = new SmallPath();
        using var hostA = new NetworkNamespace();
        using var hostB = new NetworkNamespace();
        path.Site(path.A, hostA, 1);
        path.Site(path.B, hostB, 2);
        path.A.Run("ip link set eth0 mtu 1400"); // and so nothing is left to the router
        var protection = new Protection("10.9.0.1", "10.8.0.2", Suite.CbcSha256, 0x800D, "10.1.0.0/24", "10.2.0.0/24");
        using TestudoDaemon daemonA = TestudoDaemon.Start(path.A, protection.Text(true), "--fragment before --mss-clamp auto --ignore-icmp");
        using TestudoDaemon daemonB = TestudoDaemon.Start(path.B, protection.Text(false), "--fragment before --mss-clamp 1200");
        Traffic.StartIperfServer(hostB);
        using var sniffer = new Sniffer(path.B, "eth0");
        Traffic.Iperf(hostA, "-c 10.2.0.2 -n 2M");
        Traffic.Iperf(hostA, "-c 10.2.0.2 -n 2M -R");
        Assert.Equal(0, daemonA.Status().Dropped("too-big") + daemonB.Status().Dropped("too-big"));
        Traffic.Ping(hostA, "10.2.0.2", 1380);
        Traffic.Ping(hostA, "10.2.0.2", 1440);
        sniffer.Stop();
        Assert.Equal(0, sniffer.Count("ip[6:2] & 0x3fff != 0"));
        Assert.InRange(sniffer.Count("ip proto 50 and greater 1300"), 10, 100_000);
    }

    /// <summary>A (10.9.0.1, fd09::1) -- router -- B (10.8.0.2, fd08::2), where the router's link to B takes 1400 bytes.</summary>
    private sealed class SmallPath : IDisposable
    {
        public SmallPath()
        {
            NetworkNamespace.Connect(A, "eth0", "10.9.0.1/24 fd09::1/64", R, "eth0", "10.9.0.254/24 fd09::fe/64");
            NetworkNamespace.Connect(R, "eth1", "10.8.0.254/24 fd08::fe/64", B, "eth0", "10.8.0.2/24 fd08::2/64");
            R.Run("sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 net.ipv6.icmp.ratelimit=0 net.ipv4.icmp_ratelimit=0; ip link set eth1 mtu 1400");
            A.Run("ip route add default via 10.9.0.254; ip -6 route add default via fd09::fe");
            B.Run("ip route add default via 10.8.0.254; ip -6 route add default via fd08::fe; ip link set eth0 mtu 1400");
        }

        public NetworkNamespace A { get; } = new();

        public NetworkNamespace R { get; } = new();

        public NetworkNamespace B { get; } = new();

        /// <summary>Puts host 10.N.0.2 (fd0N::2) behind a gateway.</summary>
        public void Site(NetworkNamespace gateway, NetworkNamespace host, int number)
        {
            gateway.Run("sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1");
            NetworkNamespace.Connect(gateway, "lan0", $"10.{number}.0.1/24 fd0{number}::1/64", host, "eth0", $"10.{number}.0.2/24 fd0{number}::2/64");
            host.Run($"ip route add default via 10.{number}.0.1; ip -6 route add default via fd0{number}::1");
        }

        public void Dispose()
        {
            A.Dispose();
            R.Dispose();
            B.Dispose();
        }
    }
}
