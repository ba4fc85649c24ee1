// The generator gives the published numbers of SplitMix64, on every machine.

using Testudo.Simulation;
using Xunit;

namespace Testudo.Tests.Sim;

public sealed class SeededRandomTests
{
    // The first outputs for seed 1234567, as the algorithm's reference implementation prints them.
    [Fact]
    public void It_is_SplitMix64()
    {
        var random = new SeededRandom(1234567);
        Assert.Equal<ulong>(
            [6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431, 16408922859458223821],
            Enumerable.Range(0, 5).Select(_ => random.Next()));
    }

    [Fact]
    public void Bytes_of_any_length_are_filled()
    {
        byte[] bytes = new byte[1000];
        new SeededRandom(1).Fill(bytes.AsSpan(0, 997));
        Assert.InRange(bytes.Take(997).Distinct().Count(), 240, 256);
        Assert.Equal(new byte[3], bytes[997..]);
    }

    [Fact]
    public void Chances_come_out_as_often_as_they_say()
    {
        var random = new SeededRandom(2);
        Assert.InRange(Enumerable.Range(0, 10_000).Count(_ => random.Chance(0.3)), 2800, 3200);
        Assert.DoesNotContain(Enumerable.Range(0, 1000), _ => random.Chance(0));
        Assert.All(Enumerable.Range(0, 1000), _ => Assert.True(random.Chance(1)));
        Assert.All(Enumerable.Range(0, 1000), _ => Assert.InRange(random.Next(7), 0, 6));
    }
}
