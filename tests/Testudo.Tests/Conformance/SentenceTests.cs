// Sentences of the standards that are kept anyway, and that no test of the stages shows by itself.

using System.Buffers.Binary;
using Testudo.Engine.Guard;
using Testudo.Engine.Policies;
using Testudo.Tests.Checker;
using Testudo.Tests.Engine;
using Testudo.Wire;
using Testudo.Wire.PfKey;
using Xunit;
using Peer = Testudo.Tests.Engine.Host;

namespace Testudo.Tests.Conformance;

public sealed class SentenceTests
{
    private const string A = "10.1.0.1", B = "10.2.0.1", B2 = "10.2.0.2", A6 = "fd01::1", B6 = "fd02::1", GA = "192.0.2.1", GB = "192.0.2.2";
    private static readonly byte[] s_packet = Build.Ipv4(A, B).Udp(7, 9, "text"u8);

    [Fact]
    [Shows("rfc2406-3.4.3-11")]
    public void The_window_moves_only_after_a_packet_was_authenticated()
    {
        using Peer a = Sender(), b = Receiver();
        byte[] first = a.Out(s_packet).Single, forged = a.Out(s_packet).Single;
        BinaryPrimitives.WriteUInt32BigEndian(forged.AsSpan(24), 1_000_000);
        Assert.Equal(Drop.BadIcv, b.In(forged).Drop);
        Assert.Equal(s_packet, b.In(first).Single);
    }

    [Fact]
    [Shows("rfc2406-3.4.3-7")]
    public void A_repeated_number_is_refused_before_anything_is_computed()
    {
        using Peer a = Sender(), b = Receiver();
        byte[] sent = a.Out(s_packet).Single, damaged = [.. sent];
        damaged[^1] ^= 1;
        Assert.Equal(Drop.BadIcv, b.In(damaged).Drop);
        Assert.Equal(s_packet, b.In(sent).Single);
        Assert.Equal(Drop.Replayed, b.In(damaged).Drop);
    }

    [Fact]
    [Shows("rfc4301-4.1-6", "rfc4301-4.1-7")]
    public void SAs_between_the_same_ends_for_the_same_traffic_are_received_alike()
    {
        using Peer a = Sender(), b = Receiver();
        a.Add(Make.Sa(0x1001, A, B));
        b.Add(Make.Sa(0x1001, A, B));
        foreach (bool old in (bool[])[true, false, true, false])
        {
            a.Engine.Sad.PreferOld = old;
            byte[] sent = a.Out(s_packet).Single;
            Assert.Equal(old ? 0x1000u : 0x1001u, BinaryPrimitives.ReadUInt32BigEndian(sent.AsSpan(20)));
            Assert.Equal(s_packet, b.In(sent).Single);
        }
    }

    [Fact]
    [Shows("rfc4301-4.1-8")]
    public void A_traffic_class_that_was_changed_on_the_way_is_no_fault()
    {
        using Peer a = Sender(), b = Receiver();
        byte[] four = a.Out(Build.Ipv4(A, B, tos: 0xB8).Udp(7, 9)).Single, six = a.Out(Build.Ipv6(A6, B6, trafficClass: 0xB8).Udp(7, 9)).Single;
        Check.Packet(b.In(Build.Ipv4(A, B, tos: 0x28).Payload(IpProtocol.Esp, four.AsSpan(20))).Single).Ipv4().TrafficClass(0x28).Udp(7, 9);
        Check.Packet(b.In(Build.Ipv6(A6, B6, trafficClass: 0x28).Payload(IpProtocol.Esp, six.AsSpan(40))).Single).Ipv6().TrafficClass(0x28).Udp(7, 9);
    }

    [Fact]
    [Shows("rfc4301-4.4.1.1-5", "rfc4301-7.3-4", "rfc4301-7.3-5")]
    public void Later_fragments_out_of_a_tunnel_are_not_let_past_a_policy_with_ports()
    {
        using var a = new Peer(null, GA);
        using var b = new Peer(null, GB);
        a.Add(Make.Sa(0x1000, GA, GB, IpsecMode.Tunnel));
        b.Add(Make.Sa(0x1000, GA, GB, IpsecMode.Tunnel));
        a.Add(Make.Policy(PolicyDirection.Out, A, B, Make.Tunnel(GA, GB)));
        b.Add(Make.Policy(PolicyDirection.In, new Selector(Prefix.Parse(A), Prefix.Parse(B), IpProtocol.Udp, null, 9), PolicyAction.Ipsec, Make.Tunnel(GA, GB)));
        List<byte[]> fragments = Build.Fragments(Build.Ipv4(A, B, dontFragment: false).Udp(7, 9, Build.Pattern(3000)), 1280);
        Outcome outcome = b.In(a.Out(fragments).Passed);
        Assert.Equal(fragments[0], Assert.Single(outcome.Passed));
        Assert.Equal([Drop.FragmentWithoutPorts, Drop.FragmentWithoutPorts], outcome.Drops);
    }

