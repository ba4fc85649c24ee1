// The bad network: what it does follows the seed, and each setting does what its name says.

using Testudo.Links;
using Testudo.Wire;
using Xunit;

namespace Testudo.Tests.Links;

public sealed class LossLinkTests
{
    [Fact]
    public void The_same_seed_gives_the_same_behaviour_and_another_one_another()
    {
        var bad = new LossOptions(Lose: 0.2, Duplicate: 0.1, Reorder: 0.2, Span: 5, Delay: 1);
        int[] first = Pass(bad, 7, 500);
        Assert.Equal(first, Pass(bad, 7, 500));
        Assert.NotEqual(first, Pass(bad, 8, 500));
    }

    [Fact]
    public void How_packets_are_batched_plays_no_part()
    {
        var bad = new LossOptions(Lose: 0.2, Duplicate: 0.1, Reorder: 0.2, Span: 5, Delay: 1);
        Assert.Equal(Pass(bad, 7, 500, batch: 1), Pass(bad, 7, 500, batch: 100));
    }

    [Fact]
    public void A_good_network_changes_nothing() => Assert.Equal(Enumerable.Range(0, 300), Pass(new LossOptions(), 1, 300));

    [Fact]
    public void Loss_loses_about_the_share_asked_for_and_keeps_the_order()
    {
        int[] seen = Pass(new LossOptions(Lose: 0.3), 1, 10_000);
        Assert.InRange(seen.Length, 6_800, 7_200);
        Assert.Equal(seen.Order(), seen);
    }

    [Fact]
    public void Duplicates_follow_their_first_at_once_where_nothing_is_delayed()
    {
        int[] seen = Pass(new LossOptions(Duplicate: 1), 1, 200);
        Assert.Equal(Enumerable.Range(0, 400).Select(static i => i / 2), seen);
    }

    [Fact]
    public void A_reordered_packet_comes_at_most_the_span_late_and_none_is_lost()
    {
        int[] seen = Pass(new LossOptions(Reorder: 0.3, Span: 4), 3, 2_000);
        Assert.Equal(Enumerable.Range(0, 2_000), seen.Order());
        Assert.NotEqual(Enumerable.Range(0, 2_000), seen);
        for (int i = 0; i < seen.Length; i++)
        {
            // Later packets that overtook it: never more than the span.
            int place = i;
            Assert.InRange(seen.Take(place).Count(other => other > seen[place]), 0, 4);
        }
    }

    [Fact]
    public void A_delay_holds_each_packet_until_so_many_later_ones_were_sent()
    {
        (MemoryLink a, MemoryLink b) = MemoryLink.Pair("a", "b", 64);
        using var bad = new LossLink(a, new LossOptions(Delay: 2), new Random(1));
        using var work = new Batch();
        using var seen = new Batch();
        int[] counts = new int[5];
        for (int i = 0; i < counts.Length; i++)
        {
            work.Clear();
            work.TryAdd([(byte)i]);
            bad.Send(work);
            counts[i] = b.Receive(seen, 0);
        }

        // Packet 0 waits for 1 and 2 and goes before 3.
        Assert.Equal([0, 0, 0, 1, 1], counts);
        Assert.Equal(3, bad.HeldBack);
        bad.Flush();
        Assert.Equal(3, b.Receive(seen, 0));
        Assert.Equal([0, 1, 2, 3, 4], seen.Packets.ToArray().Select(static p => (int)Byte(p)));
    }

    [Fact]
    public void What_the_link_below_refuses_is_told_and_what_is_lost_is_not()
    {
        (MemoryLink a, MemoryLink _) = MemoryLink.Pair("a", "b", 1);
        using var good = new LossLink(a, new LossOptions(), new Random(1));
        using var work = new Batch();
        work.TryAdd([1]);
        work.TryAdd([2]);
        good.Send(work);
        Assert.Equal([Drop.None, Drop.LinkFull], work.Packets.ToArray().Select(static p => p.Drop));

        (MemoryLink c, MemoryLink d) = MemoryLink.Pair("c", "d", 8);
        using var black = new LossLink(c, new LossOptions(Lose: 1), new Random(1));
        work.Clear();
        work.TryAdd([1]);
        black.Send(work);
        Assert.Equal(Drop.None, work[0].Drop);
        Assert.Equal(1, black.Lost);
        Assert.Equal(0, d.Receive(work, 0));
    }

    private static unsafe byte Byte(Packet packet) => packet.Data[0];

    // Sends numbered packets through a bad network, gives the numbers that arrive in their order.
    private static int[] Pass(LossOptions options, int seed, int count, int batch = 10)
    {
        (MemoryLink a, MemoryLink b) = MemoryLink.Pair("a", "b", 4096);
        using var bad = new LossLink(a, options, new Random(seed));
        using var work = new Batch();
        using var seen = new Batch();
        var numbers = new List<int>();
        for (int next = 0; next < count;)
        {
            work.Clear();
            for (int i = 0; i < batch && next < count; i++)
            {
                work.TryAdd(BitConverter.GetBytes(next++));
            }

            bad.Send(work);
            Collect();
        }

        bad.Flush();
        Collect();
        return [.. numbers];

        void Collect()
        {
            do
            {
                seen.Clear();
                b.Receive(seen, 0);
                foreach (ref Packet packet in seen.Packets)
                {
                    numbers.Add(BitConverter.ToInt32(packet.Span));
                }
            }
            while (seen.Count > 0);
        }
    }
}
