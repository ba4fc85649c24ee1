// Forms of commands that have an oracle of their own: other setkeys' manuals, the numbers of Linux' pfkeyv2.h, and the
// algorithms that Testudo computes.

using Testudo.Control.Setkey;
using Testudo.Crypto;
using Testudo.Wire;
using Testudo.Wire.PfKey;
using Xunit;

namespace Testudo.Tests.Setkey;

public class SetkeyParserTests
{
    private static PfKeyMessage One(string text)
    {
        SetkeyScript script = SetkeyParser.Parse(text, "f");
        Assert.True(script.Errors.IsEmpty, script.Errors.IsEmpty ? "" : script.Errors[0].ToString());
        return Assert.Single(SetkeyKernel.Messages(script));
    }

    // linux/pfkeyv2.h.
    [Theory]
    [InlineData("des-cbc", 2, 8)]
    [InlineData("3des-cbc", 3, 24)]
    [InlineData("cast128-cbc", 6, 16)]
    [InlineData("blowfish-cbc", 7, 16)]
    [InlineData("aes-cbc", 12, 32)]
    [InlineData("rijndael-cbc", 12, 16)]
    [InlineData("aes-ctr", 13, 20)]
    [InlineData("aes-ccm-8", 14, 19)]
    [InlineData("aes-ccm-12", 15, 27)]
    [InlineData("aes-ccm-16", 16, 35)]
    [InlineData("aes-gcm-8", 18, 20)]
    [InlineData("aes-gcm-12", 19, 20)]
    [InlineData("aes-gcm-16", 20, 36)]
    [InlineData("camellia-cbc", 22, 24)]
    [InlineData("aes-gmac", 23, 36)]
    [InlineData("serpent-cbc", 252, 16)]
    [InlineData("twofish-cbc", 253, 16)]
    [InlineData("chacha20-poly1305", 28, 36)]
    public void Ciphers_have_Linux_numbers(string name, int number, int keyLength)
    {
        PfKeyMessage message = One($"add 10.0.0.1 10.0.0.2 esp 500 -E {name} 0x{new string('1', keyLength * 2)};");
        Assert.Equal(number, message.Find<SaExtension>()!.Encrypt);
        Assert.Equal(keyLength * 8, message.Find(KeyRole.Encrypt)!.Bits);
    }

    [Theory]
    [InlineData("hmac-md5", 2, 16)]
    [InlineData("hmac-sha1", 3, 20)]
    [InlineData("hmac-sha2-256", 5, 32)]
    [InlineData("hmac-sha256", 5, 32)]
    [InlineData("hmac-sha2-384", 6, 48)]
    [InlineData("hmac-sha512", 7, 64)]
    [InlineData("hmac-ripemd160", 8, 20)]
    [InlineData("aes-xcbc-mac", 9, 16)]
    [InlineData("keyed-md5", 249, 16)]
    [InlineData("keyed-sha1", 250, 20)]
    public void Integrity_algorithms_have_Linux_and_KAME_numbers(string name, int number, int keyLength)
    {
        PfKeyMessage message = One($"add 10.0.0.1 10.0.0.2 ah 500 -A {name} 0x{new string('2', keyLength * 2)};");
        Assert.Equal(number, message.Find<SaExtension>()!.Auth);
    }

    [Fact]
    public void Every_algorithm_that_is_computed_can_be_said_with_all_its_keys()
    {
        // KAME's rule: that one is for esp-old.
        Assert.Equal((2, SaFlags.Iv4b), One("add 10.0.0.1 10.0.0.2 esp-old 500 -E des-32iv 0x3333333333333333;").Find<SaExtension>() is { } old ? (old.Encrypt, old.Flags & SaFlags.Iv4b) : default);
        foreach (CipherInfo cipher in Transforms.Ciphers.Where(static info => info.Cipher != Cipher.Des32Iv))
        {
            foreach (int bits in cipher.KeyBits)
            {
                string key = bits == 0 ? "" : "0x" + new string('3', bits / 4);
                Assert.Equal((byte)cipher.Cipher, One($"add 10.0.0.1 10.0.0.2 esp 500 -E {cipher.Name} {key};").Find<SaExtension>()!.Encrypt);
            }
        }

        foreach (IntegrityInfo mac in Transforms.Integrities)
        {
            Assert.Equal((byte)mac.Integrity, One($"add 10.0.0.1 10.0.0.2 ah 500 -A {mac.Name}{(mac.KeyBits == 0 ? "" : " 0x")}{new string('3', mac.KeyBits / 4)};").Find<SaExtension>()!.Auth);
        }
    }

