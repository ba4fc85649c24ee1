// What the in-box library's keys have in common: one job at a time, in place, and dead after Dispose.

namespace Testudo.Crypto.InBox;

/// <summary>A key of <see cref="InBoxProvider"/>.</summary>
internal abstract unsafe class InBoxKey(InBoxProvider provider, Transform transform) : SaKey(provider, transform)
{
    /// <summary>True once the key has been wiped.</summary>
    public bool IsDisposed { get; private set; }

    /// <summary>Seals one packet.</summary>
    public abstract void Seal(ref CryptoJob job);

    /// <summary>Opens one packet: true where its ICV was right. The caller wipes the text where it was not.</summary>
    public abstract bool Open(ref CryptoJob job);

    /// <summary>Bytes of IV in each packet.</summary>
    protected int IvLength { get; } = Transforms.Find(transform.Cipher)?.IvLength ?? 0;

    /// <summary>The first byte behind the IV.</summary>
    public byte* TextOf(in CryptoJob job) => job.Head + job.HeadLength + IvLength;

    /// <summary>The ICV field, behind the text.</summary>
    protected Span<byte> IcvOf(in CryptoJob job) => new(TextOf(job) + job.TextLength, Transform.IcvLength);

    /// <inheritdoc/>
    protected override void Dispose(bool disposing) => IsDisposed = true;
}
