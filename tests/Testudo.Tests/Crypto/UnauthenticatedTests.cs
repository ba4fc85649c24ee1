// ESP without authentication: representable, computed, and refused unless it is allowed.

using Testudo.Crypto;
using Testudo.Crypto.InBox;
using Testudo.Crypto.OpenSsl;
using Testudo.Legacy;
using Xunit;

namespace Testudo.Tests.Crypto;

public sealed class UnauthenticatedTests
{
    private static readonly Providers s_providers = LegacyProvider.Behind(Providers.Default);

    public static TheoryData<Cipher> Ciphers => [.. Transforms.Ciphers.Where(static info => !info.IsCombined).Select(static info => info.Cipher)];

    [Theory]
    [MemberData(nameof(Ciphers))]
    public void It_is_refused_in_words_unless_it_is_allowed(Cipher cipher)
    {
        int bits = Transforms.Find(cipher)!.KeyBits[0];
        foreach (Integrity integrity in (Integrity[])[Integrity.None, Integrity.Null])
        {
            Assert.Contains("--allow-unauthenticated", Transforms.TryMake(cipher, integrity, bits, 0, 0, out _));
            Assert.Null(Transforms.TryMake(cipher, integrity, bits, 0, 0, out Transform transform, allowUnauthenticated: true));
            Assert.Equal(new Transform(cipher, integrity, 0), transform);
        }

        Assert.Contains("no ICV of 96", Transforms.TryMake(cipher, Integrity.None, bits, 0, 96, out _, allowUnauthenticated: true));
        Assert.Contains("0 or 96", Transforms.TryMake(cipher, Integrity.Null, bits, 0, 128, out _, allowUnauthenticated: true));
    }

    [Theory]
    [MemberData(nameof(Ciphers))]
    public void It_encrypts_and_opens_whatever_comes(Cipher cipher)
    {
        CipherInfo info = Transforms.Find(cipher)!;
        var random = new Random(cipher.GetHashCode());
        foreach (int icv in (int[])[0, 12])
        {
            byte[] material = new byte[info.KeyBits[^1] / 8], text = new byte[96];
            random.NextBytes(material);
            random.NextBytes(text);
            var transform = new Transform(cipher, icv == 0 ? Integrity.None : Integrity.Null, icv);
            using SaKey? key = s_providers.Bind(transform, material, []);
            Assert.NotNull(key);
            using var packet = new JobPacket(new byte[8], new byte[info.IvLength], text, icv);
            packet.Seal(key);
            Assert.Equal(OneShot.Encrypt(cipher, material, packet.Iv.ToArray(), text), packet.Text.ToArray());
            Assert.Equal(new byte[icv], packet.Icv.ToArray());
            Assert.True(packet.Open(key));
            Assert.Equal(text, packet.Text);
            if (icv > 0)
            {
                packet.Icv[3] = 1;
                Assert.False(packet.Open(key));
            }
        }
    }

    [Fact]
    public void In_AH_there_is_no_such_thing()
    {
        var transform = new Transform(Cipher.None, Integrity.None, 0);
        Assert.False(new InBoxProvider().Supports(transform));
        Assert.False(OpenSslProvider.IsAvailable && new OpenSslProvider().Supports(transform));
    }

    [Fact]
    public void Gmac_is_no_integrity_algorithm_of_esp() =>
        Assert.Contains("AH alone", Transforms.TryMake(Cipher.Null, Integrity.AesGmac128, 0, 160, 0, out _));
}
