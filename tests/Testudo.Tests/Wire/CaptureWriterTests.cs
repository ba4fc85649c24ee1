// What is written is read by tshark and capinfos, and by the reader, as it was meant; in steady state nothing is allocated.

using System.Text;
using CsCheck;
using Testudo.Tests.Checker;
using Testudo.Wire;
using Xunit;

namespace Testudo.Tests.Wire;

public sealed class CaptureWriterTests
{
    private static readonly byte[] s_v4 = Build.Ipv4("10.0.0.1", "10.0.0.2").Udp(7, 9, "hello"u8);
    private static readonly byte[] s_v6 = Build.Ipv6("fd00::1", "fd00::2").IcmpEcho(3, 4);

    [Fact(Skip = Tool.NoWireshark, SkipUnless = nameof(Tool.HasWireshark), SkipType = typeof(Tool))]
    public void Pcapng_is_what_tshark_and_capinfos_read()
    {
        using var folder = new TemporaryFolder();
        string file = folder.File("written.pcapng");
        using (var writer = new PcapngWriter(File.Create(file), "a machine", "a system", "testudo ü"))
        {
            int tun = writer.AddInterface("tun testudo0", LinkType.Raw, "the clear side");
            writer.Write(tun, 1_700_000_000_123_456_789, s_v4, "drop: no-sa", direction: CaptureDirection.Inbound);
            int eth = writer.AddInterface("eth0", LinkType.Ethernet);
            writer.Write(eth, 1_700_000_000_123_456_790, [.. Convert.FromHexString("02000000000102000000000286DD"), .. s_v6], direction: CaptureDirection.Outbound);
            writer.Write(tun, 1_700_000_001_000_000_000, s_v4.AsSpan(0, 21), "cut ✂", originalLength: 1500);
            Assert.Equal(writer.Length, Flushed(writer, file));
        }

        Assert.Equal<IEnumerable<string>>(
            [
                "1 1700000000.123456789 33 33 tun testudo0 the clear side 0x00000001 10.0.0.2  drop: no-sa",
                "2 1700000000.123456790 62 62 eth0  0x00000002  fd00::2 ",
                "3 1700000001.000000000 21 1500 tun testudo0 the clear side  10.0.0.2  cut ✂",
            ],
            Tool.Fields(file, "frame.number", "frame.time_epoch", "frame.cap_len", "frame.len", "frame.interface_name", "frame.interface_description",
                "frame.packet_flags", "ip.dst", "ipv6.dst", "frame.comment").Select(static f => string.Join(' ', f)));
        string told = Tool.Run("capinfos", file);
        foreach (string expected in new[] { "pcapng", "a machine", "a system", "testudo ü", "nanoseconds (9)", "Number of interfaces in file: 2" })
        {
            Assert.Contains(expected, told, StringComparison.Ordinal);
        }
    }

    [Fact(Skip = Tool.NoWireshark, SkipUnless = nameof(Tool.HasWireshark), SkipType = typeof(Tool))]
    public void Pcap_is_what_tshark_and_capinfos_read()
    {
        using var folder = new TemporaryFolder();
        string file = folder.File("written.pcap");
        using (var writer = new PcapWriter(File.Create(file)))
        {
            writer.Write(4_294_967_295_999_999_999, s_v4);
            writer.Write(long.MaxValue, s_v6, 4000);
            writer.Write(-1, s_v6);
        }

        Assert.Equal<IEnumerable<string>>(
            ["4294967295.999999999 33 33 10.0.0.2 ", "4294967295.999999999 48 4000  fd00::2", "0.000000000 48 48  fd00::2"],
            Tool.Fields(file, "frame.time_epoch", "frame.cap_len", "frame.len", "ip.dst", "ipv6.dst").Select(static f => string.Join(' ', f)));
        string told = Tool.Run("capinfos", file);
        Assert.Contains("nanoseconds (9)", told, StringComparison.Ordinal);
        Assert.Contains("Raw IP", told, StringComparison.Ordinal);
    }

