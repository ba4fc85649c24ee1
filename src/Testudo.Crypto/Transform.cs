// What an algorithm is to IPsec: its sizes. A Transform is one cipher with one integrity algorithm, as an SA uses them.

namespace Testudo.Crypto;

/// <summary>Ciphers of ESP. The values are PF_KEY's SADB_EALG numbers on Linux, where there is one.</summary>
public enum Cipher : byte
{
    /// <summary>No cipher at all (AH).</summary>
    None = 0,

    /// <summary>ESP with NULL encryption (RFC 2410).</summary>
    Null = 11,

    /// <summary>AES in CBC mode (RFC 3602).</summary>
    AesCbc = 12,

    /// <summary>AES-GCM with a 16-byte ICV (RFC 4106).</summary>
    AesGcm16 = 20,
}

/// <summary>Integrity algorithms of ESP and AH. The values are PF_KEY's SADB_AALG numbers on Linux.</summary>
public enum Integrity : byte
{
    /// <summary>None: the cipher is combined, or there is no integrity.</summary>
    None = 0,

    /// <summary>HMAC-SHA-1-96 (RFC 2404).</summary>
    HmacSha1 = 3,

    /// <summary>HMAC-SHA-256-128 (RFC 4868).</summary>
    HmacSha256 = 5,

    /// <summary>HMAC-SHA-384-192 (RFC 4868).</summary>
    HmacSha384 = 6,

    /// <summary>HMAC-SHA-512-256 (RFC 4868).</summary>
    HmacSha512 = 7,
}

/// <summary>A cipher by its sizes, all in bytes unless named otherwise.</summary>
/// <param name="Cipher">Which one.</param>
/// <param name="Name">The name in setkey's language.</param>
/// <param name="KeyBits">The key lengths it takes, in bits, salt included.</param>
/// <param name="SaltLength">Bytes at the end of the key that are no key but part of the nonce (RFC 4106, 4).</param>
/// <param name="IvLength">Bytes of IV in each packet.</param>
/// <param name="BlockLength">The text is padded to a multiple of this (at least 4 in ESP).</param>
/// <param name="TagLength">Bytes of ICV that the cipher makes itself; 0 where it needs an integrity algorithm.</param>
public sealed record CipherInfo(Cipher Cipher, string Name, int[] KeyBits, int SaltLength, int IvLength, int BlockLength, int TagLength)
{
    /// <summary>True for combined-mode ciphers, which authenticate by themselves.</summary>
    public bool IsCombined => TagLength > 0;
}

/// <summary>An integrity algorithm by its sizes.</summary>
/// <param name="Integrity">Which one.</param>
/// <param name="Name">The name in setkey's language.</param>
/// <param name="KeyBits">The key length it takes, in bits.</param>
/// <param name="IcvLength">Bytes of ICV in each packet by its RFC.</param>
/// <param name="DigestLength">Bytes of the untruncated digest: the longest ICV.</param>
public sealed record IntegrityInfo(Integrity Integrity, string Name, int KeyBits, int IcvLength, int DigestLength);

/// <summary>One cipher with one integrity algorithm and the ICV length in use.</summary>
/// <param name="Cipher">The cipher; <see cref="Cipher.None"/> in AH.</param>
/// <param name="Integrity">The integrity algorithm; <see cref="Integrity.None"/> beside a combined-mode cipher.</param>
/// <param name="IcvLength">Bytes of ICV in each packet.</param>
public readonly record struct Transform(Cipher Cipher, Integrity Integrity, int IcvLength);
