// A real Linux kernel, keyed by hand with ip-xfrm, and Testudo exchange traffic; the kernel's own counters say that it took
// every packet as ESP and found no fault.

using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using Testudo.SystemTests.Daemon;
using Testudo.SystemTests.LinuxKernel;
using Testudo.SystemTests.Netns;
using Xunit;

namespace Testudo.SystemTests.Interop;

/// <summary>Testudo as side A in a namespace (10.9.0.1, fd09::1), a Linux kernel as side B (10.9.0.2, fd09::2).</summary>
public sealed class LinuxAndTestudo : IDisposable
{
    public LinuxAndTestudo()
    {
        Kernel = LinuxPeer.Start(A, "tap0", "10.9.0.2/24 fd09::2/64");
        A.Run("ip addr add 10.9.0.1/24 dev tap0; ip addr add fd09::1/64 dev tap0 nodad");
        A.Run("ip addr add 10.1.0.1/24 dev lo; ip addr add fd01::1/64 dev lo nodad");
        A.Run("ip route add 10.2.0.0/24 via 10.9.0.2; ip -6 route add fd02::/64 via fd09::2");
        Kernel.Run("""
            ip addr add 10.2.0.1/24 dev lo; ip addr add fd02::1/64 dev lo nodad
            ip route add 10.1.0.0/24 via 10.9.0.1 src 10.2.0.1; ip -6 route add fd01::/64 via fd09::1 src fd02::1
            modprobe -d /run/m -a xfrm4_tunnel xfrm6_tunnel tunnel4 tunnel6 ecb crypto_null
            /usr/bin/python3 -c "
            import socket
            for family in (socket.AF_INET, socket.AF_INET6):
                s = socket.socket(family, socket.SOCK_DGRAM)
                if family == socket.AF_INET6: s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                s.bind(('', 4500)); s.setsockopt(socket.IPPROTO_UDP, 100, 2)  # UDP_ENCAP, UDP_ENCAP_ESPINUDP
                globals()['keep' + str(family)] = s
            import time
            print('open', flush=True); time.sleep(100000)" >/tmp/encap 2>&1 &
            while :; do iperf3 -s >/dev/null 2>&1; done &
            while ! grep -q open /tmp/encap; do sleep 0.1; done
            """);
        // Linux protects neighbour discovery between two hosts like any other traffic: they have to know each other already.
        string here = A.Run("ip -br link show tap0 | awk '{print $3}'").Trim(), there = Kernel.Run("ip -br link show eth0 | awk '{print $3}'").Trim();
        A.Run($"ip neigh replace fd09::2 lladdr {there} dev tap0 nud permanent");
        Kernel.Run($"ip neigh replace fd09::1 lladdr {here} dev eth0 nud permanent");
        Testudo = TestudoDaemon.Start(A);
    }

    internal NetworkNamespace A { get; } = new();

    internal LinuxPeer Kernel { get; }

    internal TestudoDaemon Testudo { get; }

    /// <summary>Pings, short and long, TCP both ways and UDP, over both families.</summary>
    internal void Exchange(bool tunnel)
    {
        foreach ((string here, string there) in tunnel ? [("10.1.0.1", "10.2.0.1"), ("fd01::1", "fd02::1")] : (ReadOnlySpan<(string, string)>)[("10.9.0.1", "10.9.0.2"), ("fd09::1", "fd09::2")])
        {
            A.Run($"ping -q -c 3 -i 0.05 -W 5 -I {here} {there}");
            A.Run($"ping -q -c 2 -i 0.05 -W 5 -s 20000 -I {here} {there}");
            Kernel.Run($"ping -q -c 3 -i 0.05 -W 5 -I {there} {here}");
            Kernel.Run($"ping -q -c 2 -i 0.05 -W 5 -s 20000 -I {there} {here}");
            Traffic.Iperf(A, $"-c {there} -B {here} -n 1M");
            Traffic.Iperf(A, $"-c {there} -B {here} -n 1M -R");
            Traffic.Iperf(A, $"-c {there} -B {here} -u -b 2M -n 100K -l 1000");
        }
    }

