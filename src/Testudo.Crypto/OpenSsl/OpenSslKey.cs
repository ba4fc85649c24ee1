// What the keys on libcrypto have in common: native memory that is wiped and freed once, by Dispose or at the latest by
// the collector.

namespace Testudo.Crypto.OpenSsl;

/// <summary>A key of <see cref="OpenSslProvider"/>.</summary>
internal abstract unsafe class OpenSslKey(OpenSslProvider provider, Transform transform) : SaKey(provider, transform)
{
    private bool _freed;

    ~OpenSslKey() => Dispose(false);

    /// <summary>True from a successful construction to Dispose.</summary>
    public bool IsUsable { get; protected set; }

    /// <summary>Seals one packet: true where it may be sent.</summary>
    public abstract bool Seal(in CryptoJob job);

    /// <summary>Opens one packet: true where its ICV was right. The caller wipes the text where it was not.</summary>
    public abstract bool Open(in CryptoJob job);

    /// <summary>Bytes of IV in each packet.</summary>
    protected int IvLength { get; } = Transforms.Find(transform.Cipher)?.IvLength ?? 0;

    /// <summary>The first byte behind the IV.</summary>
    public byte* TextOf(in CryptoJob job) => job.Head + job.HeadLength + IvLength;

    /// <summary>The ICV field, behind the text.</summary>
    protected byte* IcvOf(in CryptoJob job) => TextOf(job) + job.TextLength;

    /// <summary>Wipes and frees; called once.</summary>
    protected abstract void Free();

    /// <inheritdoc/>
    protected sealed override void Dispose(bool disposing)
    {
        if (!_freed)
        {
            _freed = true;
            IsUsable = false;
            Free();
        }
    }
}
