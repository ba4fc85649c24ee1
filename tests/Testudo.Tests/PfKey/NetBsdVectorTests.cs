// Every step of the exchanges with NetBSD's kernel, in its layouts: what it accepted is read and written to the same bytes,
// what it refused for its form is a fault with the same errno.

using System.Text.Json;
using System.Text.RegularExpressions;
using Testudo.Wire.PfKey;
using Xunit;

namespace Testudo.Tests.PfKey;

public sealed partial class NetBsdVectorTests
{
    // Refused by the codec, of all that the kernel refused with a reply; the rest of it is about meaning (a missing
    // extension, an unknown algorithm, a key too short) and is not the codec's.
    private static readonly HashSet<string> s_refusedWithReply =
    [
        "bad-version-0", "bad-version-1", "bad-version-255",
        "bad-type-0", "bad-type-25", "bad-type-99", "bad-type-255",
        "bad-key-bits-not-multiple-of-8",
        "bad-addr-prefixlen-33", "bad-addr6-prefixlen-129", "bad-spdadd-prefixlen-33",
        "bad-spdadd-type-6", "bad-spdadd-type-255",
        "bad-spdadd-level-4", "bad-spdadd-level-255", "bad-spdadd-mode-3",
        "bad-spdadd-request-proto-52", "bad-spdadd-request-proto-255", "bad-spdadd-request-len-4",
        "bad-spdadd-tunnel-mixed-families", "bad-spdadd-proto-mismatch",
    ];

    [Fact]
    [Shows("ipsec4-kernel-3")]
    public void Every_step_of_a_valid_exchange_is_decoded_as_the_recorder_did_and_encoded_to_the_same_bytes()
    {
        int steps = 0;
        foreach (Recorded step in Conversations.NetBsd.Where(static c => c.IsValid).SelectMany(static c => c.Steps))
        {
            AssertSame(step);
            steps++;
        }

        Assert.True(steps > 400, $"{steps} steps");
    }

    [Fact]
    public void Every_other_step_is_read_or_refused_as_the_kernel_did()
    {
        HashSet<string> refused = [];
        int sent = 0;
        foreach (NetBsdCase exchange in Conversations.NetBsd.Where(static c => !c.IsValid))
        {
            foreach (Recorded step in exchange.Steps)
            {
                // send() itself failed: the kernel's check of form.
                bool failed = step.Said.TryGetProperty("send_result", out JsonElement result) && result.GetString() == "errno 22 EINVAL";
                if (Codec.Read(Dialect.NetBsd, step.Bytes, out Fault fault) is not null)
                {
                    Assert.False(failed, $"{step.Where} is read; NetBSD's send() gave EINVAL");
                    AssertSame(step);
                    continue;
                }

                int errno = failed ? 22 : Errno(exchange, step);
                sent += failed ? 1 : 0;
                refused.Add(exchange.Name);
                Assert.True(failed || s_refusedWithReply.Contains(exchange.Name), $"{step.Where}: {fault.Sentence}");
                Assert.Equal($"{step.Where}: {errno}", $"{step.Where}: {Dialect.NetBsd.NumberOf(fault.Error)}");
                Assert.InRange(fault.Offset, 0, Math.Max(0, step.Bytes.Length - 1));
            }
        }

        Assert.Equal(10, sent);
        Assert.Subset(refused, s_refusedWithReply);
    }

    // What the kernel's answer to this step said; an answer's own errno, since the kernel sends the bad message back.
    private static int Errno(NetBsdCase exchange, Recorded step)
    {
        int index = exchange.Steps.ToList().IndexOf(step);
        Recorded answer = exchange.Steps.Skip(index).First(static s => s.Said.GetProperty("dir").GetString() == "reply");
        return answer.Bytes[2];
    }

    private static void AssertSame(Recorded step)
    {
        PfKeyMessage? message = Codec.Read(Dialect.NetBsd, step.Bytes, out Fault fault);
        Assert.True(message is not null, $"{step.Where}: {fault.Sentence}");
        Assert.Equal($"{step.Where}\n{Said(step.Said.GetProperty("decoded"))}", $"{step.Where}\n{Decoded(message)}");
        Assert.Equal($"{step.Where}: {Convert.ToHexString(step.Bytes)}", $"{step.Where}: {Convert.ToHexString(Codec.Write(Dialect.NetBsd, message))}");
    }

    private static string Decoded(PfKeyMessage m) =>
        $"{InWords.Type(m)} {(byte)m.SaType} {Dialect.NetBsd.NumberOf(m.Error)} {m.Reserved} {m.Sequence} {m.Pid}\n"
        + string.Join('\n', m.Extensions.Select(InWords.NetBsd));

    private static string Said(JsonElement m) =>
        $"{m.GetProperty("type").GetString()!.Replace("X_", "", StringComparison.Ordinal)} {m.GetProperty("satype")} {m.GetProperty("errno")} "
        + $"{m.GetProperty("reserved")} {m.GetProperty("seq")} {m.GetProperty("pid")}\n"
        + string.Join('\n', m.GetProperty("exts").EnumerateArray().Select(static e => Size().Replace(e.GetString()!, ":", 1)));

    // "SA(16):"
    [GeneratedRegex(@"\(\d+\):")]
    private static partial Regex Size();
}
