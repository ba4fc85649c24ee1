// The provider on libcrypto: all that is asked of every provider; that it leaves no transform out; that it makes the same
// bytes as the in-box library; and that a forged packet brings about neither an exception nor an allocation.

using System.Runtime.ExceptionServices;
using CsCheck;
using Testudo.Crypto;
using Testudo.Crypto.InBox;
using Testudo.Crypto.OpenSsl;
using Xunit;

namespace Testudo.Tests.Crypto;

public sealed class OpenSslVectors() : ProviderVectors(OpenSslProviderTests.Provider());

public sealed class OpenSslWycheproof() : ProviderWycheproof(OpenSslProviderTests.Provider());

public sealed class OpenSslKernelPackets() : ProviderKernelPackets(OpenSslProviderTests.Provider());

public sealed class OpenSslProperties() : ProviderProperties(OpenSslProviderTests.Provider());

public sealed class OpenSslAllocation() : ProviderAllocation(OpenSslProviderTests.Provider());

[Collection(nameof(Alone))]
public sealed class OpenSslProviderTests
{
    private const int ForgedPackets = 5_000;

    private readonly OpenSslProvider _openSsl = Provider();
    private readonly InBoxProvider _inBox = new();

    public static IEnumerable<TheoryDataRow<Suite>> Suites => ProviderProperties.Suites;

    /// <summary>What the in-box library has too: all but Camellia, which BouncyCastle stands beside (OneShot).</summary>
    public static IEnumerable<TheoryDataRow<Suite>> Shared => Suites.Where(row => row.Data.Transform.Cipher != Cipher.CamelliaCbc);

    /// <summary>The provider, or the running test is skipped.</summary>
    internal static OpenSslProvider Provider()
    {
        Assert.SkipUnless(OpenSslProvider.IsAvailable, "libcrypto.so.3 is not on this machine");
        return new OpenSslProvider();
    }

    [Fact]
    public void Every_transform_of_the_table_is_computed_and_nothing_else_is_bound()
    {
        Assert.All(Suite.All, suite => Assert.True(_openSsl.Supports(suite.Transform), suite.ToString()));
        foreach (Cipher cipher in (Cipher[])[Cipher.None, Cipher.Null, Cipher.AesCbc, Cipher.AesGcm16, (Cipher)99])
        {
            foreach (Integrity integrity in (Integrity[])[Integrity.None, Integrity.HmacSha1, Integrity.HmacSha512, (Integrity)99])
            {
                for (int icv = 0; icv <= 65; icv++)
                {
                    var transform = new Transform(cipher, integrity, icv);
                    Assert.Equal(_inBox.Supports(transform), _openSsl.Supports(transform));
                    if (!_openSsl.Supports(transform))
                    {
                        Assert.Null(_openSsl.Bind(transform, new byte[20], new byte[64]));
                    }
                }
            }
        }
    }

    [Fact]
    public void It_is_asked_before_the_in_box_provider() =>
        Assert.Equal(["openssl", "inbox"], Providers.Default.InOrder.Select(provider => provider.Name));

    [Theory]
    [MemberData(nameof(Shared), DisableDiscoveryEnumeration = true)]
    public void It_makes_the_bytes_of_the_in_box_provider_and_each_opens_what_the_other_sealed(Suite suite) =>
        Gen.Select(Gen.Int[0, 9000], Gen.Int[0, 31], Gen.Int).Sample(
            (bytes, offset, seed) =>
            {
                var random = new Random(seed);
                byte[] cipherKey = Bytes(random, suite.CipherKeyLength);
                byte[] macKey = Bytes(random, suite.MacKeyLength);
                using SaKey mine = suite.Bind(_openSsl, cipherKey, macKey);
                using SaKey other = suite.Bind(_inBox, cipherKey, macKey);

                // Several, as the kept ciphers of both chain on from packet to packet; forged ones must not disturb that.
                for (int packet = 0; packet < 4; packet++)
                {
                    byte[] head = Bytes(random, 8);
                    byte[] iv = Bytes(random, suite.IvLength);
                    byte[] text = Bytes(random, random.Next(bytes + 1) / suite.BlockLength * suite.BlockLength);
                    uint? high = random.Next(2) == 0 ? null : (uint)random.Next();
                    using var a = new JobPacket(head, iv, text, suite.Transform.IcvLength, offset);
                    using var b = new JobPacket(head, iv, text, suite.Transform.IcvLength);
                    a.Seal(mine, high);
                    b.Seal(other, high);
                    Assert.Equal(b.All, a.All);

                    Assert.True(a.Open(other, high));
                    Assert.True(b.Open(mine, high));
                    Assert.Equal(text, a.Text);
                    Assert.Equal(text, b.Text);

                    Assert.Equal(a.Open(other, high), b.Open(mine, high)); // no ciphertext any more
                    Assert.Equal(a.All, b.All);
                }
            },
            iter: 30);

