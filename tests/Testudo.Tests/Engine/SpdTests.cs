// The policy engine: order, selectors, and what a fragment without ports may select.

using CsCheck;
using Testudo.Engine;
using Testudo.Engine.Policies;
using Testudo.Tests.Checker;
using Testudo.Wire;
using Testudo.Wire.PfKey;
using Xunit;

namespace Testudo.Tests.Engine;

public sealed class SpdTests
{
    private const string A = "10.1.0.1", B = "10.2.0.1";
    private static readonly Prefix s_all = Prefix.Parse("0.0.0.0/0"), s_all6 = Prefix.Parse("::/0");

    [Fact]
    [Shows("rfc4301-4.4.1-1", "rfc4301-4.4.1-3", "rfc2401-4.4.1-5")]
    public void The_lowest_priority_comes_first_and_of_equals_the_one_that_was_added_first()
    {
        using var host = new Host();
        Policy late = host.Add(Make.Policy(PolicyDirection.Out, A, B) with { Priority = 20 });
        Policy first = host.Add(Make.Policy(PolicyDirection.Out, "10.0.0.0/8", B) with { Priority = 10 });
        Policy second = host.Add(Make.Policy(PolicyDirection.Out, "10.0.0.0/9", B) with { Priority = 10 });
        Assert.Equal([first, second, late], host.Engine.Spd.List(PolicyDirection.Out).ToArray());
        Assert.True(first.Id >= Spd.FirstOwnId && second.Id == first.Id + 1);
        Assert.Same(first, Look(host, Build.Ipv4(A, B).Udp(7, 9)));
        host.Engine.RemovePolicy(first);
        Assert.Same(second, Look(host, Build.Ipv4(A, B).Udp(7, 9)));
        Assert.Same(late, host.Engine.Spd.Find(PolicyDirection.Out, late.Selector));
        host.Engine.ClearPolicies();
        Assert.Null(Look(host, Build.Ipv4(A, B).Udp(7, 9)));
        Assert.Empty(host.Engine.Spd.All);
    }

    [Fact]
    [Shows("rfc4301-4.4.1-3", "rfc4301-4.4.1-14")]
    public void Any_order_of_adding_gives_the_order_of_priorities()
    {
        Gen.UInt[0, 5].Array[1, 20].Sample(priorities =>
        {
            using var host = new Host();
            Policy[] added = [.. priorities.Select((p, i) => host.Add(Make.Policy(PolicyDirection.In, $"10.0.{i}.0/24", B) with { Priority = p }))];
            Assert.Equal(added.OrderBy(static p => p.Priority).Select(static p => p.Id), host.Engine.Spd.List(PolicyDirection.In).ToArray().Select(static p => p.Id));
        }, iter: 200);
    }

    [Theory]
    [InlineData(IpProtocol.Any, null, null, true)]
    [InlineData(IpProtocol.Udp, null, null, true)]
    [InlineData(IpProtocol.Tcp, null, null, false)]
    [InlineData(IpProtocol.Udp, 7, null, true)]
    [InlineData(IpProtocol.Udp, null, 9, true)]
    [InlineData(IpProtocol.Udp, 7, 9, true)]
    [InlineData(IpProtocol.Udp, 8, 9, false)]
    [InlineData(IpProtocol.Udp, 7, 8, false)]
    [Shows("ipsec4-policy-7", "rfc4301-4.4.1.1-3", "rfc2401-4.4.2-6")]
    public void Protocol_and_ports_are_looked_at(IpProtocol protocol, int? source, int? destination, bool expected)
    {
        foreach (byte[] packet in (byte[][])[Build.Ipv4(A, B).Udp(7, 9), Build.Ipv6("fd00::1", "fd00::2").HopByHop().DestinationOptions().Udp(7, 9)])
        {
            Assert.Equal(expected, Selects(packet, protocol, source, destination));
        }
    }

    [Theory]
    [InlineData(8, null, true)]
    [InlineData(8, 0, true)]
    [InlineData(null, 0, true)]
    [InlineData(0, null, false)]
    [InlineData(8, 1, false)]
    [Shows("rfc4301-6-1")]
    public void Type_and_code_of_ICMP_stand_as_ports(int? type, int? code, bool expected) =>
        Assert.Equal(expected, Selects(Build.Ipv4(A, B).IcmpEcho(), IpProtocol.Icmp, type, code));

