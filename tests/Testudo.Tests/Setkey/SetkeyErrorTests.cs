// Wrong scripts: every fault is named at the wrong word itself, with the remedy and what could stand there.

using Testudo.Control.Setkey;
using Testudo.Wire;
using Xunit;

namespace Testudo.Tests.Setkey;

public class SetkeyErrorTests
{
    // In each script the wrong word stands between « and »; they are taken out before it is read. A mark without a word
    // («») is where something is missing. The last column must be in the list of what was expected; "" where it is empty.
    public static TheoryData<string, string, string> Wrong => new()
    {
        // Commands
        { "«ad» 10.0.0.1 10.0.0.2 esp 500 -E null;", "'ad' is no command", "add" },
        { "flush;\n«spd_add» 10.0.0.1 10.0.0.2 any -P out none;", "'spd_add' is no command (did you mean 'spdadd'?)", "spdadd" },
        { "«ADD» 10.0.0.1 10.0.0.2 esp 500 -E null;", "(did you mean 'add'?)", "add" },
        { "«[»500];", "'[' is no command", "add" },
        { "flush«»", "the command is not ended: put ';' here, before the script ends", ";" },
        { "flush«»\nspdflush;", "the command is not ended: put ';' here, before 'spdflush' begins a new command", ";" },
        { "add 10.0.0.1 10.0.0.2 esp 500 -E null«» # none\nadd 10.0.0.1 10.0.0.2 esp 501 -E null;", "put ';' here", ";" },
        { "spdadd 10.0.0.1 10.0.0.2 any -P out ipsec esp/transport//require«» # out\nflush;", "the command is not ended: put ';' here, before 'flush' begins", ";" },
        { "add 10.0.0.1«»\nflush;", "the command is not complete: 'flush' begins a new command", "an address" },
        { "spdflush «now»;", "'now' does not belong here", ";" },
        { "flush «espp»;", "'espp' is no protocol of an SA (did you mean 'esp'?)", "esp" },

        // What users bring along from elsewhere
        { "add 10.0.0.1 10.0.0.2 esp 500 «\\»\n -E null;", "a backslash does not continue a line: take it away", "-E" },
        { "spdadd 10.0.0.1 10.0.0.2 any -P out ipsec «\\»\n esp/transport//require;", "a backslash does not continue a line", ";" },
        { "add «$SRC» 10.0.0.2 esp 500 -E null;", "a variable of the shell is not replaced here", "an address" },
        { "add 10.0.0.1 «${DST}» esp 500 -E null;", "a variable of the shell is not replaced here", "an address" },
        { "add 10.0.0.1 10.0.0.2 esp 500 -E aes-cbc «$KEY»;", "a variable of the shell is not replaced here", "" },
        { "spdadd 10.0.0.1 10.0.0.2 any -P out ipsec esp/tunnel/«$A»-10.0.0.2/require;", "a variable of the shell is not replaced here", "an address" },
        { "add «{{» src }} 10.0.0.2 esp 500 -E null;", "left over from a template", "an address" },
        { "#!/bin/sh\n«setkey» -c <<EOF\nflush;\nEOF\n", "this looks like a script for the shell", "add" },
        { "flush;\n«EOF»\n", "the end mark of a shell's here-document", "add" },
        { "#!/bin/sh\n«ip» xfrm state flush;", "this looks like a script for the shell", "add" },
        { "«sudo» setkey -F;", "this looks like a script for the shell", "add" },
        { "add 10.0.0.1 10.0.0.2 esp 500 -E 3des-cbc «'»abcdefghijklmnopqrstuvwx';", "the key (26 characters) has no quotes", "a \"text\" as key" },
        { "add 10.0.0.1 10.0.0.2 esp 500 «=» -E null;", "'=' has no meaning here", "" },
        { "flush;\n// all\nflush;".Replace("//", "«//»", StringComparison.Ordinal), "a comment begins with '#'", "add" },
        { "add 10.0.0.1 10.0.0.2 esp«\u00a0»500 -E null;", "the character U+00A0 has no meaning here: put a plain blank in its place", "a number" },
        { "add 10.0.0.1 10.0.0.2 esp 500 -E 3des-cbc «“»abcdefghijklmnopqrstuvwx”;", "", "" },

        // Addresses
        { "add «10.0.0.256» 10.0.0.2 esp 500 -E null;", "'10.0.0.256' is no IPv4 address: four numbers from 0 to 255", "an address" },
        { "add «10.0.1» 10.0.0.2 esp 500 -E null;", "'10.0.1' is no IPv4 address", "an address" },
        { "add 10.0.0.1 «fd00:::1» esp 500 -E null;", "'fd00:::1' is no IPv6 address", "an address" },
        { "add «gate.example.org» 10.0.0.2 esp 500 -E null;", "names are not looked up here", "an address" },
        { "add -n «gate» 10.0.0.2 esp 500 -E null;", "-n forbids to look up names", "an address" },
        { "add 10.0.0.1 «fd00::2» esp 500 -E null;", "source and destination are of different families: IPv4 and IPv6", "" },
        { "spdadd 10.0.0.1 «fd00::2» any -P out none;", "source and destination are of different families", "" },
        { "add -4 «fd00::1» fd00::2 esp 500 -E null;", "-4 asks for IPv4", "" },
        { "add «-5» 10.0.0.1 10.0.0.2 esp 500 -E null;", "'-5' does not belong before the addresses", "-4" },
        { "add 10.0.0.1«/»24 10.0.0.2 esp 500 -E null;", "prefixes are for policies", "" },
        { "add 10.0.0.1[«500»] 10.0.0.2 esp 500 -E null;", "only an SA of esp-udp has ports", "" },
        { "add fe80::1%em0 fe80::2 esp 500 -E null;".Replace("fe80::1%em0", "«fe80::1%em0»", StringComparison.Ordinal), "the zone of 'fe80::1%em0' is to be a number here", "" },
        { "spdadd 10.0.0.0/«33» 10.0.0.2 any -P out none;", "the prefix length is at most 32", "" },
        { "spdadd 10.0.0.0/«255.0.0.0» 10.0.0.2 any -P out none;", "is a mask: write the number of leading bits", "a number" },
        { "spdadd 10.0.0.1[«65536»] 10.0.0.2 tcp -P out none;", "'65536' is no port: it is above 65535", "any" },
        { "spdadd 10.0.0.1[«http»] 10.0.0.2 tcp -P out none;", "names of services are not looked up here", "any" },
        { "spdadd 10.0.0.1[80 «10.0.0.2» tcp -P out none;", "a port stands in brackets", "]" },
        { "spdadd 10.0.0.1 10.0.0.2 «[»80] tcp -P out none «»;".Replace("«»", "", StringComparison.Ordinal).Replace(" «[»", " [", StringComparison.Ordinal).Replace("[80]", "[«80x»]", StringComparison.Ordinal), "'80x' is no port", "any" },

        // SAs
        { "add 10.0.0.1 10.0.0.2 «foo» 500 -E null;", "'foo' is no protocol of an SA", "ah" },
        { "add 10.0.0.1 10.0.0.2 esp «-E» null;", "the SPI is missing: '-E' stands in its place", "a number" },
        { "add 10.0.0.1 10.0.0.2 esp «500x» -E null;", "'500x' is no number: it stands where the SPI belongs", "a number" },
        { "add 10.0.0.1 10.0.0.2 esp «0x1ffffffff» -E null;", "the SPI is at most 4294967295 (0xffffffff)", "" },
        { "add 10.0.0.1 10.0.0.2 esp «255» -E null;", "SPIs from 0 to 255 are reserved (RFC 4303, 2.1)", "a number from 256" },
        { "add 10.0.0.1 10.0.0.2 ipcomp «65536» -C deflate;", "a CPI has 16 bits", "" },
        { "add 10.0.0.1 10.0.0.2 esp 500 -m «tunel» -E null;", "'tunel' is no mode (did you mean 'tunnel'?)", "tunnel" },
        { "add 10.0.0.1 10.0.0.2 esp 500 -f «cyclic-seq» -E null;", "(did you mean 'nocyclic-seq'?)", "nocyclic-seq" },
        { "add 10.0.0.1 10.0.0.2 esp 500 -r «-E» null;", "the replay window in bytes is missing", "a number" },
        { "add 10.0.0.1 10.0.0.2 esp 500 -r «536870908» -E null;", "the replay window in bytes is at most 536870907", "" },
        { "add 10.0.0.1 10.0.0.2 esp-old 500 «-r» 4 -E des-cbc 0x0011223344556677;", "replay prevention cannot be used with ah-old and esp-old", "" },
        { "add 10.0.0.1 10.0.0.2 esp 500 -u 1 «-u» 2 -E null;", "-u is given twice", ";" },
        { "add 10.0.0.1 10.0.0.2 esp 500 «-ll» 4 -E null;", "'-ll' is no option of an SA", "-ls" },
        { "add 10.0.0.1 10.0.0.2 esp 500 «-natt_mtu» 1400 -E null;", "-natt_mtu of other setkeys is not carried here", "-natt" },
        { "add 10.0.0.1 10.0.0.2 esp 500 «-P» out none;", "-P is for policies (spdadd)", "-E" },
        { "add 10.0.0.1 10.0.0.2 esp 500 -icv «100» -E null;", "its length in bits is a multiple of 8, and 100 is not", "" },
        { "add 10.0.0.1 10.0.0.2 esp 500«;»", "esp needs a cipher: -E, with 'null' for none", "-E" },
        { "add 10.0.0.1 10.0.0.2 esp 500 -A hmac-sha1 0x0102030405060708090a0b0c0d0e0f1011121314«;»", "esp needs a cipher", "-E" },
        { "add 10.0.0.1 10.0.0.2 ah 500 «-E» null;", "ah does not encrypt: -E is for esp", "" },
        { "add 10.0.0.1 10.0.0.2 ah 500«;»", "ah needs an authentication algorithm: -A", "-A" },
        { "add 10.0.0.1 10.0.0.2 ipcomp 500«;»", "ipcomp needs a compression algorithm: -C", "-C" },
        { "add 10.0.0.1 10.0.0.2 esp 500 «-C» deflate;", "esp does not compress: -C is for ipcomp", "" },
        { "add 10.0.0.1 10.0.0.2 ipcomp 500 -C «zip»;", "'zip' is no compression algorithm", "deflate" },
        { "add 10.0.0.1 10.0.0.2 ah 500 -A «tcp-md5» \"secret\";", "tcp-md5 is for tcp, not for ah", "" },
        { "add 10.0.0.1 10.0.0.2 tcp 0x1000 -A «hmac-md5» 0x00112233445566778899aabbccddeeff;", "tcp authenticates with tcp-md5 only", "tcp-md5" },
        { "add 10.0.0.1 10.0.0.2 esp 500 -E «des-32iv» 0x0011223344556677;", "des-32iv is for esp-old only", "des-cbc" },

        // Algorithms and keys
        { "add 10.0.0.1 10.0.0.2 esp 500 -E «rot13» 0x00;", "'rot13' is no encryption algorithm", "aes-cbc" },
        { "add 10.0.0.1 10.0.0.2 esp 500 -E «aes_cbc» 0x00112233445566778899aabbccddeeff;", "(did you mean 'aes-cbc'?)", "aes-cbc" },
        { "add 10.0.0.1 10.0.0.2 ah 500 -A «hmac-sha» 0x00;", "(did you mean 'hmac-sha1'?)", "hmac-sha1" },
        { "add 10.0.0.1 10.0.0.2 esp 500 -E «hmac-sha1» 0x00;", "'hmac-sha1' authenticates: it belongs behind -A", "aes-cbc" },
        { "add 10.0.0.1 10.0.0.2 esp 500 -E null -A «aes-cbc» 0x00;", "'aes-cbc' encrypts: it belongs behind -E", "hmac-sha1" },
        { "add 10.0.0.1 10.0.0.2 esp 500 -E «0x00112233445566778899aabbccddeeff»;", "the encryption algorithm is missing: a key stands in its place", "aes-cbc" },
        { "add 10.0.0.1 10.0.0.2 esp 500 -E aes-cbc«;»", "the key of aes-cbc is missing", "a \"text\" as key" },
        { "add 10.0.0.1 10.0.0.2 esp 500 -E aes-cbc «-A» hmac-sha1;", "the key of aes-cbc is missing", "a \"text\" as key" },
        { "add 10.0.0.1 10.0.0.2 esp 500 -E aes-cbc «0x0011»;", "aes-cbc takes a key of 128 or 192 or 256 bits, and this one has 16", "" },
        { "add 10.0.0.1 10.0.0.2 ah 500 -A hmac-sha1 «\"short\"»;", "hmac-sha1 takes a key of 160 bits, and this one has 40", "" },
        { "add 10.0.0.1 10.0.0.2 esp 500 -E des-cbc «\"0011223344556677\"»;", "in quotes every digit is a byte of its own", "" },
        { "add 10.0.0.1 10.0.0.2 esp 500 -E aes-gcm-16 «0x00112233445566778899aabbccddeeff»;", "and this one has 128 (the last 32 bits are the salt)", "" },
        { "add 10.0.0.1 10.0.0.2 esp 500 -E aes-cbc «00112233445566778899aabbccddeeff»;", "the key (32 hexadecimal digits) has no 0x before it", "a key of 0x and hexadecimal digits" },
        { "add 10.0.0.1 10.0.0.2 esp 500 -E aes-cbc «sixteencharacter»;", "the key (16 characters) has no quotes", "a \"text\" as key" },
        { "add 10.0.0.1 10.0.0.2 esp 500 -E aes-cbc «0x00112233445566778899aabbccddeefg»;", "the key's character 32 behind 0x is no hexadecimal digit", "" },
        { "add 10.0.0.1 10.0.0.2 esp 500 -E aes-cbc «0x»;", "the key has no digits behind 0x", "" },
        { "add 10.0.0.1 10.0.0.2 esp 500 -E aes-cbc «\"»abc;\nflush;", "this quote is never closed", "" },
        { "add 10.0.0.1 10.0.0.2 esp 500 -E aes-cbc 0x00112233445566778899aabbccddeeff «00»;", "a key has no blanks and line ends in it", ";" },

        // Policies
        { "spdadd 10.0.0.1 10.0.0.2 «-P» out none;", "the upper-layer protocol is missing before the option", "any" },
        { "spdadd 10.0.0.1 10.0.0.2 «upd» -P out none;", "'upd' is no upper-layer protocol (did you mean 'udp'?)", "udp" },
        { "spdadd 10.0.0.1 10.0.0.2 «256» -P out none;", "'256' is no upper-layer protocol", "a number up to 255" },
        { "spdadd 10.0.0.1[«80»] 10.0.0.2 icmp6 -P out none;", "icmp6 has no ports: write type and code behind it", "" },
        { "spdadd 10.0.0.1 10.0.0.2 tcp «8»,0 -P out none;", "'8' does not belong behind 'tcp'", "-P" },
        { "spdadd fd00::1 fd00::2 icmp6 «256» -P out none;", "the type is at most 255", "" },
        { "spdadd 10.0.0.1 10.0.0.2 any «out» none;", "the policy begins with -P", "-P" },
        { "spdadd 10.0.0.1 10.0.0.2 any«;»", "the end of the command (';') does not belong here", "-P" },
        { "spdadd 10.0.0.1 10.0.0.2 any «-ctx» 1 1 \"x\" -P out none;", "security contexts (-ctx) are not carried here", "-P" },
        { "spdadd «tagged» \"x\" -P out none;", "policies by tag of a packet filter are not carried here", "an address" },
        { "spdadd 10.0.0.1 10.0.0.2 any -P «none»;", "'none' is no direction", "in" },
        { "spdadd 10.0.0.1 10.0.0.2 any -P«;»", "a policy begins with its direction", "out" },
        { "spdadd 10.0.0.1 10.0.0.2 any -P out «accept»;", "'accept' is no action", "ipsec" },
        { "spdadd 10.0.0.1 10.0.0.2 any -P out «esp»/transport//require;", "the action 'ipsec' belongs before it", "ipsec" },
        { "spdadd 10.0.0.1 10.0.0.2 any -P out none «esp»/transport//require;", "'none' takes no requests", ";" },
        { "spdadd 10.0.0.1 10.0.0.2 any -P out ipsec «xsp»/transport//require;", "'xsp' is no request", "esp" },
        { "spdadd 10.0.0.1 10.0.0.2 any -P out ipsec esp «transport»//require;", "'transport' stands where '/' belongs", "/" },
        { "spdadd 10.0.0.1 10.0.0.2 any -P out ipsec esp/«transprt»//require;", "'transprt' is no mode", "transport" },
        { "spdadd 10.0.0.1 10.0.0.2 any -P out ipsec esp/transport/«require»;", "without endpoints write two slashes, transport//require", "/" },
        { "spdadd 10.0.0.1 10.0.0.2 any -P out ipsec esp/«tunnel»//require;", "tunnel mode needs the tunnel's endpoints", "transport" },
        { "spdadd 10.0.0.1 10.0.0.2 any -P out ipsec esp/tunnel/10.0.0.1«/»require;", "'/' stands where '-' belongs", "-" },
        { "spdadd 10.0.0.1 10.0.0.2 any -P out ipsec esp/tunnel/«gate»-10.0.0.2/require;", "names are not looked up in a policy", "an address" },
        { "spdadd 10.0.0.1 10.0.0.2 any -P out ipsec esp/tunnel/10.0.0.1-«fd00::2»/require;", "both ends of a request are of one family", "" },
        { "spdadd 10.0.0.1 10.0.0.2 any -P out ipsec esp/transport//«required»;", "'required' is no level", "require" },
        { "spdadd 10.0.0.1 10.0.0.2 any -P out ipsec esp/transport//require:«5»;", "only the level 'unique' takes a number", "unique:N" },
        { "spdadd 10.0.0.1 10.0.0.2 any -P out ipsec esp/transport//unique:«x»;", "'x' is no request id", "a number from 1 to 16383" },
        { "spdadd 10.0.0.1 10.0.0.2 any -P out prio «urgent» none;", "'urgent' is no priority", "low" },
        { "spdadd 10.0.0.1 10.0.0.2 any -P out prio low + «1073741825» none;", "an offset goes from -1073741823 to +1073741824", "" },
        { "spdadd 10.0.0.1 10.0.0.2 any -P out ipsec esp/transport//require «-»m tunnel;", "options belong before -P", ";" },
        { "spdadd 10.0.0.1 10.0.0.2 any -P out ipsec esp/transport//require«#»now;", "a comment inside a policy begins behind a blank", ";" },
    };

