// Waiting for what must come: a condition is asked again until it holds or its time is over.

using System.Diagnostics;

namespace Testudo.SystemTests.Daemon;

internal static class Wait
{
    /// <summary>Returns when the condition holds; throws with these words when it does not within the limit, in seconds.</summary>
    public static void Until(Func<bool> holds, Func<string> otherwise, double limit = 20)
    {
        long start = Stopwatch.GetTimestamp();
        while (!holds())
        {
            if (Stopwatch.GetElapsedTime(start).TotalSeconds > limit)
            {
                throw new TimeoutException($"after {limit} s: {otherwise()}");
            }

            Thread.Sleep(10); // between two looks
        }
    }

    /// <inheritdoc cref="Until(Func{bool}, Func{string}, double)"/>
    public static void Until(Func<bool> holds, string otherwise, double limit = 20) => Until(holds, () => otherwise, limit);
}
