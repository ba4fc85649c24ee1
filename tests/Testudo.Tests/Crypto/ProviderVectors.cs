// Published vectors through the job interface. A derived class a provider: what holds for one holds for all.

using System.Buffers.Binary;
using System.Security.Cryptography;
using Testudo.Crypto;
using Xunit;

namespace Testudo.Tests.Crypto;

public abstract class ProviderVectors(CryptoProvider provider)
{
    public static IEnumerable<TheoryDataRow<Vector>> Hmacs => PublishedVectors.Read("hmac.json");

    public static IEnumerable<TheoryDataRow<Vector>> Cbcs => PublishedVectors.Read("aes-cbc.json");

    public static IEnumerable<TheoryDataRow<Vector>> Gcms => PublishedVectors.Read("aes-gcm.json");

    public static IEnumerable<TheoryDataRow<Vector>> AesMacs => PublishedVectors.Read("aes-mac.json");

    public static IEnumerable<TheoryDataRow<Vector>> Ctrs => PublishedVectors.Read("aes-ctr.json");

    public static IEnumerable<TheoryDataRow<Vector>> ChaChas => PublishedVectors.Read("chacha20-poly1305.json");

    public static IEnumerable<TheoryDataRow<Vector>> BlockCiphers => PublishedVectors.Read("block-ciphers.json");

    [Theory]
    [MemberData(nameof(Hmacs), DisableDiscoveryEnumeration = true)]
    public void Hmac_gives_the_published_digest_at_every_truncation(Vector vector)
    {
        (Integrity integrity, int digestLength) = vector.Text("hash") switch
        {
            "md5" => (Integrity.HmacMd5, 16),
            "sha1" => (Integrity.HmacSha1, 20),
            "sha256" => (Integrity.HmacSha256, 32),
            "sha384" => (Integrity.HmacSha384, 48),
            _ => (Integrity.HmacSha512, 64),
        };
        byte[] data = vector["data"];
        byte[] tag = vector["tag"];
        Assert.True(tag.Length <= digestLength);
        for (int icv = 12; icv <= tag.Length; icv++)
        {
            var suite = new Suite(new(Cipher.Null, integrity, icv), 0, vector["key"].Length);
            using SaKey key = suite.Bind(provider, [], vector["key"]);
            using var packet = new JobPacket([], [], data, icv);
            packet.Seal(key);
            Assert.Equal(tag.AsSpan(0, icv), packet.Icv);
            Assert.Equal(data, packet.Text);
            Assert.True(packet.Open(key));
            Assert.Equal(data, packet.Text);
        }
    }

    [Theory]
    [MemberData(nameof(Cbcs), DisableDiscoveryEnumeration = true)]
    public void Aes_cbc_gives_the_published_packet(Vector vector)
    {
        // The vectors have no ICV: HMAC-SHA-256-128 under an arbitrary key stands behind them.
        byte[] macKey = [.. Enumerable.Range(7, 32).Select(i => (byte)i)];
        var suite = new Suite(new(Cipher.AesCbc, Integrity.HmacSha256, 16), vector["key"].Length, 32);
        byte[] icv = OneShot.Mac(suite.Transform, macKey, [.. vector["head"], .. vector["iv"], .. vector["ct"]]);

        // A fresh key encrypts the IV field from zero: the field that becomes the published IV is its decryption.
        using var aes = Aes.Create();
        aes.Key = vector["key"];
        byte[] field = aes.DecryptEcb(vector["iv"], PaddingMode.None);

        using SaKey key = suite.Bind(provider, vector["key"], macKey);
        using var packet = new JobPacket(vector["head"], field, vector["text"], 16);
        packet.Seal(key);
        Assert.Equal(vector["iv"], packet.Iv);
        Assert.Equal(vector["ct"], packet.Text);
        Assert.Equal(icv, packet.Icv);

        for (int time = 0; time < 2; time++)
        {
            using var received = new JobPacket(vector["head"], vector["iv"], vector["ct"], 16);
            icv.CopyTo(received.Icv);
            Assert.True(received.Open(key));
            Assert.Equal(vector["text"], received.Text);
        }
    }

