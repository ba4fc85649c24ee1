// Bytes from outside that are wrong in any way: an answer, never an exception, and nothing half done.

using CsCheck;
using Testudo.Control.PfKey;
using Testudo.Tests.PfKey;
using Testudo.Wire.PfKey;
using Xunit;
using static Testudo.Tests.Control.Bench;

namespace Testudo.Tests.Control;

public sealed class MutationTests
{
    private static readonly byte[][] s_seeds =
    [
        .. Conversations.Linux.Select(record => record.Bytes),
        .. new[]
        {
            Add(0x1001), Add(0x1001, fill: 90) with { Type = PfKeyType.Update }, Esp(PfKeyType.Get, Aes(0x1001), Source(), Destination()),
            Esp(PfKeyType.Delete, Aes(0x1001), Source(), Destination()), Esp(PfKeyType.Delete, Source(), Destination()), Esp(PfKeyType.Dump),
            Spd(PfKeyType.SpdAdd, Source(), Destination(), Protect(), new TestudoExtension()), Spd(PfKeyType.SpdDump), Spd(PfKeyType.SpdFlush),
            Spd(PfKeyType.SpdDelete, Source(), Destination(), Protect()), Spd(PfKeyType.SpdGet, Protect() with { Id = 0x4000 }),
            Spd(PfKeyType.SpdDelete2, Protect() with { Id = 0x4000 }),
        }.Select(message => Codec.Write(Dialect.Linux, message)),
    ];

    private static readonly Gen<(int Seed, int[] At, byte[] Value, int Guard)[]> s_conversation = Gen.Select(
        Gen.Int[0, s_seeds.Length - 1], Gen.Int[0, 400].Array[0, 3], Gen.OneOf(Gen.Byte, Gen.Byte[0, 24]).Array[3], Gen.Int[0, 9]).Array[1, 12];

    [Fact]
    public void A_conversation_of_mutated_records_never_throws_and_a_refused_request_changes_nothing()
    {
        int done = 0, refused = 0;
        s_conversation.Sample(conversation =>
        {
            var bench = new Bench();
            KeySession session = bench.Server.Open(Dialect.Linux), other = bench.Server.Open(Dialect.FreeBsd);
            bench.Done(session, Add(0x1001));
            bench.Done(session, Spd(PfKeyType.SpdAdd, Source(), Destination(), Protect()));
            Take(other);
            foreach ((int seed, int[] at, byte[] value, int guard) in conversation)
            {
                byte[] record = [.. s_seeds[seed]];
                for (int i = 0; i < at.Length; i++)
                {
                    record[at[i] % record.Length] = value[i];
                }

                bench.GuardFails = guard == 0 ? "no" : null;
                string before = bench.State;
                bench.Server.Receive(session, record, bench.Now);
                bool isAnswered = session.TryTake(out byte[]? answer);
                if (isAnswered && answer![2] == 0)
                {
                    Interlocked.Increment(ref done);
                    while (session.TryTake(out _))
                    {
                    }

                    Take(other);
                }
                else
                {
                    Interlocked.Increment(ref refused);
                    Assert.True(isAnswered || record[1] == (byte)PfKeyType.Acquire);
                    Assert.Equal(before, bench.State);
                    Assert.Empty(Take(other));
                    Assert.False(session.HasRecords);
                }

                Assert.Equal(Words(bench.Engine.Spd.All), bench.GuardHolds);
            }
        }, iter: 3000);
        Assert.True(done > 1000 && refused > 1000, $"{done} done, {refused} refused");
    }
}
