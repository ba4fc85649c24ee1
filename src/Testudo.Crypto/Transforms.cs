// The one table of algorithms: sizes, names and limits. Numbers of other PF_KEY dialects stand with the dialects.

namespace Testudo.Crypto;

/// <summary>What is known of each algorithm, and the check that keys fit.</summary>
public static class Transforms
{
    /// <summary>All ciphers, by ascending number.</summary>
    public static IReadOnlyList<CipherInfo> Ciphers { get; } =
    [
        new(Cipher.DesCbc, "des-cbc", [64], SaltLength: 0, IvLength: 8, BlockLength: 8, TagLength: 0) { IsHistoric = true },
        new(Cipher.TripleDesCbc, "3des-cbc", [192], SaltLength: 0, IvLength: 8, BlockLength: 8, TagLength: 0),
        new(Cipher.Cast128Cbc, "cast128-cbc", Steps(40, 128, 8), SaltLength: 0, IvLength: 8, BlockLength: 8, TagLength: 0) { IsHistoric = true },
        new(Cipher.BlowfishCbc, "blowfish-cbc", Steps(40, 448, 8), SaltLength: 0, IvLength: 8, BlockLength: 8, TagLength: 0) { IsHistoric = true },
        new(Cipher.Null, "null", [0], SaltLength: 0, IvLength: 0, BlockLength: 1, TagLength: 0),
        new(Cipher.AesCbc, "aes-cbc", [128, 192, 256], SaltLength: 0, IvLength: 16, BlockLength: 16, TagLength: 0),
        new(Cipher.AesCtr, "aes-ctr", [160, 224, 288], SaltLength: 4, IvLength: 8, BlockLength: 1, TagLength: 0),
        new(Cipher.AesCcm8, "aes-ccm-8", [152, 216, 280], SaltLength: 3, IvLength: 8, BlockLength: 1, TagLength: 8),
        new(Cipher.AesCcm12, "aes-ccm-12", [152, 216, 280], SaltLength: 3, IvLength: 8, BlockLength: 1, TagLength: 12),
        new(Cipher.AesCcm16, "aes-ccm-16", [152, 216, 280], SaltLength: 3, IvLength: 8, BlockLength: 1, TagLength: 16),
        new(Cipher.AesGcm8, "aes-gcm-8", [160, 224, 288], SaltLength: 4, IvLength: 8, BlockLength: 1, TagLength: 8),
        new(Cipher.AesGcm12, "aes-gcm-12", [160, 224, 288], SaltLength: 4, IvLength: 8, BlockLength: 1, TagLength: 12),
        new(Cipher.AesGcm16, "aes-gcm-16", [160, 224, 288], SaltLength: 4, IvLength: 8, BlockLength: 1, TagLength: 16),
        new(Cipher.CamelliaCbc, "camellia-cbc", [128, 192, 256], SaltLength: 0, IvLength: 16, BlockLength: 16, TagLength: 0),
        new(Cipher.AesGmac, "aes-gmac", [160, 224, 288], SaltLength: 4, IvLength: 8, BlockLength: 1, TagLength: 16),
        new(Cipher.ChaCha20Poly1305, "chacha20-poly1305", [288], SaltLength: 4, IvLength: 8, BlockLength: 1, TagLength: 16),
        new(Cipher.Des32Iv, "des-32iv", [64], SaltLength: 0, IvLength: 4, BlockLength: 8, TagLength: 0) { IsHistoric = true },
        new(Cipher.SkipjackCbc, "skipjack", [80], SaltLength: 0, IvLength: 8, BlockLength: 8, TagLength: 0) { IsHistoric = true },
        new(Cipher.SerpentCbc, "serpent-cbc", [128, 192, 256], SaltLength: 0, IvLength: 16, BlockLength: 16, TagLength: 0) { IsHistoric = true },
        new(Cipher.TwofishCbc, "twofish-cbc", [128, 192, 256], SaltLength: 0, IvLength: 16, BlockLength: 16, TagLength: 0) { IsHistoric = true },
    ];

