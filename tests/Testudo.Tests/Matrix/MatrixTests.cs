// Every setting with every size, in a shuffled order; a short run takes the first of them.

using Xunit;

namespace Testudo.Tests.Matrix;

public sealed class MatrixTests
{
    private const int Seed = 4301;

    [Fact]
    [Shows("ipsec4-description-3", "ipsec4-description-4", "rfc4301-3.2-1", "rfc4301-4.1-11", "rfc2401-4.4.3-6", "rfc2401-4.4.3-10", "rfc2401-4.4.3-11")]
    [Shows("rfc2406-2.2-1", "rfc2406-2.4-1", "rfc2406-2.4-2", "rfc4303-1-1", "rfc4303-1-3", "rfc4303-2-1", "rfc4303-2.2-1", "rfc4303-2.3-3")]
    public void A_sample_of_all_settings_carries_packets_of_all_sizes() => Run(0, 400);

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [Trait("Kind", "Long")]
    public void All_settings_carry_packets_of_all_sizes(int quarter)
    {
        int count = Shuffled().Length, each = (count + 3) / 4;
        Run(quarter * each, Math.Min(count, (quarter + 1) * each));
    }

    [Fact]
    public void Every_rule_leaves_something_out_and_no_shape_or_algorithm_is_lost()
    {
        Setting[] product = [.. Setting.Product()], left = [.. Setting.All()];
        Assert.All(Setting.Rules, rule => Assert.Contains(product, s => Setting.Rules.Where(r => r.LeavesOut(s)).Select(static r => r.Why).SequenceEqual([rule.Why])));
        Assert.Equal(product.Select(static s => s.Suite).Distinct().Count(), left.Select(static s => s.Suite).Distinct().Count());
        Assert.Equal(Enum.GetValues<Shape>().Length * Enum.GetValues<Pieces>().Length, left.Select(static s => (s.Shape, s.Pieces)).Distinct().Count());
    }

    private static Setting[] Shuffled()
    {
        Setting[] all = [.. Setting.All()];
        new Random(Seed).Shuffle(all);
        return all;
    }

    private static void Run(int from, int to)
    {
        Setting[] all = Shuffled();
        int cases = 0;
        for (int i = from; i < to; i++)
        {
            using var pair = new Pair(all[i], Seed + i);
            foreach (int size in all[i].Sizes())
            {
                try
                {
                    pair.Carry(size);
                }
                catch (Exception fault)
                {
                    throw new InvalidOperationException($"setting {i}: {all[i]}, {size} bytes: {fault.Message}", fault);
                }

                cases++;
            }
        }

        TestContext.Current.TestOutputHelper?.WriteLine($"{cases} packets under {to - from} of {all.Length} settings");
    }
}
