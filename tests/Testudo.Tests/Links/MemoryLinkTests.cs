// The pair of memory links: bytes arrive, the bound holds, waiting ends, nothing is allocated.

using Testudo.Links;
using Testudo.Wire;
using Xunit;

namespace Testudo.Tests.Links;

public sealed class MemoryLinkTests
{
    [Fact]
    public void What_goes_in_at_one_end_comes_out_at_the_other_in_order()
    {
        (MemoryLink a, MemoryLink b) = MemoryLink.Pair("a", "b", 8);
        using var work = new Batch();
        using var seen = new Batch();
        Assert.True(work.TryAdd([1, 2, 3]));
        Assert.True(work.TryAdd(new byte[Batch.MaxPacketLength]));
        Assert.True(work.TryAdd([7]));

        a.Send(work);
        Assert.Equal(0, a.Receive(seen, 0));
        Assert.Equal(3, b.Receive(seen, 0));
        Assert.Equal([1, 2, 3], seen[0].Span.ToArray());
        Assert.Equal(Batch.MaxPacketLength, seen[1].Length);
        Assert.Equal([7], seen[2].Span.ToArray());
        Assert.True(seen[0].Front >= Batch.Headroom && seen[0].Back >= Batch.Tailroom);
        Assert.Equal(("a", "b"), (a.Name, b.Name));
    }

    [Fact]
    public void A_packet_too_many_is_dropped_by_name_and_a_dead_one_is_not_sent()
    {
        (MemoryLink a, MemoryLink b) = MemoryLink.Pair("a", "b", 2);
        using var work = new Batch();
        for (byte i = 0; i < 4; i++)
        {
            Assert.True(work.TryAdd([i]));
        }

        work[0].Drop = Drop.BadIcv;
        a.Send(work);
        Assert.Equal([Drop.BadIcv, Drop.None, Drop.None, Drop.LinkFull], work.Packets.ToArray().Select(static p => p.Drop));
        work.Clear();
        Assert.Equal(2, b.Receive(work, 0));
        Assert.Equal(1, work[0].Span[0]);
    }

    [Fact]
    public void A_program_without_batches_sends_and_receives_single_packets()
    {
        (MemoryLink a, MemoryLink b) = MemoryLink.Pair("a", "b", 2);
        Assert.Equal([Drop.None, Drop.None, Drop.LinkFull], new[] { a.Send([1]), a.Send([2, 3]), a.Send([4]) });
        Assert.Equal([1], b.Receive(timeoutMilliseconds: 0));
        Assert.Equal([2, 3], b.Receive(timeoutMilliseconds: 10_000));
        Assert.Null(b.Receive(timeoutMilliseconds: 0));
        Assert.Equal(Drop.LinkRefused, a.Send([]));
        b.Dispose();
        Assert.Equal(Drop.LinkRefused, a.Send([5]));
        Assert.Null(b.Receive(timeoutMilliseconds: 10_000));
    }

    [Fact]
    public void A_full_batch_leaves_the_rest_for_the_next_time()
    {
        (MemoryLink a, MemoryLink b) = MemoryLink.Pair("a", "b", 600);
        using var work = new Batch();
        for (int round = 0; round < 2; round++)
        {
            work.Clear();
            while (!work.IsFull)
            {
                Assert.True(work.TryAdd([(byte)work.Count]));
            }

            a.Send(work);
        }

        using var seen = new Batch();
        int first = b.Receive(seen, 0);
        Assert.Equal(Batch.MaxPackets, first);
        seen.Clear();
        Assert.Equal(Batch.MaxPackets, b.Receive(seen, 0));
    }

    [Fact]
    public void Waking_ends_a_wait_now_or_the_next_time_and_only_once()
    {
        (MemoryLink a, MemoryLink b) = MemoryLink.Pair("a", "b", 8);
        using var seen = new Batch();
        b.Wake();
        Assert.Equal(0, b.Receive(seen, -1));

        int answer = 99;
        var waiting = new Thread(() => answer = b.Receive(seen, -1));
        waiting.Start();
        using var work = new Batch();
        Assert.True(work.TryAdd([42]));
        a.Send(work);
        waiting.Join();
        Assert.Equal(1, answer);

        waiting = new Thread(() => answer = b.Receive(seen, -1));
        waiting.Start();
        b.Wake();
        waiting.Join();
        Assert.Equal(0, answer);
    }

    [Fact]
    public void A_closed_end_answers_minus_one_and_its_peer_is_refused()
    {
        (MemoryLink a, MemoryLink b) = MemoryLink.Pair("a", "b", 8);
        using var seen = new Batch();
        int answer = 99;
        var waiting = new Thread(() => answer = b.Receive(seen, -1));
        waiting.Start();
        b.Dispose();
        waiting.Join();
        Assert.Equal(-1, answer);
        Assert.Equal(-1, b.Receive(seen, 0));

        using var work = new Batch();
        Assert.True(work.TryAdd([1]));
        a.Send(work);
        Assert.Equal(Drop.LinkRefused, work[0].Drop);
    }

    [Fact]
    public void Two_threads_pass_a_hundred_thousand_packets_without_losing_or_swapping_one()
    {
        const int Total = 100_000;
        (MemoryLink a, MemoryLink b) = MemoryLink.Pair("a", "b", 64);
        var sender = new Thread(() =>
        {
            using var work = new Batch();
            int next = 0;
            while (next < Total)
            {
                work.Clear();
                for (int i = 0; i < 50 && next + i < Total; i++)
                {
                    _ = work.TryAdd(BitConverter.GetBytes(next + i));
                }

                a.Send(work);
                foreach (ref Packet packet in work.Packets)
                {
                    if (packet.Drop != Drop.None)
                    {
                        break; // a full queue takes none of the rest
                    }

                    next++;
                }

                Thread.Yield();
            }
        });
        sender.Start();
        using var seen = new Batch();
        int expected = 0;
        int wrong = 0;
        while (expected < Total)
        {
            seen.Clear();
            b.Receive(seen, -1);
            foreach (ref Packet packet in seen.Packets)
            {
                wrong += BitConverter.ToInt32(packet.Span) == expected++ ? 0 : 1;
            }
        }

        sender.Join();
        Assert.Equal(0, wrong);
    }

    [Fact]
    public void Nothing_is_allocated_per_packet()
    {
        (MemoryLink a, MemoryLink b) = MemoryLink.Pair("a", "b", 512);
        using var work = new Batch();
        using var seen = new Batch();
        long allocated = long.MaxValue;
        for (int round = 0; round < 20; round++)
        {
            work.Clear();
            while (!work.IsFull && work.Count < 100)
            {
                work.TryAdd(new byte[1400]);
            }

            long before = GC.GetAllocatedBytesForCurrentThread();
            a.Send(work);
            seen.Clear();
            b.Receive(seen, 0);
            allocated = Math.Min(allocated, GC.GetAllocatedBytesForCurrentThread() - before);
            Assert.Equal(100, seen.Count);
        }

        Assert.Equal(0, allocated);
    }
}
