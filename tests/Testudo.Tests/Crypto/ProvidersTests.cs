// Providers are asked in order, and each gets its own jobs in runs.

using Testudo.Crypto;
using Xunit;

namespace Testudo.Tests.Crypto;

public sealed class ProvidersTests
{
    private static readonly Transform s_gcm = new(Cipher.AesGcm16, Integrity.None, 16);
    private static readonly Transform s_null = new(Cipher.Null, Integrity.HmacSha256, 16);

    [Fact]
    public void The_first_that_takes_a_key_gets_it()
    {
        var narrow = new Recorder(transform => transform == s_gcm);
        var wide = new Recorder(_ => true);
        var providers = new Providers(narrow, wide);

        Assert.Same(narrow, providers.Bind(s_gcm, [], [])?.Provider);
        Assert.Same(wide, providers.Bind(s_null, [], [])?.Provider);
        Assert.Null(new Providers(narrow).Bind(s_null, [], []));
        Assert.Null(new Providers().Bind(s_gcm, [], []));
    }

    [Fact]
    public void Each_run_of_one_provider_goes_to_it_at_once_and_in_place()
    {
        var a = new Recorder(_ => true);
        var b = new Recorder(_ => true);
        SaKey a1 = a.Bind(s_gcm, [], [])!;
        SaKey a2 = a.Bind(s_gcm, [], [])!;
        SaKey b1 = b.Bind(s_gcm, [], [])!;
        CryptoJob[] jobs = [.. new[] { a1, a2, a1, b1, a2, b1, b1 }.Select((key, i) => new CryptoJob { Key = key, Tag = i })];

        Providers.Seal(jobs);
        Assert.Equal(["seal 0 1 2", "seal 4"], a.Calls);
        Assert.Equal(["seal 3", "seal 5 6"], b.Calls);
        Assert.DoesNotContain(jobs, job => job.Ok);

        Providers.Open(jobs);
        Assert.Equal(["open 0 1 2", "open 4"], a.Calls[2..]);
        Assert.Equal(["open 3", "open 5 6"], b.Calls[2..]);
        Assert.All(jobs, job => Assert.True(job.Ok));

        Providers.Seal([]);
        Assert.Equal(4, a.Calls.Count);
    }

    private sealed class Recorder(Predicate<Transform> takes) : CryptoProvider
    {
        public List<string> Calls { get; } = [];

        public override string Name => "recorder";

        public override bool Supports(Transform transform) => takes(transform);

        public override SaKey? Bind(Transform transform, ReadOnlySpan<byte> cipherKey, ReadOnlySpan<byte> macKey) =>
            Supports(transform) ? new Key(this, transform) : null;

        public override void Seal(Span<CryptoJob> jobs) => Record("seal", jobs);

        public override void Open(Span<CryptoJob> jobs)
        {
            Record("open", jobs);
            foreach (ref CryptoJob job in jobs)
            {
                job.Ok = true;
            }
        }

        private void Record(string what, Span<CryptoJob> jobs)
        {
            foreach (CryptoJob job in jobs)
            {
                Assert.Same(this, job.Key.Provider);
                what += $" {job.Tag}";
            }

            Calls.Add(what);
        }

        private sealed class Key(CryptoProvider provider, Transform transform) : SaKey(provider, transform)
        {
            protected override void Dispose(bool disposing)
            {
            }
        }
    }
}
