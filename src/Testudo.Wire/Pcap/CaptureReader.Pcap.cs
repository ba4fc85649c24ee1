// The pcap format: one header, then frames. All numbers are in the byte order of the machine that wrote the file.
//
//  0        4        8        12       16       20       24
// | magic   | major, | time   | time   | snap   | FCS,    |
// |         | minor  | zone   | sigma  | length | type    |
//
//  0         4                 8          12         16
// | seconds | micro- or nano- | captured | original | bytes ...
//
// The magic is A1B2C3D4 for microseconds and A1B23C4D for nanoseconds.

namespace Testudo.Wire;

public sealed partial class CaptureReader
{
    private const uint Microseconds = 0xA1B2C3D4, Nanoseconds = 0xA1B23C4D;
    private const uint SwappedMicroseconds = 0xD4C3B2A1, SwappedNanoseconds = 0x4D3CB2A1;
    private uint _fraction; // nanoseconds in a unit of the second time field

    // The magic has been read, as if it were big-endian. False where it is none.
    private bool TryReadPcapHeader(uint magic)
    {
        if (magic is not (Microseconds or Nanoseconds or SwappedMicroseconds or SwappedNanoseconds))
        {
            return false;
        }

        _bigEndian = magic is Microseconds or Nanoseconds;
        _fraction = magic is Microseconds or SwappedMicroseconds ? 1000u : 1u;
        Span<byte> header = stackalloc byte[20];
        Need(header, 0, "the header of the file");
        if (U16(header) != 2)
        {
            throw new CaptureFormatException(4, $"expected version 2 of pcap, found {U16(header)}.{U16(header[2..])}", "convert it with 'editcap -F pcapng IN OUT'");
        }

        // The upper half of the last word says how long the frames' check sequence is; what finds IP does not mind it.
        _interfaces.Add(new CaptureInterface(0, (int)(U32(header[16..]) & 0xFFFF), null, null, U32(header[12..])));
        return true;
    }

    private bool TryReadPcap(out CaptureFrame frame)
    {
        frame = default;
        long start = Position;
        Span<byte> header = stackalloc byte[16];
        int read = Fill(header);
        if (read == 0)
        {
            return false;
        }

        if (read < header.Length)
        {
            throw CutOff(start, $"the header of frame {_frames + 1}");
        }

        uint captured = U32(header[8..]);
        if (captured > MaxLength)
        {
            throw new CaptureFormatException(start + 8, $"frame {_frames + 1} claims {captured} bytes, more than {MaxLength}", Damaged);
        }

        byte[] bytes = new byte[captured];
        Need(bytes, start, $"frame {_frames + 1}");
        long time = (U32(header) * 1_000_000_000L) + ((long)U32(header[4..]) * _fraction);
        frame = new CaptureFrame(++_frames, time, _interfaces[0], bytes, U32(header[12..]), CaptureDirection.Unknown, null);
        return true;
    }
}
