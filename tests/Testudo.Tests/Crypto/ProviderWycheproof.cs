// Project Wycheproof's vectors through the job interface. They are not part of the repository: TESTUDO_WYCHEPROOF names
// their folder, or it stands beside the repository as shared/vectors/wycheproof.

using System.Text.Json;
using Testudo.Crypto;
using Xunit;

namespace Testudo.Tests.Crypto;

public abstract class ProviderWycheproof(CryptoProvider provider)
{
    private const string NotAtHand = "shared/vectors/wycheproof is not at hand (TESTUDO_WYCHEPROOF can name it)";

    public static bool AtHand => File.Exists(Path.Combine(Folder, "aes_gcm_test.json"));

    private static string Folder => Environment.GetEnvironmentVariable("TESTUDO_WYCHEPROOF") is { Length: > 0 } named
        ? named
        : Path.Combine(Repository.Root, "..", "shared", "vectors", "wycheproof");

    [Theory(Skip = NotAtHand, SkipUnless = nameof(AtHand))]
    [InlineData("aes_ccm_test.json", 3, 88, 15)]
    [InlineData("chacha20_poly1305_test.json", 4, 96, 150)]
    public void Combined_modes_open_what_is_valid_and_nothing_else(string file, int saltLength, int nonceBits, int atLeast)
    {
        int tests = 0;
        foreach ((JsonElement group, JsonElement test) in Read(file))
        {
            if (group.GetProperty("ivSize").GetInt32() != nonceBits || group.GetProperty("tagSize").GetInt32() != 128)
            {
                continue; // no such nonce or tag in ESP
            }

            byte[] nonce = Bytes(test, "iv"), tag = Bytes(test, "tag");
            byte[] material = [.. Bytes(test, "key"), .. nonce[..saltLength]];
            Cipher cipher = saltLength == 3 ? Cipher.AesCcm16 : Cipher.ChaCha20Poly1305;
            using SaKey key = new Suite(new(cipher, Integrity.None, 16), material.Length, 0).Bind(provider, material, []);
            using var received = new JobPacket(Bytes(test, "aad"), nonce.AsSpan(saltLength), Bytes(test, "ct"), 16);
            tag.CopyTo(received.Icv);
            Assert.True(received.Open(key) == IsValid(test), Name(test));
            if (IsValid(test))
            {
                Assert.Equal(Bytes(test, "msg"), received.Text);
                received.Icv.Clear();
                received.Seal(key);
                Assert.Equal(Bytes(test, "ct"), received.Text);
                Assert.Equal(tag, received.Icv);
            }

            tests++;
        }

        Assert.True(tests >= atLeast, $"only {tests} tests in the file apply");
    }

    [Fact(Skip = NotAtHand, SkipUnless = nameof(AtHand))]
    public void Aes_gmac_opens_what_is_valid_and_nothing_else()
    {
        int tests = 0;
        foreach ((JsonElement group, JsonElement test) in Read("aes_gmac_test.json"))
        {
            if (group.GetProperty("ivSize").GetInt32() != 96 || group.GetProperty("tagSize").GetInt32() != 128)
            {
                continue;
            }

            byte[] nonce = Bytes(test, "iv");
            byte[] material = [.. Bytes(test, "key"), .. nonce[..4]];
            Integrity integrity = material.Length switch { 20 => Integrity.AesGmac128, 28 => Integrity.AesGmac192, _ => Integrity.AesGmac256 };
            using SaKey key = new Suite(new(Cipher.None, integrity, 24), 0, material.Length).Bind(provider, [], material);
            using var packet = new JobPacket([], [], Bytes(test, "msg"), 24);
            nonce.AsSpan(4).CopyTo(packet.Icv);
            Bytes(test, "tag").CopyTo(packet.Icv[8..]);
            Assert.True(packet.Open(key) == IsValid(test), Name(test));
            tests++;
        }

        Assert.True(tests >= 200, $"only {tests} tests in the file apply");
    }

    [Fact(Skip = NotAtHand, SkipUnless = nameof(AtHand))]
    public void Aes_cmac_opens_what_is_valid_and_nothing_else()
    {
        int tests = 0;
        foreach ((JsonElement group, JsonElement test) in Read("aes_cmac_test.json"))
        {
            byte[] macKey = Bytes(test, "key");
            if (macKey.Length != 16)
            {
                continue; // no such key in ESP
            }

            using SaKey key = new Suite(new(Cipher.Null, Integrity.AesCmac, 16), 0, 16).Bind(provider, [], macKey);
            using var packet = new JobPacket([], [], Bytes(test, "msg"), 16);
            Bytes(test, "tag").CopyTo(packet.Icv);
            Assert.True(packet.Open(key) == IsValid(test), Name(test));
            tests++;
        }

        Assert.True(tests >= 100, $"only {tests} tests in the file apply");
    }

