// What an algorithm is to IPsec: its number and its sizes. A Transform is one cipher with one integrity algorithm, as an SA
// uses them.

namespace Testudo.Crypto;

/// <summary>Ciphers of ESP. The values are PF_KEY's SADB_EALG numbers on Linux, or KAME's where Linux has none.</summary>
public enum Cipher : byte
{
    /// <summary>No cipher at all (AH).</summary>
    None = 0,

    /// <summary>DES in CBC mode (RFC 2405). Historic.</summary>
    DesCbc = 2,

    /// <summary>Triple DES in CBC mode (RFC 2451).</summary>
    TripleDesCbc = 3,

    /// <summary>CAST-128 in CBC mode (RFC 2451). Historic.</summary>
    Cast128Cbc = 6,

    /// <summary>Blowfish in CBC mode (RFC 2451). Historic.</summary>
    BlowfishCbc = 7,

    /// <summary>ESP with NULL encryption (RFC 2410).</summary>
    Null = 11,

    /// <summary>AES in CBC mode (RFC 3602).</summary>
    AesCbc = 12,

    /// <summary>AES in counter mode (RFC 3686).</summary>
    AesCtr = 13,

    /// <summary>AES-CCM with an 8-byte ICV (RFC 4309).</summary>
    AesCcm8 = 14,

    /// <summary>AES-CCM with a 12-byte ICV (RFC 4309).</summary>
    AesCcm12 = 15,

    /// <summary>AES-CCM with a 16-byte ICV (RFC 4309).</summary>
    AesCcm16 = 16,

    /// <summary>AES-GCM with an 8-byte ICV (RFC 4106).</summary>
    AesGcm8 = 18,

    /// <summary>AES-GCM with a 12-byte ICV (RFC 4106).</summary>
    AesGcm12 = 19,

    /// <summary>AES-GCM with a 16-byte ICV (RFC 4106).</summary>
    AesGcm16 = 20,

    /// <summary>Camellia in CBC mode (RFC 4312).</summary>
    CamelliaCbc = 22,

    /// <summary>ENCR_NULL_AUTH_AES_GMAC: no encryption, AES-GMAC (RFC 4543).</summary>
    AesGmac = 23,

    /// <summary>ChaCha20-Poly1305 (RFC 7634). No number on Linux: IKEv2's.</summary>
    ChaCha20Poly1305 = 28,

    /// <summary>DES in CBC mode with a 32-bit IV (RFC 1829). Historic. In PF_KEY it is DES with a flag; the number is ours.</summary>
    Des32Iv = 249,

    /// <summary>Skipjack in CBC mode. Historic.</summary>
    SkipjackCbc = 250,

    /// <summary>Serpent in CBC mode. Historic.</summary>
    SerpentCbc = 252,

    /// <summary>Twofish in CBC mode. Historic.</summary>
    TwofishCbc = 253,
}

/// <summary>Integrity algorithms of ESP and AH. The values are PF_KEY's SADB_AALG numbers on Linux, or KAME's where Linux has none.</summary>
public enum Integrity : byte
{
    /// <summary>None: the cipher is combined, or there is no integrity.</summary>
    None = 0,

    /// <summary>HMAC-MD5-96 (RFC 2403).</summary>
    HmacMd5 = 2,

    /// <summary>HMAC-SHA-1-96 (RFC 2404).</summary>
    HmacSha1 = 3,

    /// <summary>HMAC-SHA-256-128 (RFC 4868).</summary>
    HmacSha256 = 5,

    /// <summary>HMAC-SHA-384-192 (RFC 4868).</summary>
    HmacSha384 = 6,

    /// <summary>HMAC-SHA-512-256 (RFC 4868).</summary>
    HmacSha512 = 7,

    /// <summary>HMAC-RIPEMD-160-96 (RFC 2857). Historic.</summary>
    HmacRipemd160 = 8,

    /// <summary>AES-XCBC-MAC-96 (RFC 3566).</summary>
    AesXcbc = 9,

