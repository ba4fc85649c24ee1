// Packets that are cut before IPsec or behind it, and fragments that must be put together on their way out.

using Testudo.Engine;
using Testudo.Engine.Policies;
using Testudo.Tests.Checker;
using Testudo.Wire;
using Testudo.Wire.PfKey;
using Xunit;

namespace Testudo.Tests.Engine;

public sealed class FragmentTests
{
    private const string A = "10.1.0.1", B = "10.2.0.1", A6 = "fd01::1", B6 = "fd02::1", Gate = "192.0.2.1", Peer = "192.0.2.2", Gate6 = "2001:db8::1", Peer6 = "2001:db8::2";

    [Theory]
    [InlineData(4, FragmentPlace.Before, DfBit.Clear, 3000)]
    [InlineData(6, FragmentPlace.Before, DfBit.Clear, 9000)]
    [InlineData(4, FragmentPlace.After, DfBit.Set, 1460)]
    [InlineData(4, FragmentPlace.Before, DfBit.Set, 60_000)]
    public void Before_IPsec_a_packet_becomes_tunnel_packets_that_fit_each(int outer, FragmentPlace place, DfBit df, int length)
    {
        using Host a = Gateway(outer, new EngineOptions { Mtu = 1500, Fragments = place, DfBit = df });
        using Host b = Far(outer);
        byte[] packet = Build.Ipv4(A, B, dontFragment: false, id: 77, options: [0x94, 4, 0, 0, 7, 7, 4, 0]).Udp(7, 9, Build.Pattern(length));
        Outcome outcome = a.Out(packet, Build.Ipv4(A, B).Udp(1, 2));
        Assert.Empty(outcome.Drops);
        Assert.True(outcome.Passed.Count >= 3);
        for (int i = 0; i < outcome.Passed.Count; i++)
        {
            Assert.InRange(outcome.Passed[i].Length, 1, 1500);
            PacketCheck check = Check.Packet(outcome.Passed[i]).Inner();
            (outer == 4 ? check.DontFragment(df == DfBit.Set) : check).Esp(0x1000, (uint)i + 1);
        }

        // The first shows all options, the others those that are copied (RFC 791, 3.1); together they are the packet.
        List<byte[]> inner = b.In(outcome.Passed).Passed;
        Check.Packet(inner[0]).Ipv4().Udp(1, 2); // the whole one: numbers go out in their order
        Check.Packet(inner[1]).Ipv4().Options([0x94, 4, 0, 0, 7, 7, 4, 0]).Fragment(0, true);
        Check.Packet(inner[^1]).Ipv4().Options([0x94, 4, 0, 0]);
        using var host = new Host(null, B);
        Check.Packet(host.In(inner.Skip(1).Reverse()).Single).Ipv4().Id(77).Udp(7, 9).Payload(Build.Pattern(length));
    }

    [Fact]
    public void A_fragment_is_cut_further_and_all_of_them_are_the_packet()
    {
        using Host a = Gateway(4, new EngineOptions { Mtu = 1000, Fragments = FragmentPlace.Before });
        using Host b = Far(4);
        List<byte[]> fragments = Build.Fragments(Build.Ipv4(A, B).Udp(7, 9, Build.Pattern(3000)), 1400);
        List<byte[]> sent = a.Out(fragments).Passed;
        Assert.True(sent.Count > fragments.Count && sent.TrueForAll(static packet => packet.Length <= 1000));
        using var host = new Host(null, B);
        Check.Packet(host.In(b.In(sent).Passed).Single).Ipv4().Udp(7, 9).Payload(Build.Pattern(3000));
    }

    [Fact]
    public void What_may_not_be_cut_before_is_not()
    {
        var options = new EngineOptions { Mtu = 1500, Fragments = FragmentPlace.Before };
        using Host a = Gateway(4, options);
        Assert.Equal(Drop.TooBig, a.Out(Build.Ipv4(A, B).Udp(7, 9, Build.Pattern(1470))).Drop); // DF
        Assert.Equal(Drop.TooBig, a.Out(Build.Ipv6("fd01::9", B6).Udp(7, 9, Build.Pattern(1450))).Drop); // a router does not
        Assert.True(a.Out(Build.Ipv6(A6, B6).Udp(7, 9, Build.Pattern(5000))).Single.Length > 5000); // its own host's, behind IPsec
        using var transport = new Host(options, A);
        transport.Add(Make.Sa(0x1000, A, B));
        transport.Add(Make.Policy(PolicyDirection.Out, A, B));
        Assert.InRange(transport.Out(Build.Ipv4(A, B, dontFragment: false).Udp(7, 9, Build.Pattern(1472))).Single.Length, 1501, 1560);
    }

