// Writes pcapng: one section, little-endian, nanoseconds. CaptureReader.Pcapng.cs has the figure of the blocks.
//
// A block is put together in a buffer of this writer's own and goes to the stream when the next one does not fit or on
// Flush, so that the stream is given whole blocks only and nothing is allocated for a frame without a comment.

using System.Buffers.Binary;
using System.Text;

namespace Testudo.Wire;

/// <summary>Writes frames of several interfaces to a pcapng stream. Not thread-safe: who shares it locks it.</summary>
public sealed class PcapngWriter : IDisposable
{
    private const uint SectionHeader = 0x0A0D0D0A, InterfaceBlock = 1, EnhancedPacket = 6;
    private const int OptionComment = 1, OptionFlags = 2, Overhead = 64, MaxOption = 65535;
    private readonly Stream _stream;
    private readonly bool _leaveOpen;
    private byte[] _buffer = new byte[64 * 1024];
    private int _used;
    private int _interfaces;
    private int _start; // of the block that is being put together
    private bool _broken; // closed, or the stream failed and may end within a block: nothing may follow

    /// <summary>Starts a file; the texts (shb_hardware, shb_os, shb_userappl) may be null.</summary>
    public PcapngWriter(Stream stream, string? hardware, string? os, string? application, bool leaveOpen = false)
    {
        ArgumentNullException.ThrowIfNull(stream);
        _stream = stream;
        _leaveOpen = leaveOpen;
        Begin(SectionHeader);
        U32(0x1A2B3C4D);
        U16(1);
        U16(0);
        U32(uint.MaxValue); // the length of the section is not known yet
        U32(uint.MaxValue);
        Text(2, hardware);
        Text(3, os);
        Text(4, application);
        End();
    }

    /// <summary>Bytes written so far, those still in the buffer too.</summary>
    public long Length { get; private set; }

    /// <summary>Describes an interface; what it answers is the number to <see cref="Write"/> with.</summary>
    /// <param name="name">if_name.</param>
    /// <param name="linkType">A <see cref="LinkType"/>, 0 to 65535.</param>
    /// <param name="description">if_description, or null.</param>
    public int AddInterface(string name, int linkType, string? description = null)
    {
        Begin(InterfaceBlock);
        U16(checked((ushort)linkType));
        U16(0);
        U32(0); // no snap length
        Text(2, name);
        Text(3, description);
        Option(9, [9]); // if_tsresol: 10^-9
        End();
        return _interfaces++;
    }

    /// <summary>Writes one frame.</summary>
    /// <param name="iface">What <see cref="AddInterface"/> gave.</param>
    /// <param name="unixNanoseconds">When it was captured; a time before 1970 becomes 0.</param>
    /// <param name="bytes">The frame, or what was captured of it; up to <see cref="CaptureReader.MaxLength"/> less 128 KiB.</param>
    /// <param name="comment">A text for who reads the capture, or null.</param>
    /// <param name="originalLength">The length on the wire; less than the bytes given means the same as they.</param>
    /// <param name="direction">Which way it went.</param>
    /// <exception cref="IOException">The stream failed, now or before.</exception>
    public void Write(
        int iface,
        long unixNanoseconds,
        ReadOnlySpan<byte> bytes,
        string? comment = null,
        int originalLength = 0,
        CaptureDirection direction = CaptureDirection.Unknown)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)iface, (uint)_interfaces, nameof(iface));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(bytes.Length, CaptureReader.MaxLength - (128 * 1024), nameof(bytes));
        ulong time = (ulong)Math.Max(unixNanoseconds, 0);
        Begin(EnhancedPacket, bytes.Length);
        U32((uint)iface);
        U32((uint)(time >> 32));
        U32((uint)time);
        U32((uint)bytes.Length);
        U32((uint)Math.Max(originalLength, bytes.Length));
        Padded(bytes);
        if (direction != CaptureDirection.Unknown)
        {
            Option(OptionFlags, [(byte)direction, 0, 0, 0]);
        }

        Text(OptionComment, comment);
        End();
    }

    /// <summary>Gives the stream all that was written, and has it do the same.</summary>
    public void Flush()
    {
        if (!_broken)
        {
            Drain();
            _stream.Flush();
        }
    }

    /// <summary>Flushes, and closes the stream unless it was to be left open.</summary>
    public void Dispose()
    {
        try
        {
            Flush();
        }
        finally
        {
            _broken = true;
            if (!_leaveOpen)
            {
                _stream.Dispose();
            }
        }
    }

    private void Begin(uint type, int bytes = 0)
    {
        if (_broken)
        {
            throw new IOException("this capture was closed or an earlier write failed; nothing can be added to it");
        }

        if (_buffer.Length - _used < bytes + Overhead)
        {
            Drain();
        }

        _start = _used;
        U32(type);
        U32(0); // the length, when it is known
    }

    private void End()
    {
        // opt_endofopt is not needed where the options end with the block.
        int length = _used - _start + 4;
        BinaryPrimitives.WriteUInt32LittleEndian(_buffer.AsSpan(_start + 4), (uint)length);
        U32((uint)length);
        Length += length;
    }

    private void Text(ushort code, string? text)
    {
        if (text is null)
        {
            return;
        }

        byte[] bytes = Encoding.UTF8.GetBytes(text);
        int length = Math.Min(bytes.Length, MaxOption);
        while (length > 0 && length < bytes.Length && (bytes[length] & 0xC0) == 0x80)
        {
            length--; // not in the middle of a character
        }

        Option(code, bytes.AsSpan(0, length));
    }

    private void Option(ushort code, ReadOnlySpan<byte> value)
    {
        U16(code);
        U16((ushort)value.Length);
        Padded(value);
    }

    private void Padded(ReadOnlySpan<byte> bytes)
    {
        int padded = (bytes.Length + 3) & ~3;
        Room(padded);
        bytes.CopyTo(_buffer.AsSpan(_used));
        _buffer.AsSpan(_used + bytes.Length, padded - bytes.Length).Clear();
        _used += padded;
    }

    private void U16(ushort value)
    {
        Room(2);
        BinaryPrimitives.WriteUInt16LittleEndian(_buffer.AsSpan(_used), value);
        _used += 2;
    }

    private void U32(uint value)
    {
        Room(4);
        BinaryPrimitives.WriteUInt32LittleEndian(_buffer.AsSpan(_used), value);
        _used += 4;
    }

    private void Room(int bytes)
    {
        if (_buffer.Length - _used < bytes)
        {
            Array.Resize(ref _buffer, Math.Max(_used + bytes, 2 * _buffer.Length));
        }
    }

    private void Drain()
    {
        _broken = true;
        _stream.Write(_buffer, 0, _used);
        _broken = false;
        _used = 0;
    }
}
