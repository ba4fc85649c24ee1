// The inbound policy check (RFC 4301, 5.2 step 4): what was taken off a packet against what its policy wants.

using Testudo.Engine;
using Testudo.Engine.Policies;
using Testudo.Tests.Checker;
using Testudo.Wire;
using Testudo.Wire.PfKey;
using Xunit;

namespace Testudo.Tests.Engine;

public sealed class CheckTests
{
    // A and B are hosts, GA and GB their gateways' outer addresses, both of B's machine on its side.
    private const string A = "10.1.0.1", B = "10.2.0.1", GA = "192.0.2.1", GB = "192.0.2.2", Behind = "10.3.0.1";
    private static readonly byte[] s_clear = Build.Ipv4(A, B).Udp(7, 9, "text"u8);

    [Fact]
    public void Clear_packets_pass_where_no_policy_or_a_policy_of_level_use_selects_them()
    {
        Assert.Equal(Drop.None, Receive(s_clear));
        Assert.Equal(Drop.None, Receive(s_clear, Make.Transport(PolicyLevel.Use)));
        Assert.Equal(Drop.None, Receive(s_clear, Make.Transport(PolicyLevel.Default)));
        Assert.Equal(Drop.ClearButRequired, Receive(s_clear, Make.Transport()));
        Assert.Equal(Drop.ClearButRequired, Receive(s_clear, Make.Transport(PolicyLevel.Use), Make.Tunnel(GA, GB)));
    }

    [Fact]
    public void Level_default_is_what_the_options_say()
    {
        using var b = new Host(new EngineOptions { DefaultLevel = PolicyLevel.Require }, B);
        b.Add(Make.Policy(PolicyDirection.In, A, B, Make.Transport(PolicyLevel.Default)));
        Assert.Equal(Drop.ClearButRequired, b.In(s_clear).Drop);
    }

    [Fact]
    [Shows("rfc4301-5.2-2")]
    public void A_transport_history_satisfies_transport_requests_only()
    {
        byte[] sent = Protect(s_clear, Make.Transport());
        Assert.Equal(Drop.None, Receive(sent, Make.Transport()));
        Assert.Equal(Drop.None, Receive(sent, Make.Transport(PolicyLevel.Use)));
        Assert.Equal(Drop.None, Receive(sent)); // protected though it need not be
        Assert.Equal(Drop.HistoryMismatch, Receive(sent, Make.Tunnel(GA, GB)));
        Assert.Equal(Drop.HistoryMismatch, Receive(sent, Make.Transport(), Make.Transport()));
        Assert.Equal(Drop.HistoryMismatch, Receive(sent, Make.Transport(PolicyLevel.Require, 8)));
        Assert.Equal(Drop.None, Receive(sent, Make.Transport(PolicyLevel.Unique, 1)));
    }

    [Fact]
    [Shows("rfc4301-4.4.1-14", "rfc4301-5.2-6", "rfc3948-3.1.1-1")]
    public void A_tunnel_brings_in_only_what_a_policy_with_its_ends_lets_in()
    {
        byte[] sent = Protect(s_clear, Make.Tunnel(GA, GB));
        Assert.Equal(Drop.None, Receive(sent, Make.Tunnel(GA, GB)));
        Assert.Equal(Drop.TunnelPolicyMissing, Receive(sent));
        Assert.Equal(Drop.TunnelPolicyMissing, Receive(sent, Make.Transport()));
        Assert.Equal(Drop.TunnelPolicyMissing, Receive(sent, Make.Tunnel(GB, GA)));
        Assert.Equal(Drop.TunnelPolicyMissing, Receive(sent, Make.Tunnel("192.0.2.3", GB)));
        Assert.Equal(Drop.TunnelPolicyMissing, Receive(sent, Make.Tunnel(GA, GB, PolicyLevel.Unique, 9)));
        Assert.Equal(Drop.TunnelPolicyMissing, Receive(sent, Make.Transport(PolicyLevel.Use)));
        Assert.Equal(Drop.None, Receive(sent, Make.Tunnel(GA, GB, PolicyLevel.Use)));
        Assert.Equal(Drop.None, Receive(sent, Make.Transport(PolicyLevel.Use), Make.Tunnel(GA, GB)));
    }

