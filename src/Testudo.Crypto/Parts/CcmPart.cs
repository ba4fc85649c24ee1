// AES-CCM (RFC 3610) of a CBC-MAC and a counter mode, since the libraries' own makes a context for each packet or has rules
// of its own for the order of calls. In ESP (RFC 4309) the nonce has 11 bytes, which leaves 4 for lengths and counter:
//
//   B0   | flags | nonce (11) | length of the text (4) |     then  | length of the AAD (2) | AAD, filled up |, text, filled up
//   Ai   | 3     | nonce (11) | i (4)                  |     A0 hides the MAC, A1 ... the text

using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace Testudo.Crypto.Parts;

internal sealed unsafe class CcmPart(CbcMac mac, CounterMode mode, int tagLength) : AeadPart
{
    private const int NonceLength = 11, BlockLength = CbcMac.BlockLength, AadInFirst = BlockLength - 2;
    private const byte LengthOfLength = 4 - 1, HasAad = 0x40;

    public override bool Seal(byte* nonce, byte* aad, int aadLength, byte* text, int textLength, byte* tag)
    {
        byte* computed = stackalloc byte[BlockLength];
        bool ok = Mac(nonce, aad, aadLength, text, textLength, computed) && Crypt(nonce, 1, text, textLength);
        NativeMemory.Copy(computed, tag, (nuint)tagLength);
        return ok;
    }

    public override bool Open(byte* nonce, byte* aad, int aadLength, byte* text, int textLength, byte* tag)
    {
        byte* computed = stackalloc byte[BlockLength];
        bool ok = Crypt(nonce, 1, text, textLength)
            && Mac(nonce, aad, aadLength, text, textLength, computed)
            && CryptographicOperations.FixedTimeEquals(new ReadOnlySpan<byte>(computed, tagLength), new ReadOnlySpan<byte>(tag, tagLength));
        CryptographicOperations.ZeroMemory(new Span<byte>(computed, BlockLength));
        return ok;
    }

    protected override void Dispose(bool disposing)
    {
        mac.Dispose();
        mode.Dispose();
    }

    // RFC 3610, 2.2 and 2.3: the MAC as it is sent.
    private bool Mac(byte* nonce, byte* aad, int aadLength, byte* text, int textLength, byte* tag)
    {
        byte* block = stackalloc byte[BlockLength];
        block[0] = (byte)((aadLength > 0 ? HasAad : 0) | ((tagLength - 2) / 2 << 3) | LengthOfLength);
        NativeMemory.Copy(nonce, block + 1, NonceLength);
        BinaryPrimitives.WriteUInt32BigEndian(new Span<byte>(block + 12, 4), (uint)textLength);
        mac.Start();
        bool ok = mac.Add(block, BlockLength);
        if (aadLength > 0)
        {
            int first = Math.Min(aadLength, AadInFirst);
            new Span<byte>(block, BlockLength).Clear();
            BinaryPrimitives.WriteUInt16BigEndian(new Span<byte>(block, 2), (ushort)aadLength);
            NativeMemory.Copy(aad, block + 2, (nuint)first);
            ok = ok && mac.Add(block, BlockLength) && mac.AddPadded(aad + first, aadLength - first);
        }

        ok = ok && mac.AddPadded(text, textLength);
        NativeMemory.Copy(mac.Last, tag, BlockLength);
        return ok && Crypt(nonce, 0, tag, BlockLength);
    }

    private bool Crypt(byte* nonce, uint from, byte* data, int length)
    {
        byte* counter = stackalloc byte[BlockLength];
        counter[0] = LengthOfLength;
        NativeMemory.Copy(nonce, counter + 1, NonceLength);
        BinaryPrimitives.WriteUInt32BigEndian(new Span<byte>(counter + 12, 4), from);
        return mode.Run(counter, data, length);
    }
}
