// Reassembly through the way in: any order, no overlap, bounded in time and memory, and no way to starve it.

using CsCheck;
using Testudo.Engine;
using Testudo.Tests.Checker;
using Testudo.Wire;
using Xunit;
using Check = Testudo.Tests.Checker.Check;

namespace Testudo.Tests.Engine;

[Collection(nameof(Alone))] // it reads the working set of the whole process
public sealed class ReassemblyTests
{
    private const string A = "10.1.0.1", B = "10.2.0.1", A6 = "fd01::1", B6 = "fd02::1";

    [Fact]
    public void Fragments_of_any_size_in_any_order_become_the_packet()
    {
        using var b = new Host(null, B, B6);
        uint id = 1;
        Gen.Select(Gen.Bool, Gen.Int[1, 6000], Gen.Int[600, 1500], Gen.Int).Sample((v4, length, mtu, seed) =>
        {
            byte[] whole = v4 ? Build.Ipv4(A, B, 9, 2, false).Udp(7, 9, Build.Pattern(length)) : Build.Ipv6(A6, B6, 9, 2).Udp(7, 9, Build.Pattern(length));
            byte[][] fragments = [.. Build.Fragments(whole, mtu, id++)];
            new Random(seed).Shuffle(fragments);
            byte[] back = Assert.Single(b.In(fragments).Passed);
            if (v4 || fragments.Length == 1)
            {
                PacketCheck check = v4 ? Check.Packet(back).Ipv4().DontFragment(false) : Check.Packet(back).Ipv6();
                check.From(v4 ? A : A6).To(v4 ? B : B6).HopLimit(9).TrafficClass(2).Fragment(0, false).Udp(7, 9).Payload(Build.Pattern(length)); // an atomic fragment keeps its header
            }
            else
            {
                Assert.Equal(whole, back);
            }
        }, iter: 500, threads: 1);
    }

    [Fact]
    public void Headers_before_the_fragment_header_and_IPv4_options_are_kept()
    {
        using var b = new Host(null, B, B6);
        byte[] udp = Build.Ipv6(A6, B6).Udp(7, 9, Build.Pattern(64))[40..];
        byte[][] six = [.. Enumerable.Range(0, 2).Select(static i => i * 40).Select(at => Build.Ipv6(A6, B6).HopByHop([5, 2, 0, 0]).Routing().Fragment(9, at, at == 0).Payload(IpProtocol.Udp, at == 0 ? udp.AsSpan(0, 40) : udp.AsSpan(40)))];
        Assert.Equal(Build.Ipv6(A6, B6).HopByHop([5, 2, 0, 0]).Routing().Udp(7, 9, Build.Pattern(64)), b.In(six).Single);
        udp = Build.Ipv4(A, B).Udp(7, 9, Build.Pattern(64))[20..];
        byte[] first = (Build.Ipv4(A, B, id: 9, dontFragment: false, options: [1, 1, 1, 1]) with { MoreFragments = true }).Payload(IpProtocol.Udp, udp.AsSpan(0, 40));
        byte[] last = (Build.Ipv4(A, B, id: 9, dontFragment: false) with { FragmentOffset = 40 }).Payload(IpProtocol.Udp, udp.AsSpan(40));
        Check.Packet(b.In(last, first).Single).Ipv4().Options([1, 1, 1, 1]).Udp(7, 9).Payload(Build.Pattern(64));
    }

    [Fact]
    public void Datagrams_are_told_apart_by_addresses_number_and_in_IPv4_protocol()
    {
        using var b = new Host(null, B);
        byte[][][] all =
        [
            Fragments("10.1.0.1", IpProtocol.Udp, 1, 'a'), Fragments("10.1.0.2", IpProtocol.Udp, 1, 'b'),
            Fragments("10.1.0.1", IpProtocol.Udp, 2, 'c'), Fragments("10.1.0.1", IpProtocol.Gre, 1, 'd'),
        ];
        Outcome outcome = b.In([.. all.Select(static f => f[0]), .. all.Select(static f => f[1])]);
        Assert.Equal("abcd", string.Concat(outcome.Passed.Select(static p => (char)p[^1])));
        Assert.All(outcome.Passed, static p => Assert.Equal(p[^1], p[20]));

        static byte[][] Fragments(string from, IpProtocol protocol, uint id, char fill) =>
            [.. Build.Fragments(Build.Ipv4(from, B).Payload(protocol, [.. Enumerable.Repeat((byte)fill, 100)]), 84, id)];
    }

    [Fact]
    public void Overlapping_fragments_end_the_datagram()
    {
        foreach ((int at, int length, bool more) in ((int, int, bool)[])[(32, 64, true), (0, 8, true), (56, 16, true), (8, 200, false), (96, 8, false), (48, 8, false)])
        {
            using var b = new Host(null, B);
            Outcome outcome = b.In(Piece(0, 64, true), Piece(96, 64, true), Piece(at, length, more, 0xEE), Piece(64, 32, true), Piece(160, 8, false));
            Assert.Empty(outcome.Passed);
            Assert.Contains(Drop.BadFragment, outcome.Drops);
        }
    }

    [Fact]
    public void A_fragment_that_came_twice_as_it_was_does_not()
    {
        using var b = new Host(null, B);
        Outcome outcome = b.In(Piece(0, 64, true), Piece(0, 64, true), Piece(96, 8, false), Piece(96, 8, false), Piece(64, 32, true));
        Assert.Equal([Drop.BadFragment, Drop.BadFragment], outcome.Drops);
        Assert.Equal(124, Assert.Single(outcome.Passed).Length);

        outcome = b.In(Piece(0, 64, true), Piece(0, 64, true, 0xEE), Piece(64, 32, false)); // the same place, other bytes
        Assert.Empty(outcome.Passed);
    }

