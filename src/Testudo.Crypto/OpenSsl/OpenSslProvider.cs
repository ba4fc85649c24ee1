// The provider that stands on libcrypto itself. The class library goes the same way, but tells a wrong GCM tag by an
// exception, whose cost any sender of forged packets can ask for; here a wrong tag is a return code.
//
// What it takes for granted, because the engine has checked it before a job is made: as InBoxProvider does.
// No job allocates or throws, whatever the packet's bytes. A call that fails inside the library fails its job.

using System.Security.Cryptography;

namespace Testudo.Crypto.OpenSsl;

/// <summary>AES-GCM-16, AES-CBC with HMAC, and NULL with HMAC on OpenSSL 3.</summary>
/// <remarks><see cref="Cipher.None"/> is computed like NULL: the MAC over Head and Text, as AH's ICV is (RFC 4302, 3.3.3).</remarks>
public sealed class OpenSslProvider : CryptoProvider
{
    /// <summary>Makes the provider.</summary>
    /// <exception cref="PlatformNotSupportedException">libcrypto.so.3 is not on this machine.</exception>
    public OpenSslProvider()
    {
        if (!IsAvailable)
        {
            throw new PlatformNotSupportedException(
                "libcrypto.so.3 cannot be loaded: install OpenSSL 3 (libssl3, openssl-libs), or compute with the provider inbox");
        }
    }

    /// <summary>True where the library is on this machine.</summary>
    public static bool IsAvailable => LibCrypto.IsAvailable;

    /// <inheritdoc/>
    public override string Name => "openssl";

    /// <inheritdoc/>
    public override bool Supports(Transform transform) => transform.Cipher switch
    {
        Cipher.AesGcm16 => transform is { Integrity: Integrity.None, IcvLength: GcmKey.TagLength },
        Cipher.AesCbc or Cipher.Null or Cipher.None =>
            Transforms.Find(transform.Integrity) is { } mac && transform.IcvLength >= 12 && transform.IcvLength <= mac.DigestLength,
        _ => false,
    };

    /// <inheritdoc/>
    /// <remarks>Null also where the library would not take the key, so that the next provider is asked.</remarks>
    public override SaKey? Bind(Transform transform, ReadOnlySpan<byte> cipherKey, ReadOnlySpan<byte> macKey)
    {
        if (!Supports(transform))
        {
            return null;
        }

        OpenSslKey key = transform.Cipher == Cipher.AesGcm16
            ? new GcmKey(this, transform, cipherKey)
            : new HmacKey(this, transform, cipherKey, macKey);
        if (key.IsUsable)
        {
            return key;
        }

        key.Dispose();
        return null;
    }

    /// <inheritdoc/>
    /// <exception cref="ObjectDisposedException">A job's key was disposed.</exception>
    public override unsafe void Seal(Span<CryptoJob> jobs)
    {
        foreach (ref CryptoJob job in jobs)
        {
            OpenSslKey key = Usable(job.Key);
            job.Ok = key.Seal(job);
            WipeFailed(job, key);
        }
    }

    /// <inheritdoc/>
    /// <exception cref="ObjectDisposedException">A job's key was disposed.</exception>
    public override unsafe void Open(Span<CryptoJob> jobs)
    {
        foreach (ref CryptoJob job in jobs)
        {
            OpenSslKey key = Usable(job.Key);
            job.Ok = key.Open(job);
            WipeFailed(job, key);
        }
    }

    private static OpenSslKey Usable(SaKey key)
    {
        var mine = (OpenSslKey)key;
        ObjectDisposedException.ThrowIf(!mine.IsUsable, mine);
        return mine;
    }

    private static unsafe void WipeFailed(in CryptoJob job, OpenSslKey key)
    {
        if (!job.Ok)
        {
            CryptographicOperations.ZeroMemory(new Span<byte>(key.TextOf(job), job.TextLength));
        }

        GC.KeepAlive(key); // its finalizer frees what was computed with
    }
}