    [Theory]
    [MemberData(nameof(Wrong))]
    public void A_wrong_word_is_named_at_its_place(string marked, string message, string expected)
    {
        int start = marked.IndexOf('«', StringComparison.Ordinal);
        int length = marked.IndexOf('»', StringComparison.Ordinal) - start - 1;
        string text = marked.Replace("«", "", StringComparison.Ordinal).Replace("»", "", StringComparison.Ordinal);
        int line = 1 + text.AsSpan(0, start).Count('\n');
        int column = start - text.AsSpan(0, start).LastIndexOf('\n');

        SetkeyScript script = SetkeyParser.Parse(text, "f");
        Assert.NotEmpty(script.Errors);
        SetkeyError error = script.Errors[0];
        Assert.Contains(message, error.Message, StringComparison.Ordinal);
        Assert.Equal((line, column), (error.Line, error.Column));
        Assert.True(error.Length == Math.Max(1, length) || error.Message.Contains("no quotes", StringComparison.Ordinal), $"{error.Length} characters marked: {error}");
        if (expected.Length > 0)
        {
            Assert.Contains(expected, error.Expected);
        }
    }

    [Fact]
    public void The_table_is_as_large_as_promised() => Assert.True(Wrong.Count >= 100);

    [Fact]
    public void An_error_shows_its_line_with_a_mark_below_the_word()
    {
        string text = "flush;\n\tadd 10.0.0.1 10.0.0.2 foo 500 -E null;\n";
        SetkeyError error = Assert.Single(SetkeyParser.Parse(text, "ipsec.conf").Errors);
        Assert.Equal(
            "ipsec.conf:2:24: 'foo' is no protocol of an SA; expected esp, ah, ipcomp, esp-udp, esp-udp-nonike, tcp, esp-old or ah-old\n"
            + "\tadd 10.0.0.1 10.0.0.2 foo 500 -E null;\n"
            + "\t                      ^~~", error.Render(text));
    }