    // XfrmAcquireError and the like count only what is not there yet; every line that is not 0.
    internal string XfrmFaults() => Kernel.Run("awk '$2 != 0' /proc/net/xfrm_stat");

    public void Dispose()
    {
        Testudo?.Dispose();
        Kernel?.Dispose();
        A.Dispose();
    }
}

public sealed partial class LinuxKernelTests(LinuxAndTestudo net) : IClassFixture<LinuxAndTestudo>
{
    [Theory]
    [InlineData("gcm", false, false)]
    [InlineData("cbc+sha256", false, false)]
    [InlineData("null+sha1", false, false)]
    [InlineData("gcm", false, true)]
    [InlineData("gcm", true, false)]
    [InlineData("cbc+sha256", true, false)]
    [InlineData("gcm", true, true)]
    [Shows("ipsec4-protocols-2", "rfc4301-4.1-11", "rfc4303-1-1", "rfc4303-1-3")]
    public void A_Linux_kernel_and_Testudo_exchange_pings_UDP_and_TCP(string suite, bool tunnel, bool udp)
    {
        var four = new Protection("10.9.0.1", "10.9.0.2", Suite.Named(suite), 0x3001, tunnel ? "10.1.0.0/24" : null, tunnel ? "10.2.0.0/24" : null, udp);
        var six = new Protection("fd09::1", "fd09::2", Suite.Named(suite), 0x3003, tunnel ? "fd01::/64" : null, tunnel ? "fd02::/64" : null, udp);
        net.Kernel.Run("ip xfrm state flush; ip xfrm policy flush\nset -e\n" + four.LinuxTextB + six.LinuxTextB);
        net.Testudo.Setkey("flush; spdflush;\n" + four.Text(sideA: true) + six.Text(sideA: true));
        string faults = net.XfrmFaults();

        try
        {
            net.Exchange(tunnel);
        }
        catch (Exception e)
        {
            throw new InvalidOperationException(
                $"{e.Message}\nLinux: {net.XfrmFaults()}{net.Kernel.TryRun("ip -s xfrm state; ip xfrm policy; cat /tmp/encap").Output}\nTestudo: {string.Join(", ", net.Testudo.Status().Drops.Select(static drop => drop))}", e);
        }

        Assert.Equal(faults, net.XfrmFaults());
        string counters = net.Kernel.Run("ip -s xfrm state");
        MatchCollection packets = PacketCounters().Matches(counters);
        Assert.Equal(4, packets.Count);
        Assert.All(packets, match => Assert.InRange(int.Parse(match.Groups[1].Value, CultureInfo.InvariantCulture), 200, int.MaxValue));
        DaemonStatus status = net.Testudo.Status();
        Assert.Equal(0, status.Dropped("bad-icv") + status.Dropped("replayed") + status.Dropped("guard-in") + status.Dropped("guard-out"));
    }

