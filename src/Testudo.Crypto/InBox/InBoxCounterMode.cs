// AES in counter mode, which the class library has not: blocks of counters, encrypted many at once, are the keystream.

using System.Buffers.Binary;
using System.Security.Cryptography;
using Testudo.Crypto.Parts;

namespace Testudo.Crypto.InBox;

internal sealed unsafe class InBoxCounterMode : CounterMode
{
    private const int BlockLength = 16, ScratchLength = 2048;
    private readonly ICryptoTransform _encryptor;
    private readonly byte[] _scratch = GC.AllocateArray<byte>(ScratchLength, pinned: true);

    public InBoxCounterMode(ReadOnlySpan<byte> key)
    {
        byte[] copy = GC.AllocateUninitializedArray<byte>(key.Length, pinned: true);
        key.CopyTo(copy);
        using var aes = Aes.Create();
#pragma warning disable CA5358 // ECB of counters that never repeat is counter mode
        aes.Mode = CipherMode.ECB;
#pragma warning restore CA5358
        aes.Padding = PaddingMode.None;
        _encryptor = aes.CreateEncryptor(copy, null);
        CryptographicOperations.ZeroMemory(copy);
    }

    public override bool Run(byte* counter, byte* data, int length)
    {
        uint count = BinaryPrimitives.ReadUInt32BigEndian(new ReadOnlySpan<byte>(counter + 12, 4));
        while (length > 0)
        {
            int piece = Math.Min(length, ScratchLength);
            int stream = (piece + BlockLength - 1) / BlockLength * BlockLength;
            for (int at = 0; at < stream; at += BlockLength)
            {
                new ReadOnlySpan<byte>(counter, 12).CopyTo(_scratch.AsSpan(at));
                BinaryPrimitives.WriteUInt32BigEndian(_scratch.AsSpan(at + 12), count++);
            }

            _encryptor.TransformBlock(_scratch, 0, stream, _scratch, 0);
            var text = new Span<byte>(data, piece);
            for (int i = 0; i < text.Length; i++)
            {
                text[i] ^= _scratch[i];
            }

            data += piece;
            length -= piece;
        }

        CryptographicOperations.ZeroMemory(_scratch);
        return true;
    }

    protected override void Dispose(bool disposing) => _encryptor.Dispose();
}
