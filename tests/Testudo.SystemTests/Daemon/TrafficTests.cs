// Two hosts with a daemon each: every kind of traffic passes, under every suite, and each packet of it is ESP.

using Xunit;

namespace Testudo.SystemTests.Daemon;

public sealed class TransportTrafficTests(TwoHosts hosts) : IClassFixture<TwoHosts>
{
    [Theory]
    [InlineData("gcm", false)]
    [InlineData("cbc+sha256", false)]
    [InlineData("null+sha1", false)]
    [InlineData("gcm", true)]
    [Shows("ipsec4-description-2", "ipsec4-description-3", "ipsec4-description-7", "ipsec4-history-3", "ipsec4-protocols-1", "ipsec4-protocols-2", "rfc4301-3.1-1")]
    public void Two_hosts_ping_and_exchange_TCP_and_UDP_in_transport_mode_over_both_families(string suite, bool udp)
    {
        hosts.Set(new Protection("10.9.0.1", "10.9.0.2", Suite.Named(suite), 0x1001, Udp: udp), new Protection("fd09::1", "fd09::2", Suite.Named(suite), 0x1003, Udp: udp));
        long before = hosts.DaemonB.Status().Inbound.Packets;
        foreach (string to in (string[])["10.9.0.2", "fd09::2"])
        {
            Traffic.Ping(hosts.A, to);
            Traffic.Ping(hosts.A, to, 60_000);
            Traffic.Iperf(hosts.A, $"-c {to} -n 4M");
            Traffic.Iperf(hosts.A, $"-c {to} -n 4M -R");
            Traffic.Iperf(hosts.A, $"-c {to} -u -b 40M -n 2M -l 1200");
            Traffic.Iperf(hosts.A, $"-c {to} -u -b 40M -n 2M -l 20000");
        }

        DaemonStatus status = hosts.DaemonB.Status();
        Assert.InRange(status.Inbound.Packets - before, 2 * (4_000_000 / 1500), long.MaxValue);
        Assert.Equal(0, status.Dropped("guard-in") + status.Dropped("bad-icv") + status.Dropped("replayed"));
    }

    [Theory]
    [InlineData("10.9.0.2", 65507)]
    [InlineData("fd09::2", 65487)] // with its headers 65535; what is longer the kernel fragments
    public void What_cannot_fit_in_65535_bytes_is_dropped_as_too_long_and_its_sender_is_told(string to, int size)
    {
        hosts.Set(new Protection("10.9.0.1", "10.9.0.2", Suite.Gcm, 0x1001), new Protection("fd09::1", "fd09::2", Suite.Gcm, 0x1003));
        long before = hosts.DaemonA.Status().Dropped("too-long");
        string told = hosts.A.Run("/usr/bin/python3 -", $"""
            import errno, select, socket
            to = {"'" + to + "'"}
            v6 = ':' in to
            s = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET, socket.SOCK_DGRAM)
            s.setsockopt(*((socket.IPPROTO_IPV6, 25) if v6 else (socket.IPPROTO_IP, 11)), 1)  # IPV6_RECVERR, IP_RECVERR
            s.connect((to, 9))
            s.send(bytes({size}))
            p = select.poll()
            p.register(s, select.POLLERR)
            print("event", len(p.poll(10000)))
            data, control, flags, address = s.recvmsg(10, 200, socket.MSG_ERRQUEUE)
            print("errno", errno.errorcode[int.from_bytes(control[0][2][:4], "little")], "info", int.from_bytes(control[0][2][8:12], "little"))
            """);
        Assert.Contains("errno EMSGSIZE", told, StringComparison.Ordinal);
        Assert.InRange(int.Parse(told.Trim().Split(' ')[^1], System.Globalization.CultureInfo.InvariantCulture), 65_400, 65_535);
        Assert.Equal(before + 1, hosts.DaemonA.Status().Dropped("too-long"));
        Traffic.Ping(hosts.A, to, 60_000);
    }
}

public sealed class TunnelTrafficTests(TwoSites sites) : IClassFixture<TwoSites>
{
    [Theory]
    [InlineData("gcm", false, false)]
    [InlineData("cbc+sha256", false, true)]
    [InlineData("null+sha1", true, false)]
    [InlineData("gcm", true, true)]
    [Shows("ipsec4-description-8", "rfc4301-3.1-1", "rfc4301-4.1-12", "rfc4301-4.5.3-1", "rfc3948-1-2")]
    public void Hosts_behind_two_gateways_reach_each_other_through_a_tunnel_over_both_families(string suite, bool outer6, bool udp)
    {
        (string a, string b) = outer6 ? ("fd09::1", "fd09::2") : ("10.9.0.1", "10.9.0.2");
        sites.Set(
            new Protection(a, b, Suite.Named(suite), 0x2001, "10.1.0.0/24", "10.2.0.0/24", udp),
            new Protection(a, b, Suite.Named(suite), 0x2003, "fd01::/64", "fd02::/64", udp));
        long before = sites.DaemonB.Status().Inbound.Packets;
        foreach (string to in (string[])["10.2.0.2", "fd02::2"])
        {
            Traffic.Ping(sites.HostA, to);
            // The kernel gives the gateway's TUN the fragments that came: they are told the path's MTU first.
            Wait.Until(() => sites.HostA.TryRun($"ping -q -c 1 -W 1 -s 60000 {to}").Status == 0, $"no large ping to {to} is answered");
            Traffic.Ping(sites.HostA, to, 60_000, 2);
            Traffic.Iperf(sites.HostA, $"-c {to} -n 4M");
            Traffic.Iperf(sites.HostA, $"-c {to} -n 4M -R");
            Traffic.Iperf(sites.HostA, $"-c {to} -u -b 20M -n 1M -l 1200");
            // The gateway's own packets to the protected network, by its address in its own.
            Traffic.Ping(sites.A, $"-I {(to.Contains(':', StringComparison.Ordinal) ? "fd01::1" : "10.1.0.1")} {to}");
        }

        DaemonStatus status = sites.DaemonB.Status();
        Assert.InRange(status.Inbound.Packets - before, 2 * (4_000_000 / 1500), long.MaxValue);
        Assert.Equal(0, status.Dropped("guard-in") + status.Dropped("guard-forward") + status.Dropped("bad-icv") + status.Dropped("replayed"));
    }

    [Fact]
    public void A_gateway_without_a_route_to_the_protected_network_reaches_it_all_the_same()
    {
        sites.Set(
            new Protection("10.9.0.1", "10.9.0.2", Suite.Gcm, 0x2001, "10.1.0.0/24", "10.2.0.0/24"),
            new Protection("10.9.0.1", "10.9.0.2", Suite.Gcm, 0x2003, "fd01::/64", "fd02::/64"));
        sites.A.Run("ip route del 10.2.0.0/24; ip -6 route del fd02::/64");
        try
        {
            Traffic.Ping(sites.A, "10.2.0.2");
            Traffic.Ping(sites.A, "fd02::2");
        }
        finally
        {
            sites.A.Run("ip route add 10.2.0.0/24 via 10.9.0.2; ip -6 route add fd02::/64 via fd09::2");
        }
    }
}
