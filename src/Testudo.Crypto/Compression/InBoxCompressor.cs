// The compressor where there is no zlib of its own: the class library's streams. Its buffers are used again, but each packet
// makes a stream and its window anew.

using System.IO.Compression;

namespace Testudo.Crypto;

/// <summary>DEFLATE by the class library.</summary>
/// <remarks>
/// It looks back 32 KiB: a peer that keeps less of a packet longer than 2 KiB may not be able to read it. What was cut off it
/// takes for a shorter text, which then fails where the packet inside is looked at.
/// </remarks>
public sealed class InBoxCompressor : Compressor
{
    private readonly MemoryStream _data = new();

    /// <inheritdoc/>
    public override string Name => "inbox";

    /// <inheritdoc/>
    public override int Compress(ReadOnlySpan<byte> data, Span<byte> into)
    {
        _data.SetLength(0);
        using (var deflate = new DeflateStream(_data, CompressionLevel.Optimal, leaveOpen: true))
        {
            deflate.Write(data);
        }

        int length = (int)_data.Length;
        if (data.IsEmpty || length > into.Length)
        {
            return DoesNotFit;
        }

        _data.GetBuffer().AsSpan(0, length).CopyTo(into);
        return length;
    }

    /// <inheritdoc/>
    public override int Decompress(ReadOnlySpan<byte> data, Span<byte> into)
    {
        _data.SetLength(0);
        _data.Write(data);
        _data.Position = 0;
        try
        {
            using var inflate = new DeflateStream(_data, CompressionMode.Decompress, leaveOpen: true);
            int length = 0;
            for (int read = -1; read != 0 && length < into.Length; length += read)
            {
                read = inflate.Read(into[length..]);
            }

            return length == into.Length && inflate.ReadByte() >= 0 ? DoesNotFit : length;
        }
        catch (InvalidDataException)
        {
            return Bad;
        }
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing) => _data.Dispose();
}
