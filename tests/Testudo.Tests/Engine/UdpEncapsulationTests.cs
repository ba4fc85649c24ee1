// ESP in UDP through NATs (RFC 3948): the peer that moves, the checksums that no longer fit, keepalives, the old marker.

using System.Buffers.Binary;
using Testudo.Engine;
using Testudo.Engine.Keys;
using Testudo.Tests.Checker;
using Testudo.Wire;
using Testudo.Wire.PfKey;
using Xunit;

namespace Testudo.Tests.Engine;

public sealed class UdpEncapsulationTests
{
    // Host A stands behind a NAT that shows it as N; B is on the open side.
    private const string A = "10.1.0.1", B = "192.0.2.2", N = "192.0.2.1", Moved = "192.0.2.77";
    private const string A6 = "fd01::1", B6 = "2001:db8::2", N6 = "2001:db8::1", Moved6 = "2001:db8::77";
    private static readonly byte[] s_text = Build.Pattern(40, 7);

    [Theory]
    [InlineData(false, false)]
    [InlineData(false, true)]
    [InlineData(true, false)]
    [InlineData(true, true)]
    public void The_peer_is_followed_to_where_its_newest_verified_packet_came_from(bool tunnel, bool v6)
    {
        using var pair = new NatPair(tunnel, v6);
        byte[] first = pair.Send(), second = pair.Send(), third = pair.Send();

        // As configured: nobody moved.
        Assert.Single(pair.B.In(pair.Translate(first, pair.Public, 4500)).Passed);
        pair.AssertAnswered(pair.Public, 4500);
        Assert.DoesNotContain(pair.B.Engine.Tick(pair.B.Now), static e => e.Kind == EngineEventKind.PeerMoved);

        // A new mapping: another address and port.
        Assert.Single(pair.B.In(pair.Translate(third, pair.Elsewhere, 31000)).Passed);
        pair.AssertAnswered(pair.Elsewhere, 31000);
        EngineEvent[] moves = [.. pair.B.Engine.Tick(pair.B.Now).Where(static e => e.Kind == EngineEventKind.PeerMoved)];
        Assert.Equal([pair.In, pair.Out], moves.Select(static e => e.Sa).OrderBy(static sa => sa!.Spi));
        Assert.All(moves, move => Assert.Equal(new UdpPeer(Address.Parse(pair.Elsewhere), 31000), move.Sa!.Peer));
        Assert.Empty(pair.B.Engine.Tick(pair.B.Now));

        // An older one that was held back passes, and leads nobody astray.
        Assert.Single(pair.B.In(pair.Translate(second, pair.Public, 4500)).Passed);
        pair.AssertAnswered(pair.Elsewhere, 31000);

        // Replayed or damaged ones neither pass nor lead.
        Assert.Equal(Drop.Replayed, pair.B.In(pair.Translate(third, pair.Public, 999)).Drop);
        byte[] forged = pair.Send();
        forged[^1] ^= 1;
        Assert.Equal(Drop.BadIcv, pair.B.In(pair.Translate(forged, pair.Public, 999)).Drop);
        pair.AssertAnswered(pair.Elsewhere, 31000);

        // And back again.
        Assert.Single(pair.B.In(pair.Translate(pair.Send(), pair.Public, 4500)).Passed);
        pair.AssertAnswered(pair.Public, 4500);
    }

    [Fact]
    public void Nobody_is_followed_where_the_options_say_so_and_without_a_window_nobody_who_replays()
    {
        using var strict = new NatPair(tunnel: true, v6: false, new EngineOptions { FollowsPeers = false });
        Assert.Single(strict.B.In(strict.Translate(strict.Send(), Moved, 31000)).Passed);
        strict.AssertAnswered(N, 4500);

        using var blind = new NatPair(tunnel: true, v6: false, window: 0);
        byte[] sent = blind.Send();
        Assert.Single(blind.B.In(blind.Translate(sent, Moved, 31000)).Passed);
        Assert.Single(blind.B.In(blind.Translate(sent, N, 999)).Passed);
        blind.AssertAnswered(Moved, 31000);
    }

    [Theory]
    [InlineData("224.0.0.9", 31000)]
    [InlineData("127.0.0.1", 31000)]
    [InlineData("0.0.0.0", 31000)]
    [InlineData(B, 31000)]
    [InlineData(Moved, 0)]
    public void What_cannot_be_a_peer_s_place_is_not_followed(string place, int port)
    {
        using var pair = new NatPair(tunnel: true, v6: false);
        Assert.Single(pair.B.In(pair.Translate(pair.Send(), place, port)).Passed);
        pair.AssertAnswered(N, 4500);
    }

