// One transform with key lengths, and all of them that an SA can have.

using Testudo.Crypto;
using Xunit;

namespace Testudo.Tests.Crypto;

/// <summary>A transform and the lengths of its keys in bytes, salt included.</summary>
public sealed record Suite(Transform Transform, int CipherKeyLength, int MacKeyLength)
{
    /// <summary>
    /// Every cipher, key length and integrity algorithm of the table that is not historic, with the ICV of its RFC; and AH.
    /// Every integrity algorithm stands beside each cipher's first key length.
    /// </summary>
    public static IReadOnlyList<Suite> All { get; } = [.. Build(historic: false)];

    /// <summary>The same for what has a historic half: shortest, middle and longest keys.</summary>
    public static IReadOnlyList<Suite> Historic { get; } = [.. Build(historic: true)];

    public int IvLength => Transforms.Find(Transform.Cipher)?.IvLength ?? 0;

    public int BlockLength => Transforms.Find(Transform.Cipher)?.BlockLength ?? 1;

    /// <summary>True where the IV is sent as it was counted: everything but CBC.</summary>
    public bool SendsIvAsItIs => BlockLength == 1;

    public SaKey Bind(CryptoProvider provider, ReadOnlySpan<byte> cipherKey, ReadOnlySpan<byte> macKey)
    {
        // As the engine does: what was given is wiped once the key is bound.
        byte[] cipher = cipherKey.ToArray();
        byte[] mac = macKey.ToArray();
        SaKey? key = provider.Bind(Transform, cipher, mac);
        Array.Clear(cipher);
        Array.Clear(mac);
        Assert.True(key is not null, $"the provider {provider.Name} leaves {this} to others");
        return key;
    }

    public override string ToString() => $"{Transform.Cipher}-{CipherKeyLength * 8}+{Transform.Integrity}-{Transform.IcvLength * 8}";

    private static IEnumerable<Suite> Build(bool historic)
    {
        foreach (CipherInfo cipher in Transforms.Ciphers)
        {
            int[] lengths = cipher.KeyBits.Length <= 3 ? cipher.KeyBits : [cipher.KeyBits[0], cipher.KeyBits[cipher.KeyBits.Length / 2], cipher.KeyBits[^1]];
            foreach (int bits in lengths)
            {
                if (cipher.IsCombined)
                {
                    if (!historic)
                    {
                        yield return new(new(cipher.Cipher, Integrity.None, cipher.TagLength), bits / 8, 0);
                    }

                    continue;
                }

                foreach (IntegrityInfo mac in Transforms.Integrities.Where(mac => mac.IvLength == 0 && mac.Integrity != Integrity.Null))
                {
                    bool isOne = bits == lengths[0] || mac.Integrity == Integrity.HmacSha256;
                    bool isFew = !cipher.IsHistoric || !mac.IsHistoric;
                    if (isOne && isFew && (cipher.IsHistoric || mac.IsHistoric) == historic)
                    {
                        yield return new(new(cipher.Cipher, mac.Integrity, mac.IcvLength), bits / 8, mac.KeyBits / 8);
                    }
                }
            }
        }

        foreach (IntegrityInfo mac in Transforms.Integrities.Where(mac => mac.IsHistoric == historic && mac.Integrity != Integrity.Null))
        {
            yield return new(new(Cipher.None, mac.Integrity, mac.IcvLength), 0, mac.KeyBits / 8);
        }
    }
}