    [Fact]
    [Shows("rfc4301-6-1")]
    public void Type_and_code_of_ICMPv6_stand_as_ports()
    {
        byte[] solicitation = Build.Ipv6("fd00::1", "fd00::2").Icmp(135, 0);
        Assert.True(Selects(solicitation, IpProtocol.Icmpv6, 135, 0));
        Assert.False(Selects(solicitation, IpProtocol.Icmpv6, 136, null));
        Assert.True(Selects(Build.Ipv6("fd00::1", "fd00::2").Payload(IpProtocol.Mobility, [59, 0, 5, 0, 0, 0, 0, 0]), IpProtocol.Mobility, 5, null));
    }

    [Fact]
    public void Prefixes_select_as_their_bits_say()
    {
        Gen.Select(Gen.UInt, Gen.Int[0, 32], Gen.Int[0, 33]).Sample((address, length, flip) =>
        {
            uint other = flip < 32 ? address ^ (0x80000000u >> flip) : address;
            var prefix = new Prefix(new Address(IpFamily.V4, 0, address), length);
            return prefix.Contains(new Address(IpFamily.V4, 0, other)) == (flip >= length) && !prefix.Contains(new Address(IpFamily.V6, 0, other));
        });
        Gen.Select(Gen.ULong, Gen.ULong, Gen.Int[0, 128], Gen.Int[0, 129]).Sample((high, low, length, flip) =>
        {
            (ulong h, ulong l) = flip < 64 ? (high ^ (1UL << (63 - flip)), low) : flip < 128 ? (high, low ^ (1UL << (127 - flip))) : (high, low);
            return new Prefix(new Address(IpFamily.V6, high, low), length).Contains(new Address(IpFamily.V6, h, l)) == (flip >= length);
        });
    }

    [Fact]
    [Shows("rfc4301-7.4-1")]
    public void A_fragment_without_ports_is_not_let_past_a_policy_with_ports_that_might_have_selected_it()
    {
        using var host = new Host(new EngineOptions { Mtu = 1280 }, A);
        host.Add(Make.Policy(PolicyDirection.Out, new Selector(s_all, s_all, IpProtocol.Tcp, null, 80), PolicyAction.Discard));
        host.Add(Make.Policy(PolicyDirection.Out, new Selector(s_all, s_all, IpProtocol.Udp, null, 53), PolicyAction.None));
        host.Add(Make.Policy(PolicyDirection.Out, new Selector(s_all, s_all), PolicyAction.None));
        List<byte[]> fragments = Build.Fragments(Build.Ipv4(A, B, dontFragment: false).Udp(7, 53, Build.Pattern(2000)), 1280);
        Outcome outcome = host.Out(fragments);
        Assert.Equal(2, outcome.Held); // together they show their ports
        Assert.Equal(fragments, outcome.Passed);
        Assert.Equal(Drop.PolicyDiscard, Assert.Single(host.Out(Build.Fragments(Build.Ipv4(A, B, dontFragment: false).Tcp(7, 80, Build.Pattern(2000)), 1280)).Drops));
        Assert.Equal(2, host.Out(Build.Fragments(Build.Ipv4(A, B, dontFragment: false).Payload(IpProtocol.Gre, Build.Pattern(2000)), 1280)).Passed.Count);
    }

    [Fact]
    [Shows("rfc4301-7.1-2", "rfc4301-7.4-1")]
    public void A_later_IPv6_fragment_selects_by_the_protocol_it_names()
    {
        using var host = new Host(null, "fd00::1");
        host.Add(Make.Policy(PolicyDirection.Out, new Selector(s_all6, s_all6, IpProtocol.Tcp), PolicyAction.None));
        host.Add(Make.Policy(PolicyDirection.Out, new Selector(s_all6, s_all6), PolicyAction.Discard));
        Assert.All(host.Out(Build.Fragments(Build.Ipv6("fd00::1", "fd00::2").Udp(7, 9, Build.Pattern(3000)), 1280)).Drops, static d => Assert.Equal(Drop.PolicyDiscard, d));
        Assert.Equal(3, host.Out(Build.Fragments(Build.Ipv6("fd00::1", "fd00::2").Tcp(7, 9, Build.Pattern(3000)), 1280)).Passed.Count);
    }

