// ICMP errors about protected packets: which are believed, what follows from them, and for how long.

using Testudo.Engine;
using Testudo.Engine.PathMtu;
using Testudo.Tests.Checker;
using Testudo.Wire;
using Testudo.Wire.PfKey;
using Xunit;

namespace Testudo.Tests.Engine;

public sealed class PathMtuTests
{
    private const string A = "10.1.0.1", B = "10.2.0.1", A6 = "fd01::1", B6 = "fd02::1", Gate = "192.0.2.1", Peer = "192.0.2.2", Gate6 = "2001:db8::1", Peer6 = "2001:db8::2";

    [Theory]
    [InlineData(false, 4, 4, false)]
    [InlineData(false, 6, 6, false)]
    [InlineData(false, 4, 4, true)]
    [InlineData(false, 6, 6, true)]
    [InlineData(true, 4, 4, false)]
    [InlineData(true, 6, 4, true)]
    [InlineData(true, 4, 6, false)]
    [InlineData(true, 6, 6, true)]
    [Shows("rfc4301-5.1-4", "rfc4301-8.2.1-1", "rfc4301-8.2.1-2", "rfc2401-6.1.2.3-2", "rfc2401-6.1.2.3-3")]
    public void A_router_lowers_the_path_and_the_next_packet_that_does_not_fit_makes_its_sender_told(bool tunnel, int inner, int outer, bool udp)
    {
        using Host a = Sender(tunnel, inner, outer, udp);
        byte[] sent = a.Out(Packet(inner, 1440)).Single;
        Assert.Equal(Drop.IcmpNoted, a.In(TooBig(sent, 1400)).Drop);
        Outcome outcome = a.Out(Packet(inner, 1440));
        Assert.Equal(Drop.TooBig, outcome.Drop);
        byte[] answer = Assert.Single(outcome.Answers);
        PacketCheck check = Check.Packet(answer).Inner().From(inner == 4 ? B : B6).To(inner == 4 ? A : A6);
        _ = inner == 4 ? check.Icmp(3, 4) : check.Icmp(2, 0);
        int at = inner == 4 ? 26 : 46;
        int fits = (answer[at] << 8) | answer[at + 1];
        Assert.InRange(a.Out(Packet(inner, fits)).Single.Length, fits + 1, 1400);
        KnownMtu known = a.Engine.PathMtus.Explain(Destination(sent), a.Now);
        Assert.Equal((1400, PathMtuSource.Icmp, Address.Parse(Router(sent)), a.Now.UnixSeconds), (known.Bytes, known.Source, known.By, known.UnixSeconds));
    }

    [Fact]
    [Shows("rfc4301-8.2.2-1", "rfc4301-8.2.2-2", "rfc2401-4.4.3-19")]
    public void After_ten_minutes_it_is_forgotten_and_an_error_that_comes_again_keeps_it()
    {
        using Host a = Sender(false, 4, 4, false);
        byte[] sent = a.Out(Packet(4, 1400)).Single;
        Assert.Equal(Drop.IcmpNoted, a.In(TooBig(sent, 1300)).Drop);
        a.Advance(599);
        Assert.Equal(Drop.TooBig, a.Out(Packet(4, 1400)).Drop);
        Assert.Equal(Drop.IcmpNoted, a.In(TooBig(sent, 1300)).Drop);
        a.Advance(599);
        Assert.Equal(Drop.TooBig, a.Out(Packet(4, 1400)).Drop);
        a.Advance(2);
        _ = a.Out(Packet(4, 1400)).Single;
        Assert.Equal(PathMtuSource.Option, a.Engine.PathMtus.Explain(Address.Parse(B), a.Now).Source);
    }

