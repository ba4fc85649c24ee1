// Joining a host: what ip(8) sees, what leads where, and what remains when an instance is killed. A kill is played by closing the
// TUN and never leaving, under a lock file that nobody asks for again: what the kernel does for a dead process.

using Testudo.Links;
using Testudo.SystemTests.Netns;
using Testudo.Wire;
using Xunit;

namespace Testudo.SystemTests.Links;

public sealed class HostJoinTests : IDisposable
{
    private readonly string _lock = Path.Combine(Path.GetTempPath(), $"testudo-{Guid.NewGuid():N}.lock");
    private readonly HostJoinOptions _options = HostJoinOptions.ForInstance(0);

    public void Dispose()
    {
        File.Delete(_lock);
        File.Delete(_lock + "-dead");
    }

    [Fact]
    public void The_first_instance_has_the_numbers_of_the_document_and_no_two_share_one()
    {
        Assert.Equal(("testudo0", 0x53000000u, 0x54000000u, 0x55000000u), (_options.Device, _options.OwnMark, _options.ToTunMark, _options.FromTunMark));
        Assert.Equal((5150u, 5151u, 5150u, 33150u, "testudo"), (_options.Table, _options.LastResortTable, _options.Priority, _options.LastResortPriority, _options.NftTable));
        HostJoinOptions[] all = [.. Enumerable.Range(0, HostJoinOptions.MaxInstance + 1).Select(HostJoinOptions.ForInstance)];
        Assert.Distinct(all.SelectMany(static o => new[] { o.OwnMark, o.ToTunMark, o.FromTunMark }));
        Assert.Distinct(all.SelectMany(static o => new[] { o.Table, o.LastResortTable }));
        Assert.Distinct(all.SelectMany(static o => new[] { o.Priority, o.Priority + 1, o.Priority + 2, o.LastResortPriority }));
        Assert.Distinct(all.Select(static o => o.Device));
        Assert.Distinct(all.Select(static o => o.NftTable));
        // The one rule matches both marks of its instance and none of another one's.
        Assert.All(all, o => Assert.Equal(
            [o.ToTunMark, o.FromTunMark],
            all.SelectMany(static p => new[] { p.OwnMark, p.ToTunMark, p.FromTunMark }).Where(mark => (mark & HostJoinOptions.RuleMask) == o.ToTunMark)));
        Assert.All(all, static o => Assert.True(o.Priority + 2 < 32766 && o.LastResortPriority > 32767));
        Assert.Throws<ArgumentOutOfRangeException>(() => HostJoinOptions.ForInstance(43));
    }

    [Fact]
    public void Joining_makes_what_the_recipe_says_and_leaving_removes_all_of_it()
    {
        using var ns = new NetworkNamespace();
        string before = State(ns);
        ns.Do(() =>
        {
            using HostJoin join = HostJoin.Join(_options, _lock);
            Assert.Equal([IpFamily.V4, IpFamily.V6], join.Families);
            foreach (string family in (ReadOnlySpan<string>)["-4", "-6"])
            {
                string rules = ns.Run($"ip {family} rule");
                Assert.Matches(@"5150:\s+from all iif testudo0 goto 5152 proto 150", rules);
                Assert.Matches(@"5151:\s+from all fwmark 0x54000000/0xfe000000 lookup 5150 proto 150", rules);
                Assert.Matches(@"5152:\s+from all nop proto 150", rules);
                Assert.Matches(@"33150:\s+from all lookup 5151 proto 150", rules);
                string routes = ns.Run($"ip {family} route show table 5150");
                Assert.Matches(@"default dev testudo0 proto 150.* advmss 1360", routes);
                Assert.Matches(@"prohibit default.* metric 4278198272", routes);
            }

            Assert.Equal("1", ns.Run("cat /proc/sys/net/ipv4/conf/testudo0/src_valid_mark").Trim());
            Assert.Contains("addrgenmode none", ns.Run("ip -d link show testudo0"), StringComparison.Ordinal);
            Assert.True(HostJoin.LeftoversExist(_options));
            Assert.False(HostJoin.LeftoversExist(HostJoinOptions.ForInstance(1)));
        });
        Assert.Equal(before, State(ns));
        Assert.False(ns.Do(() => HostJoin.LeftoversExist(_options)));
    }