    [Theory]
    [MemberData(nameof(AesMacs), DisableDiscoveryEnumeration = true)]
    public void Xcbc_and_cmac_give_the_published_mac(Vector vector)
    {
        Integrity integrity = vector.Text("mac") == "xcbc" ? Integrity.AesXcbc : Integrity.AesCmac;
        byte[] data = vector["data"];
        foreach (int icv in (int[])[12, 16])
        {
            using SaKey key = new Suite(new(Cipher.Null, integrity, icv), 0, 16).Bind(provider, [], vector["key"]);
            for (int time = 0; time < 2; time++)
            {
                using var packet = new JobPacket([], [], data, icv);
                packet.Seal(key);
                Assert.Equal(vector["tag"].AsSpan(0, icv), packet.Icv);
                Assert.True(packet.Open(key));
            }

            // The high half of an extended sequence number is the end of the data.
            if (data.Length >= 4)
            {
                using var packet = new JobPacket([], [], data.AsSpan(0, data.Length - 4), icv);
                packet.Seal(key, BinaryPrimitives.ReadUInt32BigEndian(data.AsSpan(data.Length - 4)));
                Assert.Equal(vector["tag"].AsSpan(0, icv), packet.Icv);
            }
        }
    }

    [Theory]
    [MemberData(nameof(Ctrs), DisableDiscoveryEnumeration = true)]
    public void Aes_ctr_gives_the_published_ciphertext(Vector vector)
    {
        byte[] material = [.. vector["key"], .. vector["nonce"]];
        using SaKey key = new Suite(new(Cipher.AesCtr, Integrity.HmacSha256, 16), material.Length, 32).Bind(provider, material, new byte[32]);
        using var packet = new JobPacket(new byte[8], vector["iv"], vector["text"], 16);
        packet.Seal(key);
        Assert.Equal(vector["ct"], packet.Text);
        Assert.Equal(vector["iv"], packet.Iv);
        Assert.True(packet.Open(key));
        Assert.Equal(vector["text"], packet.Text);
    }

    [Theory]
    [MemberData(nameof(ChaChas), DisableDiscoveryEnumeration = true)]
    public void ChaCha20_poly1305_gives_the_published_packet(Vector vector)
    {
        byte[] material = [.. vector["key"], .. vector["salt"]];
        using SaKey key = new Suite(new(Cipher.ChaCha20Poly1305, Integrity.None, 16), material.Length, 0).Bind(provider, material, []);
        using var packet = new JobPacket(vector["head"], vector["iv"], vector["text"], 16);
        packet.Seal(key);
        Assert.Equal(vector["ct"], packet.Text);
        Assert.Equal(vector["tag"], packet.Icv);
        Assert.True(packet.Open(key));
        Assert.Equal(vector["text"], packet.Text);
    }

    [Theory]
    [MemberData(nameof(BlockCiphers), DisableDiscoveryEnumeration = true)]
    public void Block_ciphers_decrypt_the_published_ciphertext(Vector vector) => DecryptCbc(provider, vector);

    /// <summary>Decrypts a vector, behind which an HMAC is put.</summary>
    internal static void DecryptCbc(CryptoProvider provider, Vector vector)
    {
        Cipher cipher = Enum.Parse<Cipher>(vector.Text("cipher"));
        var suite = new Suite(new(cipher, Integrity.HmacSha256, 16), vector["key"].Length, 32);
        if (!provider.Supports(suite.Transform))
        {
            return; // which those are stands in a test of the provider
        }

        using SaKey key = suite.Bind(provider, vector["key"], new byte[32]);
        using var received = new JobPacket(new byte[8], vector["iv"], vector["ct"], 16);
        OneShot.Mac(suite.Transform, new byte[32], [.. received.All[..^16]]).CopyTo(received.Icv);
        Assert.True(received.Open(key));
        Assert.Equal(vector["text"], received.Text);
        Assert.Equal(vector["ct"], OneShot.Encrypt(cipher, vector["key"], vector["iv"], vector["text"]));
    }

    [Theory]
    [MemberData(nameof(Gcms), DisableDiscoveryEnumeration = true)]
    public void Aes_gcm_gives_the_published_packet(Vector vector)
    {
        // Key material as an SA has it (RFC 4106, 8.1): the salt behind the key, the rest of the nonce in the packet.
        byte[] material = [.. vector["key"], .. vector["nonce"][..4]];
        byte[] iv = vector["nonce"][4..];
        byte[] aad = vector["aad"];
        uint? high = aad.Length == 12 ? BinaryPrimitives.ReadUInt32BigEndian(aad.AsSpan(4)) : null;
        byte[] head = high.HasValue ? [.. aad[..4], .. aad[8..]] : aad;

        var suite = new Suite(new(Cipher.AesGcm16, Integrity.None, 16), material.Length, 0);
        using SaKey key = suite.Bind(provider, material, []);
        using var packet = new JobPacket(head, iv, vector["text"], 16);
        packet.Seal(key, high);
        Assert.Equal(vector["ct"], packet.Text);
        Assert.Equal(vector["tag"], packet.Icv);
        Assert.Equal(iv, packet.Iv);
        Assert.True(packet.Open(key, high));
        Assert.Equal(vector["text"], packet.Text);
    }
}