    /// <summary>AES-GMAC with a 128-bit key, in AH only (RFC 4543, 4).</summary>
    AesGmac128 = 11,

    /// <summary>AES-GMAC with a 192-bit key, in AH only (RFC 4543, 4).</summary>
    AesGmac192 = 12,

    /// <summary>AES-GMAC with a 256-bit key, in AH only (RFC 4543, 4).</summary>
    AesGmac256 = 13,

    /// <summary>AES-CMAC-96 (RFC 4494). No number in any PF_KEY: this one is ours.</summary>
    AesCmac = 248,

    /// <summary>MD5 with the key before and behind the data (RFC 1828). Historic.</summary>
    KeyedMd5 = 249,

    /// <summary>SHA-1 with the key before and behind the data (RFC 1852). Historic.</summary>
    KeyedSha1 = 250,

    /// <summary>No authentication, though with room for an ICV of zeros where one is asked for.</summary>
    Null = 251,
}

/// <summary>A cipher by its sizes, all in bytes unless named otherwise.</summary>
/// <param name="Cipher">Which one.</param>
/// <param name="Name">The name in setkey's language.</param>
/// <param name="KeyBits">The key lengths it takes, in bits, salt included; ascending.</param>
/// <param name="SaltLength">Bytes at the end of the key that are no key but part of the nonce (RFC 4106, 4).</param>
/// <param name="IvLength">Bytes of IV in each packet.</param>
/// <param name="BlockLength">The text is padded to a multiple of this (at least 4 in ESP).</param>
/// <param name="TagLength">Bytes of ICV that the cipher makes itself; 0 where it needs an integrity algorithm.</param>
public sealed record CipherInfo(Cipher Cipher, string Name, int[] KeyBits, int SaltLength, int IvLength, int BlockLength, int TagLength)
{
    /// <summary>True for combined-mode ciphers, which authenticate by themselves.</summary>
    public bool IsCombined => TagLength > 0;

    /// <summary>True for what is kept for the sake of old peers only: the program computes it under <c>--legacy</c>.</summary>
    public bool IsHistoric { get; init; }

    /// <summary>The key lengths in words.</summary>
    internal string Lengths => KeyBits.Length > 4 ? $"{KeyBits[0]} to {KeyBits[^1]}" : string.Join(" or ", KeyBits);
}

/// <summary>An integrity algorithm by its sizes.</summary>
/// <param name="Integrity">Which one.</param>
/// <param name="Name">The name in setkey's language.</param>
/// <param name="KeyBits">The key length it takes, in bits, salt included.</param>
/// <param name="IcvLength">Bytes of ICV in each packet by its RFC.</param>
/// <param name="DigestLength">Bytes of the untruncated ICV: the longest there is.</param>
public sealed record IntegrityInfo(Integrity Integrity, string Name, int KeyBits, int IcvLength, int DigestLength)
{
    /// <summary>True for what is kept for the sake of old peers only: the program computes it under <c>--legacy</c>.</summary>
    public bool IsHistoric { get; init; }

    /// <summary>The fewest bytes of ICV.</summary>
    public int MinIcvLength { get; init; } = 12;

    /// <summary>Bytes at the ICV's beginning that are an IV, which the sender counts up (AES-GMAC in AH: RFC 4543, 4).</summary>
    public int IvLength { get; init; }

    /// <summary>Bytes at the key's end that are no key but part of the nonce.</summary>
    public int SaltLength { get; init; }
}

/// <summary>One cipher with one integrity algorithm and the ICV length in use.</summary>
/// <param name="Cipher">The cipher; <see cref="Cipher.None"/> in AH.</param>
/// <param name="Integrity">The integrity algorithm; <see cref="Integrity.None"/> beside a combined-mode cipher.</param>
/// <param name="IcvLength">Bytes of ICV in each packet.</param>
public readonly record struct Transform(Cipher Cipher, Integrity Integrity, int IcvLength);
