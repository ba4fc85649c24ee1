// The guard's rules as text. That nft takes them and the kernel obeys them is shown by the system tests.

using Testudo.Engine.Guard;
using Testudo.Engine.Policies;
using Testudo.Wire;
using Testudo.Wire.PfKey;
using Xunit;

namespace Testudo.Tests.Guard;

public sealed class GuardScriptTests
{
    private static readonly GuardNames s_names = new() { Table = "t1", Device = "tun1", Own = 0x1000, ToTunnel = 0x2000, FromTunnel = 0x3000, Mask = 0xF000 };

    [Fact]
    public void The_whole_table_with_no_policies()
    {
        Assert.Equal("""
            table inet t1 { }
            delete table inet t1
            table inet t1 {
              counter guard_in { }
              counter guard_forward { }
              counter guard_out { }
              counter policy_discard { }
              counter no_policy { }
              chain defrag {
                type filter hook prerouting priority -390; policy accept;
                ct state invalid accept
              }
              chain from_tun {
                type filter hook prerouting priority -310; policy accept;
                iifname "tun1" meta mark set meta mark & 0xffff0fff | 0x00003000
              }
              chain spd_out {
              }
              chain spd_in {
              }
              chain spd_fwd {
              }
              chain local_out {
                type route hook output priority -151; policy accept;
                meta mark & 0x0000f000 == { 0x00001000, 0x00002000 } accept
                oif lo accept
                icmpv6 type 133-137 ip6 hoplimit 255 accept
                jump spd_out
              }
              chain fwd_mark {
                type filter hook prerouting priority -149; policy accept;
                iifname "tun1" accept
                fib daddr type { local, broadcast, multicast } accept
                jump spd_out
              }
              chain guard_in {
                type filter hook input priority -155; policy accept;
                iifname { "lo", "tun1" } accept
                socket mark & 0x0000f000 == 0x00002000 counter name guard_in drop
                socket mark & 0x0000f000 == 0x00001000 accept
                icmpv6 type 133-137 ip6 hoplimit 255 accept
                meta l4proto { esp, ah, comp } accept
                ip6 nexthdr 51 accept
                hbh nexthdr 51 accept
                dst nexthdr 51 accept
                rt nexthdr 51 accept
                icmp type { destination-unreachable, time-exceeded, parameter-problem } @th,136,8 { 50, 51 } accept
                icmpv6 type { destination-unreachable, packet-too-big, time-exceeded, parameter-problem } @th,112,8 { 50, 51 } accept
                icmpv6 type { destination-unreachable, packet-too-big, time-exceeded, parameter-problem } @th,112,8 44 @th,384,8 { 50, 51 } accept
                icmp type { destination-unreachable, time-exceeded, parameter-problem } @th,136,8 17 @th,224,16 { 4500 } accept
                icmpv6 type { destination-unreachable, packet-too-big, time-exceeded, parameter-problem } @th,112,8 17 @th,384,16 { 4500 } accept
                icmpv6 type { destination-unreachable, packet-too-big, time-exceeded, parameter-problem } @th,112,8 44 @th,384,8 17 @th,448,16 { 4500 } accept
                udp dport { 4500 } accept
                jump spd_in
              }
              chain guard_fwd {
                type filter hook forward priority -155; policy accept;
                iifname "tun1" accept
                jump spd_fwd
                oifname "tun1" accept
              }
              chain guard_out {
                type filter hook postrouting priority 300; policy accept;
                meta mark & 0x0000f000 == 0x00001000 accept
                meta mark & 0x0000f000 == 0x00002000 oifname != { "tun1", "lo" } counter name guard_out drop
              }
            }

            """, GuardScript.Install(s_names, [], PolicyLevel.Use));
    }

