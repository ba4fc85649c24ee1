// Algorithms in PF_KEY: what REGISTER lists, and DES with a 32-bit IV.

using Testudo.Control.PfKey;
using Testudo.Crypto;
using Testudo.Crypto.InBox;
using Testudo.Engine;
using Testudo.Legacy;
using Testudo.Wire;
using Testudo.Wire.PfKey;
using Xunit;

namespace Testudo.Tests.Control;

public sealed class AlgorithmListTests
{
    private static readonly Providers s_inBox = new(new InBoxProvider());
    private static readonly Now s_now = new(1_000_000_000, 1_700_000_000);

    [Fact]
    public void A_register_lists_what_the_providers_compute()
    {
        (SupportedAlgorithm[] auth, SupportedAlgorithm[] encrypt) = Register(s_inBox, new EngineOptions());
        Assert.Contains(new SupportedAlgorithm(18, 8, 128, 288), encrypt);
        Assert.Contains(new SupportedAlgorithm(9, 0, 128, 128), auth);
        Assert.DoesNotContain(encrypt, a => a.Id is 2 or 6 or 7 or 22 or 249 or 250 or 252 or 253); // historic, and Camellia is OpenSSL's
        Assert.DoesNotContain(auth, a => a.Id is 8 or 249 or 250 or 251);

        (auth, encrypt) = Register(LegacyProvider.Behind(s_inBox), new EngineOptions { AllowsUnauthenticated = true });
        Assert.Contains(new SupportedAlgorithm(7, 8, 40, 448), encrypt);
        Assert.Contains(new SupportedAlgorithm(250, 8, 80, 80), encrypt);
        Assert.Contains(new SupportedAlgorithm(8, 0, 160, 160), auth);
        Assert.Contains(auth, a => a.Id == 251);
        Assert.DoesNotContain(encrypt, a => a.Id is 22 or 249);
    }

    [Fact]
    public void FreeBSD_hears_its_own_number_of_chacha20_poly1305()
    {
        var engine = new IpsecEngine(new EngineOptions(), s_inBox, hashSeed: 1);
        var server = new KeyServer(engine, static bytes => bytes.Clear(), static _ => null);
        KeySession session = server.Open(Dialect.FreeBsd);
        server.Receive(session, Codec.Write(Dialect.FreeBsd, new PfKeyMessage(PfKeyType.Register, SaType.Esp) { Sequence = 1, Pid = 2 }), s_now);
        Assert.True(session.TryTake(out byte[]? record));

        // Read in NetBSD's dialect, which is FreeBSD's but for that number.
        SupportedExtension list = Codec.Read(Dialect.NetBsd, record, out _)!.Extensions.OfType<SupportedExtension>().Single(e => e.Role == KeyRole.Encrypt);
        Assert.Contains(new SupportedAlgorithm(15, 8, 256, 288), list.Algorithms);
    }

    [Fact]
    public void Des_with_a_32_bit_iv_is_des_with_a_flag()
    {
        var engine = new IpsecEngine(new EngineOptions(), LegacyProvider.Behind(s_inBox), hashSeed: 1);
        var server = new KeyServer(engine, static bytes => bytes.Clear(), static _ => null);
        KeySession session = server.Open(Dialect.NetBsd);
        var add = new PfKeyMessage(PfKeyType.Add, SaType.Esp)
        {
            Sequence = 1,
            Pid = 2,
            Extensions =
            [
                new SaExtension(0x1000, 32, SaState.Mature, 3, 2, SaFlags.Iv4b),
                new AddressExtension(AddressRole.Source, 255, 32, Bench.Here),
                new AddressExtension(AddressRole.Destination, 255, 32, Bench.There),
                new KeyExtension(KeyRole.Encrypt, 64, new byte[8]),
                new KeyExtension(KeyRole.Auth, 160, new byte[20]),
            ],
        };
        server.Receive(session, add, s_now);
        Assert.Equal(new Transform(Cipher.Des32Iv, Integrity.HmacSha1, 12), Assert.Single(engine.Sad.All).Transform);
        Assert.True(session.TryTake(out byte[]? record));
        SaExtension answer = Codec.Read(Dialect.NetBsd, record, out _)!.Find<SaExtension>()!;
        Assert.Equal((2, SaFlags.Iv4b), (answer.Encrypt, answer.Flags));
    }

    private static (SupportedAlgorithm[] Auth, SupportedAlgorithm[] Encrypt) Register(Providers providers, EngineOptions options)
    {
        var server = new KeyServer(new IpsecEngine(options, providers, hashSeed: 1), static bytes => bytes.Clear(), static _ => null);
        KeySession session = server.Open(Dialect.Linux);
        server.Receive(session, new PfKeyMessage(PfKeyType.Register, SaType.Esp) { Sequence = 1, Pid = 2 }, s_now);
        Assert.True(session.TryTake(out byte[]? record));
        SupportedExtension[] lists = [.. Codec.Read(Dialect.Linux, record, out _)!.Extensions.OfType<SupportedExtension>()];
        return ([.. lists.Single(list => list.Role == KeyRole.Auth).Algorithms], [.. lists.Single(list => list.Role == KeyRole.Encrypt).Algorithms]);
    }
}
