// The same transforms by one-shot calls of the class library, and of BouncyCastle where that has none, written
// straightforwardly: what a provider is compared with.

using System.Buffers.Binary;
using System.Security.Cryptography;
using Org.BouncyCastle.Crypto;
using Org.BouncyCastle.Crypto.Digests;
using Org.BouncyCastle.Crypto.Engines;
using Org.BouncyCastle.Crypto.Macs;
using Org.BouncyCastle.Crypto.Modes;
using Org.BouncyCastle.Crypto.Parameters;
using Testudo.Crypto;
using Aes = System.Security.Cryptography.Aes;

namespace Testudo.Tests.Crypto;

internal static class OneShot
{
    /// <summary>Ciphertext and ICV of a packet whose IV is the one on the wire; in AH with AES-GMAC the one in its ICV field.</summary>
    public static (byte[] Text, byte[] Icv) Seal(
        Transform transform, byte[] cipherKey, byte[] macKey, byte[] head, byte[] iv, byte[] text, uint? high, byte[]? ahIv = null)
    {
        byte[] suffix = new byte[high.HasValue ? 4 : 0];
        if (high is { } value)
        {
            BinaryPrimitives.WriteUInt32BigEndian(suffix, value);
        }

        byte[] aad = high.HasValue ? [.. head[..4], .. suffix, .. head[4..]] : head;
        byte[] sealedText = new byte[text.Length];
        byte[] tag = new byte[16];
        switch (transform.Cipher)
        {
            case Cipher.AesGcm8 or Cipher.AesGcm12 or Cipher.AesGcm16:
                using (var gcm = new AesGcm(cipherKey[..^4], 16))
                {
                    gcm.Encrypt((byte[])[.. cipherKey[^4..], .. iv], text, sealedText, tag, aad);
                    return (sealedText, tag[..transform.IcvLength]);
                }

            case Cipher.AesCcm8 or Cipher.AesCcm12 or Cipher.AesCcm16:
                using (var ccm = new AesCcm(cipherKey[..^3]))
                {
                    tag = new byte[transform.IcvLength];
                    ccm.Encrypt((byte[])[.. cipherKey[^3..], .. iv], text, sealedText, tag, aad);
                    return (sealedText, tag);
                }

            case Cipher.ChaCha20Poly1305:
                using (var chaCha = new System.Security.Cryptography.ChaCha20Poly1305(cipherKey[..^4]))
                {
                    chaCha.Encrypt((byte[])[.. cipherKey[^4..], .. iv], text, sealedText, tag, aad);
                    return (sealedText, tag);
                }

            case Cipher.AesGmac:
                return (text, Gmac(cipherKey, iv, [.. aad, .. iv, .. text]));
            case Cipher.None when transform.Integrity is Integrity.AesGmac128 or Integrity.AesGmac192 or Integrity.AesGmac256:
                return (text, [.. ahIv!, .. Gmac(macKey, ahIv!, [.. head, .. text, .. suffix])]);
            default:
                byte[] wire = Encrypt(transform.Cipher, cipherKey, iv, text);
                return (wire, Mac(transform, macKey, [.. head, .. iv, .. wire, .. suffix]));
        }
    }

    public static byte[] Mac(Transform transform, byte[] key, byte[] data)
    {
#pragma warning disable CA5350, CA5351 // what the RFCs ask for
        byte[] digest = transform.Integrity switch
        {
            Integrity.HmacMd5 => HMACMD5.HashData(key, data),
            Integrity.HmacSha1 => HMACSHA1.HashData(key, data),
            Integrity.HmacSha256 => HMACSHA256.HashData(key, data),
            Integrity.HmacSha384 => HMACSHA384.HashData(key, data),
            Integrity.HmacSha512 => HMACSHA512.HashData(key, data),
            Integrity.HmacRipemd160 => Bouncy(new HMac(new RipeMD160Digest()), key, data),
            Integrity.AesCmac => Bouncy(new CMac(new AesEngine()), key, data),
            Integrity.AesXcbc => Xcbc(key, data),
            Integrity.KeyedMd5 => MD5.HashData([.. key, 0x80, .. new byte[39], 128, .. new byte[7], .. data, .. key]),
            Integrity.KeyedSha1 => SHA1.HashData([.. key, 0x80, .. new byte[42], 160, .. data, .. key]),
            _ => throw new ArgumentOutOfRangeException(nameof(transform)),
        };
#pragma warning restore CA5350, CA5351
        return digest[..transform.IcvLength];
    }

