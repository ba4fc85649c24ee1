// The layout of setkey's output where NetBSD's recordings have no example: by the print statements of pfkey_sadump and
// pfkey_spdump as they are documented, and what Testudo adds.

using Testudo.Control;
using Testudo.Control.Setkey;
using Testudo.Wire;
using Testudo.Wire.PfKey;
using Xunit;

namespace Testudo.Tests.Setkey;

public class SetkeyFormatTests
{
    private static readonly SetkeyFormatOptions s_options = new(1_795_428_660, TimeZoneInfo.Utc);

    private static PfKeyMessage Sa(params PfKeyExtension[] extensions) => new(PfKeyType.Dump, SaType.Esp)
    {
        Sequence = 3,
        Pid = 99,
        Reserved = 1,
        Extensions =
        [
            new SaExtension(0x1001, 4 * 8, SaState.Dying, 5, 20, SaFlags.CyclicSequence),
            new Sa2Extension(IpsecMode.Tunnel, 0x1f, 16385),
            new AddressExtension(AddressRole.Source, 255, 32, Address.Parse("192.0.2.1")),
            new AddressExtension(AddressRole.Destination, 255, 32, Address.Parse("192.0.2.2")),
            .. extensions,
        ],
    };

    [Fact]
    public void An_SA_shows_all_its_lines()
    {
        byte[] key = [.. Enumerable.Range(0, 36).Select(static i => (byte)i)];
        string text = SetkeyFormat.Sa(Sa(
            new LifetimeExtension(LifetimeRole.Current, 7, 1000, 1_795_428_560, 0),
            new LifetimeExtension(LifetimeRole.Hard, 1, 2, 3, 4),
            new LifetimeExtension(LifetimeRole.Soft, 5, 6, 7, 8),
            new KeyExtension(KeyRole.Encrypt, 288, key),
            new NatTTypeExtension(2), new NatTPortExtension(false, 4500), new NatTPortExtension(true, 4501),
            new AddressExtension(AddressRole.NatOriginalInitiator, 255, 32, Address.Parse("10.0.0.1")),
            new AddressExtension(AddressRole.NatOriginalResponder, 255, 32, Address.Parse("10.0.0.2"))), s_options);
        Assert.Equal(
            "192.0.2.1[4500] 192.0.2.2[4501] \n"
            + "\tesp-udp mode=tunnel spi=4097(0x00001001) reqid=16385(0x00004001)\n"
            + "\tNAT: OAI=10.0.0.1 OAR=10.0.0.2\n"

            // The whole key on one line: 36 bytes.
            + "\tE: aes-gcm-16  00010203 04050607 08090a0b 0c0d0e0f 10111213 14151617 18191a1b 1c1d1e1f 20212223\n"
            + "\tseq=0x0000001f replay=4 flags=0x00000040 state=dying \n"
            + "\tcreated: Nov 23 10:09:20 2026\tcurrent: Nov 23 10:11:00 2026\n"
            + "\tdiff: 100(s)\thard: 3(s)\tsoft: 7(s)\n"
            + "\tlast:                     \thard: 4(s)\tsoft: 8(s)\n"
            + "\tcurrent: 1000(bytes)\thard: 2(bytes)\tsoft: 6(bytes)\n"
            + "\tallocated: 7\thard: 1\tsoft: 5\n"
            + "\tsadb_seq=3 pid=99 refcnt=1\n", text);
    }

    [Fact]
    public void Dead_SAs_are_shown_where_they_are_asked_for()
    {
        PfKeyMessage dead = Sa();
        dead = dead with { Extensions = dead.Extensions.SetItem(0, new SaExtension(0x1002, 0, SaState.Dead, 0, 20, 0)) };
        Assert.DoesNotContain("spi=4098(", SetkeyFormat.Sad([Sa(), dead], s_options), StringComparison.Ordinal);
        Assert.Contains("spi=4098(", SetkeyFormat.Sad([Sa(), dead], s_options with { ShowsDead = true }), StringComparison.Ordinal);
        Assert.Equal("No SAD entries.\n", SetkeyFormat.Sad([dead], s_options));
    }

