// The hash of tables whose keys strangers choose: addresses, SPIs, identifications of fragments. With a hash that anybody
// can compute a flood of keys that collide would make each look a walk. Folded multiplications, each factor masked by a
// secret drawn for this engine (the construction of wyhash); the seed is the host's, for nothing is random here.

using System.Runtime.CompilerServices;
using Testudo.Wire;

namespace Testudo.Engine;

/// <summary>Hashes under one secret seed.</summary>
public sealed class SeededHash
{
    private readonly ulong _a, _b, _c, _d, _e, _f;

    /// <summary>The hash of 64 bits that strangers do not know.</summary>
    public SeededHash(ulong seed) => (_a, _b, _c, _d, _e, _f) = (Step(seed, 1), Step(seed, 2), Step(seed, 3), Step(seed, 4), Step(seed, 5), Step(seed, 6));

    /// <summary>The hash of an address and a number.</summary>
    public int Of(in Address address, ulong number)
    {
        ulong h = Fold(address.High ^ _a, address.Low ^ _b);
        return Finish(h, number);
    }

    /// <summary>The hash of two addresses and a number.</summary>
    public int Of(in Address one, in Address other, ulong number)
    {
        ulong h = Fold(one.High ^ _a, one.Low ^ _b);
        h = Fold(h ^ other.High ^ _c, other.Low ^ _d);
        return Finish(h, number);
    }

    private int Finish(ulong h, ulong number)
    {
        h = Fold(h ^ _e, number ^ _f);
        return (int)(h ^ (h >> 32));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong Fold(ulong x, ulong y)
    {
        ulong high = Math.BigMul(x, y, out ulong low);
        return high ^ low;
    }

    // SplitMix64: the n-th number of a seed.
    private static ulong Step(ulong seed, ulong n)
    {
        ulong z = seed + (n * 0x9E3779B97F4A7C15);
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }
}
