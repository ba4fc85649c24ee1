// The one table of algorithms: sizes, names and limits. Numbers of other PF_KEY dialects stand with the dialects.

namespace Testudo.Crypto;

/// <summary>What is known of each algorithm, and the check that keys fit.</summary>
public static class Transforms
{
    /// <summary>All ciphers, by ascending number.</summary>
    public static IReadOnlyList<CipherInfo> Ciphers { get; } =
    [
        new(Cipher.Null, "null", [0], SaltLength: 0, IvLength: 0, BlockLength: 1, TagLength: 0),
        new(Cipher.AesCbc, "aes-cbc", [128, 192, 256], SaltLength: 0, IvLength: 16, BlockLength: 16, TagLength: 0),
        new(Cipher.AesGcm16, "aes-gcm-16", [160, 224, 288], SaltLength: 4, IvLength: 8, BlockLength: 1, TagLength: 16),
    ];

    /// <summary>All integrity algorithms, by ascending number.</summary>
    public static IReadOnlyList<IntegrityInfo> Integrities { get; } =
    [
        new(Integrity.HmacSha1, "hmac-sha1", 160, IcvLength: 12, DigestLength: 20),
        new(Integrity.HmacSha256, "hmac-sha2-256", 256, IcvLength: 16, DigestLength: 32),
        new(Integrity.HmacSha384, "hmac-sha2-384", 384, IcvLength: 24, DigestLength: 48),
        new(Integrity.HmacSha512, "hmac-sha2-512", 512, IcvLength: 32, DigestLength: 64),
    ];

    /// <summary>A cipher by its number; null where there is none.</summary>
    public static CipherInfo? Find(Cipher cipher) => Ciphers.FirstOrDefault(info => info.Cipher == cipher);

    /// <summary>An integrity algorithm by its number; null where there is none.</summary>
    public static IntegrityInfo? Find(Integrity integrity) => Integrities.FirstOrDefault(info => info.Integrity == integrity);

    /// <summary>
    /// Makes the transform of an ESP SA, or says in words why these algorithms, keys and ICV length do not go together.
    /// </summary>
    /// <param name="cipher">The cipher.</param>
    /// <param name="integrity">The integrity algorithm, or none.</param>
    /// <param name="cipherKeyBits">Length of the cipher's key in bits, salt included.</param>
    /// <param name="macKeyBits">Length of the integrity key in bits.</param>
    /// <param name="icvBits">The ICV length asked for; 0 for the one of the RFC.</param>
    /// <param name="transform">The transform, where the answer is null.</param>
    /// <returns>Null, or a sentence that names the fault.</returns>
    public static string? TryMake(Cipher cipher, Integrity integrity, int cipherKeyBits, int macKeyBits, int icvBits, out Transform transform)
    {
        transform = default;
        if (Find(cipher) is not { } c)
        {
            return $"encryption algorithm {(byte)cipher} is not known here";
        }

        if (Array.IndexOf(c.KeyBits, cipherKeyBits) < 0)
        {
            return $"{c.Name} takes a key of {string.Join(" or ", c.KeyBits)} bits, not {cipherKeyBits}"
                + (c.SaltLength > 0 ? $" (the last {c.SaltLength * 8} bits are the salt)" : "");
        }

        if (c.IsCombined)
        {
            if (integrity != Integrity.None)
            {
                return $"{c.Name} authenticates by itself: no integrity algorithm may stand beside it";
            }

            if (icvBits != 0 && icvBits != c.TagLength * 8)
            {
                return $"{c.Name} has an ICV of {c.TagLength * 8} bits, not {icvBits}";
            }

            transform = new Transform(cipher, integrity, c.TagLength);
            return null;
        }

        return integrity == Integrity.None
            ? $"{c.Name} without an integrity algorithm is open to forgery and is refused: add one (-A)"
            : TryMake(cipher, integrity, macKeyBits, icvBits, out transform);
    }

    /// <summary>The same for an SA of AH.</summary>
    /// <param name="integrity">The integrity algorithm.</param>
    /// <param name="macKeyBits">Length of its key in bits.</param>
    /// <param name="icvBits">The ICV length asked for; 0 for the one of the RFC.</param>
    /// <param name="transform">The transform, where the answer is null.</param>
    /// <returns>Null, or a sentence that names the fault.</returns>
    public static string? TryMakeAh(Integrity integrity, int macKeyBits, int icvBits, out Transform transform)
    {
        transform = default;
        return integrity == Integrity.None
            ? "ah needs an integrity algorithm: give one (-A)"
            : TryMake(Cipher.None, integrity, macKeyBits, icvBits, out transform);
    }

    private static string? TryMake(Cipher cipher, Integrity integrity, int macKeyBits, int icvBits, out Transform transform)
    {
        transform = default;
        if (Find(integrity) is not { } i)
        {
            return $"integrity algorithm {(byte)integrity} is not known here";
        }

        if (macKeyBits != i.KeyBits)
        {
            return $"{i.Name} takes a key of {i.KeyBits} bits, not {macKeyBits}";
        }

        // RFC 2104, 5: not less than half the digest, and not less than 80 bits. 96 bits for SHA-2 is what KAME sent.
        if (icvBits != 0 && (icvBits % 8 != 0 || icvBits < 96 || icvBits > i.DigestLength * 8))
        {
            return $"{i.Name} can be truncated to 96 ... {i.DigestLength * 8} bits in whole bytes, not to {icvBits}";
        }

        transform = new Transform(cipher, integrity, icvBits == 0 ? i.IcvLength : icvBits / 8);
        return null;
    }
}
