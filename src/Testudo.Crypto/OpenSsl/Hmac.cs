// HMAC (RFC 2104) on the MD5 and SHA functions: H(key ^ opad, H(key ^ ipad, data)). The states behind the two padded keys are
// computed once (section 4 of the RFC) and copied for each packet.
//
// All of it lies in one piece of native memory, which the collector does not move or copy:
//
//   | inner state | outer state | state at work |

using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Testudo.Crypto.Parts;

namespace Testudo.Crypto.OpenSsl;

internal sealed unsafe class Hmac : MacPart
{
    // MD5_CTX has 92 bytes, SHA_CTX 96, SHA256_CTX 112, SHA512_CTX 216: structures of public headers, the same since OpenSSL 1.0.
    private const int StateLength = 224;
    private const int MaxBlockLength = 128;
    private const int Length = 3 * StateLength;

    private readonly Integrity _integrity;
    private readonly int _digestLength;
    private bool _isFreed;
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

    ~Hmac() => Dispose(false);

    /// <summary>True where the library has taken the key.</summary>
    public bool IsUsable { get; }

    private byte* Inner => _memory;

    private byte* Outer => _memory + StateLength;

    private byte* Work => _memory + (2 * StateLength);

    public override bool Compute(byte* data, int length, byte* tail, int tailLength, byte* digest)
    {
        NativeMemory.Copy(Inner, Work, StateLength);
        bool ok = Update(Work, data, length) && Update(Work, tail, tailLength) && Final(digest, Work);
        NativeMemory.Copy(Outer, Work, StateLength);
        return ok && Update(Work, digest, _digestLength) && Final(digest, Work);
    }

    protected override void Dispose(bool disposing)
    {
        if (!_isFreed && _memory != null)
        {
            _isFreed = true;
            CryptographicOperations.ZeroMemory(new Span<byte>(_memory, Length));
            NativeMemory.AlignedFree(_memory);
        }
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
        Integrity.HmacMd5 => LibCrypto.Md5Init(state),
        Integrity.HmacSha1 => LibCrypto.Sha1Init(state),
        Integrity.HmacSha256 => LibCrypto.Sha256Init(state),
        Integrity.HmacSha384 => LibCrypto.Sha384Init(state),
        _ => LibCrypto.Sha512Init(state),
    };

    private bool Update(byte* state, byte* data, int length) => 1 == _integrity switch
    {
        Integrity.HmacMd5 => LibCrypto.Md5Update(state, data, (nuint)length),
        Integrity.HmacSha1 => LibCrypto.Sha1Update(state, data, (nuint)length),
        Integrity.HmacSha256 => LibCrypto.Sha256Update(state, data, (nuint)length),
        _ => LibCrypto.Sha512Update(state, data, (nuint)length),
    };

    private bool Final(byte* digest, byte* state) => 1 == _integrity switch
    {
        Integrity.HmacMd5 => LibCrypto.Md5Final(digest, state),
        Integrity.HmacSha1 => LibCrypto.Sha1Final(digest, state),
        Integrity.HmacSha256 => LibCrypto.Sha256Final(digest, state),
        Integrity.HmacSha384 => LibCrypto.Sha384Final(digest, state),
        _ => LibCrypto.Sha512Final(digest, state),
    };
}
