// What the keys made of parts have in common: one job at a time, in place, and dead after Dispose.

namespace Testudo.Crypto.Parts;

/// <summary>A key of a <see cref="PartsProvider"/>.</summary>
internal abstract unsafe class PartsKey(CryptoProvider provider, Transform transform) : SaKey(provider, transform)
{
    /// <summary>True until Dispose.</summary>
    public bool IsUsable { get; private set; } = true;

    /// <summary>Seals one packet: true where it may be sent.</summary>
    public abstract bool Seal(in CryptoJob job);

    /// <summary>Opens one packet: true where its ICV was right. The caller wipes the text where it was not.</summary>
    public abstract bool Open(in CryptoJob job);

    /// <summary>Bytes of IV before the text.</summary>
    protected int IvLength { get; } = Transforms.Find(transform.Cipher)?.IvLength ?? 0;

    /// <summary>The IV field.</summary>
    protected static byte* IvOf(in CryptoJob job) => job.Head + job.HeadLength;

    /// <summary>The first byte behind the IV.</summary>
    public byte* TextOf(in CryptoJob job) => job.Head + job.HeadLength + IvLength;

    /// <summary>The ICV field, behind the text.</summary>
    protected byte* IcvOf(in CryptoJob job) => TextOf(job) + job.TextLength;

    /// <summary>Wipes; called once.</summary>
    protected abstract void Free();

    /// <inheritdoc/>
    protected sealed override void Dispose(bool disposing)
    {
        if (IsUsable)
        {
            IsUsable = false;
            Free();
        }
    }
}
