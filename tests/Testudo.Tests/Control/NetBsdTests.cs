// NetBSD's kernel as witness: what it refused is refused here; where both do a thing, both answer with the same extensions.

using System.Text.Json;
using Testudo.Control.PfKey;
using Testudo.Tests.PfKey;
using Testudo.Wire.PfKey;
using Xunit;

namespace Testudo.Tests.Control;

public sealed class NetBsdTests
{
    [Fact]
    public void What_the_kernel_refused_is_refused()
    {
        int refused = 0;
        List<string> others = [];
        foreach ((string where, PfKeyMessage? answer, PfKeyError kernel, int bytes, _, bool isValid) in Steps())
        {
            // NetBSD 10 has no AES-GMAC in AH (RFC 4543, 4), though it has the numbers.
            bool isMoreHere = where.StartsWith("bad-add-ah-auth-aes", StringComparison.Ordinal) && where.Contains("gmac", StringComparison.Ordinal);
            if (isValid || isMoreHere || kernel == PfKeyError.None)
            {
                continue;
            }

            refused++;
            if (answer is null)
            {
                Assert.True(bytes < PfKeyHeader.Size, $"{where}: no answer");
                continue;
            }

            Assert.True(answer.Error != PfKeyError.None, $"{where}: done");
            Assert.Empty(answer.Extensions);
            // What is not done here yet is said to be so, before what is wrong with it.
            PfKeyError expected = answer switch
            {
                { Type: PfKeyType.Acquire } => PfKeyError.NotSupported,
                { Type: PfKeyType.Add, SaType: SaType.TcpSignature } => PfKeyError.ProtocolNotSupported,
                _ => kernel,
            };
            if (answer.Error != expected)
            {
                others.Add($"{where}: {kernel}, here {answer.Error}");
            }
        }

        Assert.True(refused > 80, $"{refused} refusals in the file");
        Assert.True(others.Count == 0, string.Join('\n', others));
    }

    [Fact]
    public void Where_both_do_a_thing_they_answer_alike()
    {
        HashSet<PfKeyType> seen = [];
        foreach ((string where, PfKeyMessage? answer, PfKeyError kernel, _, PfKeyMessage? reply, _) in Steps())
        {
            if (answer is not { Error: PfKeyError.None } || kernel != PfKeyError.None || reply is null)
            {
                continue;
            }

            seen.Add(answer.Type);
            Assert.Equal((reply.Type, reply.SaType, reply.Sequence, reply.Pid), (answer.Type, answer.SaType, answer.Sequence, answer.Pid));
            Assert.True(Kinds(reply) == Kinds(answer), $"{where}: {Kinds(reply)}, here {Kinds(answer)}");
        }

        Assert.Empty(new[]
        {
            PfKeyType.Add, PfKeyType.Update, PfKeyType.GetSpi, PfKeyType.Get, PfKeyType.Dump, PfKeyType.Flush, PfKeyType.Register,
            PfKeyType.SpdAdd, PfKeyType.SpdUpdate, PfKeyType.SpdDelete, PfKeyType.SpdDump, PfKeyType.SpdFlush,
        }.Except(seen));
    }

    // NetBSD's dumps say "no encapsulation" where others say nothing, and leave out what KAME says of a policy's life.
    // NAT_T_FRAG means nothing here, and is not repeated; nor is a key of no bits.
    private static string Kinds(PfKeyMessage message) => string.Join(' ', message.Extensions
        .Where(e => e is not (NatTTypeExtension { Encapsulation: 0 } or OpaqueExtension or KeyExtension { Bits: 0 }) && (message.Type != PfKeyType.SpdDump || e is not LifetimeExtension))
        .Select(static e => InWords.NetBsd(e).Split(':')[0]));

    // The answer to a message type that there is not cannot be read by its type either: its header can.
    private static PfKeyMessage? Read(byte[] record) => Codec.Read(Dialect.NetBsd, record, out _)
        ?? (PfKeyHeader.TryRead(record, out PfKeyHeader header) && record.Length == PfKeyHeader.Size ? header.Refuse(Dialect.NetBsd.ErrorOf(header.Errno)) : null);

    private static IEnumerable<(string Where, PfKeyMessage? Answer, PfKeyError Kernel, int Bytes, PfKeyMessage? Reply, bool IsValid)> Steps()
    {
        foreach (NetBsdCase one in Conversations.NetBsd)
        {
            var bench = new Bench();
            KeySession session = bench.Server.Open(Dialect.NetBsd);
            for (int i = 0; i < one.Steps.Count; i++)
            {
                Recorded step = one.Steps[i];
                if (step.Said.GetProperty("dir").GetString() != "request")
                {
                    continue;
                }

                bench.Server.Receive(session, step.Bytes, bench.Now);
                PfKeyMessage? answer = session.TryTake(out byte[]? record) ? Read(record) : null;
                Bench.Take(session);
                Recorded? next = i + 1 < one.Steps.Count && one.Steps[i + 1].Said.GetProperty("dir").GetString() == "reply" ? one.Steps[i + 1] : null;
                PfKeyMessage? reply = next is null ? null : Codec.Read(Dialect.NetBsd, next.Bytes, out _);
                bool isSendError = step.Said.TryGetProperty("send_result", out JsonElement sent) && sent.GetString() != "ok";
                PfKeyError kernel = isSendError ? PfKeyError.Invalid : next is null ? PfKeyError.None : Dialect.NetBsd.ErrorOf(next.Bytes[2]);
                yield return (step.Where, answer, kernel, step.Bytes.Length, reply, one.IsValid);
            }
        }
    }
}