    [Theory]
    [InlineData("10.9.0.2")]
    [InlineData("fd09::2")]
    public void A_marked_packet_takes_the_TUN_with_its_own_source_and_an_unmarked_one_does_not(string peer)
    {
        using var pair = new Pair();
        using HostJoin join = pair.A.Do(() => HostJoin.Join(_options, _lock));
        pair.A.Run("nft -f -", $$"""
            table inet testudo {
              chain local_out { type route hook output priority -151; meta l4proto { icmp, icmpv6 } @th,0,8 { 8, 128 } meta mark set 0x54000000 accept; }
            }
            """);
        pair.A.Start($"ping -c1 -W1 {peer}");
        using var batch = new Batch();
        Assert.Equal(1, join.Tun.Receive(batch, 5000));
        Assert.Equal(Drop.None, IpInfo.TryParse(batch[0].Span, out IpInfo info));
        Assert.Equal(peer, info.Destination.ToString());
        Assert.Contains($" src {info.Source} ", pair.A.Run($"ip route get {peer}"), StringComparison.Ordinal); // by the main table

        // With the device gone the prohibiting route answers.
        join.Tun.Dispose();
        (int status, string output) = pair.A.TryRun($"ping -c1 -W1 {peer}");
        Assert.NotEqual(0, status);
        Assert.DoesNotContain("1 received", output, StringComparison.Ordinal);
        pair.A.Run("nft delete table inet testudo");
        pair.A.Run($"ping -c1 -W5 {peer}");
    }

    [Fact]
    public void What_a_killed_instance_leaves_is_seen_named_and_removed()
    {
        using var ns = new NetworkNamespace();
        string before = State(ns);
        using Nftables nft = ns.Do(static () => new Nftables());
        ns.Do(() =>
        {
            Kill(ns);
            nft.Apply("table inet testudo { }\n");
            Assert.True(HostJoin.LeftoversExist(_options));
            Assert.Contains("prohibit", ns.Run("ip route show table 5150"), StringComparison.Ordinal);

            IReadOnlyList<string> found = HostJoin.CleanUp(_options, _lock, nft);
            Assert.Equal("nft table inet testudo", found[0]);
            Assert.Equal(8, found.Count(static line => line.StartsWith("rule ", StringComparison.Ordinal)));
            Assert.Contains("rule pref 5151 fwmark 0x54000000/0xfe000000 lookup 5150 protocol 150", found);
            Assert.Equal(2, found.Count(static line => line.StartsWith("route prohibit ", StringComparison.Ordinal)));
            Assert.Equal(11, found.Count);
            Assert.Empty(HostJoin.CleanUp(_options, _lock, nft));
        });
        Assert.Equal(before, State(ns));
    }

    [Fact]
    public void The_next_instance_takes_over_what_a_killed_one_left_and_another_one_is_left_alone()
    {
        using var ns = new NetworkNamespace();
        string before = State(ns);
        string other = _lock + "1";
        try
        {
            ns.Do(() =>
            {
                using HostJoin neighbour = HostJoin.Join(HostJoinOptions.ForInstance(1), other);
                string withNeighbour = State(ns);
                Kill(ns);
                ns.Run("ip rule add pref 5150 fwmark 0x77 lookup 7 protocol 150"); // of other options
                using (HostJoin join = HostJoin.Join(_options, _lock))
                {
                    Assert.Equal(0x77u, Assert.Single(join.Adopted).Mark);
                    Assert.Contains("default dev testudo0", ns.Run("ip route show table 5150"), StringComparison.Ordinal);
                    Assert.Single(System.Text.RegularExpressions.Regex.Matches(ns.Run("ip rule"), "lookup 5150"));
                }

                Assert.Equal(withNeighbour, State(ns));
            });
        }
        finally
        {
            File.Delete(other);
        }

        Assert.Equal(before, State(ns));
    }

