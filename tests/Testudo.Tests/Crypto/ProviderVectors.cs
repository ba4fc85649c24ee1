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

    [Theory]
    [MemberData(nameof(Hmacs), DisableDiscoveryEnumeration = true)]
    public void Hmac_gives_the_published_digest_at_every_truncation(Vector vector)
    {
        (Integrity integrity, int digestLength) = vector.Text("hash") switch
        {
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
