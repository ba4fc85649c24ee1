// The providers of one engine, in the order in which they are asked for a key, and the way of a mixed batch to them.

using Testudo.Crypto.InBox;
using Testudo.Crypto.OpenSsl;

namespace Testudo.Crypto;

/// <summary>Providers in order of preference.</summary>
/// <param name="inOrder">The first that takes a key computes with it.</param>
public sealed class Providers(params CryptoProvider[] inOrder)
{
    private readonly CryptoProvider[] _inOrder = [.. inOrder];

    /// <summary>What this machine has, made anew: <see cref="OpenSslProvider"/> where it is available, then <see cref="InBoxProvider"/>.</summary>
    public static Providers Default =>
        OpenSslProvider.IsAvailable ? new(new OpenSslProvider(), new InBoxProvider()) : new(new InBoxProvider());

    /// <summary>The providers in the order in which they are asked.</summary>
    public IReadOnlyList<CryptoProvider> InOrder => _inOrder;

    /// <summary>True where a provider has the cipher.</summary>
    public bool Computes(CipherInfo cipher) => Supports(new Transform(cipher.Cipher, Integrity.None, cipher.TagLength));

    /// <summary>True where a provider has the integrity algorithm.</summary>
    public bool Computes(IntegrityInfo integrity) => Supports(new Transform(Cipher.None, integrity.Integrity, integrity.IcvLength));

    /// <summary>Binds an SA's keys with the first provider that takes them; null where none does.</summary>
    /// <remarks>Lengths and copies as in <see cref="CryptoProvider.Bind"/>.</remarks>
    public SaKey? Bind(Transform transform, ReadOnlySpan<byte> cipherKey, ReadOnlySpan<byte> macKey)
    {
        foreach (CryptoProvider provider in _inOrder)
        {
            if (provider.Bind(transform, cipherKey, macKey) is { } key)
            {
                return key;
            }
        }

        return null;
    }

    /// <summary>Seals a batch: each run of jobs whose keys are of one provider goes to it at once.</summary>
    public static void Seal(Span<CryptoJob> jobs)
    {
        while (!jobs.IsEmpty)
        {
            int run = RunLength(jobs);
            jobs[0].Key.Provider.Seal(jobs[..run]);
            jobs = jobs[run..];
        }
    }

    /// <summary>Opens a batch: each run of jobs whose keys are of one provider goes to it at once.</summary>
    public static void Open(Span<CryptoJob> jobs)
    {
        while (!jobs.IsEmpty)
        {
            int run = RunLength(jobs);
            jobs[0].Key.Provider.Open(jobs[..run]);
            jobs = jobs[run..];
        }
    }

    private bool Supports(Transform transform) => Array.Exists(_inOrder, provider => provider.Supports(transform));

    private static int RunLength(ReadOnlySpan<CryptoJob> jobs)
    {
        CryptoProvider provider = jobs[0].Key.Provider;
        int run = 1;
        while (run < jobs.Length && ReferenceEquals(jobs[run].Key.Provider, provider))
        {
            run++;
        }

        return run;
    }
}