    [Fact]
    public void Of_a_long_line_the_part_around_the_word_is_shown()
    {
        string text = new string(' ', 300) + "flush; " + new string(' ', 10) + "nonsense" + new string(' ', 50) + "; flush;" + new string(' ', 200) + "flush;";
        string[] lines = SetkeyParser.Parse(text, "f").Errors[0].Render(text).Split('\n');
        Assert.True(lines[1].Length < 110);
        Assert.Equal("nonsense", lines[1].Substring(lines[2].IndexOf('^', StringComparison.Ordinal), 8));
        Assert.Equal("^~~~~~~~", lines[2].Trim());
    }

    [Fact]
    public void Reading_goes_on_behind_an_error_and_finds_the_next()
    {
        SetkeyScript script = SetkeyParser.Parse("flush espp;\nspdflush;\nadd 10.0.0.1 10.0.0.2 esp 500 -E aes_cbc;\nspdadd 10.0.0.1 10.0.0.2 any -P out non;\nspddump", "f");
        Assert.Equal([1, 3, 4, 5], script.Errors.Select(static e => e.Line));
        Assert.Equal(SetkeyVerb.SpdFlush, Assert.Single(script.Commands).Verb);
    }

    [Fact]
    public void A_file_of_another_kind_gives_a_handful_of_errors()
    {
        Assert.InRange(SetkeyParser.Parse(string.Concat(Enumerable.Repeat("what is this;\n", 1000)), "f").Errors.Length, 1, 20);
    }

