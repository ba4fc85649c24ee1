// Path MTU: who is told, and that the number is exact: a packet of that size passes, one of a byte more does not.

using Testudo.Engine;
using Testudo.Tests.Checker;
using Testudo.Wire;
using Testudo.Wire.PfKey;
using Xunit;

namespace Testudo.Tests.Engine;

public sealed class SizeTests
{
    private const string A = "10.1.0.1", B = "10.2.0.1", A6 = "fd01::1", B6 = "fd02::1";

    public static TheoryData<string, bool, int, int, bool, int> Shapes
    {
        get
        {
            var data = new TheoryData<string, bool, int, int, bool, int>();
            foreach (Suite suite in Suite.All)
            {
                foreach (bool udp in (bool[])[false, true])
                {
                    data.Add(suite.ToString(), false, 4, 4, udp, 1500);
                    data.Add(suite.ToString(), false, 6, 6, udp, 1499);
                    data.Add(suite.ToString(), true, 4, 4, udp, 1400);
                    data.Add(suite.ToString(), true, 4, 6, udp, 1501);
                    data.Add(suite.ToString(), true, 6, 4, udp, 1502);
                    data.Add(suite.ToString(), true, 6, 6, udp, 1503);
                }
            }

            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Shapes))]
    [Shows("rfc4301-8.2.1-3", "rfc4301-8.2.1-6", "rfc4303-3.3.4-1", "rfc2401-6.1.2.2-1")]
    public void The_number_in_the_answer_is_the_longest_packet_that_passes(string suiteName, bool tunnel, int inner, int outer, bool udp, int mtu)
    {
        Suite suite = Suite.All.Single(s => s.ToString() == suiteName);
        (string from, string to) = !tunnel ? inner == 4 ? (A, B) : (A6, B6) : outer == 4 ? ("192.0.2.1", "192.0.2.2") : ("2001:db8::1", "2001:db8::2");
        using var a = new Host(new EngineOptions { Mtu = mtu }, A, A6);
        a.Add(Make.Sa(0x1000, from, to, tunnel ? IpsecMode.Tunnel : IpsecMode.Transport, suite, udp));
        a.Add(Make.Policy(PolicyDirection.Out, inner == 4 ? A : A6, inner == 4 ? B : B6, tunnel ? Make.Tunnel(from, to) : Make.Transport()));
        for (int length = mtu - 16; length <= mtu; length++)
        {
            Outcome outcome = a.Out(Packet(inner, length));
            Assert.Equal(Drop.TooBig, outcome.Drop);
            int fits = Told(Assert.Single(outcome.Answers), inner);
            Assert.InRange(a.Out(Packet(inner, fits)).Single.Length, fits + 1, mtu);
            Assert.Equal(Drop.TooBig, a.Out(Packet(inner, fits + 1)).Drop);
        }
    }

    [Fact]
    [Shows("rfc4301-8.2.1-2", "rfc2401-6.1.2.2-1")]
    public void A_bundle_is_measured_as_a_whole_and_by_its_outermost_destination()
    {
        using var a = new Host(new EngineOptions { Mtu = 1500 }, A);
        a.Add(Make.Sa(0x1000, A, B, IpsecMode.Transport, Suite.Cbc128));
        a.Add(Make.Sa(0x1001, "192.0.2.1", "192.0.2.2", IpsecMode.Tunnel, Suite.Null));
        a.Add(Make.Sa(0x1002, "2001:db8::1", "2001:db8::2", IpsecMode.Tunnel, Suite.Cbc128));
        a.Add(Make.Policy(PolicyDirection.Out, A, B, Make.Transport(), Make.Tunnel("192.0.2.1", "192.0.2.2"), Make.Tunnel("2001:db8::1", "2001:db8::2")));
        a.Engine.PathMtus.Set(Address.Parse(B), 600);
        a.Engine.PathMtus.Set(Address.Parse("192.0.2.2"), 600);
        a.Engine.PathMtus.Set(Address.Parse("2001:db8::2"), 1400);
        int fits = Told(Assert.Single(a.Out(Packet(4, 1400)).Answers), 4);
        Assert.InRange(a.Out(Packet(4, fits)).Single.Length, 1385, 1400);
        Assert.Equal(Drop.TooBig, a.Out(Packet(4, fits + 1)).Drop);
    }

    [Fact]
    public void Without_DF_what_is_protected_may_be_longer_than_the_path()
    {
        using Host a = Sender();
        Assert.InRange(a.Out(Build.Ipv4(A, B, dontFragment: false).Udp(7, 9, Build.Pattern(1472))).Single.Length, 1501, 1560);
    }

    [Fact]
    public void IPv6_datagrams_longer_than_the_link_were_left_to_be_fragmented_and_TCP_was_not()
    {
        using Host a = Sender();
        Assert.True(a.Out(Build.Ipv6(A6, B6).Udp(7, 9, Build.Pattern(5000))).Single.Length > 5000);
        Assert.Equal(Drop.TooBig, a.Out(Build.Ipv6(A6, B6).Tcp(7, 9, Build.Pattern(5000))).Drop);
        Assert.Equal(Drop.TooBig, a.Out(Build.Ipv6("fd01::9", B6).Udp(7, 9, Build.Pattern(5000))).Drop); // forwarded
    }

    [Fact]
    public void No_sender_is_told_less_than_its_version_allows()
    {
        using Host a = Sender();
        a.Engine.PathMtus.Set(Address.Parse(B6), 500); // taken as 1280
        Outcome outcome = a.Out(Build.Ipv6(A6, B6).Tcp(7, 9, Build.Pattern(1240)));
        Assert.Equal(1280, Told(Assert.Single(outcome.Answers), 6));
        Assert.True(a.Out(Packet(6, 1280)).Single.Length > 1280);
        a.Engine.PathMtus.Set(Address.Parse(B), 20); // taken as 576
        int fits = Told(Assert.Single(a.Out(Packet(4, 600)).Answers), 4);
        Assert.InRange(a.Out(Packet(4, fits)).Single.Length, 573, 576);
    }

    [Fact]
    public void What_would_be_longer_than_a_packet_can_be_is_refused_by_its_own_name()
    {
        using var a = new Host(new EngineOptions { Mtu = 65535 }, A);
        a.Add(Make.Sa(0x1000, A, B));
        a.Add(Make.Policy(PolicyDirection.Out, A, B));
        Outcome outcome = a.Out(Build.Ipv4(A, B, dontFragment: false).Udp(7, 9, Build.Pattern(65500)));
        Assert.Equal(Drop.TooLong, outcome.Drop);
        int fits = Told(Assert.Single(outcome.Answers), 4);
        Assert.InRange(a.Out(Packet(4, fits)).Single.Length, 65532, 65535);
        Assert.Equal(Drop.TooLong, a.Out(Packet(4, fits + 1)).Drop);
    }

    [Fact]
    public void No_error_is_sent_about_an_error()
    {
        using Host a = Sender();
        Outcome outcome = a.Out(Build.Ipv4(A, B).Icmp(3, 1, 0, Build.Pattern(1472)));
        Assert.Equal(Drop.TooBig, outcome.Drop);
        Assert.Empty(outcome.Answers);
    }

    private static Host Sender()
    {
        var a = new Host(new EngineOptions { Mtu = 1500 }, A, A6);
        a.Add(Make.Sa(0x1000, A, B));
        a.Add(Make.Sa(0x2000, A6, B6));
        a.Add(Make.Policy(PolicyDirection.Out, A, B));
        a.Add(Make.Policy(PolicyDirection.Out, A6, B6));
        a.Add(Make.Policy(PolicyDirection.Out, "fd01::9", B6, Make.Tunnel(A6, B6)));
        a.Add(Make.Sa(0x2001, A6, B6, IpsecMode.Tunnel));
        return a;
    }

    private static byte[] Packet(int family, int length) => family == 4
        ? Build.Ipv4(A, B).Udp(7, 9, Build.Pattern(length - 28))
        : Build.Ipv6(A6, B6).Udp(7, 9, Build.Pattern(length - 48));

    private static int Told(byte[] answer, int family)
    {
        PacketCheck check = Check.Packet(answer).Inner().From(family == 4 ? B : B6).To(family == 4 ? A : A6);
        check = family == 4 ? check.Icmp(3, 4) : check.Icmp(2, 0);
        check.Quoted().From(family == 4 ? A : A6).To(family == 4 ? B : B6);
        int at = family == 4 ? 20 + 6 : 40 + 6;
        return (answer[at] << 8) | answer[at + 1];
    }
}