    [Fact]
    public void Replacing_is_flushing_and_filling_in_one_script()
    {
        Policy[] policies =
        [
            Policy(PolicyDirection.Out, "10.0.0.0/8", "10.9.1.7/24"),
            Policy(PolicyDirection.In, "10.9.1.0/24", "10.0.0.0/8"),
            Policy(PolicyDirection.Out, "0.0.0.0/0", "192.0.2.1/32", PolicyAction.None),
            Policy(PolicyDirection.Out, "0.0.0.0/0", "0.0.0.0/0", PolicyAction.Discard),
        ];
        Assert.Equal("""
            flush chain inet t1 spd_out
            flush chain inet t1 spd_in
            flush chain inet t1 spd_fwd
            table inet t1 {
              chain spd_out {
                ip saddr 10.0.0.0/8 ip daddr 10.9.1.0/24 meta mark set meta mark & 0xffff0fff | 0x00002000 accept
                ip daddr 192.0.2.1/32 accept
                meta nfproto ipv4 counter name policy_discard drop
                counter name no_policy drop
              }
              chain spd_in {
                ip saddr 10.9.1.0/24 ip daddr 10.0.0.0/8 counter name guard_in drop
                counter name no_policy drop
              }
              chain spd_fwd {
                ip saddr 10.9.1.0/24 ip daddr 10.0.0.0/8 counter name guard_forward drop
                counter name no_policy drop
              }
            }

            """, GuardScript.Replace(s_names, policies, PolicyLevel.Use, PolicyAction.Discard));
    }

    [Theory]
    [InlineData(PolicyLevel.Use, PolicyLevel.Require, "accept")]
    [InlineData(PolicyLevel.Require, PolicyLevel.Use, "counter name guard_in drop")]
    [InlineData(PolicyLevel.Unique, PolicyLevel.Use, "counter name guard_in drop")]
    [InlineData(PolicyLevel.Default, PolicyLevel.Use, "accept")]
    [InlineData(PolicyLevel.Default, PolicyLevel.Require, "counter name guard_in drop")]
    public void The_level_says_whether_clear_packets_come_in(PolicyLevel level, PolicyLevel meansByDefault, string verdict)
    {
        Policy policy = Policy(PolicyDirection.In, "10.0.0.1/32", "10.0.0.2/32", level: level);
        Assert.Contains($"ip daddr 10.0.0.2/32 {verdict}\n", GuardScript.Replace(s_names, [policy], meansByDefault), StringComparison.Ordinal);
    }

    [Fact]
    public void One_required_request_among_others_is_enough()
    {
        Policy policy = Policy(PolicyDirection.In, "10.0.0.1/32", "10.0.0.2/32", level: PolicyLevel.Use);
        policy = policy with { Requests = [.. policy.Requests, policy.Requests[0] with { Level = PolicyLevel.Require }] };
        Assert.Contains("guard_in drop", GuardScript.Replace(s_names, [policy], PolicyLevel.Use), StringComparison.Ordinal);
    }

