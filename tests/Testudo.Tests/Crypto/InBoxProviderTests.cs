// The provider on the in-box library: all that is asked of every provider, and that it leaves no transform out.

using Testudo.Crypto;
using Testudo.Crypto.InBox;
using Xunit;

namespace Testudo.Tests.Crypto;

public sealed class InBoxVectors() : ProviderVectors(new InBoxProvider());

public sealed class InBoxWycheproof() : ProviderWycheproof(new InBoxProvider());

public sealed class InBoxKernelPackets() : ProviderKernelPackets(new InBoxProvider());

public sealed class InBoxProperties() : ProviderProperties(new InBoxProvider());

public sealed class InBoxAllocation() : ProviderAllocation(new InBoxProvider());

public sealed class InBoxProviderTests
{
    private readonly InBoxProvider _provider = new();

    [Fact]
    public void Every_transform_of_the_table_but_camellia_is_computed() =>
        Assert.All(Suite.All, suite => Assert.Equal(suite.Transform.Cipher != Cipher.CamelliaCbc, _provider.Supports(suite.Transform)));

    [Theory]
    [InlineData(Cipher.AesGcm16, Integrity.HmacSha256, 16)]
    [InlineData(Cipher.AesGcm16, Integrity.None, 12)]
    [InlineData(Cipher.AesGcm8, Integrity.None, 16)]
    [InlineData(Cipher.AesCbc, Integrity.None, 12)]
    [InlineData(Cipher.Null, Integrity.Null, 16)]
    [InlineData(Cipher.None, Integrity.None, 0)]
    [InlineData(Cipher.AesCbc, Integrity.AesGmac128, 24)]
    [InlineData(Cipher.None, Integrity.AesGmac128, 16)]
    [InlineData(Cipher.AesCbc, Integrity.HmacSha256, 0)]
    [InlineData(Cipher.AesCbc, Integrity.HmacSha256, 11)]
    [InlineData(Cipher.AesCbc, Integrity.HmacSha256, 33)]
    [InlineData((Cipher)99, Integrity.HmacSha256, 16)]
    [InlineData(Cipher.AesCbc, (Integrity)99, 16)]
    public void What_is_no_transform_of_the_table_is_not_bound(Cipher cipher, Integrity integrity, int icvLength)
    {
        var transform = new Transform(cipher, integrity, icvLength);
        Assert.False(_provider.Supports(transform));
        Assert.Null(_provider.Bind(transform, new byte[20], new byte[32]));
    }
}
