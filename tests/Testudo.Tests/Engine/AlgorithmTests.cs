// Every transform of the table through an engine: packets of many lengths come out as they went in, and what is weak needs
// its option.

using Testudo.Crypto;
using Testudo.Engine;
using Testudo.Engine.Keys;
using Testudo.Legacy;
using Testudo.Tests.Checker;
using Testudo.Wire;
using Testudo.Wire.PfKey;
using Xunit;

namespace Testudo.Tests.Engine;

public sealed class AlgorithmTests
{
    private static readonly Address s_here = Address.Parse("10.1.0.1"), s_there = Address.Parse("10.2.0.1");

    /// <summary>All of ESP: modern ones, historic ones, and each cipher without authentication.</summary>
    public static IEnumerable<TheoryDataRow<Testudo.Tests.Crypto.Suite>> Suites =>
        Testudo.Tests.Crypto.Suite.All.Concat(Testudo.Tests.Crypto.Suite.Historic)
            .Concat(Transforms.Ciphers.Where(static c => !c.IsCombined).Select(static c => new Testudo.Tests.Crypto.Suite(new(c.Cipher, Integrity.None, 0), c.KeyBits[0] / 8, 0)))
            .Where(static suite => suite.Transform.Cipher != Cipher.None)
            .Select(static suite => new TheoryDataRow<Testudo.Tests.Crypto.Suite>(suite) { TestDisplayName = suite.ToString() });

    [Theory]
    [MemberData(nameof(Suites), DisableDiscoveryEnumeration = true)]
    public void Packets_of_many_lengths_come_out_as_they_went_in(Testudo.Tests.Crypto.Suite suite)
    {
        byte[][] packets = [.. Enumerable.Range(0, 40).Append(333).Append(1400).Select(static n => Build.Ipv4("10.1.0.1", "10.2.0.1").Udp(7, 9, Build.Pattern(n)))];
        using Host a = NewHost("10.1.0.1", suite, PolicyDirection.Out), b = NewHost("10.2.0.1", suite, PolicyDirection.In);
        Outcome sent = a.Out(packets);
        Assert.Empty(sent.Drops);
        int iv = suite.IvLength;
        Assert.All(sent.Passed, (wire, i) =>
        {
            int text = wire.Length - 20 - 8 - iv - suite.Transform.IcvLength;
            Assert.True(text >= packets[i].Length - 20 + 2 && text % Math.Max(4, suite.BlockLength) == 0, $"{text} bytes of text");
        });
        if (iv >= 8)
        {
            Assert.Distinct(sent.Passed.Select(wire => Convert.ToHexString(wire.AsSpan(28, iv))));
        }

        Outcome received = b.In(sent.Passed);
        Assert.Empty(received.Drops);
        Assert.Equal(packets, received.Passed);
    }

    [Fact]
    public void What_is_weak_is_refused_with_the_option_that_allows_it()
    {
        using var plain = new Host(Providers.Default, new EngineOptions());
        Assert.Contains("--legacy", WhyNot(plain, Cipher.BlowfishCbc, Integrity.HmacSha1, 16, 20));
        Assert.Contains("--legacy", WhyNot(plain, Cipher.AesCbc, Integrity.KeyedMd5, 16, 16));
        Assert.Contains("--allow-unauthenticated", WhyNot(plain, Cipher.AesCbc, Integrity.None, 16, 0));
        Assert.Contains("--allow-unauthenticated", WhyNot(plain, Cipher.BlowfishCbc, Integrity.None, 16, 0));
        using var weak = new Host(LegacyProvider.Behind(Providers.Default), new EngineOptions { AllowsUnauthenticated = true });
        Assert.Null(WhyNot(weak, Cipher.BlowfishCbc, Integrity.None, 16, 0));
        Assert.Equal(Cipher.BlowfishCbc, Assert.Single(weak.Engine.Sad.All).Transform.Cipher);
    }

    private static string? WhyNot(Host host, Cipher cipher, Integrity integrity, int cipherKey, int macKey) =>
        host.Engine.AddSa(Parameters(cipher, integrity, cipherKey, macKey, 0), 1, host.Now, out Refusal? words) is null ? words!.Sentence : null;

    private static Host NewHost(string address, Testudo.Tests.Crypto.Suite suite, PolicyDirection direction)
    {
        var host = new Host(LegacyProvider.Behind(Providers.Default), new EngineOptions { Mtu = 65535, AllowsUnauthenticated = true }, address);
        host.Add(Parameters(suite.Transform.Cipher, suite.Transform.Integrity, suite.CipherKeyLength, suite.MacKeyLength, suite.Transform.IcvLength * 8));
        host.Add(Make.Policy(direction, "10.1.0.0/16", "10.2.0.0/16", Make.Transport()));
        return host;
    }

    private static SaParameters Parameters(Cipher cipher, Integrity integrity, int cipherKey, int macKey, int icvBits) => new()
    {
        Spi = 0x1000,
        Source = s_here,
        Destination = s_there,
        Mode = IpsecMode.Transport,
        Cipher = cipher,
        Integrity = integrity,
        CipherKey = Build.Pattern(cipherKey),
        IntegrityKey = Build.Pattern(macKey),
        IcvBits = icvBits,
    };
}
