// What happened in a simulated network, packet by packet: to compare two runs by one hash, and to look at with Wireshark.

using System.Globalization;
using System.Security.Cryptography;
using System.Text.Unicode;
using Testudo.Wire;

namespace Testudo.Simulation;

/// <summary>The side of a host that a packet was seen on.</summary>
public enum Side : byte
{
    /// <summary>The protected side: the host's own programs and what it forwards.</summary>
    Clear,

    /// <summary>The network.</summary>
    Wire,
}

/// <summary>One packet at one place.</summary>
/// <param name="Time">Virtual nanoseconds since the network was made.</param>
/// <param name="Host">The host's name.</param>
/// <param name="Side">Where.</param>
/// <param name="Direction">Into the host's IPsec, or out of it.</param>
/// <param name="Drop">How it ended in the host; <see cref="Drop.None"/> where it went on.</param>
/// <param name="Fate">What the link then did: "lost", "twice", "late"; else null.</param>
/// <param name="Bytes">The packet as it was then.</param>
public sealed record TraceEntry(long Time, string Host, Side Side, CaptureDirection Direction, Drop Drop, string? Fate, byte[] Bytes)
{
    /// <summary>The drop's name, what the link did, or null.</summary>
    public string? Comment => Drop == Drop.None ? Fate : Drops.Name(Drop);
}

/// <summary>All that happened, in order.</summary>
public sealed class Trace
{
    private readonly List<TraceEntry> _entries = [];
    private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);

    /// <summary>The packets, where they are kept.</summary>
    public IReadOnlyList<TraceEntry> Entries => _entries;

    /// <summary>Whether packets are kept, or only their hash; false for long runs.</summary>
    public bool Keeps { get; set; } = true;

    /// <summary>SHA-256 over everything that happened so far, in hexadecimal: equal for two runs only where they were the same byte for byte.</summary>
    public string Hash() => Convert.ToHexStringLower(_hash.GetCurrentHash());

    internal void Add(long time, string host, Side side, CaptureDirection direction, Drop drop, string? fate, byte[] bytes)
    {
        // Each entry names its lengths, so that no two traces run together to the same bytes.
        Span<byte> line = stackalloc byte[256];
        string? comment = drop == Drop.None ? fate : Drops.Name(drop);
        Utf8.TryWrite(line, CultureInfo.InvariantCulture, $"{time} {host} {(int)side} {(int)direction} {comment} {bytes.Length}\n", out int length);
        _hash.AppendData(line[..length]);
        _hash.AppendData(bytes);
        if (Keeps)
        {
            // Nodes change packets in place as they pass them on.
            _entries.Add(new TraceEntry(time, host, side, direction, drop, fate, [.. bytes]));
        }
    }

    /// <summary>Writes it as pcapng: an interface for each host and side, drops and fates as comments. The stream stays open.</summary>
    public void WritePcapng(Stream stream)
    {
        using var writer = new PcapngWriter(stream, hardware: null, os: null, application: "testudo simulation", leaveOpen: true);
        var interfaces = new Dictionary<(string, Side), int>();
        foreach (TraceEntry entry in _entries)
        {
            if (!interfaces.TryGetValue((entry.Host, entry.Side), out int number))
            {
                string side = entry.Side == Side.Wire ? "wire" : "clear";
                interfaces[(entry.Host, entry.Side)] = number = writer.AddInterface($"{entry.Host}-{side}", LinkType.Raw);
            }

            writer.Write(number, (Network.Epoch * 1_000_000_000) + entry.Time, entry.Bytes, entry.Comment, direction: entry.Direction);
        }
    }
}
