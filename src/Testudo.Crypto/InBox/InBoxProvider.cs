// The provider that stands on the in-box library (on Linux: OpenSSL). It runs everywhere and does every transform of the
// table but Camellia and what is historic; faster providers, and OpenSslProvider where it is available, are asked before it.
//
// Nothing is allocated per job, with one exception: the library tells a wrong tag of AES-GCM (12 and 16 bytes) and of
// ChaCha20-Poly1305 by an exception, which is caught and costs a forged packet some 4 us and 464 bytes.

using System.Security.Cryptography;
using Testudo.Crypto.Parts;

namespace Testudo.Crypto.InBox;

/// <summary>The transforms of the table on .NET's own library; modes that it has not, on its AES.</summary>
public sealed class InBoxProvider : PartsProvider
{
    /// <inheritdoc/>
    public override string Name => "inbox";

    /// <inheritdoc/>
    public override bool Computes(Cipher cipher) => cipher switch
    {
        Cipher.AesGcm8 or Cipher.AesGcm12 or Cipher.AesGcm16 or Cipher.AesGmac => AesGcm.IsSupported,
        Cipher.ChaCha20Poly1305 => ChaCha20Poly1305.IsSupported,
        Cipher.Null or Cipher.AesCbc or Cipher.TripleDesCbc or Cipher.AesCtr or Cipher.AesCcm8 or Cipher.AesCcm12 or Cipher.AesCcm16 => true,
        _ => false,
    };

    /// <inheritdoc/>
    public override bool Computes(Integrity integrity) => integrity switch
    {
        Integrity.AesGmac128 or Integrity.AesGmac192 or Integrity.AesGmac256 => AesGcm.IsSupported,
        Integrity.HmacMd5 or Integrity.HmacSha1 or Integrity.HmacSha256 or Integrity.HmacSha384 or Integrity.HmacSha512
            or Integrity.AesXcbc or Integrity.AesCmac or Integrity.Null => true,
        _ => false,
    };

    /// <inheritdoc/>
    public override CipherPart? MakeCipher(Cipher cipher, ReadOnlySpan<byte> key)
    {
        switch (cipher)
        {
            case Cipher.AesCbc:
                return new CbcCipher(AesChain(key));
            case Cipher.AesCtr:
                return new CtrCipher(new InBoxCounterMode(key[..^4]), key[^4..]);
            case Cipher.TripleDesCbc:
#pragma warning disable CA5350 // it is what RFC 2451 asks for
                using (var des = TripleDES.Create())
#pragma warning restore CA5350
                {
                    return new CbcCipher(new InBoxChain(des, key));
                }

            default:
                return null;
        }
    }

    /// <inheritdoc/>
    public override MacPart? MakeMac(Integrity integrity, ReadOnlySpan<byte> key) => integrity switch
    {
        Integrity.AesXcbc => BlockMac.Xcbc(AesChain, key),
        Integrity.AesCmac => BlockMac.Cmac(AesChain, key),
        _ when Computes(integrity) => new InBoxHmac(integrity, key),
        _ => null,
    };

    /// <inheritdoc/>
    public override AeadPart? MakeAead(Cipher cipher, ReadOnlySpan<byte> key) => cipher switch
    {
        Cipher.AesGcm8 or Cipher.AesGcm12 or Cipher.AesGcm16 => new InBoxGcm(key, Transforms.Find(cipher)!.TagLength),
        Cipher.AesCcm8 or Cipher.AesCcm12 or Cipher.AesCcm16 =>
            new CcmPart(new CbcMac(AesChain(key)), new InBoxCounterMode(key), Transforms.Find(cipher)!.TagLength),
        Cipher.ChaCha20Poly1305 => new InBoxChaCha(key),
        _ => null,
    };

    /// <inheritdoc/>
    public override GmacPart? MakeGmac(ReadOnlySpan<byte> key) => new InBoxGmac(key);

    private static InBoxChain AesChain(ReadOnlySpan<byte> key)
    {
        using var aes = Aes.Create();
        return new InBoxChain(aes, key);
    }
}