    [Theory]
    [InlineData("spdadd 10.0.0.1/24 10.0.0.2 any -P out none;", 1, 8, "10.0.0.0/24 is most likely meant")]
    [InlineData("spdadd 10.0.0.1[80] 10.0.0.2 any -P out none;", 1, 17, "say tcp or udp")]
    [InlineData("spdadd 10.0.0.1 10.0.0.2[80] esp -P out none;", 1, 26, "the policy never matches")]
    [InlineData("add 10.0.0.1 10.0.0.2 esp 500 -E null -A null 0xabc;", 1, 47, "an odd number of digits (3)")]
    [InlineData("add 10.0.0.1 10.0.0.2 esp-old 500 -E simple;", 1, 38, "obsolete algorithm")]
    [InlineData("get 10.0.0.1 10.0.0.2 esp 500 -m tunnel;", 1, 31, "-m has no effect on this command")]
    [InlineData("spdadd 10.0.0.1 10.0.0.2 any -P out ipsec;", 1, 37, "is refused by kernels")]
    [InlineData("spdadd 10.0.0.1 10.0.0.2 any -P out ipsec esp/transport//unique:16384;", 1, 65, "request ids above 16383 are the kernel's own")]
    [InlineData("spdadd 10.0.0.1 10.0.0.2 any -P out ipsec esp/tunnel/10.0.0.1[4500]-10.0.0.2[0]/use;", 1, 63, "the port 4500 of a request is not carried")]
    [InlineData("spdadd fd00::1 fd00::2 icmp6 0 -P out none;", 1, 24, "cannot be told from 'every type'")]
    public void A_doubtful_word_is_a_warning(string text, int line, int column, string message)
    {
        SetkeyScript script = SetkeyParser.Parse(text, "f");
        Assert.Empty(script.Errors);
        SetkeyError warning = Assert.Single(script.Warnings);
        Assert.Equal((line, column), (warning.Line, warning.Column));
        Assert.Contains(message, warning.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Names_are_looked_up_where_the_caller_can()
    {
        var lookups = new SetkeyLookups
        {
            Hosts = static (name, _) => name == "two" ? [Address.Parse("10.0.0.1"), Address.Parse("fd00::1"), Address.Parse("10.0.0.3")] : name == "one" ? [Address.Parse("10.0.0.2")] : [],
            Protocols = static name => name == "quic" ? (byte)200 : null,
            Services = static (name, protocol) => (name, protocol) is ("http", 6) ? (ushort)80 : null,
            Interfaces = static name => name == "em0" ? 3u : null,
        };
        SetkeyScript script = SetkeyParser.Parse("add two one esp 500 -E null; spdadd one[http] one tcp -P out none; spdadd one one quic -P in none; delete fe80::1%em0 fe80::2%7 ah 9;", "f", lookups);
        Assert.Empty(script.Errors);
        Assert.Equal([2, 1, 1, 1], script.Commands.Select(static c => c.Messages.Length));
        Assert.Equal(80, script.Commands[1].Messages[0].Find(global::Testudo.Wire.PfKey.AddressRole.Source)!.Port);
        Assert.Equal(200, script.Commands[2].Messages[0].Find(global::Testudo.Wire.PfKey.AddressRole.Source)!.Protocol);
        Assert.Equal((3u, 7u), (script.Commands[3].Messages[0].Find(global::Testudo.Wire.PfKey.AddressRole.Source)!.Scope, script.Commands[3].Messages[0].Find(global::Testudo.Wire.PfKey.AddressRole.Destination)!.Scope));

        Assert.Contains("has 3 addresses", SetkeyParser.Parse("spdadd two one any -P out none;", "f", lookups).Errors[0].Message, StringComparison.Ordinal);
        Assert.Contains("the host 'none' is not known", SetkeyParser.Parse("add none one esp 500 -E null;", "f", lookups).Errors[0].Message, StringComparison.Ordinal);
        Assert.Contains("with an IPv6 address", SetkeyParser.Parse("add -6 one one esp 500 -E null;", "f", lookups).Errors[0].Message, StringComparison.Ordinal);
        Assert.Contains("the service 'dns' is not known", SetkeyParser.Parse("spdadd one[dns] one tcp -P out none;", "f", lookups).Errors[0].Message, StringComparison.Ordinal);
    }
}