    [Fact]
    public void Whatever_is_written_is_read_again()
    {
        var frame = Gen.Select(
            Gen.Int[0, 2], Gen.Long[0, long.MaxValue], Gen.Byte.Array[0, 3000], Gen.String.Null(), Gen.Int[0, 100_000], Gen.Enum<CaptureDirection>());
        frame.List[0, 60].Sample(
            frames =>
            {
                var stream = new MemoryStream();
                using (var writer = new PcapngWriter(stream, null, null, null, leaveOpen: true))
                {
                    Assert.Equal([0, 1, 2], [writer.AddInterface("a", 1), writer.AddInterface("b", 101, "d"), writer.AddInterface("", 65535)]);
                    foreach ((int iface, long time, byte[] bytes, string? comment, int original, CaptureDirection direction) in frames)
                    {
                        writer.Write(iface, time, bytes, comment, original, direction);
                    }
                }

                stream.Position = 0;
                using CaptureReader reader = CaptureReader.Open(stream);
                foreach ((int iface, long time, byte[] bytes, string? comment, int original, CaptureDirection direction) in frames)
                {
                    Assert.True(reader.TryRead(out CaptureFrame read));
                    Assert.Equal((iface, time, (long)Math.Max(bytes.Length, original)), (read.Interface.Index, read.Time, read.OriginalLength));
                    Assert.Equal(bytes, read.Bytes.ToArray());
                    // What is no UTF-16 becomes U+FFFD on the way; zeros at the end are padding to many writers.
                    Assert.Equal(comment is null ? null : Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(comment)).TrimEnd('\0'), read.Comment);
                    Assert.Equal(direction, read.Direction);
                }

                Assert.False(reader.TryRead(out _));
                Assert.Equal(stream.Length, reader.Position);
            },
            iter: 200, threads: 1);
    }

    [Fact]
    public void A_long_comment_is_cut_between_two_characters_and_a_long_frame_fits()
    {
        var stream = new MemoryStream();
        using (var writer = new PcapngWriter(stream, null, null, null, leaveOpen: true))
        {
            int iface = writer.AddInterface("a", LinkType.Raw);
            writer.Write(iface, 0, new byte[1_000_000], new string('x', 65534) + "ä and more");
            writer.Write(iface, 0, s_v4);
            Assert.Throws<ArgumentOutOfRangeException>(() => writer.Write(iface, 0, new byte[CaptureReader.MaxLength]));
            Assert.Throws<ArgumentOutOfRangeException>(() => writer.Write(1, 0, s_v4));
            Assert.Throws<ArgumentOutOfRangeException>(() => writer.Write(-1, 0, s_v4));
        }

        stream.Position = 0;
        using CaptureReader reader = CaptureReader.Open(stream);
        Assert.True(reader.TryRead(out CaptureFrame frame));
        Assert.Equal(1_000_000, frame.Bytes.Length);
        Assert.Equal(new string('x', 65534), frame.Comment);
        Assert.True(reader.TryRead(out frame));
        Assert.Equal(s_v4, frame.Bytes.ToArray());
        Assert.False(reader.TryRead(out _));
    }

    [Fact]
    public void Nothing_is_allocated_for_a_frame_without_a_comment()
    {
        using var pcapng = new PcapngWriter(Stream.Null, null, null, null);
        using var pcap = new PcapWriter(Stream.Null);
        int iface = pcapng.AddInterface("a", LinkType.Raw);
        long before = 0;
        for (int i = 0; i < 20_000; i++)
        {
            if (i == 10_000)
            {
                before = GC.GetAllocatedBytesForCurrentThread();
            }

            pcapng.Write(iface, i, s_v4, direction: CaptureDirection.Inbound);
            pcap.Write(i, s_v4);
        }

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    [Fact]
    public void Nothing_follows_a_write_that_failed_and_the_file_is_good_up_to_there()
    {
        var stream = new FullStream(10_000);
        using var writer = new PcapngWriter(stream, null, null, null);
        int iface = writer.AddInterface("a", LinkType.Raw);
        writer.Write(iface, 1, new byte[9000]);
        writer.Flush();
        writer.Write(iface, 2, new byte[9000]);
        Assert.Throws<IOException>(writer.Flush);
        stream.Room = 1_000_000;
        Assert.Throws<IOException>(() => writer.Write(iface, 3, s_v4));
        writer.Flush();
        stream.Position = 0;
        using CaptureReader reader = CaptureReader.Open(stream);
        Assert.True(reader.TryRead(out _));
        Assert.Throws<CaptureFormatException>(() => reader.TryRead(out _));
    }

    private static long Flushed(PcapngWriter writer, string file)
    {
        writer.Flush();
        return new FileInfo(file).Length;
    }

    // A disk with little room: it takes what fits and fails then.
    internal sealed class FullStream(int room) : MemoryStream
    {
        public int Room { get; set; } = room;

        public override void Write(byte[] buffer, int offset, int count)
        {
            int fits = Math.Min(count, Room - (int)Length);
            base.Write(buffer, offset, fits);
            if (fits < count)
            {
                throw new IOException("No space left on device");
            }
        }
    }
}