    [Theory]
    [InlineData(false, true)]
    [InlineData(false, false)]
    [InlineData(true, true)]
    [InlineData(true, false)]
    [Shows("rfc3948-3.1.2-1")]
    public void Checksums_of_transport_mode_are_mended(bool v6, bool saysOriginals)
    {
        using var pair = new NatPair(tunnel: false, v6, saysOriginals: saysOriginals);
        IpHeader header = v6 ? Build.Ipv6(A6, B6) : Build.Ipv4(A, B);
        byte[] echo = v6 ? header.IcmpEcho(5, 6, s_text) : header.IcmpEcho(5, 6, s_text);

        // The last moves the peer too: its packets still come from the address that the SA names.
        foreach ((string place, int port) in (ReadOnlySpan<(string, int)>)[(pair.Public, 4500), (pair.Elsewhere, 31000)])
        {
            Checker.Check.Packet(pair.B.In(pair.Translate(pair.Send(header.Tcp(7, 9, payload: s_text)), place, port)).Single).Inner().From(pair.Public).Tcp(7, 9).Payload(s_text);
            Checker.Check.Packet(pair.B.In(pair.Translate(pair.Send(header.Udp(7, 9, s_text)), place, port)).Single).Inner().From(pair.Public).Udp(7, 9).Payload(s_text);
            Checker.Check.Packet(pair.B.In(pair.Translate(pair.Send(echo), place, port)).Single).Inner().From(pair.Public).IcmpEcho(5, 6).Payload(s_text);
        }

        // A sender that sums nothing goes on summing nothing.
        if (!v6)
        {
            byte[] bare = pair.B.In(pair.Translate(pair.Send(header.Udp(7, 9, s_text, checksum: false)), N, 4500)).Single;
            Assert.Equal(0, BinaryPrimitives.ReadUInt16BigEndian(bare.AsSpan(26)));
        }
    }

