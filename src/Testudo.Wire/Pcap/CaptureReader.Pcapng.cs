// The pcapng format (draft-ietf-opsawg-pcapng): blocks. A section header sets the byte order of what follows and
// forgets the interfaces; interface blocks are counted from 0; packet blocks name one. Unknown blocks are skipped.
//
//  0            4              8                          n-4
// | block type | block length | body, padded to 4 bytes  | block length |
//
//  section header      | 1A2B3C4D | major, minor | section length, 8 | options |
//  interface           | link type, 0 | snap length | options |
//  enhanced packet     | interface | time, high | time, low | captured | original | bytes | options |
//  packet (obsolete)   | interface, drops | time, high | time, low | captured | original | bytes | options |
//  simple packet       | original | bytes |
//
//  option              | code | length | value, padded to 4 bytes |

using System.Text;

namespace Testudo.Wire;

public sealed partial class CaptureReader
{
    private const uint SectionHeader = 0x0A0D0D0A, ByteOrder = 0x1A2B3C4D, SwappedByteOrder = 0x4D3C2B1A;
    private const uint InterfaceBlock = 1, ObsoletePacket = 2, SimplePacket = 3, EnhancedPacket = 6;
    private const int OptionEnd = 0, OptionComment = 1, OptionFlags = 2;
    private const int InterfaceName = 2, InterfaceDescription = 3, InterfaceResolution = 9, InterfaceTimeOffset = 14;

    private readonly List<TimeUnit> _units = []; // one for each of _interfaces
    private byte[] _block = new byte[4096];
    private int _sectionStart; // the place of this section's interface 0

    private bool TryReadPcapng(out CaptureFrame frame)
    {
        frame = default;
        Span<byte> head = stackalloc byte[8];
        while (true)
        {
            long start = Position;
            int read = Fill(head[..4]);
            if (read == 0)
            {
                return false;
            }

            if (read < 4)
            {
                throw CutOff(start, "the header of a block");
            }

            uint type = U32(head);
            if (type == SectionHeader) // the same in both byte orders
            {
                ReadSectionHeader(start);
                continue;
            }

            Need(head[4..], start, "the header of a block");
            uint length = U32(head[4..]);
            bool wanted = type is InterfaceBlock or ObsoletePacket or SimplePacket or EnhancedPacket;
            CheckLength(start, type, length, wanted);
            if (!wanted)
            {
                SkipBlock(start, type, length);
                continue;
            }

            ReadOnlySpan<byte> body = ReadBody(start, type, length);
            if (type == InterfaceBlock)
            {
                AddInterface(start, body);
            }
            else
            {
                frame = ReadPacket(start, type, body);
                return true;
            }
        }
    }

    // The type has been read.
    private void ReadSectionHeader(long start)
    {
        Span<byte> head = stackalloc byte[8];
        Need(head, start, "a section header");
        _bigEndian = false;
        uint magic = U32(head[4..]);
        if (magic is not (ByteOrder or SwappedByteOrder))
        {
            throw new CaptureFormatException(start + 8, $"expected the byte order mark 1A2B3C4D of a section, found {magic:X8}", Damaged);
        }

        _bigEndian = magic == SwappedByteOrder;
        uint length = U32(head);
        CheckLength(start, SectionHeader, length, true);
        if (length < 28)
        {
            throw new CaptureFormatException(start + 4, $"a section header of {length} bytes is too short", Damaged);
        }

        // The mark was the first word of the body.
        head[4..].CopyTo(_block);
        ReadOnlySpan<byte> body = ReadBody(start, SectionHeader, length, 4);
        if (U16(body[4..]) != 1)
        {
            throw new CaptureFormatException(start + 12, $"expected version 1 of pcapng, found {U16(body[4..])}.{U16(body[6..])}", "convert it with 'editcap -F pcapng IN OUT'");
        }

        _sectionStart = _interfaces.Count;
    }

    private static void CheckLength(long start, uint type, uint length, bool wanted)
    {
        if (length < 12 || (length & 3) != 0)
        {
            throw new CaptureFormatException(start + 4, $"a block of type {type:X8} claims {length} bytes, not a multiple of 4 from 12 on", Damaged);
        }

        if (wanted && length > MaxLength)
        {
            throw new CaptureFormatException(start + 4, $"a block of type {type:X8} claims {length} bytes, more than {MaxLength}", Damaged);
        }
    }

    // The body of a block whose header, and perhaps some of its body, has been read.
    private ReadOnlySpan<byte> ReadBody(long start, uint type, uint length, int have = 0)
    {
        int rest = (int)length - 8;
        if (_block.Length < rest)
        {
            Array.Resize(ref _block, Math.Max(rest, Math.Min(2 * _block.Length, MaxLength)));
        }

        Need(_block.AsSpan(have, rest - have), start, Name(type));
        CheckTrailer(type, length, U32(_block.AsSpan(rest - 4)));
        return _block.AsSpan(0, rest - 4);
    }

    private void SkipBlock(long start, uint type, uint length)
    {
        // Lengths are multiples of 4, so that the last word is never torn apart.
        int piece = 0;
        for (uint rest = length - 8; rest > 0; rest -= (uint)piece)
        {
            piece = (int)Math.Min(rest, (uint)_block.Length);
            Need(_block.AsSpan(0, piece), start, Name(type));
        }

        CheckTrailer(type, length, U32(_block.AsSpan(piece - 4)));
    }

    private void CheckTrailer(uint type, uint length, uint trailer)
    {
        if (trailer != length)
        {
            throw new CaptureFormatException(Position - 4, $"{Name(type)} starts with the length {length} and ends with {trailer}", Damaged);
        }
    }

