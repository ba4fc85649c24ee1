// AES-CBC on two transforms kept for the life of the key, since the library's one-shot calls allocate a cipher each time.
// A kept transform chains on from its last block and cannot be given a new IV; neither direction needs one:
//
//   Encrypt  in   | IV field: a value that never repeats | text ...       The first block out is E(value XOR last block of
//            out  | the IV on the wire                   | ciphertext ... the packet before): unpredictable, and the IV that
//                                                                         the rest was chained from.
//   Decrypt  in   | IV   | ciphertext ...                                 Only the first block out depends on the packet
//            out  | junk | text ...                                       before; it is dropped.
//
// Chaining on is more than a saving: E(value) alone could be foretold by who knows the next value and can have a block
// equal to it encrypted first.

using System.Security.Cryptography;

namespace Testudo.Crypto.InBox;

internal sealed unsafe class CbcCipher : IDisposable
{
    private const int BlockLength = 16;

    // Packets of the usual path MTU in one piece; longer ones in several, which the chaining does not notice.
    private const int ScratchLength = 2048;

    private readonly ICryptoTransform _encryptor;
    private readonly ICryptoTransform _decryptor;

    // The transforms take arrays only. Pinned, so that the collector leaves no copies of what passed through.
    private readonly byte[] _scratch = GC.AllocateArray<byte>(ScratchLength, pinned: true);

    public CbcCipher(ReadOnlySpan<byte> key)
    {
        byte[] copy = GC.AllocateUninitializedArray<byte>(key.Length, pinned: true);
        key.CopyTo(copy);
        using var aes = Aes.Create();
        aes.Mode = CipherMode.CBC;
        aes.Padding = PaddingMode.None;
        var start = new byte[BlockLength];
        _encryptor = aes.CreateEncryptor(copy, start);
        _decryptor = aes.CreateDecryptor(copy, start);
        CryptographicOperations.ZeroMemory(copy);
    }

    /// <summary>Encrypts IV field and text in place; the IV field becomes the IV to send.</summary>
    /// <param name="data">The IV field.</param>
    /// <param name="length">Bytes of IV field and text, a multiple of 16.</param>
    public void Encrypt(byte* data, int length) => Run(_encryptor, data, length, 0);

    /// <summary>Decrypts the text in place; the IV stays as it came.</summary>
    /// <param name="data">The IV.</param>
    /// <param name="length">Bytes of IV and text, a multiple of 16.</param>
    public void Decrypt(byte* data, int length) => Run(_decryptor, data, length, BlockLength);

    public void Dispose()
    {
        _encryptor.Dispose();
        _decryptor.Dispose();
        CryptographicOperations.ZeroMemory(_scratch);
    }

    private void Run(ICryptoTransform transform, byte* data, int length, int drop)
    {
        var rest = new Span<byte>(data, length);
        while (!rest.IsEmpty)
        {
            int piece = Math.Min(rest.Length, ScratchLength);
            rest[..piece].CopyTo(_scratch);
            transform.TransformBlock(_scratch, 0, piece, _scratch, 0);
            _scratch.AsSpan(drop, piece - drop).CopyTo(rest[drop..]);
            rest = rest[piece..];
            drop = 0;
        }
    }
}
