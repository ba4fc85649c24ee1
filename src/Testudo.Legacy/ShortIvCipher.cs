// DES with a 32-bit IV (RFC 1829, 2): what stands in the packet is half of the IV, the other half is its complement.
//
//   IV   | IV field (4) | NOT IV field (4) |

using System.Security.Cryptography;
using Testudo.Crypto.Parts;

namespace Testudo.Legacy;

internal sealed unsafe class ShortIvCipher(Chain chain) : CipherPart
{
    private const int BlockLength = 8, IvLength = 4;

    // The IV is half of an encrypted block: not to be foretold. The chain goes on from that block and not from the IV, so
    // the difference of the two is put into the first block of text.
    public override bool Encrypt(byte* iv, int textLength)
    {
        byte* block = stackalloc byte[BlockLength];
        byte* whole = stackalloc byte[BlockLength];
        new Span<byte>(block, BlockLength).Clear();
        new ReadOnlySpan<byte>(iv, IvLength).CopyTo(new Span<byte>(block, IvLength));
        if (textLength % BlockLength != 0 || !chain.Encrypt(block, block, BlockLength))
        {
            return false;
        }

        new ReadOnlySpan<byte>(block, IvLength).CopyTo(new Span<byte>(iv, IvLength));
        Complete(iv, whole);
        byte* text = iv + IvLength;
        for (int i = 0; i < BlockLength && textLength > 0; i++)
        {
            text[i] ^= (byte)(block[i] ^ whole[i]);
        }

        CryptographicOperations.ZeroMemory(new Span<byte>(block, BlockLength));
        return chain.Encrypt(text, text, textLength);
    }

    public override bool Decrypt(byte* iv, int textLength)
    {
        byte* whole = stackalloc byte[BlockLength];
        byte* junk = stackalloc byte[BlockLength];
        Complete(iv, whole);
        byte* text = iv + IvLength;
        return textLength % BlockLength == 0 && chain.Decrypt(junk, whole, BlockLength) && chain.Decrypt(text, text, textLength);
    }

    protected override void Dispose(bool disposing) => chain.Dispose();

    private static void Complete(byte* iv, byte* whole)
    {
        for (int i = 0; i < IvLength; i++)
        {
            whole[i] = iv[i];
            whole[i + IvLength] = (byte)~iv[i];
        }
    }
}