    /// <summary>All integrity algorithms, by ascending number.</summary>
    public static IReadOnlyList<IntegrityInfo> Integrities { get; } =
    [
        new(Integrity.HmacMd5, "hmac-md5", 128, IcvLength: 12, DigestLength: 16),
        new(Integrity.HmacSha1, "hmac-sha1", 160, IcvLength: 12, DigestLength: 20),
        new(Integrity.HmacSha256, "hmac-sha2-256", 256, IcvLength: 16, DigestLength: 32),
        new(Integrity.HmacSha384, "hmac-sha2-384", 384, IcvLength: 24, DigestLength: 48),
        new(Integrity.HmacSha512, "hmac-sha2-512", 512, IcvLength: 32, DigestLength: 64),
        new(Integrity.HmacRipemd160, "hmac-ripemd160", 160, IcvLength: 12, DigestLength: 20) { IsHistoric = true },
        new(Integrity.AesXcbc, "aes-xcbc-mac", 128, IcvLength: 12, DigestLength: 16),
        new(Integrity.AesGmac128, "aes128-gmac", 160, IcvLength: 24, DigestLength: 24) { MinIcvLength = 24, IvLength = 8, SaltLength = 4 },
        new(Integrity.AesGmac192, "aes192-gmac", 224, IcvLength: 24, DigestLength: 24) { MinIcvLength = 24, IvLength = 8, SaltLength = 4 },
        new(Integrity.AesGmac256, "aes256-gmac", 288, IcvLength: 24, DigestLength: 24) { MinIcvLength = 24, IvLength = 8, SaltLength = 4 },
        new(Integrity.AesCmac, "aes-cmac", 128, IcvLength: 12, DigestLength: 16),
        new(Integrity.KeyedMd5, "keyed-md5", 128, IcvLength: 12, DigestLength: 16) { IsHistoric = true },
        new(Integrity.KeyedSha1, "keyed-sha1", 160, IcvLength: 12, DigestLength: 20) { IsHistoric = true },

        // NetBSD sends twelve zeros in the place of an ICV, others nothing. The key is not used and may have any length.
        new(Integrity.Null, "null", 0, IcvLength: 0, DigestLength: 12) { MinIcvLength = 0 },
    ];

    /// <summary>A cipher by its number; null where there is none.</summary>
    public static CipherInfo? Find(Cipher cipher)
    {
        foreach (CipherInfo info in Ciphers)
        {
            if (info.Cipher == cipher)
            {
                return info;
            }
        }

        return null;
    }

    /// <summary>An integrity algorithm by its number; null where there is none.</summary>
    public static IntegrityInfo? Find(Integrity integrity)
    {
        foreach (IntegrityInfo info in Integrities)
        {
            if (info.Integrity == integrity)
            {
                return info;
            }
        }

        return null;
    }

    /// <summary>The name of the historic half of a transform; null where neither is.</summary>
    public static string? HistoricHalf(Transform transform) =>
        Find(transform.Cipher) is { IsHistoric: true } cipher ? cipher.Name
        : Find(transform.Integrity) is { IsHistoric: true } integrity ? integrity.Name
        : null;

