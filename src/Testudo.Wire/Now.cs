// The time as the host hands it to the pure rooms, which have no clock.

namespace Testudo.Wire;

/// <summary>One moment: nanoseconds of a clock that never goes back (to decide), and Unix seconds (only to show).</summary>
public readonly record struct Now(long Nanoseconds, long UnixSeconds);