    // Both leave out what does not shrink: pings of 56 bytes go as they are, long ones and TCP compressed.
    [Theory]
    [InlineData(false, false)]
    [InlineData(false, true)]
    [InlineData(true, true)]
    [Shows("ipsec4-description-6", "rfc2393-1-1", "rfc2393-2-1", "rfc2393-2-2")]
    public void A_Linux_kernel_and_Testudo_exchange_compressed_packets(bool tunnel, bool esp)
    {
        var keys = new Protection("10.9.0.1", "10.9.0.2", Suite.Gcm, 0x3001);
        var keys6 = new Protection("fd09::1", "fd09::2", Suite.Gcm, 0x3003);
        var here = new StringBuilder("flush; spdflush;\n");
        var there = new StringBuilder("ip xfrm state flush; ip xfrm policy flush; modprobe -d /run/m -a deflate ipcomp ipcomp6\nset -e\n");
        if (esp)
        {
            here.Append(keys.Sas + keys6.Sas);
            there.AppendJoin('\n', (keys.LinuxTextB + keys6.LinuxTextB).Split('\n').Where(static line => line.Contains("state add", StringComparison.Ordinal))).Append('\n');
        }

        string mode = tunnel ? "tunnel" : "transport";
        foreach ((string a, string b, string netA, string netB) in (ReadOnlySpan<(string, string, string, string)>)
            [("10.9.0.1", "10.9.0.2", "10.1.0.0/24", "10.2.0.0/24"), ("fd09::1", "fd09::2", "fd01::/64", "fd02::/64")])
        {
            foreach ((string from, string to, uint cpi, bool isOut) in (ReadOnlySpan<(string, string, uint, bool)>)[(a, b, 0x4001, true), (b, a, 0x4002, false)])
            {
                (string source, string destination) = tunnel ? isOut ? (netA, netB) : (netB, netA) : (from, to);
                here.Append($"add {from} {to} ipcomp 0x{cpi:x} -m {mode} -C deflate;\n");
                here.Append($"spdadd {source} {destination} any -P {(isOut ? "out" : "in")} ipsec ipcomp/{mode}/{(tunnel ? $"{from}-{to}" : "")}/use {(esp ? "esp/transport//require" : "")};\n");
                there.Append($"ip xfrm state add src {from} dst {to} proto comp spi 0x{cpi:x} mode {mode}{(tunnel ? " flag af-unspec" : "")} comp deflate\n");
                foreach (string direction in isOut ? ["in", "fwd"] : (string[])["out"])
                {
                    there.Append($"ip xfrm policy add src {source} dst {destination} dir {direction} priority 10 tmpl src {from} dst {to} proto comp mode {mode}{(isOut ? " level use" : "")}"); // Linux takes no optional tunnel outward
                    there.Append(esp ? $" tmpl src {from} dst {to} proto esp mode transport\n" : "\n");
                }
            }
        }

        net.Kernel.Run(there.ToString());
        net.Testudo.Setkey(here.ToString());
        string faults = XfrmFaults();
        try
        {
            Exchange(tunnel);
        }
        catch (Exception e)
        {
            throw new InvalidOperationException(
                $"{e.Message}\nLinux: {XfrmFaults()}{net.Kernel.TryRun("ip -s xfrm state; ip xfrm policy").Output}\nTestudo: {string.Join(", ", net.Testudo.Status().Drops.Select(static drop => drop))}", e);
        }

        Assert.Equal(faults, XfrmFaults());
        MatchCollection packets = PacketCounters().Matches(net.Kernel.Run("ip -s xfrm state list proto comp"));
        Assert.True(packets.Count >= 4, $"{packets.Count} states of IPComp");
        Assert.True(packets.Sum(static match => int.Parse(match.Groups[1].Value, CultureInfo.InvariantCulture)) > 800, "too few packets went through IPComp");
        DaemonStatus status = net.Testudo.Status();
        Assert.Equal(0, status.Dropped("bad-icv") + status.Dropped("bad-compression") + status.Dropped("decompressed-too-long") + status.Dropped("guard-out"));
    }

    private void Exchange(bool tunnel)
    {
        foreach ((string here, string there) in tunnel ? [("10.1.0.1", "10.2.0.1"), ("fd01::1", "fd02::1")] : (ReadOnlySpan<(string, string)>)[("10.9.0.1", "10.9.0.2"), ("fd09::1", "fd09::2")])
        {
            net.A.Run($"ping -q -c 3 -i 0.05 -W 5 -I {here} {there}");
            net.A.Run($"ping -q -c 2 -i 0.05 -W 5 -s 20000 -I {here} {there}");
            net.Kernel.Run($"ping -q -c 3 -i 0.05 -W 5 -I {there} {here}");
            net.Kernel.Run($"ping -q -c 2 -i 0.05 -W 5 -s 20000 -I {there} {here}");
            Traffic.Iperf(net.A, $"-c {there} -B {here} -n 1M");
            Traffic.Iperf(net.A, $"-c {there} -B {here} -n 1M -R");
            Traffic.Iperf(net.A, $"-c {there} -B {here} -u -b 2M -n 100K -l 1000");
        }
    }

    // XfrmAcquireError and the like count only what is not there yet; every line that is not 0.
    private string XfrmFaults() => net.Kernel.Run("awk '$2 != 0' /proc/net/xfrm_stat");

    [GeneratedRegex(@"(\d+)\(packets\)\s+add")]
    private static partial Regex PacketCounters();
}
