// The replay window against the plainest model of RFC 4303, 3.4.3: the set of all numbers received.

using CsCheck;
using Testudo.Engine.Keys;
using Testudo.Wire;
using Xunit;

namespace Testudo.Tests.Engine;

public sealed class ReplayWindowTests
{
    [Fact]
    [Shows("rfc2406-3.4.3-5", "rfc2406-3.4.3-6", "rfc2401-4.4.3-8")]
    public void It_answers_as_a_set_of_all_numbers_would()
    {
        Gen<ulong> start = Gen.OneOf(Gen.Const(0UL), Gen.ULong[1, 10_000], Gen.ULong[uint.MaxValue - 9000UL, uint.MaxValue - 10UL]);
        Gen<long> step = Gen.Frequency((8, Gen.Long[-40, 40]), (3, Gen.Long[-5000, 5000]), (1, Gen.Long[-70_000, 70_000]), (1, OneOf(-64L, -63, 63, 64, 128, -4096, 4096)));
        Gen.Select(Gen.OneOf(OneOf(0, 32, 33, 63, 64, 65, 128, 4096, 65536), Gen.Int[32, 4096]), start, step.Array[1, 300]).Sample((packets, first, steps) =>
        {
            var window = new ReplayWindow(packets, first);
            var model = new Model(packets, first);
            ulong at = first;
            foreach (long by in steps)
            {
                at = (ulong)Math.Clamp((long)at + by, 0, uint.MaxValue);
                Drop expected = model.Slide(at);
                if (window.Check(at) != expected || window.Check(at) != expected || window.Slide(at) != expected || window.Highest != model.Highest)
                {
                    return false;
                }
            }

            return true;
        }, iter: 3000);
    }

    [Fact]
    [Shows("rfc2406-3.4.3-6", "rfc2406-3.4.3-8")]
    public void Every_number_of_a_window_is_taken_once_in_any_order()
    {
        foreach (int packets in (int[])[32, 63, 64, 65, 100, 4096, 65536])
        {
            var window = new ReplayWindow(packets, 0);
            ulong top = (ulong)packets * 3;
            Assert.Equal(Drop.None, window.Slide(top));
            for (ulong n = top - (ulong)packets + 1; n < top; n++)
            {
                Assert.Equal(Drop.None, window.Slide(n));
                Assert.Equal(Drop.Replayed, window.Slide(n));
            }

            Assert.Equal(Drop.TooOld, window.Check(top - (ulong)packets));
            Assert.Equal(Drop.Replayed, window.Check(top));
        }
    }

    [Fact]
    public void What_lies_below_a_number_given_by_hand_is_taken_as_received()
    {
        var window = new ReplayWindow(64, 1000);
        Assert.Equal(Drop.Replayed, window.Check(1000));
        Assert.Equal(Drop.Replayed, window.Check(937));
        Assert.Equal(Drop.TooOld, window.Check(936));
        Assert.Equal(Drop.None, window.Check(1001));
    }

    [Fact]
    [Shows("rfc2406-3.4.3-1")]
    public void Without_a_window_everything_passes_even_the_zero_of_a_counter_that_has_cycled()
    {
        var window = new ReplayWindow(0, 0);
        foreach (ulong n in (ulong[])[1, 1, uint.MaxValue, 0, 1, 0])
        {
            Assert.Equal(Drop.None, window.Slide(n));
        }
    }

    // RFC 4303, A2.1: a receiver can tell every number from the window's lowest on up to 2^32 - W behind the highest.
    [Fact]
    public void The_half_that_is_not_sent_is_told_by_the_window()
    {
        Gen<ulong> number = Gen.OneOf(
            Gen.ULong[0, 100_000], Gen.ULong, Gen.ULong[(5UL << 32) - 100_000, (5UL << 32) + 100_000],
            Gen.ULong[ulong.MaxValue - 100_000, ulong.MaxValue]);
        Gen<ulong> near = Gen.OneOf(Gen.ULong[0, 200_000], Gen.ULong[0, uint.MaxValue], Gen.ULong[uint.MaxValue - 200_000UL, uint.MaxValue]);
        Gen.Select(Gen.OneOf(OneOf(32, 64, 128, 1024, 65536), Gen.Int[32, 65536]), number, near).Sample((packets, highest, offset) =>
        {
            var window = new ReplayWindow(packets, highest);
            UInt128 sent = (UInt128)highest + offset;
            bool isBefore = sent < (UInt128)(packets - 1);
            sent -= isBefore ? 0 : (UInt128)(packets - 1);
            if (isBefore || sent > ulong.MaxValue)
            {
                // Where no number can have been meant, none is told: below the first round, behind the last.
                UInt128 low = isBefore ? unchecked((UInt128)highest + offset - (UInt128)(packets - 1)) & uint.MaxValue : sent & uint.MaxValue;
                return !window.TryExtend((uint)low, out _);
            }

            return window.TryExtend((uint)sent, out ulong told) && told == sent;
        }, iter: 100_000);
    }

    private static Gen<T> OneOf<T>(params T[] values) => Gen.Int[0, values.Length - 1].Select(i => values[i]);

    private sealed class Model
    {
        private readonly HashSet<ulong> _received = [];
        private readonly ulong _first;
        private readonly int _packets;

        public Model(int packets, ulong first)
        {
            _packets = packets;
            _first = Highest = first;
        }

        public ulong Highest { get; private set; }

        public Drop Slide(ulong n)
        {
            if (_packets == 0)
            {
                Highest = Math.Max(Highest, n);
                return Drop.None;
            }

            if (n == 0)
            {
                return Drop.SequenceZero;
            }

            if (n <= Highest && Highest - n >= (ulong)_packets)
            {
                return Drop.TooOld;
            }

            if (n <= _first || !_received.Add(n))
            {
                return Drop.Replayed;
            }

            Highest = Math.Max(Highest, n);
            return Drop.None;
        }
    }
}
