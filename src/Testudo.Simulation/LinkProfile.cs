// How good or bad a simulated link is.

namespace Testudo.Simulation;

/// <summary>What a link does to packets. Chances are from 0 to 1 for each packet and independent of each other.</summary>
public sealed record LinkProfile
{
    /// <summary>How long a packet is on its way.</summary>
    public TimeSpan Latency { get; init; } = TimeSpan.FromMilliseconds(1);

    /// <summary>The chance that a packet is lost.</summary>
    public double Loss { get; init; }

    /// <summary>The chance that a packet arrives twice; the second one comes late.</summary>
    public double Duplication { get; init; }

    /// <summary>The chance that a packet comes late, so that others overtake it.</summary>
    public double Reordering { get; init; }

    /// <summary>How late at the most.</summary>
    public TimeSpan Lateness { get; init; } = TimeSpan.FromMilliseconds(20);

    /// <summary>The chance that one bit of a packet is turned over on the way.</summary>
    public double Corruption { get; init; }

    /// <summary>Bytes of the longest packet. A longer one is fragmented where IPv4 allows it, else it ends there.</summary>
    public int Mtu { get; init; } = 1500;
}
