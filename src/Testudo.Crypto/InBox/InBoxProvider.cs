// The provider that stands on the in-box library (on Linux: OpenSSL). It runs everywhere and does every transform of the
// table; faster providers, and OpenSslProvider where it is available, are asked before it.
//
// What it takes for granted, because the engine has checked it before a job is made:
//   - Head ... ICV lie within the packet's memory: HeadLength + IV + TextLength + IcvLength bytes;
//   - TextLength is a multiple of the cipher's block length;
//   - HeadLength is 8 (SPI, sequence number) where a combined mode has extended sequence numbers.
// Nothing is allocated per job, with one exception: the library tells a wrong GCM tag by an exception, which is caught
// here and costs a forged packet some 4 us and 464 bytes.

using System.Security.Cryptography;

namespace Testudo.Crypto.InBox;

/// <summary>AES-GCM-16, AES-CBC with HMAC, and NULL with HMAC on .NET's own library.</summary>
/// <remarks><see cref="Cipher.None"/> is computed like NULL: the MAC over Head and Text, as AH's ICV is (RFC 4302, 3.3.3).</remarks>
public sealed class InBoxProvider : CryptoProvider
{
    /// <inheritdoc/>
    public override string Name => "inbox";

    /// <inheritdoc/>
    public override bool Supports(Transform transform) => transform.Cipher switch
    {
        Cipher.AesGcm16 => AesGcm.IsSupported && transform is { Integrity: Integrity.None, IcvLength: GcmKey.TagLength },
        Cipher.AesCbc or Cipher.Null or Cipher.None =>
            Transforms.Find(transform.Integrity) is { } mac && transform.IcvLength >= 12 && transform.IcvLength <= mac.DigestLength,
        _ => false,
    };

    /// <inheritdoc/>
    public override SaKey? Bind(Transform transform, ReadOnlySpan<byte> cipherKey, ReadOnlySpan<byte> macKey)
    {
        if (!Supports(transform))
        {
            return null;
        }

        return transform.Cipher == Cipher.AesGcm16
            ? new GcmKey(this, transform, cipherKey)
            : new HmacKey(this, transform, cipherKey, macKey);
    }

    /// <inheritdoc/>
    /// <exception cref="ObjectDisposedException">A job's key was disposed.</exception>
    public override void Seal(Span<CryptoJob> jobs)
    {
        foreach (ref CryptoJob job in jobs)
        {
            InBoxKey key = Usable(job.Key);
            try
            {
                key.Seal(ref job);
                job.Ok = true;
            }
            catch (CryptographicException)
            {
                job.Ok = false; // the library below: no packet's bytes bring this about
                Wipe(job, key);
            }
        }
    }

    /// <inheritdoc/>
    /// <exception cref="ObjectDisposedException">A job's key was disposed.</exception>
    public override void Open(Span<CryptoJob> jobs)
    {
        foreach (ref CryptoJob job in jobs)
        {
            InBoxKey key = Usable(job.Key);
            try
            {
                job.Ok = key.Open(ref job);
            }
            catch (CryptographicException)
            {
                job.Ok = false; // as above
            }

            if (!job.Ok)
            {
                Wipe(job, key);
            }
        }
    }

    private static unsafe void Wipe(in CryptoJob job, InBoxKey key) =>
        CryptographicOperations.ZeroMemory(new Span<byte>(key.TextOf(job), job.TextLength));

    private static InBoxKey Usable(SaKey key)
    {
        var mine = (InBoxKey)key;
        ObjectDisposedException.ThrowIf(mine.IsDisposed, mine);
        return mine;
    }
}
