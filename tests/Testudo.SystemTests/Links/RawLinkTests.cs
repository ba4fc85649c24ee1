// Raw links between two namespaces: the kernel fragments and reassembles, headers arrive as they were sent.

using Testudo.Links;
using Testudo.Wire;
using Xunit;

namespace Testudo.SystemTests.Links;

public sealed class RawLinkTests
{
    public static TheoryData<string, string> Pairs => new() { { "10.9.0.1", "10.9.0.2" }, { "fd09::1", "fd09::2" } };

    [Theory]
    [MemberData(nameof(Pairs))]
    public void Three_thousand_bytes_of_ESP_arrive_whole_with_the_header_they_were_given(string from, string to)
    {
        using var pair = new Pair();
        using RawLink a = pair.A.Do(() => new RawLink(new RawOptions(Family(from))));
        using RawLink b = pair.B.Do(() => new RawLink(new RawOptions(Family(from))));
        // The source is not the address that the kernel would take.
        string other = from.Replace("::1", "::11", StringComparison.Ordinal).Replace(".0.1", ".0.11", StringComparison.Ordinal);
        byte[] sent = Packets.Ip(other, to, IpProtocol.Esp, Packets.Esp(3000), flow: 0xABCDE);
        (Drop drop, byte[] seen) = Pass(a, b, sent);

        Assert.Equal(Drop.None, drop);
        AssertSame(sent, seen);
        // The kernel's own word that it had to put fragments together.
        string family = from.Contains(':', StringComparison.Ordinal) ? "Ip6ReasmOKs *1" : "IpReasmOKs *1";
        Assert.Matches(family, pair.B.Run("nstat -asz"));
    }

    [Theory]
    [MemberData(nameof(Pairs))]
    public void Short_packets_arrive_as_they_were_in_both_directions(string from, string to)
    {
        using var pair = new Pair();
        using RawLink a = pair.A.Do(() => new RawLink(new RawOptions(Family(from))));
        using RawLink b = pair.B.Do(() => new RawLink(new RawOptions(Family(from))));
        foreach (int length in (ReadOnlySpan<int>)[1, 8, 100, 1400])
        {
            byte[] there = Packets.Ip(from, to, IpProtocol.Esp, Packets.Esp(length), hopLimit: 1, trafficClass: 3);
            AssertSame(there, Pass(a, b, there).Seen);
            byte[] back = Packets.Ip(to, from, IpProtocol.Esp, Packets.Esp(length), hopLimit: 255, trafficClass: 0);
            AssertSame(back, Pass(b, a, back).Seen);
        }
    }

    [Fact]
    public void DF_is_kept_and_what_does_not_fit_with_it_is_refused()
    {
        using var pair = new Pair();
        using RawLink a = pair.A.Do(() => new RawLink(new RawOptions(IpFamily.V4)));
        using RawLink b = pair.B.Do(() => new RawLink(new RawOptions(IpFamily.V4)));
        byte[] sent = Packets.Ip("10.9.0.1", "10.9.0.2", IpProtocol.Esp, Packets.Esp(1480), df: true);
        byte[] seen = Pass(a, b, sent).Seen;
        AssertSame(sent, seen);
        Assert.Equal(0x40, seen[6]);
        Assert.Equal(Drop.LinkRefused, Pass(a, null, Packets.Ip("10.9.0.1", "10.9.0.2", IpProtocol.Esp, Packets.Esp(1481), df: true)).Drop);
    }

    [Fact]
    public void AH_keeps_its_identification_and_fragments_made_by_us_are_put_together()
    {
        using var pair = new Pair();
        using RawLink a = pair.A.Do(() => new RawLink(new RawOptions(IpFamily.V4, IpProtocol.Ah)));
        using RawLink b = pair.B.Do(() => new RawLink(new RawOptions(IpFamily.V4, IpProtocol.Ah)));
        byte[] sent = Packets.Ip("10.9.0.1", "10.9.0.2", IpProtocol.Ah, Packets.Esp(80));
        sent[5] = 77;
        byte[] seen = Pass(a, b, sent).Seen;
        Assert.Equal(77, seen[5]);
        Assert.Equal("raw4 protocol 51", a.Name);

        byte[] first = Packets.Ip("10.9.0.1", "10.9.0.2", IpProtocol.Ah, Packets.Esp(64));
        byte[] second = Packets.Ip("10.9.0.1", "10.9.0.2", IpProtocol.Ah, Packets.Esp(16));
        first[5] = second[5] = 78;
        first[6] = 0x20; // more fragments
        second[7] = 8; // 64 bytes
        Assert.Equal(Drop.None, Pass(a, null, first).Drop);
        Assert.Equal(20 + 80, Pass(a, b, second).Seen.Length);
    }