    [Fact]
    [Shows("rfc2401-4.4.3-1")]
    public void SAs_to_two_addresses_of_a_host_may_have_the_same_SPI()
    {
        using Peer a = Sender(), b = Receiver(), other = new(null, A);
        other.Add(Make.Sa(0x1000, A, B2, keyFirst: 99));
        other.Add(Make.Policy(PolicyDirection.Out, A, B2));
        b.Add(Make.Sa(0x1000, A, B2, keyFirst: 99));
        byte[] second = Build.Ipv4(A, B2).Udp(7, 9, "other"u8);
        Assert.Equal([s_packet, second], b.In(a.Out(s_packet).Single, other.Out(second).Single).Passed);
    }

    [Fact]
    [Shows("rfc4301-8.2.1-5")]
    public void Nobody_is_told_about_a_packet_that_may_be_fragmented()
    {
        using Peer a = Sender();
        a.Engine.PathMtus.Set(Address.Parse(B), 600);
        Outcome outcome = a.Out(Build.Ipv4(A, B, dontFragment: false).Udp(7, 9, Build.Pattern(1000)));
        Assert.True(outcome.Single.Length > 1000);
        Assert.Empty(outcome.Answers);
    }

    [Fact]
    [Shows("rfc4301-6.1.1-1", "rfc4301-6.1.1-2")]
    public void ICMP_errors_from_the_network_are_taken_or_refused_by_their_type()
    {
        using Peer b = Receiver();
        (byte[] unreachable, byte[] exceeded) = (Build.Ipv4(A, B).Icmp(3, 1, 0, s_packet), Build.Ipv4(A, B).Icmp(11, 0, 0, s_packet));
        (byte[] unreachable6, byte[] exceeded6) = (Build.Ipv6("fd03::1", B6).Icmp(1, 0), Build.Ipv6("fd03::1", B6).Icmp(3, 0));
        b.Engine.ClearPolicies();
        Assert.Equal([unreachable, exceeded, unreachable6, exceeded6], b.In(unreachable, exceeded, unreachable6, exceeded6).Passed);
        b.Add(Make.Policy(PolicyDirection.In, new Selector(Prefix.Parse("0.0.0.0/0"), Prefix.Parse("0.0.0.0/0"), IpProtocol.Icmp, 3), PolicyAction.Discard));
        b.Add(Make.Policy(PolicyDirection.In, new Selector(Prefix.Parse("::/0"), Prefix.Parse("::/0"), IpProtocol.Icmpv6, 1), PolicyAction.Discard));
        Outcome outcome = b.In(unreachable, exceeded, unreachable6, exceeded6);
        Assert.Equal([exceeded, exceeded6], outcome.Passed);
        Assert.Equal([Drop.PolicyDiscard, Drop.PolicyDiscard], outcome.Drops);

        // On a host the guard does the same to what reaches the kernel by itself.
        string guard = GuardScript.Replace(new GuardNames(), b.Engine.Spd.All, PolicyLevel.Use);
        Assert.Contains("meta l4proto 1 @th,0,8 3 counter name policy_discard drop", guard);
        Assert.Contains("meta l4proto 58 @th,0,8 1 counter name policy_discard drop", guard);
    }

    [Fact]
    [Shows("rfc3948-2.1-2", "rfc3948-2.3-2")]
    public void Over_IPv4_the_UDP_header_before_ESP_and_of_keepalives_has_no_checksum()
    {
        using var a = new Peer(null, A);
        a.Add(Make.Sa(0x1000, A, B, udp: true));
        a.Add(Make.Policy(PolicyDirection.Out, A, B));
        byte[] sent = a.Out(s_packet).Single;
        Check.Packet(sent).Ipv4().Udp(4500, 4500).EspInUdp(0x1000, 1);
        Assert.Equal([0, 0], sent[26..28]);
        using var wire = new Batch();
        a.Advance(100);
        a.Engine.Tick(a.Now);
        a.Engine.Keepalives(wire, a.Worker);
        Assert.Equal(1, wire.Count);
        Check.Packet(wire[0].Span).Ipv4().Udp(4500, 4500).Payload([0xFF]);
        Assert.Equal([0, 0], wire[0].Span[26..28].ToArray());
    }

    private static Peer Sender()
    {
        var a = new Peer(null, A, A6);
        a.Add(Make.Sa(0x1000, A, B));
        a.Add(Make.Sa(0x2000, A6, B6));
        a.Add(Make.Policy(PolicyDirection.Out, A, B));
        a.Add(Make.Policy(PolicyDirection.Out, A6, B6));
        return a;
    }

    private static Peer Receiver()
    {
        var b = new Peer(null, B, B2, B6);
        b.Add(Make.Sa(0x1000, A, B));
        b.Add(Make.Sa(0x2000, A6, B6));
        b.Add(Make.Policy(PolicyDirection.In, A, B));
        b.Add(Make.Policy(PolicyDirection.In, A6, B6));
        return b;
    }
}
