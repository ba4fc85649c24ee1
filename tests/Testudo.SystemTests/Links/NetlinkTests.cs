// rtnetlink by hand, read back by ip(8), which we did not write.

using Testudo.Links;
using Testudo.SystemTests.Netns;
using Testudo.Wire;
using Xunit;

namespace Testudo.SystemTests.Links;

public sealed class NetlinkTests
{
    [Fact]
    public void Devices_are_set_and_read()
    {
        using var ns = new NetworkNamespace();
        using TunLink tun = ns.Do(static () => new TunLink(new TunOptions("tt0")));
        using Netlink netlink = ns.Do(static () => new Netlink());
        netlink.SetMtu("tt0", 1400);
        netlink.SetSourceValidMark("tt0");
        Assert.True(netlink.TrySetNoGeneratedAddress("tt0"));
        netlink.SetUp("tt0");

        string shown = ns.Run("ip -d link show tt0");
        Assert.Contains("mtu 1400", shown, StringComparison.Ordinal);
        Assert.Contains("addrgenmode none", shown, StringComparison.Ordinal);
        Assert.Contains(",UP", shown, StringComparison.Ordinal);
        Assert.Equal("1", ns.Run("cat /proc/sys/net/ipv4/conf/tt0/src_valid_mark").Trim());
        Assert.Equal("0", ns.Run("cat /proc/sys/net/ipv4/conf/all/src_valid_mark").Trim());
        NetworkDevice device = Assert.IsType<NetworkDevice>(netlink.FindDevice("tt0"));
        Assert.Equal((1400, true, "tt0"), (device.Mtu, device.IsUp, device.Name));
        Assert.Contains(netlink.Devices(), static d => d.Name == "lo");
        Assert.Null(netlink.FindDevice("none0"));

        netlink.SetUp("tt0", up: false);
        Assert.False(netlink.FindDevice("tt0")!.IsUp);
    }

    [Fact]
    public void Routes_are_seen_by_ip_and_found_again_by_their_tag()
    {
        using var ns = new NetworkNamespace();
        using TunLink tun = ns.Do(static () => new TunLink(new TunOptions("tt0")));
        ns.Run("ip link set tt0 addrgenmode none up && ip addr add 10.1.0.1/24 dev lo && ip -6 addr add fd01::1/64 dev lo nodad");
        using Netlink netlink = ns.Do(static () => new Netlink());
        Route[] routes =
        [
            new() { Destination = Prefix.All(IpFamily.V4), Table = 5150, Device = "tt0", Protocol = 150, AdvertisedMss = 1360 },
            new() { Destination = Prefix.All(IpFamily.V4), Table = 5150, Type = RouteType.Prohibit, Metric = 4278198272, Protocol = 150 },
            new() { Destination = Prefix.Parse("10.2.0.0/24"), Table = 5150, Device = "tt0", Protocol = 150, Source = Address.Parse("10.1.0.1") },
            new() { Destination = Prefix.All(IpFamily.V6), Table = 5150, Device = "tt0", Protocol = 150, AdvertisedMss = 1340, Metric = 1024 },
            new() { Destination = Prefix.All(IpFamily.V6), Table = 5150, Type = RouteType.Prohibit, Metric = 4278198272, Protocol = 150 },
            new() { Destination = Prefix.Parse("fd02::/64"), Table = 5150, Device = "tt0", Protocol = 150, Source = Address.Parse("fd01::1"), Metric = 1024 },
        ];
        Assert.All(routes, route => Assert.True(netlink.AddRoute(route)));
        Assert.All(routes, route => Assert.False(netlink.AddRoute(route)));

        string v4 = ns.Run("ip route show table 5150");
        Assert.Contains("default dev tt0 proto 150 scope link advmss 1360", v4, StringComparison.Ordinal);
        Assert.Contains("prohibit default proto 150 metric 4278198272", v4, StringComparison.Ordinal);
        Assert.Contains("10.2.0.0/24 dev tt0 proto 150 scope link src 10.1.0.1", v4, StringComparison.Ordinal);
        string v6 = ns.Run("ip -6 route show table 5150");
        Assert.Contains("default dev tt0 proto 150 metric 1024 advmss 1340", v6, StringComparison.Ordinal);
        Assert.Contains("prohibit default dev lo proto 150 metric 4278198272", v6, StringComparison.Ordinal);
        Assert.Contains("fd02::/64 dev tt0 proto 150 src fd01::1 metric 1024", v6, StringComparison.Ordinal);

        ns.Run("ip route add 10.3.0.0/24 dev tt0 table 5150"); // another one's
        Assert.Equal(6, netlink.Routes(5150, 150).Count);
        Assert.Equal(routes[0], netlink.Routes(5150, 150).First(static r => r.AdvertisedMss == 1360));
        Assert.Empty(netlink.Routes(5151, 150));
        Assert.Equal(6, netlink.FlushRoutes(5150, 150).Count);
        Assert.Equal("10.3.0.0/24 dev tt0 scope link", ns.Run("ip route show table 5150").Trim());
        Assert.Empty(ns.TryRun("ip -6 route show table 5150 2>/dev/null").Output.Trim());
        Assert.False(netlink.DeleteRoute(routes[0]));
    }