    /// <summary>Encrypts with a cipher that needs an integrity algorithm.</summary>
    public static byte[] Encrypt(Cipher cipher, byte[] key, byte[] iv, byte[] text)
    {
        switch (cipher)
        {
            case Cipher.AesCbc:
                using (var aes = Aes.Create())
                {
                    aes.Key = key;
                    return aes.EncryptCbc(text, iv, PaddingMode.None);
                }

            case Cipher.AesCtr:
                return Bouncy(new SicBlockCipher(new AesEngine()), new ParametersWithIV(new KeyParameter(key[..^4]), [.. key[^4..], .. iv, 0, 0, 0, 1]), text);
            case Cipher.Des32Iv:
                return Encrypt(Cipher.DesCbc, key, [.. iv, .. iv.Select(b => (byte)~b)], text);
            default:
                return BlockCipher(cipher) is { } engine
                    ? Bouncy(new CbcBlockCipher(engine), new ParametersWithIV(new KeyParameter(key), iv), text)
                    : text;
        }
    }

    private static IBlockCipher? BlockCipher(Cipher cipher) => cipher switch
    {
        Cipher.DesCbc => new DesEngine(),
        Cipher.TripleDesCbc => new DesEdeEngine(),
        Cipher.Cast128Cbc => new Cast5Engine(),
        Cipher.BlowfishCbc => new BlowfishEngine(),
        Cipher.CamelliaCbc => new CamelliaEngine(),
        Cipher.SkipjackCbc => new SkipjackEngine(),
        Cipher.SerpentCbc => new SerpentEngine(),
        Cipher.TwofishCbc => new TwofishEngine(),
        _ => null,
    };

    // Whole blocks, and of a counter mode what the last one needs.
    private static byte[] Bouncy(IBlockCipherMode mode, ICipherParameters parameters, byte[] text)
    {
        mode.Init(true, parameters);
        int block = mode.GetBlockSize();
        byte[] padded = [.. text, .. new byte[(block - (text.Length % block)) % block]];
        for (int at = 0; at < padded.Length; at += block)
        {
            mode.ProcessBlock(padded, at, padded, at);
        }

        return padded[..text.Length];
    }

    private static byte[] Bouncy(IMac mac, byte[] key, byte[] data)
    {
        mac.Init(new KeyParameter(key));
        mac.BlockUpdate(data, 0, data.Length);
        byte[] digest = new byte[mac.GetMacSize()];
        mac.DoFinal(digest, 0);
        return digest;
    }

    // RFC 3566, 4, step by step.
    private static byte[] Xcbc(byte[] key, byte[] data)
    {
        byte[] k1 = Ecb(key, [.. Enumerable.Repeat((byte)1, 16)]);
        int blocks = Math.Max(1, (data.Length + 15) / 16);
        byte[] e = new byte[16];
        for (int i = 0; i < blocks; i++)
        {
            byte[] block = data[(i * 16)..Math.Min(data.Length, (i + 1) * 16)];
            bool isLast = i == blocks - 1, isWhole = block.Length == 16;
            block = isWhole ? block : [.. block, 0x80, .. new byte[15 - block.Length]];
            byte[] mask = isLast ? Ecb(key, [.. Enumerable.Repeat((byte)(isWhole ? 2 : 3), 16)]) : new byte[16];
            e = Ecb(k1, [.. block.Select((b, at) => (byte)(b ^ e[at] ^ mask[at]))]);
        }

        return e;
    }

    private static byte[] Ecb(byte[] key, byte[] block)
    {
        using var aes = Aes.Create();
        aes.Key = key;
        return aes.EncryptEcb(block, PaddingMode.None);
    }

    private static byte[] Gmac(byte[] material, byte[] iv, byte[] data)
    {
        byte[] tag = new byte[16];
        using var gcm = new AesGcm(material[..^4], 16);
        gcm.Encrypt((byte[])[.. material[^4..], .. iv], Array.Empty<byte>(), Array.Empty<byte>(), tag, data);
        return tag;
    }
}