    [Fact]
    [Shows("ipsec4-bugs-5")]
    public void Nested_histories_are_compared_from_the_outside_in()
    {
        byte[] sent = Protect(s_clear, Make.Transport(), Make.Tunnel(GA, GB));
        Assert.Equal(Drop.None, Receive(sent, Make.Transport(), Make.Tunnel(GA, GB)));
        Assert.Equal(Drop.TunnelPolicyMissing, Receive(sent, Make.Tunnel(GA, GB), Make.Transport()));
        Assert.Equal(Drop.TunnelPolicyMissing, Receive(sent, Make.Tunnel(GA, GB)));
        Assert.Equal(Drop.TunnelPolicyMissing, Receive(sent, Make.Transport()));

        byte[] over = Protect(s_clear, Make.Tunnel(GA, GB), Make.Transport());
        Assert.Equal(Drop.None, Receive(over, Make.Tunnel(GA, GB), Make.Transport()));
        Assert.Equal(Drop.TunnelPolicyMissing, Receive(over, Make.Transport(), Make.Tunnel(GA, GB)));
        Assert.Equal(Drop.TunnelPolicyMissing, Receive(over, Make.Tunnel(GA, GB), Make.Transport(), Make.Transport()));

        byte[] twice = Protect(s_clear, Make.Tunnel(GA, GB), Make.Tunnel(A, B));
        Assert.Equal(Drop.None, Receive(twice, Make.Tunnel(GA, GB), Make.Tunnel(A, B)));
        Assert.Equal(Drop.TunnelPolicyMissing, Receive(twice, Make.Tunnel(A, B), Make.Tunnel(GA, GB)));
    }

    [Fact]
    [Shows("rfc4301-4.4.1-6")]
    public void Discard_is_discard_protected_or_not()
    {
        foreach (byte[] packet in (byte[][])[s_clear, Protect(s_clear, Make.Transport()), Protect(s_clear, Make.Tunnel(GA, GB))])
        {
            using Host b = Receiver();
            b.Add(Make.Policy(PolicyDirection.In, new Selector(Prefix.Parse(A), Prefix.Parse(B)), PolicyAction.Discard));
            Assert.Equal(Drop.PolicyDiscard, b.In(packet).Drop);
        }
    }

    [Fact]
    public void Fwd_policies_are_asked_about_what_is_not_for_this_host_where_there_are_any()
    {
        byte[] forwarded = Build.Ipv4(A, Behind).Udp(7, 9, "text"u8);
        byte[] sent = Protect(forwarded, Make.Tunnel(GA, GB));
        using Host b = Receiver();
        b.Add(Make.Policy(PolicyDirection.In, A, Behind, Make.Tunnel(GA, GB)));
        Assert.Equal(forwarded, b.In(sent).Single);
        Assert.Equal(Drop.ClearButRequired, b.In(forwarded).Drop);

        using Host c = Receiver();
        c.Add(Make.Policy(PolicyDirection.In, A, Behind, Make.Tunnel(GA, GB)));
        c.Add(Make.Policy(PolicyDirection.Fwd, A, "10.9.0.0/16", Make.Tunnel(GA, GB)));
        Assert.Equal(forwarded, c.In(forwarded).Single);
        Assert.Equal(Drop.TunnelPolicyMissing, c.In(sent).Drop);
        c.Add(Make.Policy(PolicyDirection.Fwd, A, Behind, Make.Tunnel(GA, GB)));
        Assert.Equal(forwarded, c.In(Protect(forwarded, 2, Make.Tunnel(GA, GB))).Single);
    }

    [Theory]
    [InlineData(B)]
    [InlineData("127.0.0.1")]
    [InlineData("224.0.0.1")]
    [InlineData("255.255.255.255")]
    public void No_tunnel_brings_in_our_own_addresses_as_source(string source)
    {
        byte[] sent = Protect(Build.Ipv4(source, GB).Udp(7, 9), Make.Tunnel(GA, GB));
        Assert.Equal(Drop.InnerSourceIsOurs, Receive(sent, Make.Tunnel(GA, GB)));
    }