    [Fact]
    public void Rules_are_seen_by_ip_and_found_again_by_their_tag()
    {
        using var ns = new NetworkNamespace();
        using Netlink netlink = ns.Do(static () => new Netlink());
        Rule[] rules = [.. new[] { IpFamily.V4, IpFamily.V6 }.SelectMany(static family => (Rule[])
        [
            new() { Family = family, Priority = 5150, Action = RuleAction.GoTo, Target = 5152, InputDevice = "testudo0", Protocol = 150 },
            new() { Family = family, Priority = 5151, Action = RuleAction.Lookup, Table = 5150, Mark = 0x54000000, Mask = 0xFE000000, Protocol = 150 },
            new() { Family = family, Priority = 5152, Action = RuleAction.Nop, Protocol = 150 },
        ])];
        Assert.All(rules, rule => Assert.True(netlink.AddRule(rule)));
        Assert.All(rules, rule => Assert.False(netlink.AddRule(rule)));
        foreach (string family in (ReadOnlySpan<string>)["-4", "-6"])
        {
            string shown = ns.Run($"ip {family} rule");
            Assert.Matches(@"5150:\s+from all iif testudo0 \[detached\] goto 5152 proto 150", shown);
            Assert.Matches(@"5151:\s+from all fwmark 0x54000000/0xfe000000 lookup 5150 proto 150", shown);
            Assert.Matches(@"5152:\s+from all nop proto 150", shown);
        }

        Assert.Equal(rules, netlink.Rules(150));
        Assert.Equal(3, netlink.FlushRules(150, static rule => rule.Family == IpFamily.V4).Count);
        Assert.DoesNotContain("proto 150", ns.Run("ip -4 rule"), StringComparison.Ordinal);
        Assert.Contains("proto 150", ns.Run("ip -6 rule"), StringComparison.Ordinal);
        Assert.True(netlink.DeleteRule(rules[3]));
        Assert.False(netlink.DeleteRule(rules[3]));
    }

