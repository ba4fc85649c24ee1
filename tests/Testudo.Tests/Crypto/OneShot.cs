// The same transforms by the class library's one-shot calls, written straightforwardly: what a provider is compared with.

using System.Buffers.Binary;
using System.Security.Cryptography;
using Testudo.Crypto;

namespace Testudo.Tests.Crypto;

internal static class OneShot
{
    /// <summary>Ciphertext and ICV of a packet whose IV is the one on the wire.</summary>
    public static (byte[] Text, byte[] Icv) Seal(
        Transform transform, byte[] cipherKey, byte[] macKey, byte[] head, byte[] iv, byte[] text, uint? high)
    {
        byte[] suffix = new byte[high.HasValue ? 4 : 0];
        if (high is { } value)
        {
            BinaryPrimitives.WriteUInt32BigEndian(suffix, value);
        }

        if (transform.Cipher == Cipher.AesGcm16)
        {
            byte[] sealedText = new byte[text.Length];
            byte[] tag = new byte[16];
            byte[] aad = high.HasValue ? [.. head[..4], .. suffix, .. head[4..]] : head;
            byte[] nonce = [.. cipherKey[^4..], .. iv];
            using var gcm = new AesGcm(cipherKey[..^4], 16);
            gcm.Encrypt(nonce, text, sealedText, tag, aad);
            return (sealedText, tag);
        }

        byte[] wire = text;
        if (transform.Cipher == Cipher.AesCbc)
        {
            using var aes = Aes.Create();
            aes.Key = cipherKey;
            wire = aes.EncryptCbc(text, iv, PaddingMode.None);
        }

        return (wire, Mac(transform, macKey, [.. head, .. iv, .. wire, .. suffix]));
    }

#pragma warning disable CA5350 // HMAC-SHA-1 is what RFC 2404 asks for
    public static byte[] Mac(Transform transform, byte[] key, byte[] data)
    {
        byte[] digest = transform.Integrity switch
        {
            Integrity.HmacSha1 => HMACSHA1.HashData(key, data),
            Integrity.HmacSha256 => HMACSHA256.HashData(key, data),
            Integrity.HmacSha384 => HMACSHA384.HashData(key, data),
            Integrity.HmacSha512 => HMACSHA512.HashData(key, data),
            _ => throw new ArgumentOutOfRangeException(nameof(transform)),
        };
        return digest[..transform.IcvLength];
    }
#pragma warning restore CA5350
}
