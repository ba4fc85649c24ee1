// Every record of OpenIKED's conversations, in Linux's layouts: decoded as another program decoded it, encoded to the same bytes.

using System.Text.Json;
using System.Text.RegularExpressions;
using Testudo.Wire.PfKey;
using Xunit;

namespace Testudo.Tests.PfKey;

public sealed partial class LinuxVectorTests
{
    [Fact]
    [Shows("ipsec4-kernel-3")]
    public void Every_record_is_decoded_as_the_recorder_did_and_encoded_to_the_same_bytes()
    {
        Assert.True(Conversations.Linux.Count > 100, "the golden files have more than a hundred records");
        foreach (Recorded record in Conversations.Linux)
        {
            PfKeyMessage? message = Codec.Read(Dialect.Linux, record.Bytes, out Fault fault);
            Assert.True(message is not null, $"{record.Where}: {fault.Sentence}");
            Assert.Equal(PfKeyError.None, fault.Error);
            Assert.Equal(Said(record.Said), Decoded(message));
            Assert.Equal(Convert.ToHexString(record.Bytes), Convert.ToHexString(Codec.Write(Dialect.Linux, message)));
        }
    }

    [Fact]
    public void An_answer_speaks_of_its_errno_in_the_numbers_of_the_system()
    {
        byte[] record = Codec.Write(Dialect.Linux, new PfKeyMessage(PfKeyType.Add, SaType.Esp) { Error = PfKeyError.NoBuffers });
        Assert.Equal(105, record[2]);
        Assert.Equal(55, Codec.Write(Dialect.NetBsd, new PfKeyMessage(PfKeyType.Add, SaType.Esp) { Error = PfKeyError.NoBuffers })[2]);
        Assert.Equal(PfKeyError.NoBuffers, Codec.Read(Dialect.Linux, record, out _)!.Error);
    }

    private static string Decoded(PfKeyMessage m) =>
        $"{InWords.Type(m)} {m.SaType.ToString().ToUpperInvariant()} {Dialect.Linux.NumberOf(m.Error)} {m.Sequence} {m.Pid}\n"
        + string.Join('\n', m.Extensions.Select(InWords.Linux));

    private static string Said(JsonElement m) =>
        $"{m.GetProperty("type").GetString()!.Replace("X_", "", StringComparison.Ordinal)} {m.GetProperty("satype").GetString()} "
        + $"{m.GetProperty("errno")} {m.GetProperty("seq")} {m.GetProperty("pid")}\n"
        + string.Join('\n', m.GetProperty("extensions").EnumerateArray().Select(
            static e => $"{e.GetProperty("type").GetString()} {Note().Replace(e.GetProperty("value").GetString()!, "")}"));

    // "auth 7(sha512hmac)" and " (sockaddr bytes 16)", but not "3(iv 0, 160-160)".
    [GeneratedRegex(@" \(sockaddr bytes \d+\)|(?<=(auth|encrypt) \d+)\([^)]*\)")]
    private static partial Regex Note();
}