    [Theory]
    [InlineData("0xabc", "0ABC")]
    [InlineData("0XaBcD", "ABCD")]
    [InlineData("\"a;#\n\\b\"", "613B230A5C62")]
    [InlineData("\"ä\"", "C3A4")]
    [InlineData("\"\"", "")]
    [InlineData("0x1", "01")]
    public void Keys_are_text_or_digits(string key, string bytes) =>
        Assert.Equal(bytes, Convert.ToHexString(One($"add 10.0.0.1 10.0.0.2 esp 500 -E null -A null {key};").Find(KeyRole.Auth)!.Key));

    [Theory]
    [InlineData("esp 500 -E null", SaFlags.CyclicSequence)]
    [InlineData("esp-old 500 -E des-32iv 0x0011223344556677", SaFlags.CyclicSequence | SaFlags.Old | SaFlags.Iv4b)]
    [InlineData("esp 500 -E des-deriv 0x0011223344556677", SaFlags.CyclicSequence | SaFlags.Derivation)]
    [InlineData("esp 500 -f nocyclic-seq -f random-pad -E null", SaFlags.RandomPad)]
    [InlineData("esp 500 -f random-pad -f seq-pad -E null", SaFlags.CyclicSequence)]
    [InlineData("ipcomp 5 -C deflate -R", SaFlags.CyclicSequence | SaFlags.RawCpi)]
    public void Flags_are_those_of_KAME(string rest, SaFlags flags) => Assert.Equal(flags, One($"add 10.0.0.1 10.0.0.2 {rest};").Find<SaExtension>()!.Flags);

    [Fact]
    public void The_window_is_in_bytes_of_eight_packets()
    {
        Assert.Equal(32u, One("add 10.0.0.1 10.0.0.2 esp 500 -r 4 -E null;").Find<SaExtension>()!.ReplayPackets);
        PfKeyMessage large = One("add 10.0.0.1 10.0.0.2 esp 500 -r 536870907 -E null;");
        Assert.Equal((4294967256u, 4294967256u, 4294967256u), (large.Find<SaExtension>()!.ReplayPackets, large.Find<ReplayExtension>()!.Packets, large.Find<TestudoExtension>()!.ReplayPackets!.Value));
    }

    [Fact]
    public void NAT_traversal_is_said_in_both_forms()
    {
        PfKeyMessage tools = One("add 10.0.0.1[500] 10.0.0.2[501] esp-udp 192.0.2.9 500 -E null;");
        Assert.Equal([500, 501], tools.Extensions.OfType<NatTPortExtension>().Select(static p => (int)p.Port));
        Assert.Equal(Address.Parse("192.0.2.9"), tools.Find(AddressRole.NatOriginalInitiator)!.Address);
        PfKeyMessage free = One("add 10.0.0.1 10.0.0.2 esp 500 -natt 192.0.2.8[500] 192.0.2.9[501] -E null;");
        Assert.Equal([500, 501], free.Extensions.OfType<NatTPortExtension>().Select(static p => (int)p.Port));
        Assert.Equal([AddressRole.NatOriginalInitiator, AddressRole.NatOriginalResponder, AddressRole.Source, AddressRole.Destination], free.Extensions.OfType<AddressExtension>().Select(static a => a.Role));
        Assert.Equal([4500, 4500], One("add 10.0.0.1 10.0.0.2 esp-udp 500 -E null;").Extensions.OfType<NatTPortExtension>().Select(static p => (int)p.Port));
    }

