// CBC on a chain that is never given an IV. Neither direction needs one:
//
//   Encrypt  in   | IV field: a value that never repeats | text ...       The first block out is E(value XOR last block of
//            out  | the IV on the wire                   | ciphertext ... the packet before): unpredictable, and the IV that
//                                                                         the rest was chained from.
//   Decrypt  in   | IV   | ciphertext ...                                 Only the first block out depends on the packet
//            out  | junk | text ...                                       before; it goes elsewhere.
//
// Chaining on is more than a saving: E(value) alone could be foretold by who knows the next value and can have a block
// equal to it encrypted first (NIST SP 800-38A, appendix C).

namespace Testudo.Crypto.Parts;

/// <summary>A block cipher in CBC mode; it disposes of its chain.</summary>
public sealed unsafe class CbcCipher(Chain chain) : CipherPart
{
    private const int MaxBlockLength = 16;

    /// <inheritdoc/>
    // Part of a block would stay in the chain and shift every packet after it.
    public override bool Encrypt(byte* iv, int textLength) =>
        textLength % chain.BlockLength == 0 && chain.Encrypt(iv, iv, chain.BlockLength + textLength);

    /// <inheritdoc/>
    public override bool Decrypt(byte* iv, int textLength)
    {
        byte* junk = stackalloc byte[MaxBlockLength];
        byte* text = iv + chain.BlockLength;
        return textLength % chain.BlockLength == 0
            && chain.Decrypt(junk, iv, chain.BlockLength)
            && (textLength == 0 || chain.Decrypt(text, text, textLength));
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing) => chain.Dispose();
}
