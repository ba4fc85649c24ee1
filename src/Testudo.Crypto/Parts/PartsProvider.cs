// A provider that brings parts; what a transform is made of them, and the way of the jobs, is the same for all.
//
// What it takes for granted, because the engine has checked it before a job is made:
//   - Head ... ICV lie within the packet's memory: HeadLength + IV + TextLength + IcvLength bytes;
//   - HeadLength is 8 (SPI, sequence number) where a combined mode has extended sequence numbers.

using System.Security.Cryptography;

namespace Testudo.Crypto.Parts;

/// <summary>A provider that is asked for ciphers and MACs, and leaves the packets to this class.</summary>
/// <remarks><see cref="Cipher.None"/> is computed like NULL: the MAC over Head and Text, as AH's ICV is (RFC 4302, 3.3.3).</remarks>
public abstract class PartsProvider : CryptoProvider
{
    /// <summary>True where this provider has the cipher.</summary>
    public abstract bool Computes(Cipher cipher);

    /// <summary>True where this provider has the integrity algorithm.</summary>
    public abstract bool Computes(Integrity integrity);

    /// <inheritdoc/>
    public sealed override bool Supports(Transform transform)
    {
        CipherInfo? cipher = Transforms.Find(transform.Cipher);
        if (cipher is { IsCombined: true })
        {
            return transform.Integrity == Integrity.None && transform.IcvLength == cipher.TagLength && Computes(transform.Cipher);
        }

        bool isAh = transform.Cipher == Cipher.None;
        if (!isAh && (cipher is null || (transform.Cipher != Cipher.Null && !Computes(transform.Cipher))))
        {
            return false;
        }

        return transform.Integrity switch
        {
            Integrity.None => !isAh && transform.IcvLength == 0,
            Integrity.Null => transform.IcvLength is 0 or 12,
            _ => Transforms.Find(transform.Integrity) is { } mac && (isAh || mac.IvLength == 0)
                && transform.IcvLength >= mac.MinIcvLength && transform.IcvLength <= mac.DigestLength && Computes(transform.Integrity),
        };
    }

    /// <inheritdoc/>
    /// <remarks>Null also where the library would not take the key, so that the next provider is asked.</remarks>
    public sealed override SaKey? Bind(Transform transform, ReadOnlySpan<byte> cipherKey, ReadOnlySpan<byte> macKey)
    {
        if (!Supports(transform))
        {
            return null;
        }

        try
        {
            return Make(transform, cipherKey, macKey);
        }
        catch (CryptographicException)
        {
            return null; // such as a weak key of 3DES, which the class library does not take
        }
    }

    /// <inheritdoc/>
    /// <exception cref="ObjectDisposedException">A job's key was disposed.</exception>
    public sealed override void Seal(Span<CryptoJob> jobs) => Run(jobs, seal: true);

    /// <inheritdoc/>
    /// <exception cref="ObjectDisposedException">A job's key was disposed.</exception>
    public sealed override void Open(Span<CryptoJob> jobs) => Run(jobs, seal: false);

    /// <summary>A cipher that needs an integrity algorithm; null where there is none, or where the library does not take the key.</summary>
    /// <param name="cipher">The cipher.</param>
    /// <param name="key">The key, salt included.</param>
    public abstract CipherPart? MakeCipher(Cipher cipher, ReadOnlySpan<byte> key);

    /// <summary>An integrity algorithm; null as above.</summary>
    public abstract MacPart? MakeMac(Integrity integrity, ReadOnlySpan<byte> key);

    /// <summary>A combined mode; null as above.</summary>
    /// <param name="cipher">The cipher.</param>
    /// <param name="key">The key without its salt.</param>
    public virtual AeadPart? MakeAead(Cipher cipher, ReadOnlySpan<byte> key) => null;

    /// <summary>AES-GMAC; null as above.</summary>
    /// <param name="key">The key without its salt.</param>
    public virtual GmacPart? MakeGmac(ReadOnlySpan<byte> key) => null;

    private SaKey? Make(Transform transform, ReadOnlySpan<byte> cipherKey, ReadOnlySpan<byte> macKey)
    {
        CipherInfo? info = Transforms.Find(transform.Cipher);
        int saltLength = info?.SaltLength ?? 0;
        if (transform.Cipher == Cipher.AesGmac)
        {
            return MakeGmac(cipherKey[..^saltLength]) is { } gmac ? new GmacKey(this, transform, gmac, cipherKey[^saltLength..]) : null;
        }

        if (info is { IsCombined: true })
        {
            return MakeAead(transform.Cipher, cipherKey[..^saltLength]) is { } aead ? new CombinedKey(this, transform, aead, cipherKey[^saltLength..]) : null;
        }

        if (Transforms.Find(transform.Integrity) is { IvLength: > 0, SaltLength: int macSalt })
        {
            return MakeGmac(macKey[..^macSalt]) is { } gmac ? new GmacKey(this, transform, gmac, macKey[^macSalt..]) : null;
        }

        bool needsCipher = transform.Cipher is not (Cipher.None or Cipher.Null), needsMac = transform.Integrity is not (Integrity.None or Integrity.Null);
        MacPart? mac = needsMac ? MakeMac(transform.Integrity, macKey) : null;
        if (needsMac && mac is null)
        {
            return null;
        }

        CipherPart? cipher = null;
        try
        {
            cipher = needsCipher ? MakeCipher(transform.Cipher, cipherKey) : null;
        }
        finally
        {
            if (needsCipher && cipher is null)
            {
                mac?.Dispose();
            }
        }

        return needsCipher && cipher is null ? null : new SeparateKey(this, transform, cipher, mac);
    }

    private static unsafe void Run(Span<CryptoJob> jobs, bool seal)
    {
        foreach (ref CryptoJob job in jobs)
        {
            var key = (PartsKey)job.Key;
            ObjectDisposedException.ThrowIf(!key.IsUsable, key);
            try
            {
                job.Ok = seal ? key.Seal(job) : key.Open(job);
            }
            catch (CryptographicException)
            {
                job.Ok = false; // the library below: no packet's bytes bring this about
            }

            if (!job.Ok)
            {
                CryptographicOperations.ZeroMemory(new Span<byte>(key.TextOf(job), job.TextLength));
            }

            GC.KeepAlive(key); // finalizers of its parts free what was computed with
        }
    }
}
