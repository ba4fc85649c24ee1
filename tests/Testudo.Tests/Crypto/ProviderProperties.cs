// What holds for every provider, transform, length, key and place in memory.

using CsCheck;
using Testudo.Crypto;
using Xunit;

namespace Testudo.Tests.Crypto;

public abstract class ProviderProperties(CryptoProvider provider)
{
    public static IEnumerable<TheoryDataRow<Suite>> Suites =>
        Suite.All.Select(suite => new TheoryDataRow<Suite>(suite) { TestDisplayName = suite.ToString() });

    [Theory]
    [MemberData(nameof(Suites), DisableDiscoveryEnumeration = true)]
    public void What_is_sealed_equals_the_one_shot_library_and_opens_to_the_same_text(Suite suite)
    {
        if (IsLeftToOthers(suite))
        {
            return;
        }

        Gen.Select(Gen.Int[0, 3000], Gen.Int[0, 31], Gen.Bool, Gen.Int).Sample(
            (bytes, offset, extended, seed) =>
            {
                var random = new Random(seed);
                byte[] cipherKey = Bytes(random, suite.CipherKeyLength);
                byte[] macKey = Bytes(random, suite.MacKeyLength);
                using SaKey key = suite.Bind(provider, cipherKey, macKey);

                // Some packets before this one: a kept cipher must not remember them.
                for (int packetNumber = 0; packetNumber < 3; packetNumber++)
                {
                    byte[] head = Bytes(random, 8);
                    byte[] iv = Bytes(random, suite.IvLength);
                    byte[] text = Bytes(random, bytes / suite.BlockLength * suite.BlockLength);
                    uint? high = extended ? (uint)random.Next() : null;
                    using var packet = new JobPacket(head, iv, text, suite.Transform.IcvLength, offset);
                    packet.Seal(key, high);

                    (byte[] wire, byte[] icv) = OneShot.Seal(suite.Transform, cipherKey, macKey, head, packet.Iv.ToArray(), text, high, packet.Icv[..Math.Min(8, packet.Icv.Length)].ToArray());
                    Assert.Equal(wire, packet.Text);
                    Assert.Equal(icv, packet.Icv);
                    Assert.Equal(head, packet.Head);
                    if (suite.SendsIvAsItIs)
                    {
                        Assert.Equal(iv, packet.Iv);
                    }

                    Assert.True(packet.Open(key, high));
                    Assert.Equal(text, packet.Text);
                }
            },
            iter: 60);
    }

    [Theory]
    [MemberData(nameof(Suites), DisableDiscoveryEnumeration = true)]
    [Shows("rfc2406-3.4.3-9", "rfc2406-3.4.5-4", "rfc4303-3.4.4.2-1")]
    public void Any_flipped_bit_fails_and_wipes_the_text(Suite suite)
    {
        if (IsLeftToOthers(suite))
        {
            return;
        }

        var random = new Random(suite.ToString().Length);
        using SaKey key = suite.Bind(provider, Bytes(random, suite.CipherKeyLength), Bytes(random, suite.MacKeyLength));
        foreach (uint? high in (uint?[])[null, 0x0000_0001])
        {
            using var packet = new JobPacket(
                Bytes(random, 8), Bytes(random, suite.IvLength), Bytes(random, 48), suite.Transform.IcvLength);
            byte[] text = packet.Text.ToArray();
            packet.Seal(key, high);
            byte[] wire = packet.All.ToArray();

            for (int bit = 0; bit < wire.Length * 8; bit++)
            {
                wire.CopyTo(packet.All);
                packet.All[bit / 8] ^= (byte)(1 << (bit % 8));
                Assert.False(packet.Open(key, high), $"bit {bit} of the packet does not matter");
                Assert.False(packet.Text.ContainsAnyExcept((byte)0), $"the text with a wrong bit {bit} was left");
            }

            for (int bit = 0; high.HasValue && bit < 32; bit++)
            {
                wire.CopyTo(packet.All);
                Assert.False(packet.Open(key, high ^ (1u << bit)), $"bit {bit} of the high half does not matter");
                Assert.False(packet.Text.ContainsAnyExcept((byte)0));
            }

            // With and without the high half are not the same, and the failures have left the key as it was.
            wire.CopyTo(packet.All);
            Assert.False(packet.Open(key, high.HasValue ? null : 0u));
            wire.CopyTo(packet.All);
            Assert.True(packet.Open(key, high));
            Assert.Equal(text, packet.Text);
        }
    }

