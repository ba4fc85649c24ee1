// One frame of a capture, and the interface that it was captured on.

namespace Testudo.Wire;

/// <summary>An interface of a capture. A pcap file has one, without a name.</summary>
/// <param name="Index">Its place in <see cref="CaptureReader.Interfaces"/>; a later section's interfaces follow the earlier ones.</param>
/// <param name="LinkType">What its frames start with: see <see cref="Wire.LinkType"/>.</param>
/// <param name="Name">if_name, or null.</param>
/// <param name="Description">if_description, or null.</param>
/// <param name="SnapLength">Frames are cut to so many bytes; 0 for no limit.</param>
public sealed record CaptureInterface(int Index, int LinkType, string? Name, string? Description, uint SnapLength);

/// <summary>Which way a frame went, seen from the capturing host.</summary>
public enum CaptureDirection : byte
{
    /// <summary>The file does not say.</summary>
    Unknown = 0,

    /// <summary>Received.</summary>
    Inbound = 1,

    /// <summary>Sent.</summary>
    Outbound = 2,
}

/// <summary>A captured frame. It owns its bytes.</summary>
/// <param name="Number">Its place in the file, from 1 as other programs count.</param>
/// <param name="Time">Nanoseconds since 1970-01-01 UTC; 0 where the file has no time.</param>
/// <param name="Interface">Where it was captured.</param>
/// <param name="Bytes">What was captured of it.</param>
/// <param name="OriginalLength">How long it was on the wire.</param>
/// <param name="Direction">Which way it went.</param>
/// <param name="Comment">Its comments, one a line, or null.</param>
public readonly record struct CaptureFrame(
    int Number,
    long Time,
    CaptureInterface Interface,
    ReadOnlyMemory<byte> Bytes,
    long OriginalLength,
    CaptureDirection Direction,
    string? Comment)
{
    /// <summary>The IP packet in the frame, as <see cref="LinkType.TryFindIp"/> finds it; false where there is none.</summary>
    public bool TryGetIp(out ReadOnlyMemory<byte> packet)
    {
        bool found = LinkType.TryFindIp(Interface.LinkType, Bytes.Span, out Range range);
        packet = found ? Bytes[range] : default;
        return found;
    }
}
