// What holds for every script: what was meant is what is read; no text makes the parser throw; no message shows a key.

using System.Text;
using System.Text.Json;
using CsCheck;
using Testudo.Control.Setkey;
using Testudo.Wire.PfKey;
using Xunit;

namespace Testudo.Tests.Setkey;

public class SetkeyPropertyTests
{
    private static readonly Gen<string> s_blank = SetkeyGenerators.OneOf(" ", "  ", "\t", "\n", "\r\n", " # why\n", "\n#\n\t");

    [Fact]
    public void What_is_meant_is_what_is_read() =>
        Gen.Select(SetkeyGenerators.Command.Array[1, 4], s_blank.Array[16]).Sample((commands, blanks) =>
        {
            var text = new StringBuilder();
            int n = 0;
            foreach (MeantCommand command in commands)
            {
                foreach (string word in command.Words)
                {
                    text.Append(word == ";" && n % 3 == 0 ? "" : blanks[n % blanks.Length]).Append(word);
                    n++;
                }
            }

            SetkeyScript script = SetkeyParser.Parse(text.ToString(), "f");
            Assert.True(script.Errors.Length == 0, script.Errors.Length == 0 ? "" : script.Errors[0] + "\n" + text);
            Assert.Equal(commands.Select(static c => c.Verb), script.Commands.Select(static c => c.Verb));
            Assert.Equal(commands.Select(static c => c.Message), SetkeyKernel.Messages(script));
        }, iter: 5_000);

    private static readonly string[] s_scripts =
    [
        .. SetkeyListing.All.Select(static l => l.Script),
        "add fe80::1%3 fe80::2%3 esp-udp 192.0.2.1 0x1000 -m tunnel -natt 192.0.2.1[500] 192.0.2.2[501] -esn -seq 5 -icv 96 -r 400 -E aes-cbc \"sixteencharacter\" -A hmac-sha1 0x0102030405060708090a0b0c0d0e0f1011121314;\nexit;\n",
        "#!/usr/sbin/setkey -f\nspdupdate -46n 10.0.0.0/8[any] 10.1.0.0/16[80] tcp -P in prio low + 5 ipsec # out\n esp/tunnel/10.0.0.1[4500]-10.0.0.2[4500]/unique:7 ah/transport//use;\nspddelete ::/0 ::/0 icmp6 135,0 -P fwd;\ngetspi 10.0.0.1 10.0.0.2 ah;\ndump esp;\n",
    ];

    private static readonly string[] s_pieces =
        [";", "\"", "#", "\\", "$x", "'", "[", "]", "/", ",", "-", "-E", "-A", "-P", "-P in", "add ", "spdadd ", "\n", " ", "\t", "0x", "99999999999999999999999", "{{", "«", "\0", "\ud800", "\u00a0", "%", "in ipsec", "unique:", "EOF\n", ":", "tunnel", "null", "-4", "exit;"];

    [Fact]
    public void A_hundred_thousand_mutated_scripts_are_read_without_a_throw()
    {
        // A seed of its own, so that a failure comes again.
        var random = new Random(20260101);
        for (int i = 0; i < 100_000; i++)
        {
            string text = Mutate(random, s_scripts[random.Next(s_scripts.Length)], random.Next(1, 6));
            SetkeyScript script;
            try
            {
                script = SetkeyParser.Parse(text, "f");
                foreach (SetkeyError error in script.Errors.Concat(script.Warnings))
                {
                    Assert.True(error.Line >= 1 && error.Column >= 1 && error.Length >= 1 && error.Message.Length > 0, error.ToString());
                    if (i % 10 == 0)
                    {
                        Assert.Contains('^', error.Render(text));
                    }
                }
            }
            catch (Exception e) when (e is not Xunit.Sdk.XunitException)
            {
                Assert.Fail($"{e.GetType().Name} at mutation {i}: {e.Message}\n{e.StackTrace}\n{text}");
                throw;
            }

            // What could be read can be sent: the codec takes it in every dialect.
            foreach (PfKeyMessage message in script.Errors.Length == 0 ? SetkeyKernel.Messages(script) : [])
            {
                Assert.NotEmpty(Codec.Write(Dialect.Linux, message));
                Assert.NotEmpty(Codec.Write(Dialect.NetBsd, message));
            }
        }
    }

