// The seam behind which libraries and our own code compute. An engine binds each SA's keys once, by asking its providers
// in order, and then hands batches of jobs to the provider that took the key.

namespace Testudo.Crypto;

/// <summary>The keys of one SA, bound to the provider that computes with them. Wiped when disposed.</summary>
/// <remarks>Used by one thread at a time. A key for sealing and one for opening may be the same object.</remarks>
public abstract class SaKey(CryptoProvider provider, Transform transform) : IDisposable
{
    /// <summary>The provider that made this key and is to be asked with it.</summary>
    public CryptoProvider Provider { get; } = provider;

    /// <summary>The algorithms the key is for.</summary>
    public Transform Transform { get; } = transform;

    /// <summary>Wipes the key.</summary>
    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Wipes what the provider holds of the key.</summary>
    protected abstract void Dispose(bool disposing);
}

/// <summary>Computes transforms. Thread-safe as long as each key is used by one thread at a time.</summary>
public abstract class CryptoProvider
{
    /// <summary>The name shown in status and taken by <c>--crypto</c>.</summary>
    public abstract string Name { get; }

    /// <summary>True where this provider computes the transform.</summary>
    public abstract bool Supports(Transform transform);

    /// <summary>
    /// Binds an SA's keys; null where the transform is not this provider's. The lengths have been checked against
    /// <see cref="Transforms"/>; the spans are copied, and wiped by the caller.
    /// </summary>
    public abstract SaKey? Bind(Transform transform, ReadOnlySpan<byte> cipherKey, ReadOnlySpan<byte> macKey);

    /// <summary>
    /// Encrypts in place and writes the ICVs. The IV field holds what the engine put there: a value that never repeats
    /// under the key. Counter modes use it as it is; CBC encrypts it first, so that what is sent cannot be predicted
    /// (NIST SP 800-38A, appendix C). Sets <see cref="CryptoJob.Ok"/>: only where it is true may the packet be sent; else its
    /// text has been wiped.
    /// </summary>
    public abstract void Seal(Span<CryptoJob> jobs);

    /// <summary>Checks the ICVs in constant time and decrypts in place; sets <see cref="CryptoJob.Ok"/>. A text that failed is wiped.</summary>
    public abstract void Open(Span<CryptoJob> jobs);
}