    [Fact]
    public void A_path_does_not_grow_by_an_error_and_a_device_that_takes_less_knows_better()
    {
        using Host a = Sender(false, 4, 4, false);
        Address to = Address.Parse(B);
        byte[] sent = a.Out(Packet(4, 1400)).Single;
        Assert.Equal(Drop.IcmpNoted, a.In(TooBig(sent, 1300)).Drop);
        Assert.Equal(Drop.IcmpRefused, a.In(TooBig(sent, 1350)).Drop);
        a.Engine.PathMtus.Set(to, 1200);
        Assert.Equal((1200, PathMtuSource.Device), (a.Engine.PathMtus.Explain(to, a.Now).Bytes, a.Engine.PathMtus.Explain(to, a.Now).Source));
        a.Engine.PathMtus.Set(to, 1500);
        Assert.Equal(1300, a.Engine.PathMtus.Of(to, a.Now));
    }

    [Fact]
    public void An_old_router_that_names_no_MTU_means_the_next_usual_one()
    {
        using Host a = Sender(false, 4, 4, false);
        byte[] sent = a.Out(Packet(4, 1400)).Single;
        Assert.Equal(Drop.IcmpNoted, a.In(TooBig(sent, 0)).Drop);
        Assert.Equal(1006, a.Engine.PathMtus.Of(Address.Parse(B), a.Now)); // RFC 1191, 7.1
    }

    [Fact]
    public void Nobody_chokes_a_path()
    {
        using Host a = Sender(false, 4, 4, false);
        byte[] sent = a.Out(Packet(4, 1400)).Single;
        Assert.Equal(Drop.IcmpNoted, a.In(TooBig(sent, 68)).Drop);
        Assert.Equal(576, a.Engine.PathMtus.Of(Address.Parse(B), a.Now));
        Assert.Equal(Drop.IcmpRefused, a.In(TooBig(sent, 67)).Drop);
        using Host a6 = Sender(false, 6, 6, false);
        sent = a6.Out(Packet(6, 1400)).Single;
        Assert.Equal(Drop.IcmpRefused, a6.In(TooBig(sent, 1279)).Drop); // RFC 8201, 4
        Assert.Equal(Drop.IcmpNoted, a6.In(TooBig(sent, 1280)).Drop);
    }

    [Fact]
    public void An_error_is_believed_only_about_what_was_sent_lately()
    {
        using Host a = Sender(false, 4, 4, false);
        byte[] sent = a.Out(Packet(4, 1400)).Single;
        Address to = Address.Parse(B);
        byte[] Quoting(Action<byte[]> change)
        {
            byte[] quote = [.. sent];
            change(quote);
            return TooBig(quote, 1300);
        }

        Assert.Equal(Drop.IcmpRefused, a.In(Quoting(static q => q[27] = 9)).Drop); // a number not sent yet
        Assert.Equal(Drop.IcmpRefused, a.In(Quoting(static q => q[27] = 0)).Drop);
        Assert.Equal(Drop.IcmpRefused, a.In(Quoting(static q => q[3] = q[2] = 5)).Drop); // 1285 bytes, that fit 1300
        _ = a.In(Quoting(static q => q[23]++)).Single; // another SPI: about nobody's packet, and policy lets it in
        _ = a.In(Quoting(static q => q[15]++)).Single; // another source
        _ = a.In(Quoting(static q => q[9] = 6)).Single; // about a clear packet
        byte[] broken = TooBig(sent, 1300);
        broken[22] ^= 1;
        _ = a.In(broken).Single; // whose checksum is wrong says nothing
        Assert.Equal(1600, a.Engine.PathMtus.Of(to, a.Now));
        Assert.Equal(Drop.IcmpNoted, a.In(TooBig(sent[..28], 1300)).Drop); // 8 bytes behind the IP header are enough for ESP
        Assert.Equal(1300, a.Engine.PathMtus.Of(to, a.Now));
    }

    [Fact]
    public void A_number_may_be_as_old_as_a_round_trip()
    {
        using Host a = Sender(false, 4, 4, false, last: 0x80000000);
        byte[] sent = a.Out(Packet(4, 1400)).Single;
        byte[] old = [.. sent];
        (old[24], old[25], old[26], old[27]) = (0x7F, 0xFC, 0, 2); // 262143 before
        Assert.Equal(Drop.IcmpNoted, a.In(TooBig(old, 1300)).Drop);
        old[27] = 1;
        Assert.Equal(Drop.IcmpRefused, a.In(TooBig(old, 1200)).Drop);
    }