    [Fact]
    public void No_message_shows_a_key_whatever_is_wrong_beside_it()
    {
        // Letters that stand in no word of the language, so that a find is a find.
        const string HexKey = "0x5a5b5c5d5e5f6a6b6c6d6e6f7a7b7c7d";
        const string TextKey = "\"QQWWXXYYZZQQWWXX\"";
        string[] scripts =
        [
            $"add 10.0.0.1 10.0.0.2 esp 500 -m tunnel -E aes-cbc {HexKey} -A hmac-md5 {TextKey};\nadd 10.0.0.1 10.0.0.2 ah 501 -A hmac-md5 {HexKey};\n",
            $"add 10.0.0.1 10.0.0.2 tcp 0x1000 -A tcp-md5 {TextKey};\nspdadd 10.0.0.1 10.0.0.2 any -P out ipsec esp/transport//require;\n",
        ];

        // Nothing is copied: a piece of a key that stands where a protocol belongs cannot be told from a wrong protocol.
        var random = new Random(5);
        int errors = 0;
        for (int i = 0; i < 12_000; i++)
        {
            string text = Mutate(random, scripts[i % scripts.Length], 1, copies: false);
            SetkeyScript script = SetkeyParser.Parse(text, "f");
            foreach (SetkeyError error in script.Errors.Concat(script.Warnings))
            {
                errors++;
                AssertNoKey(error.Render(text) + error, HexKey[2..], text);
                AssertNoKey(error.Render(text) + error, TextKey.Trim('"'), text);
            }

            AssertNoKey(script.ToString() + string.Concat(script.Commands) + string.Concat(SetkeyKernel.Messages(script).SelectMany(static m => m.Extensions)), HexKey[2..], text);
        }

        Assert.True(errors > 2_000, $"only {errors} errors were looked at");
    }

    private static void AssertNoKey(string shown, string key, string text)
    {
        // Eight characters in a row are no accident.
        for (int i = 0; i + 8 <= key.Length; i++)
        {
            Assert.False(shown.Contains(key.Substring(i, 8), StringComparison.OrdinalIgnoreCase), $"a key is shown:\n{shown}\nin\n{text}");
        }
    }

    [Theory]
    [InlineData("add 10.0.0.1 10.0.0.2 foo 500 -E aes-cbc 0x00112233445566778899aabbccddeeff -A hmac-sha1 \"12345678901234567890\";", "add 10.0.0.1 10.0.0.2 foo 500 -E aes-cbc 0x… -A hmac-sha1 \"…\";", 22)]
    [InlineData("add 10.0.0.1 10.0.0.2 esp 500 -E aes-cbc 0x00112233445566778899aabbccddee;", "add 10.0.0.1 10.0.0.2 esp 500 -E aes-cbc 0x…;", 41)]
    [InlineData("add 10.0.0.1 10.0.0.2 esp 500 -E aes-cbc sixteen character -A null;", "add 10.0.0.1 10.0.0.2 esp 500 -E aes-cbc … … -A null;", 41)]
    [InlineData("add 10.0.0.1 10.0.0.2 esp 500 -E null -E aes-cbc 0x0011;", "add 10.0.0.1 10.0.0.2 esp 500 -E null -E aes-cbc 0x…;", 38)]
    [InlineData("add 10.0.0.1 10.0.0.2 esp 500 -E aes-cbc \"abc\ndef\" \"ghi\nflush;", "add 10.0.0.1 10.0.0.2 esp 500 -E aes-cbc \"…", 41)]
    public void The_line_of_an_error_is_shown_with_its_keys_masked(string text, string shown, int mark)
    {
        string[] lines = SetkeyParser.Parse(text, "f").Errors[0].Render(text).Split('\n');
        Assert.Equal(shown, lines[1]);
        Assert.Equal(mark, lines[2].IndexOf('^', StringComparison.Ordinal));
    }

    [Fact]
    public void Wiping_leaves_no_key_in_the_messages()
    {
        SetkeyScript script = SetkeyParser.Parse("add 10.0.0.1 10.0.0.2 ah 500 -A hmac-md5 0x00112233445566778899aabbccddeeff;", "f");
        byte[] key = script.Commands[0].Messages[0].Find(KeyRole.Auth)!.Key;
        Assert.Equal(0xff, key[15]);
        script.WipeKeys();
        Assert.All(key, static b => Assert.Equal(0, b));
    }

    [Fact]
    public void Every_policy_of_the_recorded_traffic_is_read()
    {
        using JsonDocument index = JsonDocument.Parse(File.ReadAllText(Repository.Vectors("netbsd", "index.json")));
        int count = 0;
        foreach (JsonElement line in index.RootElement.EnumerateArray().SelectMany(static c => c.GetProperty("policies").EnumerateObject()).SelectMany(static host => host.Value.EnumerateArray()))
        {
            SetkeyScript script = SetkeyParser.Parse(line.GetString()!, "f");
            Assert.Empty(script.Errors);
            count += script.Commands.Length;
        }

        Assert.True(count > 100);
    }

    private static string Mutate(Random random, string text, int times, bool copies = true)
    {
        for (int i = 0; i < times; i++)
        {
            int at = random.Next(text.Length + 1);
            int length = random.Next(Math.Min(12, text.Length - at) + 1);
            text = random.Next(copies ? 4 : 3) switch
            {
                0 => text.Remove(at, length),
                1 => text.Insert(at, s_pieces[random.Next(s_pieces.Length)]),
                2 => text.Remove(at, length).Insert(at, s_pieces[random.Next(s_pieces.Length)]),
                _ => text.Insert(random.Next(text.Length + 1), text.Substring(at, length)),
            };
        }

        return text;
    }
}
