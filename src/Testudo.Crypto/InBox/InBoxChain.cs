// Block ciphers of the class library in CBC mode, on two transforms kept for the life of the key, since the library's
// one-shot calls allocate a cipher each time.

using System.Security.Cryptography;
using Testudo.Crypto.Parts;

namespace Testudo.Crypto.InBox;

internal sealed unsafe class InBoxChain : Chain
{
    // Packets of the usual path MTU in one piece; longer ones in several, which the chaining does not notice.
    private const int ScratchLength = 2048;

    private readonly ICryptoTransform _encryptor;
    private readonly ICryptoTransform _decryptor;

    // The transforms take arrays only. Pinned, so that the collector leaves no copies of what passed through.
    private readonly byte[] _scratch = GC.AllocateArray<byte>(ScratchLength, pinned: true);

    /// <summary>Takes the cipher over as far as its key goes; the caller disposes of it.</summary>
    /// <exception cref="CryptographicException">The library does not take the key.</exception>
    public InBoxChain(SymmetricAlgorithm cipher, ReadOnlySpan<byte> key)
        : base(cipher.BlockSize / 8)
    {
        byte[] copy = GC.AllocateUninitializedArray<byte>(key.Length, pinned: true);
        key.CopyTo(copy);
        try
        {
            cipher.Mode = CipherMode.CBC;
            cipher.Padding = PaddingMode.None;
            var start = new byte[BlockLength];
            _encryptor = cipher.CreateEncryptor(copy, start);
            _decryptor = cipher.CreateDecryptor(copy, start);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(copy);
        }
    }

    public override bool Encrypt(byte* output, byte* input, int length) => Run(_encryptor, output, input, length);

    public override bool Decrypt(byte* output, byte* input, int length) => Run(_decryptor, output, input, length);

    protected override void Dispose(bool disposing)
    {
        _encryptor.Dispose();
        _decryptor.Dispose();
        CryptographicOperations.ZeroMemory(_scratch);
    }

    private bool Run(ICryptoTransform transform, byte* output, byte* input, int length)
    {
        for (int done = 0; done < length;)
        {
            int piece = Math.Min(length - done, ScratchLength);
            new ReadOnlySpan<byte>(input + done, piece).CopyTo(_scratch);
            transform.TransformBlock(_scratch, 0, piece, _scratch, 0);
            _scratch.AsSpan(0, piece).CopyTo(new Span<byte>(output + done, piece));
            done += piece;
        }

        return true;
    }
}