    [Fact]
    public void A_message_in_outline_has_its_numbers_and_no_key()
    {
        string text = SetkeyFormat.Message(Sa(new KeyExtension(KeyRole.Encrypt, 128, [.. Enumerable.Repeat((byte)0xAB, 16)])), Dialect.Linux);
        Assert.StartsWith("sadb_msg{ version=2 type=10 errno=0 satype=3\n", text, StringComparison.Ordinal);
        Assert.Contains("sadb_ext{ len=2 type=1 }\nsadb_sa{ spi=4097 replay=32 state=2\n  auth=5 encrypt=20 flags=0x", text, StringComparison.Ordinal);
        Assert.Contains("sadb_ext{ len=3 type=5 }\nsadb_address{ proto=255 prefixlen=32 reserved=0x0000 }\n", text, StringComparison.Ordinal);
        Assert.Contains("sadb_ext{ len=3 type=9 }\n", text, StringComparison.Ordinal);
        Assert.DoesNotContain("abab", text, StringComparison.OrdinalIgnoreCase);
        PfKeyMessage policy = SetkeyKernel.Messages(SetkeyParser.Parse("spdadd 10.0.0.1 10.0.0.2 any -P out ipsec esp/transport//use;", "f")).Single();
        Assert.Contains("sadb_x_policy{ type=2 dir=2 id=0 }\n", SetkeyFormat.Message(policy, Dialect.Linux), StringComparison.Ordinal);
    }

