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
}
