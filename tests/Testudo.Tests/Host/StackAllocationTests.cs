// Nothing is allocated per packet from program to program: 100,000 packets each way through two stacks on their own
// threads, counted in the whole process.

using Testudo.Links;
using Testudo.Tests.Checker;
using Testudo.Wire;
using Xunit;

namespace Testudo.Tests.Host;

[Collection(nameof(Alone))]
public sealed class StackAllocationTests
{
    private const int Rounds = 10, PacketsARound = 10_000, InFlight = 50;

    [Fact]
    public async Task Nothing_is_allocated_per_packet()
    {
        (long Least, long All) allocated = await Measure(static link => link);

        // The control thread's tick and the test runner's own threads allocate now and then; a round without them shows
        // what packets cost, and all rounds together show that it is not a little for each.
        Assert.Equal(0, allocated.Least);
        Assert.True(allocated.All < 2 * Rounds * PacketsARound, $"{allocated.All} bytes for {2 * Rounds * PacketsARound} packets");
    }

    [Fact]
    public async Task The_count_sees_one_allocation_a_batch() => Assert.NotEqual(0, (await Measure(static link => new Wasteful(link))).Least);

    private static async Task<(long Least, long All)> Measure(Func<Link, Link> wrap)
    {
        await using Stacks stacks = new Stacks(wrap: wrap).Protected();
        byte[] there = Build.Ipv4("10.0.0.1", "10.0.0.2").Udp(1, 2, new byte[1000]), back = Build.Ipv4("10.0.0.2", "10.0.0.1").Udp(2, 1, new byte[200]);
        using var batch = new Batch();
        Round(2000); // more than the queues hold: each of their buffers is there afterwards
        Round(2000);
        long least = long.MaxValue, all = 0;
        for (int i = 0; i < Rounds; i++)
        {
            long before = GC.GetTotalAllocatedBytes(precise: true);
            Round(PacketsARound);
            long allocated = GC.GetTotalAllocatedBytes(precise: true) - before;
            least = Math.Min(least, allocated);
            all += allocated;
        }

        return (least, all);

        void Round(int packets)
        {
            for (int sent = 0; sent < packets; sent += InFlight)
            {
                Pass(stacks.ProgramA, stacks.ProgramB, there);
                Pass(stacks.ProgramB, stacks.ProgramA, back);
            }
        }

        void Pass(Link from, Link to, byte[] packet)
        {
            batch.Clear();
            for (int i = 0; i < InFlight; i++)
            {
                batch.TryAdd(packet);
            }

            from.Send(batch);
            for (int received = 0; received < InFlight;)
            {
                batch.Clear();
                int count = to.Receive(batch, 10_000);
                if (count <= 0)
                {
                    throw new TimeoutException($"{received} of {InFlight} packets came");
                }

                received += count;
            }
        }
    }

    // Passes everything on, and allocates once a batch.
    private sealed class Wasteful(Link inner) : Link
    {
        public override string Name => inner.Name;

        public override int Receive(Batch into, int timeoutMilliseconds) => inner.Receive(into, timeoutMilliseconds);

        public override void Send(Batch packets)
        {
            GC.KeepAlive(new byte[1]);
            inner.Send(packets);
        }

        public override void Wake() => inner.Wake();

        protected override void Dispose(bool disposing) => inner.Dispose();
    }
}
