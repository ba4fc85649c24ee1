// What a provider has to bring: ciphers and MACs under one key each, on native memory. How they make up a packet is
// written once, in the keys and modes beside this file.
//
// All of them compute for one thread at a time, allocate nothing per call (Testudo.Legacy excepted), and answer false where
// the library below failed.

namespace Testudo.Crypto.Parts;

/// <summary>Something that holds a key and wipes it when it is disposed.</summary>
public abstract class KeyPart : IDisposable
{
    /// <summary>Wipes the key.</summary>
    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Wipes what is held of the key; may be called more than once.</summary>
    protected abstract void Dispose(bool disposing);
}

/// <summary>
/// A block cipher in CBC mode that is set up once, from an IV of zeros, and chains on from call to call: giving a context a
/// new IV costs more than decrypting a short packet, or is not possible at all.
/// </summary>
public abstract unsafe class Chain(int blockLength) : KeyPart
{
    /// <summary>Bytes of a block: 8 or 16.</summary>
    public int BlockLength { get; } = blockLength;

    /// <summary>Encrypts whole blocks, in place or not.</summary>
    public abstract bool Encrypt(byte* output, byte* input, int length);

    /// <summary>Decrypts whole blocks, in place or not.</summary>
    public abstract bool Decrypt(byte* output, byte* input, int length);
}

/// <summary>AES in counter mode.</summary>
public abstract unsafe class CounterMode : KeyPart
{
    /// <summary>Encrypts or decrypts in place, from this block of counter on, which is counted up in its last 4 bytes.</summary>
    /// <param name="counter">16 bytes; untouched.</param>
    /// <param name="data">What is encrypted.</param>
    /// <param name="length">Bytes of it.</param>
    public abstract bool Run(byte* counter, byte* data, int length);
}

/// <summary>A cipher as ESP uses it: the text stands behind its IV.</summary>
public abstract unsafe class CipherPart : KeyPart
{
    /// <summary>Encrypts in place. The IV field has a value that never repeats, and becomes the IV to send.</summary>
    public abstract bool Encrypt(byte* iv, int textLength);

    /// <summary>Decrypts the text in place; the IV stays as it came.</summary>
    public abstract bool Decrypt(byte* iv, int textLength);
}

/// <summary>A MAC.</summary>
public abstract unsafe class MacPart : KeyPart
{
    /// <summary>The longest digest.</summary>
    public const int MaxDigestLength = 64;

    /// <summary>Computes the MAC of the data and, behind it, the tail.</summary>
    /// <param name="data">The data.</param>
    /// <param name="length">Bytes of it.</param>
    /// <param name="tail">The high half of an extended sequence number.</param>
    /// <param name="tailLength">4, or 0 where there is none.</param>
    /// <param name="digest">Gets the whole digest: room for <see cref="MaxDigestLength"/> bytes.</param>
    public abstract bool Compute(byte* data, int length, byte* tail, int tailLength, byte* digest);
}

/// <summary>A combined mode.</summary>
public abstract unsafe class AeadPart : KeyPart
{
    /// <summary>Encrypts in place and writes the tag.</summary>
    public abstract bool Seal(byte* nonce, byte* aad, int aadLength, byte* text, int textLength, byte* tag);

    /// <summary>Decrypts in place; false where the tag is not the right one, compared in constant time.</summary>
    public abstract bool Open(byte* nonce, byte* aad, int aadLength, byte* text, int textLength, byte* tag);
}

/// <summary>AES-GMAC.</summary>
public abstract unsafe class GmacPart : KeyPart
{
    /// <summary>Bytes of the tag, which is never truncated (RFC 4543, 3.4).</summary>
    public const int TagLength = 16;

    /// <summary>Computes the tag of two pieces of data under a nonce of 12 bytes.</summary>
    public abstract bool Compute(byte* nonce, byte* first, int firstLength, byte* second, int secondLength, byte* tag);
}