    [Fact(Skip = NotAtHand, SkipUnless = nameof(AtHand))]
    [Shows("rfc4303-3.4.4.2-1")]
    public void Aes_gcm_opens_what_is_valid_and_nothing_else()
    {
        int tests = 0;
        foreach ((JsonElement group, JsonElement test) in Read("aes_gcm_test.json"))
        {
            if (group.GetProperty("ivSize").GetInt32() != 96 || group.GetProperty("tagSize").GetInt32() != 128)
            {
                continue; // no such nonce or tag in ESP
            }

            byte[] nonce = Bytes(test, "iv");
            byte[] material = [.. Bytes(test, "key"), .. nonce[..4]];
            var suite = new Suite(new(Cipher.AesGcm16, Integrity.None, 16), material.Length, 0);
            using SaKey key = suite.Bind(provider, material, []);
            byte[] head = Bytes(test, "aad");
            using var received = new JobPacket(head, nonce.AsSpan(4), Bytes(test, "ct"), 16);
            Bytes(test, "tag").CopyTo(received.Icv);
            using var packet = new JobPacket(head, nonce.AsSpan(4), Bytes(test, "msg"), 16);
            packet.Seal(key);

            bool opened = received.Open(key);
            Assert.True(opened == IsValid(test), Name(test));
            Assert.Equal(opened ? Bytes(test, "msg") : new byte[received.Text.Length], received.Text);
            if (opened)
            {
                Assert.Equal(Bytes(test, "ct"), packet.Text);
                Assert.Equal(Bytes(test, "tag"), packet.Icv);
            }

            tests++;
        }

        Assert.True(tests >= 150, $"only {tests} tests in the file apply");
    }

    [Theory(Skip = NotAtHand, SkipUnless = nameof(AtHand))]
    [InlineData("hmac_sha1_test.json", Integrity.HmacSha1)]
    [InlineData("hmac_sha256_test.json", Integrity.HmacSha256)]
    [InlineData("hmac_sha384_test.json", Integrity.HmacSha384)]
    [InlineData("hmac_sha512_test.json", Integrity.HmacSha512)]
    public void Hmac_opens_what_is_valid_and_nothing_else(string file, Integrity integrity)
    {
        int tests = 0;
        foreach ((JsonElement group, JsonElement test) in Read(file))
        {
            int icv = group.GetProperty("tagSize").GetInt32() / 8;
            if (icv < 12)
            {
                continue; // HMAC-SHA-1 cut to 80 bits: no such ICV in ESP
            }

            byte[] macKey = Bytes(test, "key");
            var suite = new Suite(new(Cipher.Null, integrity, icv), 0, macKey.Length);
            using SaKey key = suite.Bind(provider, [], macKey);
            using var packet = new JobPacket([], [], Bytes(test, "msg"), icv);
            Bytes(test, "tag").CopyTo(packet.Icv);

            Assert.True(packet.Open(key) == IsValid(test), Name(test));
            if (IsValid(test))
            {
                packet.Icv.Clear();
                packet.Seal(key);
                Assert.Equal(Bytes(test, "tag"), packet.Icv);
            }

            tests++;
        }

        Assert.True(tests >= 80, $"only {tests} tests in the file apply");
    }

    [Theory(Skip = NotAtHand, SkipUnless = nameof(AtHand))]
    [InlineData("aes_cbc_pkcs5_test.json", Cipher.AesCbc)]
    [InlineData("camellia_cbc_pkcs5_test.json", Cipher.CamelliaCbc)]
    public void Cbc_decrypts_as_is_expected_with_the_padding_taken_off_here(string file, Cipher cipher)
    {
        int tests = 0;
        byte[] macKey = new byte[32];
        foreach ((_, JsonElement test) in Read(file))
        {
            byte[] cipherKey = Bytes(test, "key");
            byte[] ciphertext = Bytes(test, "ct");
            if (ciphertext.Length == 0 || ciphertext.Length % 16 != 0)
            {
                Assert.False(IsValid(test), Name(test));
                continue; // the engine makes no job of it
            }

            var suite = new Suite(new(cipher, Integrity.HmacSha256, 16), cipherKey.Length, 32);
            if (!provider.Supports(suite.Transform))
            {
                return; // which those are stands in a test of the provider
            }

            using SaKey key = suite.Bind(provider, cipherKey, macKey);
            using var received = new JobPacket(new byte[8], Bytes(test, "iv"), ciphertext, 16);
            OneShot.Mac(suite.Transform, macKey, [.. received.All[..^16]]).CopyTo(received.Icv);
            Assert.True(received.Open(key), Name(test));
            byte[] text = received.Text.ToArray();
            Assert.True(TryUnpad(text, out byte[] message) == IsValid(test), Name(test));
            if (IsValid(test))
            {
                Assert.Equal(Bytes(test, "msg"), message);
                Assert.Equal(ciphertext, OneShot.Encrypt(cipher, cipherKey, Bytes(test, "iv"), text));
            }

            tests++;
        }

        Assert.True(tests >= 150, $"only {tests} tests in the file apply");
    }

    private static bool TryUnpad(byte[] text, out byte[] message)
    {
        int pad = text[^1];
        bool ok = pad is > 0 and <= 16 && !text.AsSpan(text.Length - pad).ContainsAnyExcept((byte)pad);
        message = ok ? text[..^pad] : [];
        return ok;
    }

    private static IEnumerable<(JsonElement Group, JsonElement Test)> Read(string file)
    {
        JsonElement root = JsonDocument.Parse(File.ReadAllText(Path.Combine(Folder, file))).RootElement;
        foreach (JsonElement group in root.GetProperty("testGroups").EnumerateArray())
        {
            foreach (JsonElement test in group.GetProperty("tests").EnumerateArray())
            {
                yield return (group, test);
            }
        }
    }

    private static bool IsValid(JsonElement test) => test.GetProperty("result").GetString() != "invalid";

    private static byte[] Bytes(JsonElement test, string field) => Convert.FromHexString(test.GetProperty(field).GetString()!);

    private static string Name(JsonElement test) => $"tcId {test.GetProperty("tcId")}: {test.GetProperty("comment")}";
}