    [Fact]
    [Shows("rfc4301-6.1.1-3")]
    public void By_option_no_error_is_believed()
    {
        using Host a = Sender(false, 4, 4, false, new EngineOptions { Mtu = 1600, HonoursTooBig = false });
        byte[] sent = a.Out(Packet(4, 1400)).Single;
        Assert.Equal(Drop.IcmpRefused, a.In(TooBig(sent, 1300)).Drop);
        Assert.Equal(1600, a.Engine.PathMtus.Of(Address.Parse(B), a.Now));
    }

    [Theory]
    [InlineData(3, 1)]
    [InlineData(11, 0)]
    public void Other_errors_are_kept_to_be_shown(byte type, byte code)
    {
        using Host a = Sender(false, 4, 4, false);
        byte[] sent = a.Out(Packet(4, 1400)).Single;
        Assert.Null(a.Engine.Sad.All.First().LastError);
        Assert.Equal(Drop.IcmpNoted, a.In(Build.Ipv4("192.0.2.254", A).Icmp(type, code, 0, sent.AsSpan(0, 100))).Drop);
        Assert.Equal(new SaError(type, code, Address.Parse("192.0.2.254"), a.Now.UnixSeconds), a.Engine.Sad.All.First().LastError);
    }

    [Fact]
    public void An_error_for_another_host_passes_a_gateway()
    {
        using Host a = Sender(true, 4, 4, false);
        byte[] sent = a.Out(Packet(4, 1400)).Single;
        byte[] error = Build.Ipv4("192.0.2.254", "198.51.100.9").Icmp(3, 4, 1300, sent.AsSpan(0, 100));
        Assert.Equal(error, a.In(error).Single);
    }

    internal static byte[] TooBig(byte[] sent, uint mtu) => sent[0] >> 4 == 4
        ? Build.Ipv4(Router(sent), new System.Net.IPAddress(sent.AsSpan(12, 4)).ToString()).Icmp(3, 4, mtu, sent.AsSpan(0, Math.Min(sent.Length, 548)))
        : Build.Ipv6(Router(sent), new System.Net.IPAddress(sent.AsSpan(8, 16)).ToString()).Icmp(2, 0, mtu, sent.AsSpan(0, Math.Min(sent.Length, 1232)));

    private static string Router(byte[] sent) => sent[0] >> 4 == 4 ? "192.0.2.254" : "2001:db8::fe";

    private static Address Destination(byte[] sent) => sent[0] >> 4 == 4 ? Address.V4(sent.AsSpan(16)) : Address.V6(sent.AsSpan(24));

    private static byte[] Packet(int family, int length) => family == 4
        ? Build.Ipv4(A, B).Udp(7, 9, Build.Pattern(length - 28))
        : Build.Ipv6(A6, B6).Udp(7, 9, Build.Pattern(length - 48));

    private static Host Sender(bool tunnel, int inner, int outer, bool udp, EngineOptions? options = null, ulong last = 0)
    {
        (string from, string to) = !tunnel ? inner == 4 ? (A, B) : (A6, B6) : outer == 4 ? (Gate, Peer) : (Gate6, Peer6);
        var a = new Host(options ?? new EngineOptions { Mtu = 1600 }, A, A6, Gate, Gate6);
        a.Add(Make.Sa(0x1000, from, to, tunnel ? IpsecMode.Tunnel : IpsecMode.Transport, udp: udp) with { LastSequence = last });
        a.Add(Make.Policy(PolicyDirection.Out, inner == 4 ? A : A6, inner == 4 ? B : B6, tunnel ? Make.Tunnel(from, to) : Make.Transport()));
        return a;
    }
}
