// The provider of what is historic: the same properties as every provider's, and that the shipped ones leave it alone.

using Testudo.Crypto;
using Testudo.Crypto.InBox;
using Testudo.Legacy;
using Xunit;

namespace Testudo.Tests.Crypto;

public sealed class LegacyProviderTests
{
    private static readonly Providers s_without = Providers.Default;
    private static readonly Providers s_with = LegacyProvider.Behind(Providers.Default);
    private readonly Properties _properties = new(new LegacyProvider([new InBoxProvider()]));

    public static IEnumerable<TheoryDataRow<Vector>> Ciphers => PublishedVectors.Read("historic-ciphers.json");

    public static IEnumerable<TheoryDataRow<Vector>> Hmacs => PublishedVectors.Read("hmac-ripemd160.json");

    public static IEnumerable<TheoryDataRow<Suite>> Suites =>
        Suite.Historic.Select(suite => new TheoryDataRow<Suite>(suite) { TestDisplayName = suite.ToString() });

    [Theory]
    [MemberData(nameof(Suites), DisableDiscoveryEnumeration = true)]
    public void What_is_sealed_equals_the_one_shot_library_and_opens_to_the_same_text(Suite suite)
    {
        // Camellia is OpenSSL's alone.
        Properties properties = suite.Transform.Cipher == Cipher.CamelliaCbc ? new(new LegacyProvider([OpenSslProviderTests.Provider()])) : _properties;
        properties.What_is_sealed_equals_the_one_shot_library_and_opens_to_the_same_text(suite);
    }

    [Theory]
    [MemberData(nameof(Suites), DisableDiscoveryEnumeration = true)]
    public void Any_flipped_bit_fails_and_wipes_the_text(Suite suite)
    {
        if (suite.Transform.Cipher != Cipher.CamelliaCbc)
        {
            _properties.Any_flipped_bit_fails_and_wipes_the_text(suite);
        }
    }

    [Theory]
    [MemberData(nameof(Suites), DisableDiscoveryEnumeration = true)]
    public void A_disposed_key_never_computes(Suite suite)
    {
        if (suite.Transform.Cipher != Cipher.CamelliaCbc)
        {
            _properties.A_disposed_key_never_computes(suite);
        }
    }

    [Fact]
    public void Nobody_else_computes_what_is_historic_and_all_of_it_is_computed()
    {
        Assert.NotEmpty(Suite.Historic);
        Assert.All(Suite.Historic, suite =>
        {
            Assert.NotNull(Transforms.HistoricHalf(suite.Transform));
            Assert.Null(s_without.Bind(suite.Transform, new byte[suite.CipherKeyLength], new byte[suite.MacKeyLength]));
            using SaKey? key = s_with.Bind(suite.Transform, new byte[suite.CipherKeyLength], new byte[suite.MacKeyLength]);
            Assert.Equal("legacy", key?.Provider.Name);
        });
        Assert.All(Suite.All, suite =>
        {
            Assert.Null(Transforms.HistoricHalf(suite.Transform));
            using SaKey? key = s_with.Bind(suite.Transform, [.. Enumerable.Range(1, suite.CipherKeyLength).Select(i => (byte)i)], new byte[suite.MacKeyLength]);
            Assert.NotEqual("legacy", key?.Provider.Name);
        });
        Assert.Equal([false, true], ((Providers[])[s_without, s_with]).Select(providers => providers.Computes(Transforms.Find(Cipher.BlowfishCbc)!)));
        Assert.Equal([false, true], ((Providers[])[s_without, s_with]).Select(providers => providers.Computes(Transforms.Find(Integrity.KeyedMd5)!)));
    }

    [Theory]
    [MemberData(nameof(Ciphers), DisableDiscoveryEnumeration = true)]
    public void Historic_ciphers_decrypt_the_published_ciphertext(Vector vector) =>
        ProviderVectors.DecryptCbc(new LegacyProvider([new InBoxProvider()]), vector);

    [Theory]
    [MemberData(nameof(Hmacs), DisableDiscoveryEnumeration = true)]
    public void Hmac_ripemd160_gives_the_published_digest(Vector vector)
    {
        using SaKey key = new Suite(new(Cipher.Null, Integrity.HmacRipemd160, 20), 0, vector["key"].Length).Bind(new LegacyProvider([]), [], vector["key"]);
        using var packet = new JobPacket([], [], vector["data"], 20);
        packet.Seal(key);
        Assert.Equal(vector["tag"], packet.Icv);
    }

    private sealed class Properties(CryptoProvider provider) : ProviderProperties(provider);
}

