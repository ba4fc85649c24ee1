// What "status" tells, as it stands in JSON.

using Testudo.Engine;
using Testudo.Engine.Keys;
using Testudo.Engine.PathMtu;

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

    public required PathOfSa[] Paths { get; init; }

    public required DropCount[] Drops { get; init; }
}

/// <summary>Packets and bytes that went on.</summary>
internal sealed record Traffic(long Packets, long Bytes)
{
    public static Traffic Of(IEnumerable<Worker> workers) => new(workers.Sum(static worker => worker.Packets), workers.Sum(static worker => worker.Bytes));
}

/// <summary>Packets that ended so.</summary>
internal sealed record DropCount(string Name, long Packets, string Sentence);

/// <summary>How long packets of an SA may be and why; and the last ICMP error about one.</summary>
internal sealed record PathOfSa(string Spi, string Protocol, string Source, string Destination, int Mtu, string Why, string? LastError)
{
    public static PathOfSa Of(Sa sa, KnownMtu mtu) => new(
        $"0x{sa.Spi:x8}",
        sa.Protocol.ToString().ToLowerInvariant(),
        sa.Source.ToString(),
        sa.Destination.ToString(),
        mtu.Bytes,
        mtu.Source switch
        {
            PathMtuSource.Icmp => $"ICMP from {mtu.By} at {Time(mtu.UnixSeconds)}",
            PathMtuSource.Device => "device",
            _ => "option",
        },
        sa.LastError is { } error ? $"ICMP type {error.Type} code {error.Code} from {error.By} at {Time(error.UnixSeconds)}" : null);

    private static string Time(long unixSeconds) => DateTimeOffset.FromUnixTimeSeconds(unixSeconds).ToString("yyyy-MM-dd HH:mm:ss'Z'", null);
}
