// HMAC (RFC 2104) on the SHA functions: H(key ^ opad, H(key ^ ipad, data)). The states behind the two padded keys are
// computed once (section 4 of the RFC) and copied for each packet.
//
// All of it lies in one piece of native memory, which the collector does not move or copy:
//
//   | inner state | outer state | state at work | digest |

using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace Testudo.Crypto.OpenSsl;

internal sealed unsafe class Hmac
{
    // SHA_CTX has 96 bytes, SHA256_CTX 112, SHA512_CTX 216: structures of public headers, the same since OpenSSL 1.0.
    private const int StateLength = 224;
    private const int MaxDigestLength = 64;
    private const int MaxBlockLength = 128;
    private const int Length = 3 * StateLength + MaxDigestLength;

    private readonly Integrity _integrity;
    private readonly int _digestLength;
    private readonly byte* _memory = (byte*)NativeMemory.AlignedAlloc(Length, 64);

    public Hmac(Integrity integrity, ReadOnlySpan<byte> key)
    {
        _integrity = integrity;
        _digestLength = Transforms.Find(integrity)!.DigestLength;
        new Span<byte>(_memory, Length).Clear();

        int blockLength = integrity is Integrity.HmacSha384 or Integrity.HmacSha512 ? 128 : 64;
        byte* padded = stackalloc byte[MaxBlockLength];
        var block = new Span<byte>(padded, blockLength);
        block.Clear();
        bool ok = true;
        if (key.Length <= blockLength)
        {
            key.CopyTo(block);
        }
        else
        {
            fixed (byte* bytes = key)
            {
                ok = Init(Work) && Update(Work, bytes, key.Length) && Final(padded, Work);
            }
        }

        Xor(block, 0x36);
        ok = ok && Init(Inner) && Update(Inner, padded, blockLength);
        Xor(block, 0x36 ^ 0x5C);
        IsUsable = ok && Init(Outer) && Update(Outer, padded, blockLength);
        CryptographicOperations.ZeroMemory(block);
    }

    /// <summary>True where the library has taken the key.</summary>
    public bool IsUsable { get; }

    private byte* Inner => _memory;

    private byte* Outer => _memory + StateLength;

    private byte* Work => _memory + (2 * StateLength);

    private byte* Digest => _memory + (3 * StateLength);

    /// <summary>Computes the MAC of the data, and of the high half behind it where there is one.</summary>
    /// <param name="data">The data, in native memory.</param>
    /// <param name="length">Bytes of it.</param>
    /// <param name="high">The high half of an extended sequence number, or null.</param>
    /// <param name="digest">
    /// The whole digest, until the next call. Of a forged packet it is the ICV that would have been right; it lies with
    /// the states that would give it just as well, and is wiped with them.
    /// </param>
    /// <returns>False where the library failed.</returns>
    public bool Compute(byte* data, int length, uint? high, out ReadOnlySpan<byte> digest)
    {
        digest = new ReadOnlySpan<byte>(Digest, _digestLength);
        NativeMemory.Copy(Inner, Work, StateLength);
        bool ok = Update(Work, data, length);
        if (high is { } value)
        {
            byte* bytes = stackalloc byte[sizeof(uint)];
            BinaryPrimitives.WriteUInt32BigEndian(new Span<byte>(bytes, sizeof(uint)), value);
            ok = ok && Update(Work, bytes, sizeof(uint));
        }

        ok = ok && Final(Digest, Work);
        NativeMemory.Copy(Outer, Work, StateLength);
        return ok && Update(Work, Digest, _digestLength) && Final(Digest, Work);
    }

    public void Free()
    {
        CryptographicOperations.ZeroMemory(new Span<byte>(_memory, Length));
        NativeMemory.AlignedFree(_memory);
    }

    private static void Xor(Span<byte> block, byte with)
    {
        foreach (ref byte b in block)
        {
            b ^= with;
        }
    }

    private bool Init(byte* state) => 1 == _integrity switch
    {
        Integrity.HmacSha1 => LibCrypto.Sha1Init(state),
        Integrity.HmacSha256 => LibCrypto.Sha256Init(state),
        Integrity.HmacSha384 => LibCrypto.Sha384Init(state),
        _ => LibCrypto.Sha512Init(state),
    };

    private bool Update(byte* state, byte* data, int length) => 1 == _integrity switch
    {
        Integrity.HmacSha1 => LibCrypto.Sha1Update(state, data, (nuint)length),
        Integrity.HmacSha256 => LibCrypto.Sha256Update(state, data, (nuint)length),
        _ => LibCrypto.Sha512Update(state, data, (nuint)length),
    };

    private bool Final(byte* digest, byte* state) => 1 == _integrity switch
    {
        Integrity.HmacSha1 => LibCrypto.Sha1Final(digest, state),
        Integrity.HmacSha256 => LibCrypto.Sha256Final(digest, state),
        Integrity.HmacSha384 => LibCrypto.Sha384Final(digest, state),
        _ => LibCrypto.Sha512Final(digest, state),
    };
}
