// The compressor that stands on zlib itself: two streams that are set up once and reset for each packet, so that nothing is
// allocated.

using System.Runtime.InteropServices;

namespace Testudo.Crypto;

/// <summary>DEFLATE by zlib.</summary>
public sealed unsafe class ZlibCompressor : Compressor
{
    private ZStream* _deflate;
    private ZStream* _inflate;

    /// <summary>Sets up both directions; see <see cref="IsUsable"/>.</summary>
    /// <exception cref="PlatformNotSupportedException">libz.so.1 is not on this machine.</exception>
    public ZlibCompressor()
    {
        if (!IsAvailable)
        {
            throw new PlatformNotSupportedException("libz.so.1 cannot be loaded: install zlib (zlib1g, zlib), or compress with the class library");
        }

        _deflate = (ZStream*)NativeMemory.AllocZeroed((nuint)sizeof(ZStream));
        _inflate = (ZStream*)NativeMemory.AllocZeroed((nuint)sizeof(ZStream));
        IsUsable = LibZ.StartDeflate(_deflate, SendingWindowBits) & LibZ.StartInflate(_inflate);
    }

    /// <summary>Frees the library's memory where nobody disposed.</summary>
    ~ZlibCompressor() => Dispose(false);

    /// <summary>True where the library is on this machine.</summary>
    public static bool IsAvailable => LibZ.IsAvailable;

    /// <summary>True from a successful construction to Dispose; false where there was no memory.</summary>
    public bool IsUsable { get; private set; }

    /// <inheritdoc/>
    public override string Name => "zlib";

    /// <inheritdoc/>
    public override int Compress(ReadOnlySpan<byte> data, Span<byte> into) => Run(_deflate, true, data, into);

    /// <inheritdoc/>
    public override int Decompress(ReadOnlySpan<byte> data, Span<byte> into) => Run(_inflate, false, data, into);

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        IsUsable = false;
        if (_deflate is not null)
        {
            _ = LibZ.DeflateEnd(_deflate); // harmless where the start failed
            _ = LibZ.InflateEnd(_inflate);
            NativeMemory.Free(_deflate);
            NativeMemory.Free(_inflate);
            _deflate = _inflate = null;
        }
    }

    private int Run(ZStream* stream, bool isCompressing, ReadOnlySpan<byte> data, Span<byte> into)
    {
        if (!IsUsable)
        {
            return isCompressing ? DoesNotFit : Bad;
        }

        if (into.IsEmpty)
        {
            return DoesNotFit;
        }

        int answer;
        int left;
        fixed (byte* from = data, to = into)
        {
            answer = isCompressing ? LibZ.DeflateReset(stream) : LibZ.InflateReset(stream);
            stream->NextIn = from;
            stream->AvailableIn = (uint)data.Length;
            stream->NextOut = to;
            stream->AvailableOut = (uint)into.Length;
            answer = answer != LibZ.Ok ? answer : isCompressing ? LibZ.Deflate(stream, LibZ.Finish) : LibZ.Inflate(stream, LibZ.Finish);
            left = (int)stream->AvailableOut;
            stream->NextIn = stream->NextOut = null;
        }

        GC.KeepAlive(this); // its finalizer frees what was computed with
        return answer == LibZ.StreamEnd ? into.Length - left
            : left == 0 && answer is LibZ.Ok or LibZ.BufferError ? DoesNotFit
            : Bad;
    }
}