    [Fact]
    public void What_other_setkeys_have_no_words_for_is_one_line_on_request()
    {
        PfKeyMessage message = Sa(new TestudoExtension { IcvBits = 96, ExtendedSequence = true, LastSequence = 1UL << 32, ReplayPackets = 4096 });
        Assert.Contains("\n\twindow: 4096(packets)\ticv: 96(bits)\tesn: yes\tlast sequence: 4294967296\n", SetkeyFormat.Sa(message, s_options with { ShowsExtras = true }), StringComparison.Ordinal);
        Assert.DoesNotContain("window", SetkeyFormat.Sa(message, s_options), StringComparison.Ordinal);
        Assert.Contains(" replay=512 ", SetkeyFormat.Sa(message, s_options), StringComparison.Ordinal);
        Assert.DoesNotContain("window", SetkeyFormat.Sa(Sa(new TestudoExtension()), s_options with { ShowsExtras = true }), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("no SA extension.\n", 0)]
    [InlineData("no SA2 extension.\n", 1)]
    [InlineData("no ADDRESS_SRC extension.\n", 2)]
    [InlineData("no ADDRESS_DST extension.\n", 3)]
    public void A_message_that_lacks_an_extension_says_so(string expected, int missing)
    {
        PfKeyMessage message = Sa();
        Assert.Equal(expected, SetkeyFormat.Sa(message with { Extensions = message.Extensions.RemoveAt(missing) }, s_options));
    }

    [Fact]
    public void Unknown_numbers_are_printed_as_numbers()
    {
        PfKeyMessage message = Sa(new KeyExtension(KeyRole.Encrypt, 8, [0xab]), new KeyExtension(KeyRole.Auth, 8, [0xcd]));
        message = message with { Extensions = message.Extensions.SetItem(0, new SaExtension(1, 0, (SaState)9, 99, 98, 0)).SetItem(1, new Sa2Extension((IpsecMode)7, 0, 0)) };
        string text = SetkeyFormat.Sa(message, s_options);
        Assert.Contains("\tesp mode=7 spi=1(0x00000001) reqid=0(0x00000000)\n\tE: 98  ab\n\tA: 99  cd\n\tseq=0x00000000 replay=0 flags=0x00000000 state=9 \n\tsadb_seq", text, StringComparison.Ordinal);
        Assert.Contains("\t200 mode=", SetkeyFormat.Sa(message with { SaType = (SaType)200 }, s_options), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("spdadd fd00::/64 fd00:1::/64 icmp6 135,0 -P in none;", "fd00::/64 fd00:1::/64 icmp6 135,0")]
    [InlineData("spdadd fd00::1 fd00::2 icmp6 -P in none;", "fd00::1 fd00::2 icmp6")]
    [InlineData("spdadd 10.0.0.1 10.0.0.2 icmp 8,0 -P in none;", "10.0.0.1 10.0.0.2 icmp 8,0")]
    [InlineData("spdadd 10.0.0.1 10.0.0.2 icmp -P in none;", "10.0.0.1[any] 10.0.0.2[any] icmp")]
    [InlineData("spdadd 0.0.0.0/0[80] 10.0.0.0/8 tcp -P in none;", "0.0.0.0/0[80] 10.0.0.0/8[any] tcp")]
    [InlineData("spdadd fe80::1%2 fe80::2 ip4 -P in none;", "fe80::1%2[any] fe80::2[any] ip4")]
    [InlineData("spdadd 10.0.0.1 10.0.0.2 254 -P in none;", "10.0.0.1[any] 10.0.0.2[any] 254")]
    public void The_selector_of_a_policy_is_its_first_line(string script, string line)
    {
        PfKeyMessage message = SetkeyKernel.Messages(SetkeyParser.Parse(script, "f")).Single();
        Assert.Equal(line + "\n\tin none\n\tspid=0 seq=0 pid=0\n\trefcnt=0\n", SetkeyFormat.Policy(message, s_options));
    }

    [Fact]
    public void A_policy_with_lifetimes_and_without_a_selector_is_printed()
    {
        var message = new PfKeyMessage(PfKeyType.SpdDump)
        {
            Extensions =
            [
                PolicyText.Parse("out prio high ipsec esp/transport//require").Policy! with { Id = 16384 },
                new LifetimeExtension(LifetimeRole.Current, 0, 0, 1_795_428_560, 1_795_428_561), new LifetimeExtension(LifetimeRole.Hard, 0, 0, 60, 30),
            ],
        };
        Assert.Equal(
            "(per-socket policy) \n\tout prio high ipsec\n\tesp/transport//require\n"
            + "\tcreated: Nov 23 10:09:20 2026  lastused: Nov 23 10:09:21 2026\n\tlifetime: 60(s) validtime: 30(s)\n"
            + "\tspid=16384 seq=0 pid=0\n\trefcnt=0\n", SetkeyFormat.Policy(message, s_options));
        Assert.Equal("(per-socket policy) \nno X_POLICY extension.\n", SetkeyFormat.Policy(new PfKeyMessage(PfKeyType.SpdDump), s_options));
    }

    [Fact]
    public void Protocols_read_in_NetBSDs_manner_where_that_is_wanted()
    {
        Assert.Equal("255(reserved)", SetkeyFormat.UpperByNumber(255, static _ => "reserved"));
        Assert.Equal("253", SetkeyFormat.UpperByNumber(253, static _ => null));
        Assert.Equal(["any", "tcp", "icmp6", "ip4", "253"], new byte[] { 255, 6, 58, 4, 253 }.Select(SetkeyFormat.UpperByName));
    }

    [Theory]
    [InlineData(0ul, "                    ")]
    [InlineData(1_000_000_000ul, "Sep  9 03:46:40 2001")]
    [InlineData(ulong.MaxValue, "Dec 31 01:59:59 9999")]
    public void Times_are_those_of_ctime_in_the_given_zone(ulong unix, string text) =>
        Assert.Equal(text, SetkeyFormat.Time(unix, TimeZoneInfo.CreateCustomTimeZone("two hours", TimeSpan.FromHours(2), null, null)));

    [Fact]
    public void A_refusal_has_the_commands_place_and_the_servers_words()
    {
        SetkeyCommand command = SetkeyParser.Parse("\n  delete 10.0.0.1 10.0.0.2 esp 5;", "ipsec.conf").Commands[0];
        PfKeyMessage answer = command.Messages[0] with { Error = PfKeyError.NoEntry, Extensions = [] };
        Assert.Equal("ipsec.conf:2:3: No entry", SetkeyFormat.Refusal(command, answer));
        Assert.Equal("ipsec.conf:2:3: No entry: no SA has this SPI", SetkeyFormat.Refusal(command, answer with { Extensions = [new TestudoExtension { Text = "no SA has this SPI" }] }));
    }

    [Fact]
    public void Every_error_has_a_text_and_no_two_the_same()
    {
        string[] texts = [.. Enum.GetValues<PfKeyError>().Select(static e => SetkeyFormat.ErrorText(PfKeyType.Add, e))];
        Assert.All(texts, static t => Assert.Contains(' ', t.Replace("Success", "a b", StringComparison.Ordinal)));
        Assert.Equal(texts.Length, texts.Distinct().Count());
    }
}
