// The peers themselves: two Linux kernels on one bridge speak ESP with each other.

using System.Globalization;
using System.Text.RegularExpressions;
using Testudo.SystemTests.Netns;
using Xunit;

namespace Testudo.SystemTests.LinuxKernel;

public class LinuxPeerTests
{
    private const string States = """
        ip xfrm state add src 10.9.0.1 dst 10.9.0.2 proto esp spi 0x1001 reqid 1 mode transport aead 'rfc4106(gcm(aes))' 0x000102030405060708090a0b0c0d0e0f10111213 128
        ip xfrm state add src 10.9.0.2 dst 10.9.0.1 proto esp spi 0x1002 reqid 1 mode transport enc 'cbc(aes)' 0x202122232425262728292a2b2c2d2e2f auth-trunc 'hmac(sha256)' 0x202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f 128

        """;

    [Fact]
    public async Task Two_peers_ping_each_other_through_ESP()
    {
        LinuxPeer.SkipWhereImpossible();
        using var lan = new NetworkNamespace();
        lan.Run("ip link add br0 type bridge mcast_snooping 0 && ip link set br0 up");
        Task<LinuxPeer> startA = Task.Run(() => LinuxPeer.Start(lan, "peera", "10.9.0.1/24 fd09::1/64"), TestContext.Current.CancellationToken);
        using LinuxPeer b = LinuxPeer.Start(lan, "peerb", "10.9.0.2/24 fd09::2/64");
        using LinuxPeer a = await startA;
        lan.Run("ip link set peera master br0 && ip link set peerb master br0");
        a.Run("ping -c 1 fd09::2");

        a.Run(States + Policies("10.9.0.1", "10.9.0.2"));
        b.Run(States + Policies("10.9.0.2", "10.9.0.1"));
        Assert.Contains("5 received", a.Run("ping -c 5 -i 0.05 -s 200 10.9.0.2"), StringComparison.Ordinal);

        // Each kernel counted five packets under each SA, in bytes of the inner packet: 20 + 8 + 200.
        foreach (LinuxPeer peer in (LinuxPeer[])[a, b])
        {
            string counters = peer.Run("ip -s xfrm state");
            Assert.Equal(["5", "5"], Regex.Matches(counters, @"(\d+)\(packets\)\s+add").Select(match => match.Groups[1].Value));
        }

        Assert.Equal("0", a.Run("awk '{ n += $2 } END { print n }' /proc/net/xfrm_stat").Trim());
    }

    [Fact]
    public void A_script_gives_its_status_and_its_output_and_may_be_long()
    {
        LinuxPeer.SkipWhereImpossible();
        using var lan = new NetworkNamespace();
        LinuxPeer peer = LinuxPeer.Start(lan, "peer", "10.9.0.1/24");
        Assert.Equal((3, "out\nerr\n"), peer.TryRun("echo out; echo err >&2; exit 3"));
        Assert.StartsWith("6.", peer.Run("uname -r"), StringComparison.Ordinal);
        string text = string.Concat(Enumerable.Range(0, 20_000).Select(i => i.ToString(CultureInfo.InvariantCulture) + "\n"));
        Assert.Equal(text, peer.Run($"cat <<'X'\n{text}X\n"));
        peer.Run("sleep 1000 &");
        peer.Dispose();
        Assert.NotEqual(0, lan.TryRun("ip link show peer").Status);
    }

    private static string Policies(string mine, string other) => $"""
        ip xfrm policy add src {mine} dst {other} dir out tmpl proto esp reqid 1 mode transport
        ip xfrm policy add src {other} dst {mine} dir in tmpl proto esp reqid 1 mode transport

        """;
}