    [Fact]
    public void A_later_IPv6_fragment_whose_protocol_is_behind_options_is_not_let_past_a_policy_that_names_one()
    {
        using var host = new Host(null, "fd00::1");
        host.Add(Make.Policy(PolicyDirection.Out, new Selector(s_all6, s_all6, IpProtocol.Tcp), PolicyAction.None));
        host.Add(Make.Policy(PolicyDirection.Out, new Selector(s_all6, s_all6), PolicyAction.None));
        byte[] later = Build.Ipv6("fd00::1", "fd00::2").Fragment(1, 1280, true).Payload(IpProtocol.DestinationOptions, Build.Pattern(1280));
        Assert.Equal(1, host.Out(later).Held);
    }

    [Fact]
    [Shows("ipsec4-policy-13", "ipsec4-policy-15", "ipsec4-policy-16", "rfc4301-4.4.1-4", "rfc4301-5-2")]
    public void What_no_policy_selects_passes_or_not_by_the_default()
    {
        using var host = new Host(null, A);
        byte[] packet = Build.Ipv4(A, B).Udp(7, 9);
        Assert.Equal(packet, host.Out(packet).Single);
        host.Engine.Spd.DefaultAction = PolicyAction.Discard;
        Assert.Equal(Drop.NoPolicy, host.Out(packet).Drop);
        Assert.Equal(Drop.NoPolicy, host.In(Build.Ipv4(B, A).Udp(7, 9)).Drop);
    }

    [Fact]
    public void A_policy_counts_what_it_selects()
    {
        using var host = new Host(null, A);
        Policy policy = host.Add(Make.Policy(PolicyDirection.Out, new Selector(s_all, s_all), PolicyAction.None));
        host.Out(Enumerable.Repeat(Build.Ipv4(A, B).Udp(7, 9), 5));
        Assert.Equal(5ul, policy.Packets);
    }

    [Fact]
    [Shows("rfc4301-7.1-3")]
    public void What_a_policy_may_not_be_is_refused_in_words()
    {
        using var host = new Host();
        Policy good = host.Add(Make.Policy(PolicyDirection.Out, A, B));
        Refused(good, "same direction and selector");
        Policy other = good with { Selector = good.Selector with { Source = s_all } };
        Refused(other with { Direction = PolicyDirection.Any }, "in, out or fwd");
        Refused(other with { Action = PolicyAction.Bypass }, "for sockets");
        Refused(other with { Selector = other.Selector with { Source = s_all6 } }, "one family");
        Refused(other with { Selector = other.Selector with { Source = s_all with { Length = 33 } } }, "longer than its address");
        Refused(other with { Selector = other.Selector with { SourcePort = 5 } }, "ports need");
        Refused(other with { Action = PolicyAction.None }, "has no requests");
        Refused(other with { Requests = [] }, "at least one request");
        Refused(other with { Requests = [.. Enumerable.Repeat(Make.Transport(), 7)] }, "at most 6");
        Refused(other with { Requests = [Make.Transport() with { Protocol = IpProtocol.Tcp }] }, "esp, ah and ipcomp are");
        Refused(other with { Requests = [Make.Transport(PolicyLevel.Unique)] }, "unique:N");
        Refused(other with { Requests = [Make.Transport() with { Mode = IpsecMode.Tunnel }] }, "names both ends");
        Refused(other with { Requests = [Make.Tunnel(A, "fd00::1")] }, "one family");
        Refused(other with { Requests = [Make.Transport() with { Mode = IpsecMode.Any }] }, "mode transport or tunnel");
        Refused(other with { Selector = new Selector(Prefix.Parse(A), Prefix.Parse(A)) }, "to itself");

        void Refused(Policy policy, string word)
        {
            Assert.Null(host.Engine.AddPolicy(policy, host.Now, out Refusal? refusal));
            Assert.Contains(word, refusal!.Sentence, StringComparison.Ordinal);
        }
    }

    private static Policy? Look(Host host, byte[] packet)
    {
        Assert.Equal(Drop.None, IpInfo.TryParse(packet, out IpInfo info));
        return host.Engine.Spd.Lookup(PolicyDirection.Out, info, out _);
    }

    private static bool Selects(byte[] packet, IpProtocol protocol, int? source, int? destination)
    {
        using var host = new Host();
        Prefix all = packet[0] >> 4 == 4 ? s_all : s_all6;
        host.Add(Make.Policy(PolicyDirection.Out, new Selector(all, all, protocol, (ushort?)source, (ushort?)destination), PolicyAction.None));
        return Look(host, packet) is not null;
    }
}
