// Writes the old pcap format, for programs that know no other: IP packets with nothing before them, nanoseconds,
// little-endian. CaptureReader.Pcap.cs has the figure.

using System.Buffers.Binary;

namespace Testudo.Wire;

/// <summary>Writes IP packets to a pcap stream (LINKTYPE_RAW). Not thread-safe; nothing is allocated for a packet.</summary>
public sealed class PcapWriter : IDisposable
{
    private const int SnapLength = 256 * 1024;
    private readonly BufferedStream _stream;
    private readonly bool _leaveOpen;

    /// <summary>Starts a file.</summary>
    public PcapWriter(Stream stream, bool leaveOpen = false)
    {
        _stream = new BufferedStream(stream, 64 * 1024);
        _leaveOpen = leaveOpen;
        Span<byte> header = stackalloc byte[24];
        header.Clear();
        BinaryPrimitives.WriteUInt32LittleEndian(header, 0xA1B23C4D);
        BinaryPrimitives.WriteUInt16LittleEndian(header[4..], 2);
        BinaryPrimitives.WriteUInt16LittleEndian(header[6..], 4);
        BinaryPrimitives.WriteUInt32LittleEndian(header[16..], SnapLength);
        BinaryPrimitives.WriteUInt32LittleEndian(header[20..], LinkType.Raw);
        _stream.Write(header);
    }

    /// <summary>Writes one packet.</summary>
    /// <param name="unixNanoseconds">When it was captured; the format knows 1970 to 2106, other times become the nearest of these.</param>
    /// <param name="bytes">The packet, or what was captured of it; up to 256 KiB.</param>
    /// <param name="originalLength">The length on the wire; less than the bytes given means the same as they.</param>
    public void Write(long unixNanoseconds, ReadOnlySpan<byte> bytes, int originalLength = 0)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(bytes.Length, SnapLength, nameof(bytes));
        long time = Math.Clamp(unixNanoseconds, 0, (uint.MaxValue * 1_000_000_000L) + 999_999_999);
        Span<byte> header = stackalloc byte[16];
        BinaryPrimitives.WriteUInt32LittleEndian(header, (uint)(time / 1_000_000_000));
        BinaryPrimitives.WriteUInt32LittleEndian(header[4..], (uint)(time % 1_000_000_000));
        BinaryPrimitives.WriteUInt32LittleEndian(header[8..], (uint)bytes.Length);
        BinaryPrimitives.WriteUInt32LittleEndian(header[12..], (uint)Math.Max(originalLength, bytes.Length));
        _stream.Write(header);
        _stream.Write(bytes);
    }

    /// <summary>Gives the stream all that was written, and has it do the same.</summary>
    public void Flush() => _stream.Flush();

    /// <summary>Flushes, and closes the stream unless it was to be left open.</summary>
    public void Dispose()
    {
        if (_leaveOpen)
        {
            _stream.Flush();
        }
        else
        {
            _stream.Dispose();
        }
    }
}
