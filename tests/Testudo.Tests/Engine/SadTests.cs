// The databases under many entries and under keys that a stranger chose.

using System.Diagnostics;
using Testudo.Engine.Keys;
using Testudo.Wire;
using Testudo.Wire.PfKey;
using Xunit;

namespace Testudo.Tests.Engine;

public sealed class SadTests
{
    private static readonly Address s_a = Address.Parse("10.1.0.1"), s_b = Address.Parse("10.2.0.1");

    [Fact]
    public void The_order_in_which_SAs_came_stays_and_an_update_keeps_its_place()
    {
        using var host = new Host(null, "10.1.0.1");
        for (uint spi = 0x1000; spi < 0x1008; spi++)
        {
            host.Add(Make.Sa(spi, "10.1.0.1", "10.2.0.1", keyFirst: (byte)spi));
        }

        foreach (uint gone in new uint[] { 0x1000, 0x1003, 0x1007 })
        {
            Assert.True(host.Engine.RemoveSa(host.Engine.Sad.Find(gone, IpProtocol.Esp, s_b)!));
        }

        Sa old = host.Engine.Sad.Find(0x1002, IpProtocol.Esp, s_b)!;
        Assert.NotNull(host.Engine.UpdateSa(old, Make.Sa(0x1002, "10.1.0.1", "10.2.0.1", keyFirst: 99), 7, host.Now, out _));
        Assert.False(host.Engine.RemoveSa(old));
        host.Add(Make.Sa(0x1003, "10.1.0.1", "10.2.0.1", keyFirst: 77));
        Assert.Equal([0x1001u, 0x1002, 0x1004, 0x1005, 0x1006, 0x1003], host.Engine.Sad.All.Select(static sa => sa.Spi));
        Assert.Equal(0x1003u, Sending(host)!.Spi);
        host.Engine.Sad.PreferOld = true;
        Assert.Equal(0x1001u, Sending(host)!.Spi);
    }

    [Fact]
    public void The_SA_that_sends_is_the_one_of_a_plain_list_whatever_comes_and_goes()
    {
        using var host = new Host(null, "10.1.0.1");
        var random = new Random(8);
        var model = new List<Sa>();
        for (int round = 0; round < 2000; round++)
        {
            bool grows = random.Next(100) < (round / 200 % 2 == 0 ? 70 : 30);
            if (grows || model.Count == 0)
            {
                host.Add(Make.Sa(0x1000 + (uint)round, "10.1.0.1", "10.2.0.1", keyFirst: (byte)round));
                model.Add(host.Engine.Sad.All.Last());
            }
            else
            {
                Sa sa = model[random.Next(model.Count)];
                Assert.True(host.Engine.RemoveSa(sa));
                model.Remove(sa);
            }

            host.Engine.Sad.PreferOld = false;
            Assert.Same(model.LastOrDefault(), Sending(host));
            host.Engine.Sad.PreferOld = true;
            Assert.Same(model.FirstOrDefault(), Sending(host));
        }

        Assert.Equal(model, host.Engine.Sad.All);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void The_work_for_100000_SAs_grows_as_their_number_and_not_as_its_square(bool isOnePair)
    {
        Cost(10_000, isOnePair); // the JIT's part
        (TimeSpan few, long fewBytes) = Cost(12_500, isOnePair);
        (TimeSpan many, long manyBytes) = Cost(100_000, isOnePair);

        // Eight times as many: 8 where it is linear, 64 where it is quadratic.
        Assert.True(manyBytes < fewBytes * 16, $"{fewBytes} bytes for 12,500 and {manyBytes} for 100,000");
        Assert.True(many < few * 32, $"{few} for 12,500 and {many} for 100,000");
    }

    [Fact]
    public void Keys_that_collide_under_one_seed_do_not_under_another()
    {
        // Whoever knows the seed finds 16 addresses that share 8 bits of their hash; for others they are any 16 addresses.
        var known = new global::Testudo.Engine.SeededHash(1);
        Address[] chosen = [.. Enumerable.Range(0, 1 << 20).Select(static i => new Address(IpFamily.V6, 0xFD00000000000000, (ulong)i))
            .Where(address => (known.Of(address, 0) & 0xFFF) == 0).Take(64)];
        Assert.Equal(64, chosen.Length);
        Assert.InRange(Buckets(new global::Testudo.Engine.SeededHash(2)), 48, 64);
        Assert.InRange(Buckets(new global::Testudo.Engine.SeededHash(3)), 48, 64);
        Assert.Equal(1, Buckets(new global::Testudo.Engine.SeededHash(1)));

        int Buckets(global::Testudo.Engine.SeededHash hash) => chosen.Select(address => hash.Of(address, 0) & 0xFFF).Distinct().Count();
    }

    [Fact]
    public void Neighbours_fall_apart_and_every_part_of_a_key_counts()
    {
        var hash = new global::Testudo.Engine.SeededHash(0);
        var seen = new HashSet<int>();
        for (ulong i = 0; i < 64; i++)
        {
            Assert.True(seen.Add(hash.Of(s_a, 1ul << (int)i)));
            Assert.True(seen.Add(hash.Of(s_a with { Low = s_a.Low ^ (1ul << (int)i) }, s_b, 7)));
            Assert.True(seen.Add(hash.Of(s_a, s_b with { High = 1ul << (int)i }, 7)));
        }

        Assert.NotEqual(hash.Of(s_a, s_b, 7), hash.Of(s_b, s_a, 7));
    }

    private static Sa? Sending(Host host) => host.Engine.Sad.FindForSending(IpProtocol.Esp, s_a, s_b, IpsecMode.Transport, 0);

    // Adds and removes, without keys: those cost the same for each SA. The fastest of three, for the machine is not ours alone.
    private static (TimeSpan Time, long Bytes) Cost(int count, bool isOnePair)
    {
        TimeSpan best = TimeSpan.MaxValue;
        long bytes = long.MaxValue;
        for (int round = 0; round < 3; round++)
        {
            using var host = new Host();
            long before = GC.GetAllocatedBytesForCurrentThread(), start = Stopwatch.GetTimestamp();
            for (int i = 0; i < count; i++)
            {
                Address source = isOnePair ? s_a : s_a with { Low = s_a.Low + (uint)i };
                Assert.NotNull(host.Engine.AddLarval(0x1000 + (uint)i, IpProtocol.Esp, source, s_b, IpsecMode.Any, 0, default));
            }

            foreach (Sa sa in host.Engine.Sad.All.Reverse().ToArray())
            {
                Assert.True(host.Engine.RemoveSa(sa));
            }

            Assert.Empty(host.Engine.Sad.All);
            best = new[] { best, Stopwatch.GetElapsedTime(start) }.Min();
            bytes = Math.Min(bytes, GC.GetAllocatedBytesForCurrentThread() - before);
        }

        return (best, bytes);
    }
}