    [Theory]
    [InlineData("gre 0x10002", 47, 1, 2)]
    [InlineData("gre 0.1.0.2", 47, 1, 2)]
    [InlineData("mh 5", 135, 5, 0)]
    [InlineData("icmp6 135,7", 58, 135, 7)]
    [InlineData("ip4", 4, 0, 0)]
    [InlineData("any", 255, 0, 0)]
    [InlineData("0", 0, 0, 0)]
    [InlineData("esp", 50, 0, 0)]
    public void Upper_layers_have_names_numbers_and_more(string upper, int protocol, int first, int second)
    {
        PfKeyMessage message = One($"spdadd fd00::1 fd00::2 {upper} -P in none;");
        AddressExtension source = message.Find(AddressRole.Source)!;
        AddressExtension destination = message.Find(AddressRole.Destination)!;
        Assert.Equal((protocol, protocol, first, second), (source.Protocol, destination.Protocol, source.Port, destination.Port));
    }

    [Fact]
    public void A_script_ends_at_exit_and_keeps_the_places_of_its_commands()
    {
        SetkeyScript script = SetkeyParser.Parse("\uFEFF# a comment; not a command\n  flush esp ; ;;spdflush\n# in between\n;\tdump;exit; this is not read", "ipsec.conf");
        Assert.Empty(script.Errors);
        Assert.Equal([(SetkeyVerb.Flush, 2, 3, 2), (SetkeyVerb.SpdFlush, 2, 17, 4), (SetkeyVerb.Dump, 4, 3, 4), (SetkeyVerb.Exit, 4, 8, 4)], script.Commands.Select(static c => (c.Verb, c.Line, c.Column, c.EndLine)));
        Assert.Equal(SaType.Esp, script.Commands[0].Messages[0].SaType);
        Assert.Empty(script.Commands[3].Messages);
    }

    [Fact]
    public void Servers_that_refuse_unknown_extensions_can_be_spoken_to()
    {
        SetkeyScript script = SetkeyParser.Parse("flush; add 10.0.0.1 10.0.0.2 esp 500 -E null; add 10.0.0.1 10.0.0.2 esp 500 -esn -E null;", "f", new SetkeyLookups { AsksForWords = false });
        Assert.Equal([false, false, true], SetkeyKernel.Messages(script).Select(static m => m.Find<TestudoExtension>() is not null));
    }

    [Fact]
    public void An_update_may_leave_the_algorithms_out()
    {
        PfKeyMessage message = One("update 10.0.0.1 10.0.0.2 esp 500 -lh 60;");
        Assert.Null(message.Find(KeyRole.Encrypt));
        Assert.Equal((60ul, 0ul), (message.Find(LifetimeRole.Hard)!.AddTime, message.Find(LifetimeRole.Soft)!.AddTime));
    }

    [Fact]
    public void Every_SA_of_the_recorded_traffic_can_be_said()
    {
        int count = 0;
        HashSet<string> unsaid = [];
        foreach (Golden.GoldenSa sa in Golden.GoldenCases.All.SelectMany(static c => c.Sas))
        {
            SetkeyScript script = SetkeyParser.Parse(sa.ToSetkey(), "f");
            if (!script.Errors.IsEmpty)
            {
                unsaid.Add(script.Errors[0].Message);
                continue;
            }

            PfKeyMessage message = Assert.Single(SetkeyKernel.Messages(script));
            Assert.Equal((sa.Spi, sa.RequestId), (message.Find<SaExtension>()!.Spi, message.Find<Sa2Extension>()!.Reqid));
            Assert.Equal(sa.AuthKey, message.Find(KeyRole.Auth)?.Key ?? []);
            Assert.Equal((sa.Esn, sa.LastSequence), (message.Find<TestudoExtension>()!.ExtendedSequence ?? false, message.Find<TestudoExtension>()!.LastSequence ?? 0));
            count++;
        }

        Assert.True(count > 100);
        Assert.Empty(unsaid);
    }

    [Fact]
    public void A_script_of_fifty_thousand_commands_is_read_in_one_go()
    {
        string script = string.Concat(Enumerable.Range(256, 50_000).Select(static spi => $"add 10.0.0.1 10.0.0.2 esp {spi} -E aes-cbc 0x00112233445566778899aabbccddeeff -A hmac-sha1 0x0102030405060708090a0b0c0d0e0f1011121314;\n"));
        SetkeyScript read = SetkeyParser.Parse(script, "f");
        Assert.Empty(read.Errors);
        Assert.Equal(50_000, read.Commands[^1].Line);
    }
}