    [Fact]
    public void Where_the_originals_are_known_damage_before_protection_stays_to_be_seen()
    {
        using var pair = new NatPair(tunnel: false, v6: false, saysOriginals: true);
        byte[] damaged = Build.Ipv4(A, B).Tcp(7, 9, payload: s_text);
        damaged[^1] ^= 1;
        byte[] got = pair.B.In(pair.Translate(pair.Send(damaged), N, 4500)).Single;
        Assert.ThrowsAny<Xunit.Sdk.XunitException>(() => Checker.Check.Packet(got).Ipv4().Tcp(7, 9));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    [Shows("rfc3948-2.3-1", "rfc3948-2.3-4", "rfc3948-2.3-5", "rfc3948-4-2")]
    public void A_keepalive_goes_to_each_peer_that_heard_nothing_for_20_seconds(bool v6)
    {
        using var pair = new NatPair(tunnel: true, v6);
        using var wire = new Batch();
        pair.B.Add(Make.Sa(0x3003, v6 ? B6 : B, v6 ? N6 : N, IpsecMode.Tunnel, udp: true)); // a second way to the same peer
        Assert.Empty(Kept(pair.B, wire));
        pair.B.Advance(19);
        Assert.Empty(Kept(pair.B, wire));
        pair.B.Advance(1);
        byte[] sent = Assert.Single(Kept(pair.B, wire));
        Checker.Check.Packet(sent).Inner().From(v6 ? B6 : B).To(pair.Public).Udp(4500, 4500).Payload([0xFF]);
        Assert.Empty(Kept(pair.B, wire));

        // A packet is as good as a keepalive.
        pair.B.Advance(15);
        pair.AssertAnswered(pair.Public, 4500);
        pair.B.Advance(15);
        Assert.Empty(Kept(pair.B, wire));
        pair.B.Advance(5);
        Assert.Single(Kept(pair.B, wire));

        // It follows the peer, and the peer drops it as what it is.
        pair.B.In(pair.Translate(pair.Send(), pair.Elsewhere, 31000));
        pair.B.Advance(20);
        byte[] followed = Assert.Single(Kept(pair.B, wire));
        Checker.Check.Packet(followed).Inner().To(pair.Elsewhere).Udp(4500, 31000).Payload([0xFF]);
        using var a = new Host(new EngineOptions(), pair.Public);
        Assert.Equal(Drop.Keepalive, a.In(sent).Drop);
    }

    [Fact]
    public void Keepalives_can_be_turned_off_and_are_for_SAs_that_this_host_sends_by()
    {
        using var wire = new Batch();
        using var off = new NatPair(tunnel: true, v6: false, new EngineOptions { KeepaliveSeconds = 0 });
        off.B.Advance(100);
        Assert.Empty(Kept(off.B, wire));

        using var receiver = new Host(new EngineOptions(), B);
        receiver.Add(Make.Sa(0x1001, N, B, IpsecMode.Tunnel, udp: true));
        receiver.Add(Make.Sa(0x2002, B, N, IpsecMode.Tunnel));
        receiver.Advance(100);
        Assert.Empty(Kept(receiver, wire));
    }

    [Fact]
    public void The_marker_of_the_drafts_is_written_and_read_and_is_no_RFC_3948()
    {
        SaParameters sa = Make.Sa(0x1001, N, B) with { Encapsulation = new UdpEncapsulation(500, 500) { Form = UdpForm.NonIkeMarker } };
        using var a = new Host(null, N);
        using var b = new Host(null, B);
        a.Add(sa);
        a.Add(Make.Policy(PolicyDirection.Out, N, B));
        b.Add(sa);
        b.Add(Make.Policy(PolicyDirection.In, N, B));
        byte[] clear = Build.Ipv4(N, B).Udp(7, 9, s_text);
        byte[] sent = a.Out(clear).Single;
        PacketCheck udp = Checker.Check.Packet(sent).Ipv4().Udp(500, 500);
        Assert.Equal(new byte[8], udp.Rest[..8].ToArray());
        Assert.Equal(0x1001u, BinaryPrimitives.ReadUInt32BigEndian(udp.Rest[8..]));
        Assert.Equal(clear, b.In(sent).Single);

        // IKE on that port goes its way: its cookie is not zero.
        byte[] ike = Build.Ipv4(N, B).Udp(500, 500, [1, 2, 3, 4, 5, 6, 7, 8, .. new byte[20]]);
        b.Engine.ClearPolicies();
        Assert.Equal(ike, b.In(ike).Single);

        // The same packet without its marker is wrongly encapsulated.
        byte[] bare = Build.Ipv4(N, B).Udp(500, 500, udp.Rest[8..]);
        Assert.Equal(Drop.WrongEncapsulation, b.In(bare).Drop);
    }

    private static List<byte[]> Kept(Host host, Batch wire)
    {
        host.Engine.Tick(host.Now);
        host.Engine.Keepalives(wire, host.Worker);
        List<byte[]> sent = [.. wire.Packets.ToArray().Select(static packet => packet.Span.ToArray())];
        wire.Clear();
        return sent;
    }

    // A as it knows itself, B as it knows A: by the NAT's address.
    private sealed class NatPair : IDisposable
    {
        private readonly Host _a;
        private readonly bool _tunnel, _v6;
        private readonly string _here, _there;

        public NatPair(bool tunnel, bool v6, EngineOptions? options = null, int window = 64, bool saysOriginals = false)
        {
            (_tunnel, _v6) = (tunnel, v6);
            _here = v6 ? A6 : A;
            _there = v6 ? B6 : UdpEncapsulationTests.B;
            (Public, Elsewhere) = v6 ? (N6, Moved6) : (N, Moved);
            _a = new Host(null, _here);
            B = new Host(options, _there);
            IpsecMode mode = tunnel ? IpsecMode.Tunnel : IpsecMode.Transport;
            (string inner, string other) = tunnel ? ("10.8.0.0/16", "10.9.0.0/16") : (Public, _there);
            _a.Add(Make.Sa(0x1001, _here, _there, mode, udp: true));
            _a.Add(Make.Policy(PolicyDirection.Out, tunnel ? inner : _here, other, Request(_here, _there)));
            In = B.Add(Make.Sa(0x1001, Public, _there, mode, udp: true) with
            {
                ReplayWindow = window,
                Encapsulation = new UdpEncapsulation(4500, 4500)
                {
                    OriginalSource = saysOriginals ? Address.Parse(_here) : default,
                    OriginalDestination = saysOriginals ? Address.Parse(_there) : default,
                },
            });
            Out = B.Add(Make.Sa(0x2002, _there, Public, mode, udp: true));
            B.Add(Make.Policy(PolicyDirection.In, inner, other, Request(Public, _there)));
            B.Add(Make.Policy(PolicyDirection.Out, other, inner, Request(_there, Public)));
        }

        public Host B { get; }

        public Sa In { get; }

        public Sa Out { get; }

        public string Public { get; }

        public string Elsewhere { get; }

        public byte[] Send(byte[]? packet = null) => _a.Out(packet ?? (_tunnel ? Build.Ipv4("10.8.0.1", "10.9.0.1")
            : _v6 ? Build.Ipv6(_here, _there) : Build.Ipv4(_here, _there)).Udp(7, 9, s_text)).Single;

        /// <summary>What a NAT makes of a packet: another source address and port; the checksums of IP and UDP fit.</summary>
        public byte[] Translate(byte[] packet, string source, int port)
        {
            byte[] udp = packet[(_v6 ? 40 : 20)..];
            IpHeader header = _v6 ? Build.Ipv6(source, _there) : Build.Ipv4(source, _there);
            return header.Udp((ushort)port, BinaryPrimitives.ReadUInt16BigEndian(udp.AsSpan(2)), udp.AsSpan(8), checksum: _v6);
        }

        public void AssertAnswered(string to, int port)
        {
            byte[] packet = (_tunnel ? Build.Ipv4("10.9.0.1", "10.8.0.1") : _v6 ? Build.Ipv6(_there, Public) : Build.Ipv4(_there, Public)).Udp(9, 7, s_text);
            Checker.Check.Packet(B.Out(packet).Single).Inner().From(_there).To(to).Udp(4500, port);
        }

        public void Dispose()
        {
            _a.Dispose();
            B.Dispose();
        }

        private PolicyRequest Request(string from, string to) => _tunnel ? Make.Tunnel(from, to) : Make.Transport();
    }
}
