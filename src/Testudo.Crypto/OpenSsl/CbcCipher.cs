// AES-CBC on two contexts that are set up once: giving one a new IV costs more than decrypting a short packet. Neither
// direction needs it, as CBC chains on from its last block of ciphertext:
//
//   Encrypt  in   | IV field: a value that never repeats | text ...       The first block out is E(value XOR last block of
//            out  | the IV on the wire                   | ciphertext ... the packet before): unpredictable, and the IV that
//                                                                         the rest was chained from.
//   Decrypt  in   | IV   | ciphertext ...                                 Only the first block out depends on the packet
//            out  | junk | text ...                                       before; it goes elsewhere.
//
// Chaining on is more than a saving: E(value) alone could be foretold by who knows the next value and can have a block
// equal to it encrypted first.

namespace Testudo.Crypto.OpenSsl;

internal sealed unsafe class CbcCipher
{
    private const int BlockLength = 16;

    private readonly nint _encryptor = LibCrypto.NewCipher();
    private readonly nint _decryptor = LibCrypto.NewCipher();

    public CbcCipher(ReadOnlySpan<byte> key)
    {
        nint cipher = key.Length switch
        {
            16 => LibCrypto.Aes128Cbc(),
            24 => LibCrypto.Aes192Cbc(),
            _ => LibCrypto.Aes256Cbc(),
        };
        byte* zero = stackalloc byte[BlockLength];
        new Span<byte>(zero, BlockLength).Clear();
        fixed (byte* bytes = key)
        {
            IsUsable = _encryptor != 0 && _decryptor != 0 && cipher != 0
                && LibCrypto.InitCipher(_encryptor, cipher, 0, bytes, zero, 1) == 1
                && LibCrypto.InitCipher(_decryptor, cipher, 0, bytes, zero, 0) == 1
                && LibCrypto.SetPadding(_encryptor, 0) == 1
                && LibCrypto.SetPadding(_decryptor, 0) == 1;
        }
    }

    /// <summary>True where the library has taken the key.</summary>
    public bool IsUsable { get; }

    /// <summary>Encrypts IV field and text in place: the IV field becomes the IV to send.</summary>
    /// <param name="data">The IV field.</param>
    /// <param name="length">Bytes of IV field and text, a multiple of 16.</param>
    public bool Encrypt(byte* data, int length) => Run(_encryptor, data, data, length);

    /// <summary>Decrypts the text in place; the IV stays as it came.</summary>
    /// <param name="data">The IV.</param>
    /// <param name="length">Bytes of IV and text, a multiple of 16.</param>
    public bool Decrypt(byte* data, int length)
    {
        byte* junk = stackalloc byte[BlockLength];
        return Run(_decryptor, junk, data, BlockLength)
            && (length == BlockLength || Run(_decryptor, data + BlockLength, data + BlockLength, length - BlockLength));
    }

    public void Free()
    {
        LibCrypto.FreeCipher(_encryptor);
        LibCrypto.FreeCipher(_decryptor);
    }

    // Part of a block would stay in the context and shift every packet after it.
    private static bool Run(nint context, byte* output, byte* input, int length)
    {
        int written = 0;
        return length % BlockLength == 0
            && LibCrypto.UpdateCipher(context, output, &written, input, length) == 1
            && written == length;
    }
}
