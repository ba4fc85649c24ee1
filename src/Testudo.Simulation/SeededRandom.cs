// The one source of chance in a simulation: the same seed gives the same numbers on every machine and in every version.
// (SplitMix64; System.Random does not promise its numbers from one version of .NET to the next.)

using System.Buffers.Binary;

namespace Testudo.Simulation;

/// <summary>A small seeded generator. Not for real keys.</summary>
public sealed class SeededRandom(ulong seed)
{
    private ulong _state = seed;

    /// <summary>64 bits.</summary>
    public ulong Next()
    {
        _state += 0x9E3779B97F4A7C15;
        ulong z = _state;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }

    /// <summary>0 to below <paramref name="limit"/>.</summary>
    public int Next(int limit) => (int)((UInt128)Next() * (ulong)limit >> 64);

    /// <summary>True with this chance, 0 to 1. Draws a number even where the answer is certain, so that later ones stay.</summary>
    public bool Chance(double chance) => (Next() >> 11) * (1.0 / (1ul << 53)) < chance;

    /// <summary>0 to below <paramref name="limit"/>, in nanoseconds' steps of 100.</summary>
    public TimeSpan Next(TimeSpan limit) => new((long)((UInt128)Next() * (ulong)limit.Ticks >> 64));

    /// <summary>Fills bytes.</summary>
    public void Fill(Span<byte> bytes)
    {
        Span<byte> eight = stackalloc byte[8];
        for (; bytes.Length > 0; bytes = bytes[Math.Min(8, bytes.Length)..])
        {
            BinaryPrimitives.WriteUInt64LittleEndian(eight, Next());
            eight[..Math.Min(8, bytes.Length)].CopyTo(bytes);
        }
    }

    /// <summary>A generator of its own, so that what one thing draws does not change what another one draws.</summary>
    public SeededRandom Fork() => new(Next());
}
