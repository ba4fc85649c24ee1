// ICMP errors through SAs (RFC 4301, 6.2): by which SA they leave, and what they may speak of when they come in.

using Testudo.Engine;
using Testudo.Engine.Policies;
using Testudo.Tests.Checker;
using Testudo.Wire;
using Testudo.Wire.PfKey;
using Xunit;

namespace Testudo.Tests.Engine;

public sealed class IcmpErrorRuleTests
{
    private const string A = "10.1.0.1", B = "10.2.0.1", Gate = "192.0.2.1", Peer = "192.0.2.2";
    private static readonly byte[] s_sent = Build.Ipv4(B, A).Tcp(80, 5000, Build.Pattern(100)); // what B's side sent to A
    private static readonly byte[] s_other = Build.Ipv4("10.2.0.7", "198.51.100.1").Tcp(80, 5000, Build.Pattern(100));

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    [Shows("rfc4301-6.2-2", "rfc4301-6.2-3", "rfc4301-6.2-4", "rfc4301-6.2-5")]
    public void An_error_that_no_policy_selects_goes_with_the_traffic_that_would_answer_its_packet(bool tunnel)
    {
        using Host a = Side(true, tunnel, new Selector(Prefix.Parse(A), Prefix.Parse(B), IpProtocol.Tcp, 5000, 80));
        using Host b = Side(false, tunnel, new Selector(Prefix.Parse(A), Prefix.Parse(B), IpProtocol.Tcp, 5000, 80));
        byte[] error = Build.Ipv4(A, B).Icmp(3, 3, 0, s_sent);
        byte[] wire = a.Out(error).Single;
        Check.Packet(wire).Ipv4().Esp(0x1000, 1);
        Assert.Equal(error, b.In(wire).Single);

        // Others are no business of the SA: out in clear as the default says, and refused where somebody sends them by it.
        byte[] wrong = Build.Ipv4(A, B).Icmp(3, 3, 0, s_other);
        Assert.Equal(wrong, a.Out(wrong).Single);
        a.Add(Make.Policy(PolicyDirection.Out, A, B, tunnel ? Make.Tunnel(Gate, Peer) : Make.Transport()));
        if (tunnel)
        {
            Assert.Equal(Drop.IcmpMismatch, b.In(a.Out(wrong).Single).Drop);
        }
    }

    [Fact]
    [Shows("rfc4301-6.2-4", "rfc2401-6-1")]
    public void An_error_of_a_router_behind_the_peer_comes_through_the_tunnel_of_the_packet_it_speaks_of()
    {
        using Host a = Side(true, true, new Selector(Prefix.Parse("10.1.0.0/24"), Prefix.Parse(B)));
        using Host b = Side(false, true, new Selector(Prefix.Parse("10.1.0.0/24"), Prefix.Parse(B)));
        byte[] error = Build.Ipv4("10.1.99.254", B).Icmp(3, 4, 1200, s_sent);
        Assert.Equal(error, b.In(a.Out(error).Single).Single);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    [Shows("rfc4301-6.2-1", "rfc4301-6.2-5")]
    public void Errors_that_a_policy_selects_are_looked_into_where_the_option_says_so(bool inspects)
    {
        var options = new EngineOptions { Mtu = 65535, InspectsIcmpErrors = inspects };
        using Host a = Side(true, true, new Selector(Prefix.Parse(A), Prefix.Parse(B)));
        using Host b = Side(false, true, new Selector(Prefix.Parse(A), Prefix.Parse(B)), options);
        byte[] right = Build.Ipv4(A, B).Icmp(11, 0, 0, s_sent), wrong = Build.Ipv4(A, B).Icmp(11, 0, 0, s_other);
        Assert.Equal(right, b.In(a.Out(right).Single).Single);
        if (inspects)
        {
            Assert.Equal(Drop.IcmpMismatch, b.In(a.Out(wrong).Single).Drop);
        }
        else
        {
            Assert.Equal(wrong, b.In(a.Out(wrong).Single).Single);
        }
    }

    [Fact]
    public void Type_and_code_select_echoes_and_errors()
    {
        using var a = new Host(null, A);
        a.Add(Make.Sa(0x1000, A, B));
        var echo = new Selector(Prefix.Parse(A), Prefix.Parse(B), IpProtocol.Icmp, 8, 0);
        a.Add(Make.Policy(PolicyDirection.Out, echo));
        a.Add(Make.Policy(PolicyDirection.Out, new Selector(Prefix.Parse(A), Prefix.Parse(B), IpProtocol.Icmp, 3), PolicyAction.Discard));
        Check.Packet(a.Out(Build.Ipv4(A, B).IcmpEcho()).Single).Ipv4().Esp(0x1000, 1);
        _ = Check.Packet(a.Out(Build.Ipv4(A, B).IcmpEcho(reply: true)).Single).Ipv4().IcmpEcho(1, 1, reply: true);
        Assert.Equal(Drop.PolicyDiscard, a.Out(Build.Ipv4(A, B).Icmp(3, 1, 0, s_sent)).Drop);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    [Shows("rfc4301-5.1.1-1")]
    public void The_sender_of_what_policy_discards_is_told_where_the_option_says_so(bool tells)
    {
        using var a = new Host(new EngineOptions { Mtu = 65535, TellsProhibited = tells }, A);
        a.Add(Make.Policy(PolicyDirection.Out, new Selector(Prefix.Parse(A), Prefix.Parse(B)), PolicyAction.Discard));
        a.Add(Make.Policy(PolicyDirection.Out, A, "10.2.0.9"));
        foreach ((string to, Drop drop) in ((string, Drop)[])[(B, Drop.PolicyDiscard), ("10.2.0.9", Drop.NoSa)])
        {
            byte[] packet = Build.Ipv4(A, to).Udp(7, 9);
            Outcome outcome = a.Out(packet);
            Assert.Equal(drop, outcome.Drop);
            if (tells)
            {
                _ = Check.Packet(Assert.Single(outcome.Answers)).Ipv4().From(to).To(A).Icmp(3, 13).Payload(packet);
            }
            else
            {
                Assert.Empty(outcome.Answers);
            }
        }
    }

    private static Host Side(bool sends, bool tunnel, Selector selector, EngineOptions? options = null)
    {
        var host = new Host(options, sends ? [A, Gate] : [B, Peer]);
        host.Add(tunnel ? Make.Sa(0x1000, Gate, Peer, IpsecMode.Tunnel) : Make.Sa(0x1000, A, B));
        host.Add(Make.Policy(sends ? PolicyDirection.Out : PolicyDirection.In, selector, PolicyAction.Ipsec, tunnel ? Make.Tunnel(Gate, Peer) : Make.Transport()));
        return host;
    }
}
