// Reads captures: pcap and pcapng, in both byte orders, frame by frame from a stream that need not seek. This file has
// what the two formats share; CaptureReader.Pcap.cs and CaptureReader.Pcapng.cs have one format each.

using System.Buffers.Binary;

namespace Testudo.Wire;

/// <summary>Reads the frames of a pcap or pcapng file one after the other. Not thread-safe.</summary>
public sealed partial class CaptureReader : IDisposable
{
    /// <summary>A longer frame or block is refused before memory is taken for it.</summary>
    public const int MaxLength = 16 * 1024 * 1024;

    private const string Damaged = "the file is damaged: capture or copy it again; the frames before this place are good";
    private readonly Stream _stream;
    private readonly bool _leaveOpen;
    private readonly List<CaptureInterface> _interfaces = [];
    private bool _bigEndian;
    private bool _isPcapng;
    private int _frames;
    private CaptureFormatException? _failure;

    private CaptureReader(Stream stream, bool leaveOpen)
    {
        // The formats are read in pieces of 4 bytes and up; the buffer makes the pieces cheap.
        _stream = new BufferedStream(stream, 64 * 1024);
        _leaveOpen = leaveOpen;
    }

    /// <summary>The interfaces met so far: all of a pcap file's; those of a pcapng file as they come.</summary>
    public IReadOnlyList<CaptureInterface> Interfaces => _interfaces;

    /// <summary>Bytes of the file read so far.</summary>
    public long Position { get; private set; }

    /// <summary>Reads the start of a file and knows by it what format it has.</summary>
    /// <exception cref="CaptureFormatException">It is neither pcap nor pcapng.</exception>
    public static CaptureReader Open(Stream stream, bool leaveOpen = false)
    {
        ArgumentNullException.ThrowIfNull(stream);
        var reader = new CaptureReader(stream, leaveOpen);
        try
        {
            reader.ReadStart();
            return reader;
        }
        catch
        {
            reader.Dispose();
            throw;
        }
    }

    /// <summary>Reads the next frame; false at the end of the file.</summary>
    /// <exception cref="CaptureFormatException">
    /// The file is not what its format says, or ends in the middle of a frame. The reader stays there: the next call
    /// gives the same error.
    /// </exception>
    public bool TryRead(out CaptureFrame frame)
    {
        if (_failure is not null)
        {
            throw _failure;
        }

        try
        {
            return _isPcapng ? TryReadPcapng(out frame) : TryReadPcap(out frame);
        }
        catch (CaptureFormatException failure)
        {
            _failure = failure;
            throw;
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (!_leaveOpen)
        {
            _stream.Dispose();
        }
    }

    private void ReadStart()
    {
        Span<byte> magic = stackalloc byte[4];
        int read = Fill(magic);
        if (read < 4)
        {
            throw new CaptureFormatException(0, read == 0 ? "the file is empty" : "the file is too short for a capture", "give a pcap or pcapng file");
        }

        uint value = BinaryPrimitives.ReadUInt32BigEndian(magic);
        if (value == SectionHeader)
        {
            _isPcapng = true;
            ReadSectionHeader(0);
        }
        else if (!TryReadPcapHeader(value))
        {
            string remedy = value switch
            {
                0xA1B2CD34 or 0x34CDB2A1 => "this is the old format of patched Linux: convert it with 'editcap -F pcap IN OUT'",
                _ when value >> 16 == 0x1F8B => "this is a gzip file: unpack it first, as with 'gunzip'",
                _ when value == 0x28B52FFD => "this is a zstd file: unpack it first, as with 'unzstd'",
                _ when value == 0x736E6F6F => "this is a snoop file: convert it with 'editcap -F pcapng IN OUT'",
                _ => "give a pcap or pcapng file; 'editcap -F pcapng IN OUT' converts other formats",
            };
            throw new CaptureFormatException(0, $"expected the start of a pcap or pcapng file, found {value:X8}", remedy);
        }
    }

    private int Fill(Span<byte> bytes)
    {
        int read = _stream.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false);
        Position += read;
        return read;
    }

    // All of it, or the error that the file ends within something.
    private void Need(Span<byte> bytes, long start, string what)
    {
        if (Fill(bytes) < bytes.Length)
        {
            throw CutOff(start, what);
        }
    }

    private CaptureFormatException CutOff(long start, string what) =>
        new(start, $"the file ends within {what}, at byte {Position}", Frames("the end is missing: let the capture finish, or copy the file again"));

    private string Frames(string advice) => $"{advice} ({(_frames == 1 ? "1 frame" : $"{_frames} frames")} before this place can be used)";

    private ushort U16(ReadOnlySpan<byte> bytes) =>
        _bigEndian ? BinaryPrimitives.ReadUInt16BigEndian(bytes) : BinaryPrimitives.ReadUInt16LittleEndian(bytes);

    private uint U32(ReadOnlySpan<byte> bytes) =>
        _bigEndian ? BinaryPrimitives.ReadUInt32BigEndian(bytes) : BinaryPrimitives.ReadUInt32LittleEndian(bytes);
}
