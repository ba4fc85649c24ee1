// The real time, as the engine wants it.

using System.Diagnostics;
using Testudo.Wire;

namespace Testudo.Host;

/// <summary>The host's clocks.</summary>
public static class HostClock
{
    private static readonly double s_nanosecondsPerTick = 1e9 / Stopwatch.Frequency;

    /// <summary>This moment: the monotonic clock to decide, the wall clock to show.</summary>
    public static Now Now => new((long)(Stopwatch.GetTimestamp() * s_nanosecondsPerTick), DateTimeOffset.UtcNow.ToUnixTimeSeconds());
}
