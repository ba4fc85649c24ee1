// What holds for every message in every dialect, and for bytes that are no message.

using System.Buffers.Binary;
using CsCheck;
using Testudo.Wire.PfKey;
using Xunit;

namespace Testudo.Tests.PfKey;

public sealed class CodecProperties
{
    private static readonly Dialect[] s_dialects = [Dialect.Linux, Dialect.NetBsd, Dialect.FreeBsd, Dialect.Kame];

    public static TheoryData<string> Names => [.. s_dialects.Select(static d => d.Name)];

    [Theory]
    [MemberData(nameof(Names))]
    public void What_is_written_is_read_back(string name)
    {
        Dialect dialect = s_dialects.Single(d => d.Name == name);
        Gen.Int.Sample(
            seed =>
            {
                PfKeyMessage message = new RandomMessages(dialect, seed).Next();
                byte[] record = Codec.Write(dialect, message);
                PfKeyMessage? read = Codec.Read(dialect, record, out Fault fault);
                Assert.True(read is not null, fault.Sentence);
                Assert.True(message.Equals(read), $"{message}\n{string.Join('\n', message.Extensions)}\nwas read as\n{string.Join('\n', read.Extensions)}");
                Assert.Equal(message.GetHashCode(), read.GetHashCode());
                Assert.Equal(0, record.Length % 8);

                // The length is known before, and what stood in the buffer shows nowhere: reserved bytes and padding are zero.
                byte[] dirty = new byte[record.Length + 9];
                dirty.AsSpan().Fill(0xA5);
                Assert.Equal(record.Length, Codec.Measure(dialect, message));
                Assert.Equal(record.Length, Codec.Write(dialect, message, dirty));
                Assert.Equal(record, dirty[..record.Length]);
                Assert.All(dirty[record.Length..], static b => Assert.Equal(0xA5, b));
            },
            iter: 3000);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void A_policy_alone_is_read_back(string name)
    {
        Dialect dialect = s_dialects.Single(d => d.Name == name);
        Gen.Select(Gen.Int, Gen.Bool).Sample(
            (seed, mistyped) =>
            {
                PolicyExtension policy = new RandomMessages(dialect, seed).Policy() with { MistypedAsSensitivity = mistyped };
                byte[] buffer = PolicyBuffer.Write(dialect, policy);
                Assert.Equal(mistyped ? 12 : 18, buffer[2]);
                Assert.True(PolicyBuffer.TryRead(dialect, buffer, out PolicyExtension? read, out Fault fault), fault.Sentence);
                Assert.Equal(policy, read);
            },
            iter: 2000);
    }

    [Fact]
    public void Two_hundred_thousand_mutated_records_neither_throw_nor_are_read_beyond_their_end()
    {
        const int Count = 200_000;
        byte[][] originals =
        [
            .. Conversations.Linux.Select(static r => r.Bytes),
            .. Conversations.NetBsd.SelectMany(static c => c.Steps).Select(static s => s.Bytes),
            .. s_dialects.SelectMany(static d => Enumerable.Range(0, 100).Select(seed => Codec.Write(d, new RandomMessages(d, seed).Next()))),
        ];
        var random = new Random(2367);
        using var page = new GuardPage(16384);
        int read = 0, refused = 0, deep = 0;
        for (int i = 0; i < Count; i++)
        {
            byte[] original = originals[random.Next(originals.Length)];
            Span<byte> record = page.Last(Mutate(original, random));
            Dialect dialect = s_dialects[random.Next(s_dialects.Length)];
            _ = PolicyBuffer.TryRead(dialect, record, out _, out _);
            _ = PfKeyHeader.TryRead(record, out _);
            PfKeyMessage? message = Codec.Read(dialect, record, out Fault fault);
            if (message is null)
            {
                refused++;
                deep += fault.Offset > PfKeyHeader.Size ? 1 : 0;
                Assert.NotEqual(PfKeyError.None, fault.Error);
                Assert.InRange(fault.Offset, 0, record.Length);
                Assert.NotEmpty(fault.Sentence);
                continue;
            }

            // What was read says itself again in the dialect.
            read++;
            PfKeyMessage? again = Codec.Read(dialect, Codec.Write(dialect, message), out fault);
            Assert.True(message.Equals(again), fault.Sentence);
        }

        Assert.True(read > Count / 20 && refused > Count / 4 && deep > Count / 10, $"{read} read, {refused} refused, {deep} of them in an extension");
    }

    [Fact]
    public void No_record_is_read_beyond_its_end_wherever_it_is_cut()
    {
        using var page = new GuardPage(16384);
        foreach (NetBsdCase exchange in Conversations.NetBsd.Where(static c => c.IsValid))
        {
            byte[] whole = exchange.Steps[0].Bytes;
            for (int length = 0; length < whole.Length; length++)
            {
                byte[] cut = whole[..length];
                Assert.Null(Codec.Read(Dialect.NetBsd, page.Last(cut), out _));

                // And where the header agrees with the cut.
                if (length >= PfKeyHeader.Size && length % 8 == 0)
                {
                    BinaryPrimitives.WriteUInt16LittleEndian(cut.AsSpan(4), (ushort)(length / 8));
                    _ = Codec.Read(Dialect.NetBsd, page.Last(cut), out _);
                }
            }
        }
    }

    private static byte[] Mutate(byte[] original, Random random)
    {
        List<byte> bytes = [.. original];
        for (int i = random.Next(4); i >= 0 && bytes.Count > 0; i--)
        {
            int at = random.Next(bytes.Count);
            switch (random.Next(7))
            {
                case 0:
                    bytes[at] ^= (byte)(1 << random.Next(8));
                    break;
                case 1:
                    bytes[at] = (byte)random.Next(256);
                    break;
                case 2: // a length or a type
                    bytes[at & ~7] = (byte)random.Next(12);
                    break;
                case 3:
                    bytes[Math.Min((at & ~7) | 2, bytes.Count - 1)] = (byte)random.Next(32);
                    break;
                case 4:
                    bytes.RemoveRange(at & ~7, Math.Min(8, bytes.Count - (at & ~7)));
                    break;
                case 5:
                    bytes.InsertRange(at & ~7, bytes.GetRange(at & ~7, Math.Min(8 * random.Next(1, 4), bytes.Count - (at & ~7))));
                    break;
                default:
                    bytes.RemoveRange(at, bytes.Count - at);
                    break;
            }
        }

        // Mostly with a header that agrees, so that the extensions are looked at.
        byte[] record = [.. bytes];
        if (record.Length >= PfKeyHeader.Size && random.Next(4) > 0)
        {
            record[0] = 2;
            BinaryPrimitives.WriteUInt16LittleEndian(record.AsSpan(4), (ushort)(record.Length / 8));
        }

        return record;
    }
}