    [Theory]
    [InlineData(0, 0, true)]
    [InlineData(0, 12, true)]
    [InlineData(65528, 16, false)]
    [InlineData(65512, 16, true)]
    public void What_no_fragment_can_be_is_refused(int at, int length, bool more)
    {
        using var b = new Host(null, B);
        Assert.Equal(Drop.BadFragment, b.In(Piece(at, length, more)).Drop);
    }

    [Fact]
    public void The_longest_packet_is_put_together_and_none_longer()
    {
        using var b = new Host(null, B);
        byte[] whole = Build.Ipv4(A, B, dontFragment: false).Udp(7, 9, Build.Pattern(65507));
        Assert.Equal(65535, Assert.Single(b.In(Build.Fragments(whole, 1500)).Passed).Length);

        // The first fragment's header is longer than the others' let expect.
        byte[] first = (Build.Ipv4(A, B, id: 9, dontFragment: false, options: new byte[40]) with { MoreFragments = true }).Payload(IpProtocol.Udp, Build.Pattern(65000));
        byte[] last = (Build.Ipv4(A, B, id: 9, dontFragment: false) with { FragmentOffset = 65000 }).Payload(IpProtocol.Udp, Build.Pattern(515));
        Assert.Empty(b.In(first, last).Passed);
    }

    [Fact]
    public void What_waits_too_long_is_given_up_and_counted()
    {
        using var b = new Host(null, B);
        Assert.Equal(1, b.In(Piece(0, 64, true)).Held);
        b.Advance(29.5);
        b.In();
        Assert.Equal(0, b.Worker.Dropped(Drop.ReassemblyTimeout));
        b.Advance(0.5);
        b.In();
        Assert.Equal(1, b.Worker.Dropped(Drop.ReassemblyTimeout));
        Assert.Empty(b.In(Piece(64, 8, false)).Passed);
    }

    [Fact]
    public void A_flood_neither_takes_more_memory_than_allowed_nor_keeps_others_out()
    {
        using var b = new Host(new EngineOptions { ReassemblyBytes = 1024 * 1024 }, B);
        byte[][] good = [.. Build.Fragments(Build.Ipv4("10.3.0.1", B).Udp(7, 9, Build.Pattern(2000)), 1280)];
        Flood(2000); // to warm up
        long before = Environment.WorkingSet;
        for (uint i = 0; i < 20; i++)
        {
            Assert.Equal(1, b.In(good[0]).Held);
            Flood(10, i + 1);
            Assert.Single(b.In(good[1]).Passed);
            Flood(2000, i + 100);
        }

        Assert.True(b.Worker.Dropped(Drop.ReassemblyFull) > 20_000);
        Assert.True(Environment.WorkingSet - before < 32 * 1024 * 1024, "reassembly grows");

        void Flood(int count, uint round = 0) => b.In(Enumerable.Range(0, count).Select(i =>
            (Build.Ipv4($"10.4.{round}.1", B, id: (ushort)i, dontFragment: false) with { MoreFragments = true }).Payload(IpProtocol.Udp, Build.Pattern(8))));
    }

    [Fact]
    public void Where_not_even_one_datagram_may_wait_fragments_are_dropped()
    {
        using var b = new Host(new EngineOptions { ReassemblyBytes = 1000 }, B);
        Assert.Equal(Drop.ReassemblyFull, b.In(Piece(0, 64, true)).Drop);
    }

    [Fact]
    public void A_datagram_of_more_fragments_than_anybody_sends_is_given_up()
    {
        using var b = new Host(null, B);
        Outcome outcome = b.In(Enumerable.Range(0, 400).Select(static i => Piece(i * 8, 8, true)));
        Assert.Contains(Drop.BadFragment, outcome.Drops);
        Assert.Empty(outcome.Passed);
    }

    [Theory]
    [InlineData(2, 2, 2)]
    [InlineData(2, 3, 3)]
    [InlineData(3, 1, 3)]
    [InlineData(0, 0, 0)]
    [InlineData(0, 3, -1)]
    [InlineData(3, 0, -1)]
    public void A_congestion_mark_on_any_fragment_is_on_the_packet(byte first, byte last, int expected)
    {
        foreach (bool v4 in (bool[])[true, false])
        {
            using var b = new Host(null, B, B6);
            byte[][] one = [.. Build.Fragments(v4 ? Build.Ipv4(A, B, tos: first).Udp(7, 9, Build.Pattern(100)) : Build.Ipv6(A6, B6, trafficClass: first).Udp(7, 9, Build.Pattern(100)), 120)];
            byte[][] other = [.. Build.Fragments(v4 ? Build.Ipv4(A, B, tos: last).Udp(7, 9, Build.Pattern(100)) : Build.Ipv6(A6, B6, trafficClass: last).Udp(7, 9, Build.Pattern(100)), 120)];
            Outcome outcome = b.In([one[0], .. other[1..]]);
            if (expected < 0)
            {
                Assert.Equal(Drop.EcnCorrupted, outcome.Drop);
            }
            else
            {
                Check.Packet(outcome.Single).Inner().TrafficClass(expected).Udp(7, 9);
            }
        }
    }

    private static byte[] Piece(int at, int length, bool more, byte fill = 0) =>
        (Build.Ipv4(A, B, id: 7, dontFragment: false) with { FragmentOffset = at, MoreFragments = more }).Payload(IpProtocol.Udp, [.. Enumerable.Repeat(fill, length)]);
}
