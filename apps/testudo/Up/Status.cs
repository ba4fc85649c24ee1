// What "status" tells, as it stands in JSON.

using Testudo.Engine;

namespace Testudo.App.Up;

internal sealed record Status
{
    public required string State { get; init; }

    public required string Version { get; init; }

    public required int Pid { get; init; }

    public required int Instance { get; init; }

    public required double Seconds { get; init; }

    public required string[] Links { get; init; }

    public required string Pfkey { get; init; }

    public required int Sas { get; init; }

    public required int Policies { get; init; }

    public required Traffic Outbound { get; init; }

    public required Traffic Inbound { get; init; }

    public required DropCount[] Drops { get; init; }
}

/// <summary>Packets and bytes that went on.</summary>
internal sealed record Traffic(long Packets, long Bytes)
{
    public static Traffic Of(IEnumerable<Worker> workers) => new(workers.Sum(static worker => worker.Packets), workers.Sum(static worker => worker.Bytes));
}

/// <summary>Packets that ended so.</summary>
internal sealed record DropCount(string Name, long Packets, string Sentence);
