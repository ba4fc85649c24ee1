// The two compressors: they read each other, keep within the room they are given, and take any bytes.

using Testudo.Crypto;
using Testudo.Tests.Checker;
using Xunit;

namespace Testudo.Tests.Crypto;

[Collection(nameof(Alone))]
public sealed class CompressorTests
{
    public static TheoryData<string, string> Pairs => new() { { "zlib", "zlib" }, { "zlib", "inbox" }, { "inbox", "zlib" }, { "inbox", "inbox" } };

    public static TheoryData<string> Each => ["zlib", "inbox"];

    [Fact]
    public void zlib_is_taken_where_it_is()
    {
        using Compressor compressor = Compressor.New();
        Assert.Equal(ZlibCompressor.IsAvailable ? "zlib" : "inbox", compressor.Name);
    }

    [Theory]
    [MemberData(nameof(Pairs))]
    public void What_one_compresses_the_other_decompresses(string first, string second)
    {
        using Compressor sender = Make(first), receiver = Make(second);
        byte[] small = new byte[70_000], back = new byte[70_000];
        foreach (int length in (int[])[1, 2, 90, 100, 1480, 4000, 65_000])
        {
            byte[] data = Text(length);
            int packed = sender.Compress(data, small);
            Assert.InRange(packed, 1, length + 20);
            Assert.True(length < 100 || packed < length);
            Assert.Equal(length, receiver.Decompress(small.AsSpan(0, packed), back));
            Assert.Equal(data, back[..length]);
        }
    }

    [Theory]
    [MemberData(nameof(Each))]
    public void Nothing_is_written_behind_the_room(string name)
    {
        using Compressor compressor = Make(name);
        byte[] random = new byte[1000], zeros = new byte[100_000], packed = new byte[2000], room = new byte[300];
        new Random(1).NextBytes(random);
        Assert.Equal(Compressor.DoesNotFit, compressor.Compress(random, new byte[999]));
        Assert.Equal(Compressor.DoesNotFit, compressor.Compress(random, []));
        Array.Fill(room, (byte)0xAA);
        int length = compressor.Compress(zeros, packed);
        Assert.InRange(length, 1, 300);
        Assert.Equal(Compressor.DoesNotFit, compressor.Decompress(packed.AsSpan(0, length), room.AsSpan(100, 100)));
        Assert.All(room[..100].Concat(room[200..]), static value => Assert.Equal(0xAA, value));

        // Exactly as much as there is room for.
        byte[] exact = new byte[zeros.Length];
        Assert.Equal(exact.Length, compressor.Decompress(packed.AsSpan(0, length), exact));
        Assert.Equal(Compressor.DoesNotFit, compressor.Decompress(packed.AsSpan(0, length), exact.AsSpan(1)));
    }

    [Theory]
    [MemberData(nameof(Each))]
    public void Any_bytes_are_taken_without_an_exception(string name)
    {
        using Compressor compressor = Make(name);
        var random = new Random(2);
        byte[] packed = new byte[2000], room = new byte[3000];
        int good = 0, bad = 0;
        for (int i = 0; i < 20_000; i++)
        {
            byte[] data = Text(200 + random.Next(500));
            int length = compressor.Compress(data, packed);
            byte[] mutated = packed[..length];
            switch (i % 4)
            {
                case 0:
                    mutated = mutated[..random.Next(length)];
                    break;
                case 1:
                    mutated[random.Next(length)] ^= (byte)(1 << random.Next(8));
                    break;
                case 2:
                    random.NextBytes(mutated);
                    break;
            }

            int answer = compressor.Decompress(mutated, room);
            Assert.InRange(answer, Compressor.DoesNotFit, room.Length);
            good += answer >= 0 ? 1 : 0;
            bad += answer < 0 ? 1 : 0;
            Assert.True(i % 4 != 3 || data.AsSpan().SequenceEqual(room.AsSpan(0, answer)));
            Assert.True(i % 4 != 0 || answer < 0 || name == "inbox", "a text that was cut off was taken for whole");
        }

        Assert.True(good > 5000 && bad > 5000, $"{good} {bad}");
    }

    [Fact]
    public void zlib_allocates_nothing_for_a_packet()
    {
        using var compressor = new ZlibCompressor();
        byte[] data = Text(1400), packed = new byte[1400], back = new byte[1400];
        long least = long.MaxValue, sum = 0;
        for (int round = 0; round < 5; round++)
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            for (int i = 0; i < 1000; i++)
            {
                sum += compressor.Decompress(packed.AsSpan(0, compressor.Compress(data, packed)), back);
            }

            least = Math.Min(least, GC.GetAllocatedBytesForCurrentThread() - before);
        }

        Assert.Equal((0, 5L * 1000 * 1400), (least, sum));
    }

    [Fact]
    public void A_disposed_one_does_nothing()
    {
        var compressor = new ZlibCompressor();
        compressor.Dispose();
        compressor.Dispose();
        Assert.Equal(Compressor.DoesNotFit, compressor.Compress(new byte[100], new byte[100]));
        Assert.Equal(Compressor.Bad, compressor.Decompress(new byte[100], new byte[100]));
    }

    private static Compressor Make(string name) => name == "zlib" ? new ZlibCompressor() : new InBoxCompressor();

    private static byte[] Text(int length)
    {
        byte[] text = Build.Pattern(length);
        for (int i = 0; i < length; i++)
        {
            text[i] = (byte)"the quick brown fox jumps over the lazy dog "[(i + (i / 100)) % 44];
        }

        return text;
    }
}
