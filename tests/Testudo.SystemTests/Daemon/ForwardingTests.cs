// Two gateways: what they protect, what they forward in clear, what they discard, and what is for themselves.

using Xunit;

namespace Testudo.SystemTests.Daemon;

public sealed class ForwardingTests(TwoSites sites) : IClassFixture<TwoSites>
{
    private const string FwdToHost = "spdadd 10.1.0.0/24 10.2.0.2 any -P fwd ipsec esp/tunnel/10.9.0.1-10.9.0.2/require;";
    private static readonly Protection s_protection = new("10.9.0.1", "10.9.0.2", Suite.Gcm, 0x2011, "10.1.0.0/24", "10.2.0.0/24");

    [Fact]
    public void Plain_protected_and_discarded_flows_go_their_ways()
    {
        sites.Set(s_protection);
        using var sniffer = new Sniffer(sites.B, "eth0");
        Traffic.Ping(sites.HostA, "10.9.0.12"); // no policy: in clear
        Traffic.Ping(sites.HostA, "10.9.0.12", 4000);
        Traffic.Ping(sites.HostA, "10.2.0.2");
        Wait.Until(() => sites.HostA.TryRun("ping -q -c 1 -W 1 -s 4000 10.2.0.2").Status == 0, "no fragmented ping is answered"); // fragments of the host's own
        Traffic.Ping(sites.HostA, "10.2.0.1"); // the gateway itself, through the tunnel
        sites.DaemonA.Setkey("spdadd 10.1.0.0/24 10.9.0.12 any -P out discard;");
        long before = sites.DaemonA.Status().Dropped("policy-discard");
        Assert.NotEqual(0, sites.HostA.TryRun("ping -q -c 2 -i 0.1 -W 1 10.9.0.12").Status);
        Assert.InRange(sites.DaemonA.Status().Dropped("policy-discard") - before, 1, 10);
        Traffic.Ping(sites.HostA, "10.2.0.2");
        sniffer.Stop();
        Assert.InRange(sniffer.Count("icmp and host 10.9.0.12"), 6, 1000);
        Assert.InRange(sniffer.Count("ip proto 50"), 14, 1000);
        Assert.Equal(0, sniffer.Count("net 10.2.0.0/24"));
    }

    [Fact]
    public void Where_there_are_fwd_policies_they_alone_let_a_tunnels_packets_through_the_gateway()
    {
        sites.Set(s_protection);
        sites.DaemonB.Setkey(FwdToHost);
        Traffic.Ping(sites.HostA, "10.2.0.2");
        Traffic.Ping(sites.HostA, "10.2.0.1"); // by the in policy
        sites.DaemonB.Setkey("spddelete 10.1.0.0/24 10.2.0.2 any -P fwd;" + FwdToHost.Replace("10.2.0.2", "10.2.0.77", StringComparison.Ordinal).Replace("10.9.0.77", "10.9.0.2", StringComparison.Ordinal));
        long before = sites.DaemonB.Status().Dropped("tunnel-policy-missing");
        Assert.NotEqual(0, sites.HostA.TryRun("ping -q -c 2 -i 0.1 -W 1 10.2.0.2").Status);
        Assert.Equal(before + 2, sites.DaemonB.Status().Dropped("tunnel-policy-missing"));
        Traffic.Ping(sites.HostA, "10.2.0.1");
    }

    [Fact]
    public void A_gateway_tells_a_host_that_a_forwarded_packet_does_not_fit()
    {
        sites.Set(s_protection);
        string said = sites.HostA.TryRun("ping -M do -c 1 -W 2 -s 1460 10.2.0.2").Output;
        Assert.Matches("mtu ?= ?14[0-9][0-9]", said);
    }
}