    [Fact]
    public void A_text_that_is_no_whole_blocks_is_refused_and_wiped_in_both_directions_and_disturbs_no_later_packet()
    {
        var suite = new Suite(new(Cipher.AesCbc, Integrity.HmacSha256, 16), 16, 32);
        using SaKey key = suite.Bind(_openSsl, new byte[16], new byte[32]);
        using var odd = new JobPacket(new byte[8], new byte[16], new byte[] { 1, 2, 3, 4, 5 }, 16);
        OneShot.Mac(suite.Transform, new byte[32], [.. odd.All[..^16]]).CopyTo(odd.Icv);
        foreach (bool seal in (bool[])[false, true])
        {
            Span<CryptoJob> jobs = [odd.Job(key)];
            jobs[0].Ok = true;
            new byte[] { 1, 2, 3, 4, 5 }.CopyTo(odd.Text);
            if (seal)
            {
                _openSsl.Seal(jobs);
            }
            else
            {
                _openSsl.Open(jobs);
            }

            Assert.False(jobs[0].Ok);
            Assert.Equal(new byte[5], odd.Text);
            odd.CheckGuards();

            byte[] text = [.. Enumerable.Range(0, 48).Select(i => (byte)i)];
            using var packet = new JobPacket(new byte[8], new byte[16], text, 16);
            packet.Seal(key);
            Assert.Equal(
                OneShot.Seal(suite.Transform, new byte[16], new byte[32], new byte[8], packet.Iv.ToArray(), text, null).Text, packet.Text);
            Assert.True(packet.Open(key));
            Assert.Equal(text, packet.Text);
        }
    }

    [Theory]
    [MemberData(nameof(Suites), DisableDiscoveryEnumeration = true)]
    public void Forged_packets_bring_about_no_exception_and_no_allocation(Suite suite)
    {
        (int exceptions, long allocated, int opened) = Forge(_openSsl, suite);
        Assert.Equal(0, exceptions);
        Assert.Equal(0, allocated);
        Assert.Equal(0, opened);
    }

    [Fact]
    public void The_counts_see_what_the_in_box_provider_does_on_a_wrong_gcm_tag()
    {
        Suite gcm = Suite.All.First(suite => suite.Transform.Cipher == Cipher.AesGcm16);
        (int exceptions, long allocated, int opened) = Forge(_inBox, gcm);
        Assert.Equal(ForgedPackets, exceptions);
        Assert.True(allocated > 0, "an exception that takes no memory");
        Assert.Equal(0, opened);
    }

    // Random bytes all over, or a sealed packet with one bit changed, of many lengths.
    private static (int Exceptions, long Allocated, int Opened) Forge(CryptoProvider provider, Suite suite)
    {
        const int Batch = 50;
        var random = new Random(suite.ToString().Length);
        using SaKey key = suite.Bind(provider, Bytes(random, suite.CipherKeyLength), Bytes(random, suite.MacKeyLength));
        var packets = new JobPacket[Batch];
        var jobs = new CryptoJob[Batch];
        for (int i = 0; i < Batch; i++)
        {
            packets[i] = new JobPacket(new byte[8], new byte[suite.IvLength], new byte[i * 16], suite.Transform.IcvLength);
            jobs[i] = packets[i].Job(key, i % 3 == 0 ? 1u : null);
        }

        provider.Seal(jobs);
        byte[][] wires = [.. packets.Select(packet => packet.All.ToArray())];

        int thread = Environment.CurrentManagedThreadId;
        int exceptions = 0;
        int opened = 0;
        void Count(object? sender, FirstChanceExceptionEventArgs e)
        {
            if (Environment.CurrentManagedThreadId == thread)
            {
                exceptions++;
            }
        }

        long before = 0;
        AppDomain.CurrentDomain.FirstChanceException += Count;
        try
        {
            for (int round = -1; round < ForgedPackets / Batch; round++)
            {
                for (int i = 0; i < Batch; i++)
                {
                    Span<byte> all = packets[i].All;
                    if (round % 2 == 0)
                    {
                        random.NextBytes(all);
                    }
                    else
                    {
                        wires[i].CopyTo(all);
                        int bit = random.Next(all.Length * 8);
                        all[bit / 8] ^= (byte)(1 << (bit % 8));
                    }
                }

                provider.Open(jobs);
                foreach (ref readonly CryptoJob job in jobs.AsSpan())
                {
                    opened += job.Ok ? 1 : 0;
                }

                if (round < 0)
                {
                    exceptions = 0; // the first round warms up
                    before = GC.GetAllocatedBytesForCurrentThread();
                }
            }

            return (exceptions, GC.GetAllocatedBytesForCurrentThread() - before, opened);
        }
        finally
        {
            AppDomain.CurrentDomain.FirstChanceException -= Count;
            Array.ForEach(packets, packet => packet.Dispose());
        }
    }

    private static byte[] Bytes(Random random, int count)
    {
        byte[] bytes = new byte[count];
        random.NextBytes(bytes);
        return bytes;
    }
}