    [Fact]
    public void Jobs_of_different_keys_mix_in_one_span_and_one_forgery_fails_alone()
    {
        var random = new Random(5);
        var keys = new List<(Suite Suite, byte[] Cipher, byte[] Mac, SaKey Key)>();
        foreach (Suite suite in Suite.All)
        {
            byte[] cipher = Bytes(random, suite.CipherKeyLength);
            byte[] mac = Bytes(random, suite.MacKeyLength);
            if (provider.Bind(suite.Transform, cipher, mac) is { } key)
            {
                keys.Add((suite, cipher, mac, key));
            }
        }

        const int Count = 200;
        var packets = new (int Key, JobPacket Packet, byte[] Text, uint? High)[Count];
        for (int i = 0; i < Count; i++)
        {
            int which = random.Next(keys.Count);
            Suite suite = keys[which].Suite;
            byte[] text = Bytes(random, random.Next(100) * 16);
            packets[i] = (which, new JobPacket(Bytes(random, 8), Bytes(random, suite.IvLength), text, suite.Transform.IcvLength), text,
                random.Next(2) == 0 ? null : (uint)random.Next());
        }

        CryptoJob[] jobs = [.. packets.Select((p, i) => p.Packet.Job(keys[p.Key].Key, p.High, i))];
        provider.Seal(jobs);
        foreach ((int which, JobPacket packet, byte[] text, uint? high) in packets)
        {
            (Suite suite, byte[] cipher, byte[] mac, _) = keys[which];
            (byte[] wire, byte[] icv) = OneShot.Seal(
                suite.Transform, cipher, mac, packet.Head.ToArray(), packet.Iv.ToArray(), text, high, packet.Icv[..8].ToArray());
            Assert.Equal(wire, packet.Text);
            Assert.Equal(icv, packet.Icv);
        }

        const int Forged = 77;
        packets[Forged].Packet.Icv[^1] ^= 0x80;
        random.Shuffle(jobs);
        provider.Open(jobs);
        foreach (CryptoJob job in jobs)
        {
            (_, JobPacket packet, byte[] text, _) = packets[job.Tag];
            Assert.Equal(job.Tag != Forged, job.Ok);
            Assert.Equal(job.Ok ? text : new byte[text.Length], packet.Text);
            packet.CheckGuards();
        }

        Array.ForEach(packets, p => p.Packet.Dispose());
        keys.ForEach(k => k.Key.Dispose());
    }

    [Fact]
    public void The_iv_that_cbc_sends_is_not_what_the_engine_counted_and_never_comes_twice()
    {
        var suite = new Suite(new(Cipher.AesCbc, Integrity.HmacSha256, 16), 16, 32);
        using SaKey key = suite.Bind(provider, new byte[16], new byte[32]);
        var seen = new HashSet<string>();
        for (int i = 0; i < 2000; i++)
        {
            byte[] counted = new byte[16];
            BitConverter.TryWriteBytes(counted, i);
            using var packet = new JobPacket(new byte[8], counted, new byte[32], 16);
            packet.Seal(key);
            Assert.NotEqual(counted, packet.Iv.ToArray());
            Assert.True(seen.Add(Convert.ToHexString(packet.Iv)), $"the IV of packet {i} was sent before");
        }
    }

    [Theory]
    [MemberData(nameof(Suites), DisableDiscoveryEnumeration = true)]
    public void A_disposed_key_never_computes(Suite suite)
    {
        if (IsLeftToOthers(suite))
        {
            return;
        }

        SaKey key = suite.Bind(provider, new byte[suite.CipherKeyLength], new byte[suite.MacKeyLength]);
        using var packet = new JobPacket(new byte[8], new byte[suite.IvLength], new byte[64], suite.Transform.IcvLength);
        packet.Seal(key);
        key.Dispose();
        key.Dispose();

        byte[] before = packet.All.ToArray();
        Assert.Throws<ObjectDisposedException>(() => packet.Seal(key));
        Assert.Throws<ObjectDisposedException>(() => packet.Open(key));
        Assert.Equal(before, packet.All);
    }

    // Which those are stands in a test of the provider; it must refuse them at once and not at a packet.
    private bool IsLeftToOthers(Suite suite)
    {
        if (provider.Supports(suite.Transform))
        {
            return false;
        }

        Assert.Null(provider.Bind(suite.Transform, new byte[suite.CipherKeyLength], new byte[suite.MacKeyLength]));
        return true;
    }

    private static byte[] Bytes(Random random, int count)
    {
        byte[] bytes = new byte[count];
        random.NextBytes(bytes);
        return bytes;
    }
}