    [Fact]
    public void Policies_of_direction_fwd_take_the_place_of_in_policies_for_what_is_forwarded()
    {
        string script = GuardScript.Replace(
            s_names, [Policy(PolicyDirection.In, "10.0.0.1/32", "10.0.0.2/32"), Policy(PolicyDirection.Fwd, "10.0.0.3/32", "10.0.0.4/32")], PolicyLevel.Use);
        string forward = script[script.IndexOf("chain spd_fwd {", StringComparison.Ordinal)..];
        Assert.Contains("ip saddr 10.0.0.3/32 ip daddr 10.0.0.4/32 counter name guard_forward drop", forward, StringComparison.Ordinal);
        Assert.DoesNotContain("10.0.0.1", forward, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("0.0.0.0/0", "0.0.0.0/0", IpProtocol.Any, null, null, "meta nfproto ipv4")]
    [InlineData("::/0", "::/0", IpProtocol.Any, null, null, "meta nfproto ipv6")]
    [InlineData("fd00::1/64", "::/0", IpProtocol.Any, null, null, "ip6 saddr fd00::/64")]
    [InlineData("0.0.0.0/0", "0.0.0.0/0", IpProtocol.Tcp, null, 80, "meta nfproto ipv4 meta l4proto 6 th dport 80")]
    [InlineData("10.1.2.3/32", "0.0.0.0/0", IpProtocol.Udp, 53, 53, "ip saddr 10.1.2.3/32 meta l4proto 17 th sport 53 th dport 53")]
    [InlineData("::/0", "fd00::2/128", IpProtocol.Icmpv6, 128, 0, "ip6 daddr fd00::2/128 meta l4proto 58 @th,0,8 128 @th,8,8 0")]
    [InlineData("10.0.0.0/8", "0.0.0.0/0", IpProtocol.Gre, null, null, "ip saddr 10.0.0.0/8 meta l4proto 47")]
    [InlineData("::/0", "fd00::2/128", IpProtocol.Mobility, 5, null, "ip6 daddr fd00::2/128 meta l4proto 135 @th,16,8 5")]
    public void Selectors_become_matches(string source, string destination, IpProtocol protocol, int? sourcePort, int? destinationPort, string match)
    {
        var policy = Policy(PolicyDirection.Out, source, destination, PolicyAction.None) with
        {
            Selector = new Selector(Prefix.Parse(source), Prefix.Parse(destination), protocol, (ushort?)sourcePort, (ushort?)destinationPort),
        };
        Assert.Contains($"    {match} accept\n", GuardScript.Replace(s_names, [policy], PolicyLevel.Use), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(IpProtocol.Gre, 5, null)]
    [InlineData(IpProtocol.Icmp, 256, null)]
    [InlineData(IpProtocol.Icmp, 8, 256)]
    [InlineData(IpProtocol.Mobility, 5, 1)]
    public void A_selector_that_selects_nothing_has_no_rule(IpProtocol protocol, int? sourcePort, int? destinationPort)
    {
        var policy = Policy(PolicyDirection.Out, "10.0.0.0/8", "10.0.0.0/8") with
        {
            Selector = new Selector(Prefix.Parse("10.0.0.0/8"), Prefix.Parse("10.0.0.0/8"), protocol, (ushort?)sourcePort, (ushort?)destinationPort),
        };
        Assert.Contains("  chain spd_out {\n    # policy 0 selects nothing", GuardScript.Replace(s_names, [policy], PolicyLevel.Use), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("t; flush ruleset", "tun0", 0x1000u)]
    [InlineData("", "tun0", 0x1000u)]
    [InlineData("t", "tun0\" accept #", 0x1000u)]
    [InlineData("t", "a23456789012345x", 0x1000u)]
    [InlineData("t", "tun0", 0x2000u)]
    [InlineData("t", "tun0", 0u)]
    [InlineData("t", "tun0", 0x11000u)]
    public void Names_and_marks_that_would_mean_something_else_are_refused(string table, string device, uint own)
    {
        GuardNames names = s_names with { Table = table, Device = device, Own = own };
        Assert.NotNull(names.Fault());
        Assert.Throws<ArgumentException>(() => GuardScript.Install(names, [], PolicyLevel.Use));
        Assert.Throws<ArgumentException>(() => GuardScript.Replace(names, [], PolicyLevel.Use));
        Assert.Throws<ArgumentException>(() => GuardScript.Remove(names));
    }

    [Fact]
    public void Every_counted_drop_has_a_counter_of_its_name()
    {
        string script = GuardScript.Install(s_names, [], PolicyLevel.Use);
        foreach (Drop drop in GuardScript.Counted)
        {
            Assert.Equal(Drops.Name(drop), GuardScript.Counter(drop).Replace('_', '-'));
            Assert.Contains($"counter {GuardScript.Counter(drop)} {{ }}", script, StringComparison.Ordinal);
        }
    }

    private static Policy Policy(
        PolicyDirection direction, string source, string destination, PolicyAction action = PolicyAction.Ipsec, PolicyLevel level = PolicyLevel.Require) => new()
        {
            Direction = direction,
            Selector = new Selector(Prefix.Parse(source), Prefix.Parse(destination)),
            Action = action,
            Requests = action == PolicyAction.Ipsec ? [new PolicyRequest(IpProtocol.Esp, IpsecMode.Transport, level, 0, null, null)] : [],
        };
}