    /// <summary>
    /// Makes the transform of an ESP SA, or says in words why these algorithms, keys and ICV length do not go together.
    /// </summary>
    /// <param name="cipher">The cipher.</param>
    /// <param name="integrity">The integrity algorithm, or none.</param>
    /// <param name="cipherKeyBits">Length of the cipher's key in bits, salt included.</param>
    /// <param name="macKeyBits">Length of the integrity key in bits.</param>
    /// <param name="icvBits">The ICV length asked for; 0 for the one of the RFC.</param>
    /// <param name="transform">The transform, where the answer is null.</param>
    /// <param name="allowUnauthenticated">True where a cipher may stand without any authentication.</param>
    /// <returns>Null, or a sentence that names the fault.</returns>
    public static string? TryMake(
        Cipher cipher, Integrity integrity, int cipherKeyBits, int macKeyBits, int icvBits, out Transform transform, bool allowUnauthenticated = false)
    {
        transform = default;
        if (Find(cipher) is not { } c)
        {
            return $"encryption algorithm {(byte)cipher} is not known here";
        }

        if (Array.IndexOf(c.KeyBits, cipherKeyBits) < 0)
        {
            return $"{c.Name} takes a key of {c.Lengths} bits, not {cipherKeyBits}"
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

        return integrity is Integrity.None or Integrity.Null
            ? TryMakeUnauthenticated(c.Name, cipher, integrity, icvBits, allowUnauthenticated, out transform)
            : TryMake(cipher, integrity, macKeyBits, icvBits, out transform);
    }

    /// <summary>The same for an SA of AH.</summary>
    /// <param name="integrity">The integrity algorithm.</param>
    /// <param name="macKeyBits">Length of its key in bits.</param>
    /// <param name="icvBits">The ICV length asked for; 0 for the one of the RFC.</param>
    /// <param name="transform">The transform, where the answer is null.</param>
    /// <param name="allowUnauthenticated">True where null authentication may be.</param>
    /// <returns>Null, or a sentence that names the fault.</returns>
    public static string? TryMakeAh(Integrity integrity, int macKeyBits, int icvBits, out Transform transform, bool allowUnauthenticated = false)
    {
        transform = default;
        return integrity switch
        {
            Integrity.None => "ah needs an integrity algorithm: give one (-A)",
            Integrity.Null => TryMakeUnauthenticated("ah", Cipher.None, integrity, icvBits, allowUnauthenticated, out transform),
            _ => TryMake(Cipher.None, integrity, macKeyBits, icvBits, out transform),
        };
    }

    private static string? TryMakeUnauthenticated(string name, Cipher cipher, Integrity integrity, int icvBits, bool isAllowed, out Transform transform)
    {
        transform = default;
        if (!isAllowed)
        {
            return $"{name} without an integrity algorithm is open to forgery and is refused: add one (-A), or start testudo with --allow-unauthenticated";
        }

        if (icvBits != 0 && (integrity == Integrity.None || icvBits != 96))
        {
            return integrity == Integrity.None ? $"without an integrity algorithm there is no ICV of {icvBits} bits" : $"null authentication has an ICV of 0 or 96 bits, not {icvBits}";
        }

        transform = new Transform(cipher, integrity, icvBits / 8);
        return null;
    }

    private static string? TryMake(Cipher cipher, Integrity integrity, int macKeyBits, int icvBits, out Transform transform)
    {
        transform = default;
        if (Find(integrity) is not { } i)
        {
            return $"integrity algorithm {(byte)integrity} is not known here";
        }

        if (i.IvLength > 0 && cipher != Cipher.None)
        {
            return $"{i.Name} is an algorithm of AH alone (RFC 4543, 5.3): in ESP use -E aes-gmac";
        }

        if (macKeyBits != i.KeyBits)
        {
            return $"{i.Name} takes a key of {i.KeyBits} bits, not {macKeyBits}";
        }

        // RFC 2104, 5: not less than half the digest, and not less than 80 bits. 96 bits for SHA-2 is what KAME sent.
        if (icvBits != 0 && (icvBits % 8 != 0 || icvBits < i.MinIcvLength * 8 || icvBits > i.DigestLength * 8))
        {
            return $"{i.Name} can be truncated to {i.MinIcvLength * 8} ... {i.DigestLength * 8} bits in whole bytes, not to {icvBits}";
        }

        transform = new Transform(cipher, integrity, icvBits == 0 ? i.IcvLength : icvBits / 8);
        return null;
    }

    private static int[] Steps(int from, int to, int step) => [.. Enumerable.Range(0, ((to - from) / step) + 1).Select(i => from + (i * step))];
}