    [Fact]
    [Shows("rfc4301-5.2-6", "rfc2401-5.2.1-1")]
    public void In_transport_mode_nobody_speaks_for_another_address_than_the_SAs_source()
    {
        // The peer A holds a key. With it, it sends in the name of another host, whose policy wants ESP as well.
        byte[] sent = Protect(s_clear, Make.Transport());
        byte[] forged = [.. sent];
        forged[15] = 99; // the last byte of the source: outside of what ESP authenticates
        byte[] header = Build.Ipv4("10.1.0.99", B, id: 0).Payload(IpProtocol.Esp, sent.AsSpan(20));
        using Host b = Receiver();
        b.Add(Make.Policy(PolicyDirection.In, "10.1.0.0/16", B));
        Assert.Equal(Drop.HistoryMismatch, b.In(header).Drop);
        Assert.NotEqual(forged, header);
    }

    [Fact]
    public void ESP_between_other_hosts_is_checked_like_any_packet_in_clear()
    {
        byte[] transit = Build.Ipv4("198.51.100.1", "198.51.100.2").Payload(IpProtocol.Esp, Build.Pattern(60));
        byte[] udp = Build.Ipv4("198.51.100.1", "198.51.100.2").Udp(4500, 4500, Build.Pattern(60, 1));
        using Host b = Receiver();
        Assert.Equal(transit, b.In(transit).Single);
        Assert.Equal(udp, b.In(udp).Single);
        Assert.Equal(Drop.UnknownSpi, b.In(Build.Ipv4("198.51.100.1", B).Payload(IpProtocol.Esp, Build.Pattern(60))).Drop);
        b.Add(Make.Policy(PolicyDirection.In, new Selector(Prefix.Parse("198.51.100.0/24"), Prefix.Parse("198.51.100.0/24")), PolicyAction.Discard));
        Assert.Equal(Drop.PolicyDiscard, b.In(transit).Drop);
    }

    [Fact]
    public void ESP_between_others_comes_out_of_a_tunnel_as_it_is()
    {
        byte[] inner = Build.Ipv4(A, Behind).Payload(IpProtocol.Esp, Build.Pattern(60));
        using Host b = Receiver();
        b.Add(Make.Policy(PolicyDirection.In, A, Behind, Make.Tunnel(GA, GB)));
        Assert.Equal(inner, b.In(Protect(inner, Make.Tunnel(GA, GB))).Single);
    }

    [Fact]
    public void Without_the_check_everything_that_opens_passes()
    {
        using var b = new Host(new EngineOptions { ChecksPolicy = false }, B, GB);
        b.Add(Make.Sa(0x1001, GA, GB, IpsecMode.Tunnel));
        Assert.Equal(s_clear, b.In(Protect(s_clear, Make.Tunnel(GA, GB))).Single);
    }

    // Two SAs for each pair of ends, one a mode; reqid 1.
    private static Host Keyed(params string[] addresses)
    {
        var host = new Host(null, addresses);
        host.Add(Make.Sa(0x1000, A, B) with { Reqid = 1 });
        host.Add(Make.Sa(0x1001, GA, GB, IpsecMode.Tunnel) with { Reqid = 1 });
        host.Add(Make.Sa(0x1002, GA, GB) with { Reqid = 1 });
        host.Add(Make.Sa(0x1003, A, B, IpsecMode.Tunnel) with { Reqid = 1 });
        return host;
    }

    private static Host Receiver() => Keyed(B, GB);

    private static byte[] Protect(byte[] packet, params PolicyRequest[] requests) => Protect(packet, 1, requests);

    private static byte[] Protect(byte[] packet, int times, params PolicyRequest[] requests)
    {
        using Host a = Keyed(A, GA);
        a.Add(Make.Policy(PolicyDirection.Out, "0.0.0.0/0", "0.0.0.0/0", requests));
        return a.Out(Enumerable.Repeat(packet, times)).Passed[^1];
    }

    private static Drop Receive(byte[] packet, params PolicyRequest[] requests)
    {
        using Host b = Receiver();
        if (requests.Length > 0)
        {
            b.Add(Make.Policy(PolicyDirection.In, "0.0.0.0/0", "0.0.0.0/0", requests));
        }

        Outcome outcome = b.In(packet);
        if (outcome.Drops.Count > 0)
        {
            return outcome.Drop;
        }

        Check.Packet(outcome.Single).Ipv4().Udp(7, 9);
        return Drop.None;
    }
}