    [Fact]
    public void A_live_instance_is_neither_joined_again_nor_cleaned_up()
    {
        using var ns = new NetworkNamespace();
        ns.Do(() =>
        {
            using HostJoin join = HostJoin.Join(_options, _lock);
            string before = State(ns);
            IOException e = Assert.Throws<IOException>(() => HostJoin.Join(_options, _lock));
            Assert.Contains($"instance 0 is running as process {Environment.ProcessId}", e.Message, StringComparison.Ordinal);
            Assert.Throws<IOException>(() => HostJoin.CleanUp(_options, _lock));
            // Another lock file does not help: the device is there.
            Assert.Throws<IOException>(() => HostJoin.Join(_options, _lock + "x"));
            File.Delete(_lock + "x");
            Assert.Equal(before, State(ns));
        });
    }

    [Fact]
    public void Routes_lost_by_down_and_up_come_back_and_last_resort_routes_with_them()
    {
        using var ns = new NetworkNamespace();
        ns.Run("ip addr add 10.1.0.1/24 dev lo && ip -6 addr add fd01::1/64 dev lo nodad");
        ns.Do(() =>
        {
            using HostJoin join = HostJoin.Join(_options, _lock);
            join.AddLastResort(Prefix.Parse("10.2.0.0/24"), Address.Parse("10.1.0.1"));
            join.AddLastResort(Prefix.Parse("fd02::/64"), Address.Parse("fd01::1"));
            Assert.Contains("10.2.0.7 dev testudo0 table 5151 src 10.1.0.1", ns.Run("ip route get 10.2.0.7"), StringComparison.Ordinal);
            Assert.Contains("dev testudo0", ns.Run("ip -6 route get fd02::7"), StringComparison.Ordinal);
            Assert.Equal(0, join.Restore());

            using var monitor = new AddressMonitor();
            ns.Run("ip link set testudo0 down");
            Assert.True(monitor.Poll(5000).HasFlag(NetworkChanges.Devices));
            Assert.DoesNotContain("testudo0", ns.Run("ip route show table 5150"), StringComparison.Ordinal);
            ns.Run("ip link set testudo0 up");
            Assert.Equal(4, join.Restore());
            Assert.Contains("default dev testudo0", ns.Run("ip route show table 5150"), StringComparison.Ordinal);

            join.RemoveLastResort(Prefix.Parse("10.2.0.0/24"), Address.Parse("10.1.0.1"));
            Assert.NotEqual(0, ns.TryRun("ip route get 10.2.0.7").Status);
        });
    }

    [Fact]
    public void Where_IPv6_is_off_by_default_it_is_on_for_our_device_alone()
    {
        using var ns = new NetworkNamespace();
        ns.Run("echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6; echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6");
        ns.Do(() =>
        {
            using HostJoin join = HostJoin.Join(_options, _lock);
            Assert.Contains("default dev testudo0", ns.Run("ip route show table 5150"), StringComparison.Ordinal);
            Assert.Contains("default dev testudo0", ns.Run("ip -6 route show table 5150"), StringComparison.Ordinal);
            Assert.Equal([IpFamily.V4, IpFamily.V6], join.Families);
            Assert.Equal("0", ns.Run("cat /proc/sys/net/ipv6/conf/testudo0/disable_ipv6").Trim());
            Assert.Equal("1", ns.Run("cat /proc/sys/net/ipv6/conf/lo/disable_ipv6").Trim());
            Assert.Equal(0, join.Restore());
        });
    }

    // What is left of an instance that was killed.
    private void Kill(NetworkNamespace ns)
    {
        HostJoin join = HostJoin.Join(_options, _lock + "-dead");
        string rules = ns.Run("ip rule; ip -6 rule");
        join.Tun.Dispose();
        Assert.DoesNotContain("testudo0", ns.Run("ip link"), StringComparison.Ordinal);
        Assert.Equal(rules.Replace("iif testudo0 goto", "iif testudo0 [detached] goto", StringComparison.Ordinal), ns.Run("ip rule; ip -6 rule"));
    }

    private static string State(NetworkNamespace ns) =>
        ns.Run("ip rule; ip -6 rule; ip route show table all; ip -6 route show table all; ip -br link; nft list tables");
}
