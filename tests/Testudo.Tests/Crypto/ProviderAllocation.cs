// Nothing is allocated per job: 100,000 jobs of all transforms and mixed lengths, sealed and opened.

using Testudo.Crypto;
using Xunit;

namespace Testudo.Tests.Crypto;

[Collection(nameof(Alone))]
public abstract class ProviderAllocation(CryptoProvider provider)
{
    private const int Jobs = 100_000;
    private static readonly int[] s_lengths = [0, 16, 64, 576, 1392, 4096];

    [Fact]
    public void Nothing_is_allocated_per_job() => Assert.Equal(0, Measure(provider.Seal, provider.Open));

    [Fact]
    public void The_count_sees_one_allocation_a_batch() => Assert.NotEqual(0, Measure(
        jobs =>
        {
            GC.KeepAlive(new byte[1]);
            provider.Seal(jobs);
        },
        provider.Open));

    [Fact]
    public void A_forged_packet_with_a_separate_icv_allocates_nothing() => Assert.Equal(0, Measure(
        provider.Seal,
        jobs =>
        {
            foreach (ref CryptoJob job in jobs)
            {
                job.SequenceHigh++;
                job.ExtendedSequence = true;
            }

            provider.Open(jobs);
        },
        ok: false,
        only: suite => suite.Transform.Integrity != Integrity.None));

    private delegate void Work(Span<CryptoJob> jobs);

    private long Measure(Work seal, Work open, bool ok = true, Predicate<Suite>? only = null)
    {
        var packets = new List<JobPacket>();
        var keys = new List<SaKey>();
        var template = new List<CryptoJob>();
        foreach (Suite suite in Suite.All.Where(suite => only?.Invoke(suite) ?? true))
        {
            if (provider.Bind(suite.Transform, new byte[suite.CipherKeyLength], new byte[suite.MacKeyLength]) is not { } key)
            {
                continue;
            }

            keys.Add(key);
            foreach (int length in s_lengths)
            {
                var packet = new JobPacket(new byte[8], new byte[suite.IvLength], new byte[length], suite.Transform.IcvLength);
                packets.Add(packet);
                template.Add(packet.Job(key, length == 64 ? 1u : null));
            }
        }

        CryptoJob[] jobs = [.. template];
        RunBatch();
        RunBatch();
        int done = 0;
        bool asExpected = true;
        long before = GC.GetAllocatedBytesForCurrentThread();
        while (done < Jobs)
        {
            RunBatch();
            foreach (ref readonly CryptoJob job in jobs.AsSpan())
            {
                asExpected &= job.Ok == ok;
            }

            done += 2 * jobs.Length;
        }

        long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        Assert.True(asExpected, "not every job ended as it should");
        packets.ForEach(packet => packet.Dispose());
        keys.ForEach(key => key.Dispose());
        return allocated;

        void RunBatch()
        {
            template.CopyTo(jobs);
            seal(jobs);
            open(jobs);
        }
    }
}
