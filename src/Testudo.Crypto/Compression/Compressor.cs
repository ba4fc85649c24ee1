// Compression of IPComp payloads (RFC 3173; DEFLATE without a wrapping, RFC 2394). Each packet stands for itself: nothing is
// remembered from one to the next.

namespace Testudo.Crypto;

/// <summary>Compression algorithms of IPComp. The values are PF_KEY's SADB_X_CALG numbers, and well-known CPIs.</summary>
public enum Compression : byte
{
    /// <summary>None: no SA of IPComp.</summary>
    None = 0,

    /// <summary>DEFLATE (RFC 2394).</summary>
    Deflate = 2,
}

/// <summary>Compresses and decompresses packets. Used by one thread at a time; throws for no bytes whatever.</summary>
public abstract class Compressor : IDisposable
{
    /// <summary>What came is not what the algorithm makes, or is cut off.</summary>
    public const int Bad = -1;

    /// <summary>The result is longer than the room for it.</summary>
    public const int DoesNotFit = -2;

    /// <summary>
    /// The greatest distance that what we send looks back is 2 to the power of this: no peer inflates with less (Linux 11,
    /// KAME 12).
    /// </summary>
    protected const int SendingWindowBits = 11;

    /// <summary>One of the best kind that this machine has: zlib where it is available, else the class library's.</summary>
    public static Compressor New()
    {
        if (ZlibCompressor.IsAvailable)
        {
            var zlib = new ZlibCompressor();
            if (zlib.IsUsable)
            {
                return zlib;
            }

            zlib.Dispose();
        }

        return new InBoxCompressor();
    }

    /// <summary>The name shown in status.</summary>
    public abstract string Name { get; }

    /// <summary>Bytes written, or <see cref="DoesNotFit"/>.</summary>
    public abstract int Compress(ReadOnlySpan<byte> data, Span<byte> into);

    /// <summary>Bytes written, <see cref="Bad"/>, or <see cref="DoesNotFit"/>. No more than the room is ever made of them.</summary>
    public abstract int Decompress(ReadOnlySpan<byte> data, Span<byte> into);

    /// <summary>Frees what it holds.</summary>
    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Frees what the implementation holds.</summary>
    protected abstract void Dispose(bool disposing);
}