    [Fact]
    public void A_refusal_says_what_was_tried_and_what_the_kernel_said()
    {
        using var ns = new NetworkNamespace();
        using Netlink netlink = ns.Do(static () => new Netlink());
        NetlinkException e = Assert.Throws<NetlinkException>(() => netlink.SetMtu("none0", 1400));
        Assert.Contains("none0", e.Message, StringComparison.Ordinal);
        using TunLink tun = ns.Do(static () => new TunLink(new TunOptions("tt0")));
        e = Assert.Throws<NetlinkException>(() => netlink.SetMtu("tt0", 5));
        Assert.Contains("set the MTU of tt0 to 5", e.Message, StringComparison.Ordinal);
        Assert.Contains("minimum", e.Message, StringComparison.Ordinal); // the kernel's: "mtu less than device minimum"
        e = Assert.Throws<NetlinkException>(() => netlink.AddRoute(new Route { Destination = Prefix.Parse("10.0.0.0/8"), Table = 1, Device = "none0" }));
        Assert.Contains("none0", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Addresses_are_listed_and_their_changes_are_told()
    {
        using var ns = new NetworkNamespace();
        using Netlink netlink = ns.Do(static () => new Netlink());
        using AddressMonitor monitor = ns.Do(static () => new AddressMonitor());
        Assert.Equal(NetworkChanges.None, monitor.Poll(0));
        ns.Run("ip addr add 10.5.0.1/24 dev lo && ip -6 addr add fd05::1/64 dev lo nodad");
        AwaitChange(monitor, NetworkChanges.Addresses);
        int lo = netlink.FindDevice("lo")!.Index;
        Assert.Contains(new LocalAddress(Address.Parse("10.5.0.1"), 24, lo, false), netlink.Addresses());
        Assert.Contains(new LocalAddress(Address.Parse("fd05::1"), 64, lo, false), netlink.Addresses());
        Assert.Contains(netlink.Addresses(), static a => a.Address == Address.Parse("127.0.0.1"));

        ns.Run("ip rule add pref 7 lookup 7");
        AwaitChange(monitor, NetworkChanges.Rules);
        ns.Run("ip -6 rule add pref 7 lookup 7");
        AwaitChange(monitor, NetworkChanges.Rules);
        ns.Run("ip route add 10.6.0.0/16 dev lo");
        AwaitChange(monitor, NetworkChanges.Routes);
        ns.Run("ip link set lo mtu 9000");
        AwaitChange(monitor, NetworkChanges.Devices);
        monitor.Wake();
        while (monitor.Poll(-1) != NetworkChanges.None)
        {
        }
    }

    // The kernel says more than what was done, and some of it later: addresses of IPv6 settle by themselves.
    private static void AwaitChange(AddressMonitor monitor, NetworkChanges wanted)
    {
        NetworkChanges seen;
        do
        {
            seen = monitor.Poll(5000);
            Assert.NotEqual(NetworkChanges.None, seen);
        }
        while (!seen.HasFlag(wanted));
    }

    [Fact]
    public void The_way_to_an_address_has_a_device_a_source_and_an_MTU()
    {
        using var a = new NetworkNamespace();
        using var b = new NetworkNamespace();
        NetworkNamespace.Connect(a, "eth0", "10.9.0.1/24 fd09::1/64", b, "eth0", "10.9.0.2/24 fd09::2/64");
        a.Run("ip link set eth0 mtu 1400 && ip route add 10.8.0.0/24 via 10.9.0.2 mtu 1300 && ip route add prohibit 10.66.0.0/24"
            + " && ip route add prohibit default table 7 && ip rule add fwmark 5 lookup 7");
        using Netlink netlink = a.Do(static () => new Netlink());
        PathTo near = netlink.FindPath(Address.Parse("10.9.0.2"))!;
        Assert.Equal(("eth0", 1400, 1400, Address.Parse("10.9.0.1"), default), (near.Device.Name, near.DeviceMtu, near.PathMtu, near.Source, near.Gateway));
        PathTo far = netlink.FindPath(Address.Parse("10.8.0.7"))!;
        Assert.Equal((1400, 1300, Address.Parse("10.9.0.2")), (far.DeviceMtu, far.PathMtu, far.Gateway));
        PathTo v6 = netlink.FindPath(Address.Parse("fd09::2"))!;
        Assert.Equal(("eth0", 1400, Address.Parse("fd09::1")), (v6.Device.Name, v6.PathMtu, v6.Source));
        Assert.Null(netlink.FindPath(Address.Parse("192.0.2.1")));
        Assert.Null(netlink.FindPath(Address.Parse("2001:db8::1")));
        Assert.Null(netlink.FindPath(Address.Parse("10.66.0.1")));
        Assert.Null(netlink.FindPath(Address.Parse("10.9.0.2"), mark: 5));
    }
}