    [Theory]
    [InlineData(4, true, false)]
    [InlineData(6, true, false)]
    [InlineData(4, false, true)]
    [InlineData(6, false, true)]
    [InlineData(6, false, false)]
    public void Behind_IPsec_what_is_protected_is_fragmented_where_the_option_says_so(int family, bool tunnel, bool udp)
    {
        using Host a = Pair(family, tunnel, udp, true, new EngineOptions { Mtu = 1400, FragmentsProtected = true });
        using Host b = Pair(family, tunnel, udp, false);
        byte[] packet = family == 4
            ? Build.Ipv4(A, B, dontFragment: false, id: 5).Udp(7, 9, Build.Pattern(5000))
            : Build.Ipv6(A6, B6).HopByHop().Routing().Udp(7, 9, Build.Pattern(5000));
        List<byte[]> fragments = a.Out(packet).Passed;
        Assert.True(fragments.Count >= 4 && fragments.TrueForAll(static fragment => fragment.Length <= 1400));
        Assert.Equal(packet, b.In(fragments).Single);
        if (tunnel || family == 6)
        {
            Assert.NotEqual(Identification(fragments[0]), Identification(a.Out(packet).Passed[0]));
        }
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void An_IPv6_path_that_a_router_lowered_is_fragmented_for_here(bool udp)
    {
        using Host a = Pair(4, true, udp, true, new EngineOptions { Mtu = 1500 }, over: 6);
        using Host b = Pair(4, true, udp, false, over: 6);
        byte[] packet = Build.Ipv4(A, B, dontFragment: false).Udp(7, 9, Build.Pattern(1300));
        Assert.Equal(Drop.IcmpNoted, a.In(PathMtuTests.TooBig(a.Out(packet).Single, 1280)).Drop);
        List<byte[]> fragments = a.Out(packet).Passed;
        Assert.Equal(2, fragments.Count);
        Assert.Equal(packet, b.In(fragments).Single);

        // The first fragment shows the SPI as well.
        using Host c = Pair(4, true, udp, true, new EngineOptions { Mtu = 1500, FragmentsProtected = true }, over: 6);
        fragments = c.Out(Build.Ipv4(A, B, dontFragment: false).Udp(7, 9, Build.Pattern(3000))).Passed;
        Assert.Equal(Drop.IcmpNoted, c.In(PathMtuTests.TooBig(fragments[0], 1280)).Drop);
        Assert.Equal(1280, c.Engine.PathMtus.Of(Address.Parse(Peer6), c.Now));
    }

    [Fact]
    public void A_packet_that_cannot_get_shorter_loses_the_outer_DF()
    {
        using var a = new Host(new EngineOptions { Mtu = 1290, DfBit = DfBit.Copy }, A6);
        a.Add(Make.Sa(0x1000, Gate, Peer, IpsecMode.Tunnel));
        a.Add(Make.Policy(PolicyDirection.Out, A6, B6, Make.Tunnel(Gate, Peer)));
        Check.Packet(a.Out(Build.Ipv6(A6, B6).Tcp(7, 9, Build.Pattern(1000))).Single).Ipv4().DontFragment(true);
        Check.Packet(a.Out(Build.Ipv6(A6, B6).Tcp(7, 9, Build.Pattern(1220))).Single).Ipv4().DontFragment(false);
    }

    [Theory]
    [InlineData(4, false)]
    [InlineData(6, false)]
    [InlineData(4, true)]
    [InlineData(6, true)]
    [Shows("rfc2401-B.2-2")]
    public void On_the_way_out_fragments_are_put_together_for_transport_mode_and_for_policies_with_ports(int family, bool ports)
    {
        (string from, string to) = family == 4 ? (A, B) : (A6, B6);
        using var a = new Host(null, A, A6);
        using var b = new Host(null, B, B6);
        var selector = new Selector(Prefix.Parse(from), Prefix.Parse(to), ports ? IpProtocol.Udp : IpProtocol.Any, null, ports ? (ushort)9 : null);
        foreach ((Host host, PolicyDirection direction) in ((Host, PolicyDirection)[])[(a, PolicyDirection.Out), (b, PolicyDirection.In)])
        {
            host.Add(Make.Sa(0x1000, from, to, ports ? IpsecMode.Tunnel : IpsecMode.Transport));
            host.Add(Make.Policy(direction, selector, PolicyAction.Ipsec, ports ? Make.Tunnel(from, to) : Make.Transport()));
        }

        byte[] packet = family == 4 ? Build.Ipv4(from, to, dontFragment: false, id: 0x1234).Udp(7, 9, Build.Pattern(3000)) : Build.Ipv6(from, to).Udp(7, 9, Build.Pattern(3000));
        List<byte[]> fragments = Build.Fragments(packet, 1280);
        Outcome outcome = a.Out(fragments);
        Assert.Equal(fragments.Count, outcome.Held);
        if (!ports)
        {
            Assert.Equal(packet, b.In(outcome.Single).Single);
        }

        // A first fragment that the policy selects by its ports waits for the others as well; and it does not wait for ever.
        Assert.Equal(1, a.Out(fragments[0]).Held);
        a.Advance(31);
        Assert.Empty(a.Out().Passed);
        Assert.Equal(1, a.Worker.Dropped(Drop.ReassemblyTimeout));
    }

    [Fact]
    [Shows("rfc4301-7.3-4", "rfc4301-7.3-5")]
    public void Fragments_out_of_a_tunnel_are_refused_where_a_policy_names_ports()
    {
        using Host a = Gateway(4, new EngineOptions { Mtu = 65535 });
        using var b = new Host(null, Peer, B);
        b.Add(Make.Sa(0x1000, Gate, Peer, IpsecMode.Tunnel));
        b.Add(Make.Policy(PolicyDirection.In, new Selector(Prefix.Parse(A), Prefix.Parse(B), IpProtocol.Udp, null, 9), PolicyAction.Ipsec, Make.Tunnel(Gate, Peer)));
        Outcome outcome = b.In(a.Out(Build.Fragments(Build.Ipv4(A, B).Udp(7, 9, Build.Pattern(3000)), 1280)).Passed);
        Assert.Equal([Drop.FragmentWithoutPorts, Drop.FragmentWithoutPorts], outcome.Drops); // RFC 4301, 7.3
    }

    private static uint Identification(byte[] fragment) => fragment[0] >> 4 == 4
        ? (uint)((fragment[4] << 8) | fragment[5])
        : System.Buffers.Binary.BinaryPrimitives.ReadUInt32BigEndian(fragment.AsSpan(fragment.AsSpan(40).Length > 0 ? FragmentAt(fragment) + 4 : 0));

    private static int FragmentAt(byte[] packet)
    {
        int at = 40;
        for (int next = packet[6]; next != 44; next = packet[at], at += (packet[at + 1] + 1) * 8)
        {
            Assert.True(next is 0 or 43 or 60, "a fragment header");
        }

        return at;
    }

    private static Host Gateway(int outer, EngineOptions options)
    {
        (string from, string to) = outer == 4 ? (Gate, Peer) : (Gate6, Peer6);
        var a = new Host(options, from, A6);
        a.Add(Make.Sa(0x1000, from, to, IpsecMode.Tunnel));
        a.Add(Make.Policy(PolicyDirection.Out, "10.1.0.0/16", "10.2.0.0/16", Make.Tunnel(from, to)));
        a.Add(Make.Policy(PolicyDirection.Out, "fd01::/16", "fd02::/16", Make.Tunnel(from, to)));
        return a;
    }

    private static Host Far(int outer)
    {
        (string from, string to) = outer == 4 ? (Gate, Peer) : (Gate6, Peer6);
        var b = new Host(null, to);
        b.Add(Make.Sa(0x1000, from, to, IpsecMode.Tunnel));
        b.Add(Make.Policy(PolicyDirection.In, "10.1.0.0/16", "10.2.0.0/16", Make.Tunnel(from, to)));
        return b;
    }

    private static Host Pair(int family, bool tunnel, bool udp, bool sends, EngineOptions? options = null, int over = 0)
    {
        (string inFrom, string inTo) = family == 4 ? (A, B) : (A6, B6);
        (string from, string to) = !tunnel ? (inFrom, inTo) : (over == 0 ? family : over) == 4 ? (Gate, Peer) : (Gate6, Peer6);
        var host = new Host(options, sends ? [inFrom, from] : [inTo, to]);
        host.Add(Make.Sa(0x1000, from, to, tunnel ? IpsecMode.Tunnel : IpsecMode.Transport, udp: udp));
        host.Add(Make.Policy(sends ? PolicyDirection.Out : PolicyDirection.In, inFrom, inTo, tunnel ? Make.Tunnel(from, to) : Make.Transport()));
        return host;
    }
}
