// One transform with key lengths, and all of them that an SA can have.

using Testudo.Crypto;
using Xunit;

namespace Testudo.Tests.Crypto;

/// <summary>A transform and the lengths of its keys in bytes, salt included.</summary>
public sealed record Suite(Transform Transform, int CipherKeyLength, int MacKeyLength)
{
    /// <summary>Every cipher, key length and integrity algorithm of the table, with the ICV of its RFC; and AH.</summary>
    public static IReadOnlyList<Suite> All { get; } = [.. Build()];

    public int IvLength => Transforms.Find(Transform.Cipher)?.IvLength ?? 0;

    public int BlockLength => Transforms.Find(Transform.Cipher)?.BlockLength ?? 1;

    public SaKey Bind(CryptoProvider provider, ReadOnlySpan<byte> cipherKey, ReadOnlySpan<byte> macKey)
    {
        // As the engine does: what was given is wiped once the key is bound.
        byte[] cipher = cipherKey.ToArray();
        byte[] mac = macKey.ToArray();
        SaKey? key = provider.Bind(Transform, cipher, mac);
        Array.Clear(cipher);
        Array.Clear(mac);
        Assert.SkipWhen(key is null, $"the provider {provider.Name} leaves {this} to others");
        return key!;
    }

    public override string ToString() => $"{Transform.Cipher}-{CipherKeyLength * 8}+{Transform.Integrity}-{Transform.IcvLength * 8}";

    private static IEnumerable<Suite> Build()
    {
        foreach (CipherInfo cipher in Transforms.Ciphers)
        {
            foreach (int bits in cipher.KeyBits)
            {
                if (cipher.IsCombined)
                {
                    yield return new(new(cipher.Cipher, Integrity.None, cipher.TagLength), bits / 8, 0);
                    continue;
                }

                foreach (IntegrityInfo mac in Transforms.Integrities)
                {
                    yield return new(new(cipher.Cipher, mac.Integrity, mac.IcvLength), bits / 8, mac.KeyBits / 8);
                }
            }
        }

        foreach (IntegrityInfo mac in Transforms.Integrities)
        {
            yield return new(new(Cipher.None, mac.Integrity, mac.IcvLength), 0, mac.KeyBits / 8);
        }
    }
}