    private string Name(uint type) => type switch
    {
        SectionHeader => "a section header",
        InterfaceBlock => $"the description of interface {_interfaces.Count - _sectionStart}",
        ObsoletePacket or SimplePacket or EnhancedPacket => $"frame {_frames + 1}",
        _ => $"a block of type {type:X8}",
    };

    private void AddInterface(long start, ReadOnlySpan<byte> body)
    {
        if (body.Length < 8)
        {
            throw TooShort(start, InterfaceBlock);
        }

        string? name = null, description = null;
        byte resolution = 6;
        long offset = 0;
        ReadOnlySpan<byte> options = body[8..];
        while (TryReadOption(start + 16, body.Length - 8, ref options, out int code, out ReadOnlySpan<byte> value))
        {
            switch (code)
            {
                case InterfaceName:
                    name = Text(value);
                    break;
                case InterfaceDescription:
                    description = Text(value);
                    break;
                case InterfaceResolution when value.Length == 1:
                    resolution = value[0];
                    break;
                case InterfaceTimeOffset when value.Length == 8:
                    offset = (long)(_bigEndian
                        ? ((ulong)U32(value) << 32) | U32(value[4..])
                        : ((ulong)U32(value[4..]) << 32) | U32(value));
                    break;
            }
        }

        _interfaces.Add(new CaptureInterface(_interfaces.Count, U16(body), name, description, U32(body[4..])));
        _units.Add(new TimeUnit(resolution, offset));
    }

    private CaptureFrame ReadPacket(long start, uint type, ReadOnlySpan<byte> body)
    {
        int header = type == SimplePacket ? 4 : 20;
        if (body.Length < header)
        {
            throw TooShort(start, type);
        }

        uint number = type switch { SimplePacket => 0, ObsoletePacket => U16(body), _ => U32(body) };
        if (number >= (uint)(_interfaces.Count - _sectionStart))
        {
            throw new CaptureFormatException(start + 8, $"frame {_frames + 1} names interface {number}, and the section has described {_interfaces.Count - _sectionStart}", Damaged);
        }

        int index = _sectionStart + (int)number;
        CaptureInterface on = _interfaces[index];
        uint original = U32(body[(header - 4)..]);
        uint captured = type != SimplePacket ? U32(body[12..]) : on.SnapLength == 0 ? original : Math.Min(original, on.SnapLength);
        if (captured > (uint)(body.Length - header))
        {
            throw new CaptureFormatException(start + (type == SimplePacket ? 8 : 20), $"frame {_frames + 1} claims {captured} bytes in a block that has room for {body.Length - header}", Damaged);
        }

        long time = type == SimplePacket ? 0 : _units[index].ToNanoseconds(((ulong)U32(body[4..]) << 32) | U32(body[8..]));
        string? comment = null;
        CaptureDirection direction = CaptureDirection.Unknown;
        int padded = Math.Min(header + (((int)captured + 3) & ~3), body.Length);
        ReadOnlySpan<byte> options = type == SimplePacket ? default : body[padded..];
        while (TryReadOption(start + 8 + padded, body.Length - padded, ref options, out int code, out ReadOnlySpan<byte> value))
        {
            if (code == OptionComment)
            {
                comment = comment is null ? Text(value) : $"{comment}\n{Text(value)}";
            }
            else if (code == OptionFlags && value.Length == 4)
            {
                uint way = U32(value) & 3;
                direction = way == 3 ? CaptureDirection.Unknown : (CaptureDirection)way;
            }
        }

        return new CaptureFrame(++_frames, time, on, body.Slice(header, (int)captured).ToArray(), original, direction, comment);
    }

    // The next option of a list that started at a byte of the file with so many bytes; false at its end.
    private bool TryReadOption(long start, int length, ref ReadOnlySpan<byte> rest, out int code, out ReadOnlySpan<byte> value)
    {
        code = OptionEnd;
        value = default;
        if (rest.Length < 4 || U16(rest) == OptionEnd)
        {
            return false;
        }

        code = U16(rest);
        int size = U16(rest[2..]);
        if (size > rest.Length - 4)
        {
            throw new CaptureFormatException(start + length - rest.Length, $"an option of {size} bytes in {rest.Length - 4} bytes of room", Damaged);
        }

        value = rest.Slice(4, size);
        rest = rest[Math.Min(4 + ((size + 3) & ~3), rest.Length)..];
        return true;
    }

    private CaptureFormatException TooShort(long start, uint type) => new(start + 4, $"{Name(type)} is in a block too short for it", Damaged);

    private static string Text(ReadOnlySpan<byte> bytes) => Encoding.UTF8.GetString(bytes).TrimEnd('\0');

    // if_tsresol: with the high bit a power of 2, without it a power of 10. if_tsoffset: seconds to add.
    private readonly record struct TimeUnit(byte Resolution, long OffsetSeconds)
    {
        // What does not fit (before 1677 or after 2262) becomes the nearest that does.
        public long ToNanoseconds(ulong units)
        {
            Int128 time;
            if ((Resolution & 0x80) != 0)
            {
                time = (Int128)(((UInt128)units * 1_000_000_000) >> (Resolution & 0x7F));
            }
            else
            {
                time = units;
                for (int power = Resolution; power < 9; power++)
                {
                    time *= 10;
                }

                for (int power = Resolution; power > 9 && time != 0; power--)
                {
                    time /= 10;
                }
            }

            time += (Int128)OffsetSeconds * 1_000_000_000;
            return time > long.MaxValue ? long.MaxValue : time < long.MinValue ? long.MinValue : (long)time;
        }
    }
}
