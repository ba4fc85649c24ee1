// A provider whose library always fails.

using Testudo.Crypto;

namespace Testudo.Tests.Engine;

internal sealed class BrokenProvider : CryptoProvider
{
    public override string Name => "broken";

    public override bool Supports(Transform transform) => true;

    public override SaKey? Bind(Transform transform, ReadOnlySpan<byte> cipherKey, ReadOnlySpan<byte> macKey) => new Key(this, transform);

    public override void Seal(Span<CryptoJob> jobs) => Fail(jobs);

    public override void Open(Span<CryptoJob> jobs) => Fail(jobs);

    private static void Fail(Span<CryptoJob> jobs)
    {
        foreach (ref CryptoJob job in jobs)
        {
            job.Ok = false;
        }
    }

    private sealed class Key(CryptoProvider provider, Transform transform) : SaKey(provider, transform)
    {
        protected override void Dispose(bool disposing)
        {
            // it holds nothing
        }
    }
}