    [Theory]
    [MemberData(nameof(Pairs))]
    public void A_peer_without_a_route_or_a_foreign_protocol_or_family_is_refused_by_name(string from, string to)
    {
        using var pair = new Pair();
        using RawLink a = pair.A.Do(() => new RawLink(new RawOptions(Family(from))));
        string far = from.Contains(':', StringComparison.Ordinal) ? "2001:db8::1" : "192.0.2.1";
        Assert.Equal(Drop.LinkRefused, Pass(a, null, Packets.Ip(from, far, IpProtocol.Esp, Packets.Esp(50))).Drop);
        Assert.Equal(Drop.LinkRefused, Pass(a, null, Packets.Ip(far, to, IpProtocol.Esp, Packets.Esp(50))).Drop);
        Assert.Equal(Drop.LinkRefused, Pass(a, null, new byte[3]).Drop);
        string wrong = from.Contains(':', StringComparison.Ordinal) ? "10.9.0.1" : "fd09::1";
        Assert.Equal(Drop.LinkRefused, Pass(a, null, Packets.Ip(wrong, wrong, IpProtocol.Esp, Packets.Esp(50))).Drop);
    }

    [Theory]
    [MemberData(nameof(Pairs))]
    public void The_mark_is_on_every_packet_that_leaves(string from, string to)
    {
        using var pair = new Pair();
        pair.A.Run("nft -f -", """
            table inet t {
              counter marked { }
              counter others { }
              chain o { type filter hook output priority 0; meta l4proto esp meta mark 0x53000000 counter name marked accept
                        meta l4proto esp counter name others; }
            }
            """);
        using RawLink a = pair.A.Do(() => new RawLink(new RawOptions(Family(from), Mark: 0x53000000)));
        Assert.Equal(Drop.None, Pass(a, null, Packets.Ip(from, to, IpProtocol.Esp, Packets.Esp(50))).Drop);
        Assert.Equal(Drop.None, Pass(a, null, Packets.Ip(from, to, IpProtocol.Esp, Packets.Esp(50), df: true)).Drop);
        using Nftables nft = pair.A.Do(static () => new Nftables());
        Assert.Equal(2ul, nft.Counters("t")["marked"].Packets);
        Assert.Equal(0ul, nft.Counters("t")["others"].Packets);
    }

    [Theory]
    [MemberData(nameof(Pairs))]
    public void Nothing_is_allocated_per_packet(string from, string to)
    {
        using var pair = new Pair();
        using RawLink a = pair.A.Do(() => new RawLink(new RawOptions(Family(from))));
        using RawLink b = pair.B.Do(() => new RawLink(new RawOptions(Family(from))));
        byte[] packet = Packets.Ip(from, to, IpProtocol.Esp, Packets.Esp(1000));
        using var work = new Batch();
        using var seen = new Batch();
        long least = long.MaxValue;
        for (int round = 0; round < 10; round++)
        {
            work.Clear();
            for (int i = 0; i < 50; i++)
            {
                Assert.True(work.TryAdd(packet));
            }

            seen.Clear();
            long before = GC.GetAllocatedBytesForCurrentThread();
            a.Send(work);
            while (seen.Count < 50 && b.Receive(seen, 5000) > 0)
            {
            }

            least = Math.Min(least, GC.GetAllocatedBytesForCurrentThread() - before);
            Assert.Equal(50, seen.Count);
        }

        Assert.Equal(0, least);
    }

    private static IpFamily Family(string address) => Address.Parse(address).Family;

    // The kernel chooses the identification, and with it the checksum; all else must be as it was.
    private static void AssertSame(byte[] sent, byte[] seen)
    {
        if (sent[0] >> 4 == 4)
        {
            Assert.Equal(0, Checksum.Of(seen.AsSpan(0, 20)));
            seen = [.. seen];
            seen[4] = seen[5] = 0;
            sent.AsSpan(10, 2).CopyTo(seen.AsSpan(10));
        }

        Assert.Equal(sent, seen);
    }

    private static (Drop Drop, byte[] Seen) Pass(RawLink from, RawLink? to, byte[] packet)
    {
        using var batch = new Batch();
        Assert.True(batch.TryAdd(packet));
        from.Send(batch);
        Drop drop = batch[0].Drop;
        batch.Clear();
        if (to is null || drop != Drop.None)
        {
            return (drop, []);
        }

        Assert.Equal(1, to.Receive(batch, 5000));
        return (drop, batch[0].Span.ToArray());
    }
}
