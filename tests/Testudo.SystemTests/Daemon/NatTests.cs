// A host behind a real NAT (nftables) and one on the open side: ping and TCP in both modes, and the mapping changes under them.

using Testudo.SystemTests.Netns;
using Xunit;

namespace Testudo.SystemTests.Daemon;

public sealed class NatTests
{
    private const string Key1 = "0x000102030405060708090a0b0c0d0e0f10111213", Key2 = "0x202122232425262728292a2b2c2d2e2f30313233";

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    [Shows("ipsec4-history-3", "rfc3948-3.1.2-1")]
    public void Ping_and_TCP_go_through_a_NAT_that_gives_the_host_another_port_and_later_another_address(bool tunnel)
    {
        using var a = new NetworkNamespace();
        using var nat = new NetworkNamespace();
        using var b = new NetworkNamespace();
        NetworkNamespace.Connect(a, "eth0", "10.1.0.2/24", nat, "lan0", "10.1.0.1/24");
        NetworkNamespace.Connect(nat, "wan0", "10.9.0.9/24 10.9.0.10/24", b, "eth0", "10.9.0.2/24");
        a.Run("ip route add default via 10.1.0.1");
        nat.Run("sysctl -qw net.ipv4.ip_forward=1; "
            + "nft 'add table ip nat; add chain ip nat post { type nat hook postrouting priority 100; }; add rule ip nat post oif wan0 meta l4proto udp snat to 10.9.0.9:20000-20100'");
        string request = tunnel ? "esp/tunnel/{0}-{1}/require" : "esp/transport//require";
        string mode = tunnel ? "tunnel" : "transport";
        using TestudoDaemon daemonA = TestudoDaemon.Start(a, Conf("10.1.0.2"));
        using TestudoDaemon daemonB = TestudoDaemon.Start(b, Conf("10.9.0.9"));
        using var sniffer = new Sniffer(b, "eth0");
        Traffic.StartIperfServer(b);
        Traffic.Ping(a, "10.9.0.2");
        Traffic.Iperf(a, "-c 10.9.0.2 -n 1M");
        Traffic.Iperf(a, "-c 10.9.0.2 -n 1M -R");

        // The NAT forgets its mappings (ctnetlink: delete all); the next one has another address and other ports.
        nat.Run("nft 'flush chain ip nat post; add rule ip nat post oif wan0 meta l4proto udp snat to 10.9.0.10:30000-30100'; "
            + "/usr/bin/python3 -c 'import socket,struct; s=socket.socket(16,3,12); s.send(struct.pack(\"=IHHIIBBH\",20,0x102,5,1,0,0,0,0)); e=struct.unpack_from(\"=i\",s.recv(99),16)[0]; exit(-e)'");
        Wait.Until(() => a.TryRun("ping -c 1 -W 1 10.9.0.2").Status == 0 && sniffer.Count("src 10.9.0.10 and udp src portrange 30000-30100") > 0, "the new mapping is not used");
        Traffic.Ping(a, "10.9.0.2");
        Traffic.Iperf(a, "-c 10.9.0.2 -n 1M");
        Traffic.Iperf(a, "-c 10.9.0.2 -n 1M -R");
        sniffer.Stop();
        Assert.True(sniffer.Count("src 10.9.0.9 and udp src portrange 20000-20100") > 100);
        Assert.True(sniffer.Count("src 10.9.0.2 and dst 10.9.0.10 and udp dst portrange 30000-30100") > 100);
        Assert.Equal(0, sniffer.Count("ip and not udp"));
        Assert.Equal(0, daemonB.Status().Dropped("bad-icv") + daemonB.Status().Dropped("replayed"));

        string Conf(string here)
        {
            // In tunnel mode the NAT does not show inside; in transport mode each side has its own view of A.
            string inner = tunnel ? "10.1.0.2" : here;
            return $"""
                add {here} 10.9.0.2 esp-udp 0x1001 -m {mode} -E aes-gcm-16 {Key1};
                add 10.9.0.2 {here} esp-udp 0x1002 -m {mode} -E aes-gcm-16 {Key2};
                spdadd {inner} 10.9.0.2 any -P {(here == "10.1.0.2" ? "out" : "in")} ipsec {string.Format(System.Globalization.CultureInfo.InvariantCulture, request, here, "10.9.0.2")};
                spdadd 10.9.0.2 {inner} any -P {(here == "10.1.0.2" ? "in" : "out")} ipsec {string.Format(System.Globalization.CultureInfo.InvariantCulture, request, "10.9.0.2", here)};
                """;
        }
    }
}
