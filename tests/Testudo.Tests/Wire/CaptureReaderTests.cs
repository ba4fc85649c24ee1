// Reading captures: both formats in both byte orders, everything a pcapng may hold, and files that are wrong.

using Testudo.Tests.Checker;
using Testudo.Wire;
using Xunit;

namespace Testudo.Tests.Wire;

public sealed class CaptureReaderTests
{
    private static readonly byte[] s_packet = Build.Ipv4("10.0.0.1", "10.0.0.2").Udp(7, 9, "hello"u8);

    [Theory]
    [InlineData(false, 0xA1B2C3D4u, 123_456u)]
    [InlineData(true, 0xA1B2C3D4u, 123_456u)]
    [InlineData(false, 0xA1B23C4Du, 123_456_000u)]
    [InlineData(true, 0xA1B23C4Du, 123_456_000u)]
    public void Pcap_is_read_in_both_byte_orders_and_both_units(bool bigEndian, uint magic, uint fraction)
    {
        byte[] file = new CaptureBytes(bigEndian).PcapHeader(magic, 101)
            .PcapFrame(4_000_000_000, fraction, s_packet).PcapFrame(4_000_000_001, 0, s_packet[..20], 99).ToArray();
        List<CaptureFrame> frames = Read(file);
        Assert.Equal(2, frames.Count);
        Assert.Equal(4_000_000_000_123_456_000, frames[0].Time);
        Assert.Equal(s_packet, frames[0].Bytes.ToArray());
        Assert.Equal(s_packet.Length, frames[0].OriginalLength);
        Assert.Equal((2, 20, 99L, 101), (frames[1].Number, frames[1].Bytes.Length, frames[1].OriginalLength, frames[1].Interface.LinkType));
    }

    [Fact]
    public void The_upper_half_of_the_link_type_is_about_check_sequences()
    {
        byte[] file = new CaptureBytes(false).PcapHeader(0xA1B2C3D4, 0x24000001).ToArray();
        using CaptureReader reader = CaptureReader.Open(new MemoryStream(file));
        Assert.Equal(LinkType.Ethernet, Assert.Single(reader.Interfaces).LinkType);
        Assert.False(reader.TryRead(out _));
    }

    [Theory]
    [InlineData(false, false)]
    [InlineData(true, true)]
    [InlineData(false, true)]
    public void Pcapng_with_two_sections_is_read_whole(bool firstBigEndian, bool secondBigEndian)
    {
        List<CaptureFrame> frames = Read(Everything(firstBigEndian, secondBigEndian));
        Assert.Equal([1, 2, 3, 4, 5, 6], frames.Select(static f => f.Number));
        Assert.Equal([0, 1, 1, 0, 2, 2], frames.Select(static f => f.Interface.Index));
        Assert.Equal(["eth0", "tun ä", "tun ä", "eth0", null, null], frames.Select(static f => f.Interface.Name));
        Assert.Equal([1, 101, 101, 1, 101, 101], frames.Select(static f => f.Interface.LinkType));
        Assert.Equal(
            [1_700_000_000_123_456_000, 1_700_000_000_123_456_789, 1_700_000_000_123_456_790, 0, 1_700_000_000_500_000_000, 1_700_000_000_250_000_000],
            frames.Select(static f => f.Time));
        Assert.Equal([null, "first\nsecond", "odd", null, null, null], frames.Select(static f => f.Comment));
        Assert.Equal(
            [CaptureDirection.Unknown, CaptureDirection.Outbound, CaptureDirection.Inbound, default, default, default],
            frames.Select(static f => f.Direction));
        Assert.Equal([5, s_packet.Length, s_packet.Length, 13, 6, 7], frames.Select(static f => f.Bytes.Length));
        Assert.Equal([5L, s_packet.Length, s_packet.Length, 20, 2000, 7], frames.Select(static f => f.OriginalLength));
        Assert.Equal(s_packet, frames[1].Bytes.ToArray());
    }

    [Theory(Skip = Tool.NoWireshark, SkipUnless = nameof(Tool.HasWireshark), SkipType = typeof(Tool))]
    [InlineData(false)]
    [InlineData(true)]
    public void The_same_file_is_read_the_same_by_tshark(bool bigEndian)
    {
        using var folder = new TemporaryFolder();
        string file = folder.File("all.pcapng");
        // A block of type 4 holds names. (tshark shows blocks of unknown types as frames, which pcapng does not ask for.)
        File.WriteAllBytes(file, Everything(bigEndian, bigEndian, skipped: 4));
        List<string[]> seen = Tool.Fields(file, "frame.number", "frame.time_epoch", "frame.cap_len", "frame.len", "frame.interface_name", "frame.comment");
        List<CaptureFrame> frames = Golden.Frames(file);
        Assert.Equal(seen.Count, frames.Count);
        foreach ((string[] f, CaptureFrame frame) in seen.Zip(frames))
        {
            string time = frame.Time == 0 ? "" : $"{frame.Time / 1_000_000_000}.{frame.Time % 1_000_000_000:D9}";
            Assert.Equal<IEnumerable<string>>(f[..4], [$"{frame.Number}", time, $"{frame.Bytes.Length}", $"{frame.OriginalLength}"]);
            // tshark 4.0 shows the names of the first section in the second one too.
            Assert.True(frame.Number > 4 || f[4] == frame.Interface.Name);
            Assert.Equal(f[5], frame.Comment?.Split('\n')[0] ?? ""); // tshark was asked for the first
        }
    }

    [Fact]
    public void A_stream_that_gives_a_byte_at_a_time_reads_the_same()
    {
        byte[] file = Everything(false, true);
        Assert.Equal(Read(file).Select(Told), Read(new Dribble(file)).Select(Told));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_file_cut_anywhere_gives_the_whole_frames_before_and_then_the_error(bool pcapng)
    {
        byte[] file = pcapng
            ? Everything(false, true)
            : new CaptureBytes(true).PcapHeader(0xA1B2C3D4, 101).PcapFrame(1, 2, s_packet).PcapFrame(3, 4, s_packet).ToArray();
        List<string> whole = [.. Read(file).Select(Told)];
        int clean = 0;
        for (int length = 0; length < file.Length; length++)
        {
            var read = new List<string>();
            try
            {
                using CaptureReader reader = CaptureReader.Open(new MemoryStream(file, 0, length));
                try
                {
                    while (reader.TryRead(out CaptureFrame frame))
                    {
                        read.Add(Told(frame));
                    }

                    clean++; // cut between two frames or blocks: a whole file
                }
                catch (CaptureFormatException cut)
                {
                    Assert.Contains("byte ", cut.Message, StringComparison.Ordinal);
                    Assert.Contains(read.Count == 1 ? "1 frame before" : $"{read.Count} frames before", cut.Message, StringComparison.Ordinal);
                    Assert.Same(cut, Assert.Throws<CaptureFormatException>(() => reader.TryRead(out _)));
                }
            }
            catch (CaptureFormatException)
            {
                Assert.True(length < 28, "only the header of the file fails on opening");
            }

            Assert.Equal(whole.Take(read.Count), read);
        }

        // Between the blocks of the pcapng; behind the header and the first frame of the pcap.
        Assert.Equal(pcapng ? 11 : 2, clean);
    }

    [Theory]
    [InlineData("", "byte 0: the file is empty")]
    [InlineData("0A0D", "too short")]
    [InlineData("1F8B080000000000", "gunzip")]
    [InlineData("34CDB2A100000000", "editcap")]
    [InlineData("504B030400000000", "found 504B0304; give a pcap or pcapng file")]
    [InlineData("A1B2C3D400010000000000000000000000000000FFFFFFFF", "byte 4: expected version 2 of pcap, found 1.0")]
    [InlineData("0A0D0D0A0000001C0000000000000000", "byte 8: expected the byte order mark")]
    [InlineData("0A0D0D0A0000001C1A2B3C4D00020000FFFFFFFFFFFFFFFF0000001C", "byte 12: expected version 1 of pcapng, found 2.0")]
    [InlineData("0A0D0D0A0000001C1A2B3C4D00010000FFFFFFFFFFFFFFFF0000001D", "byte 24: a section header starts with the length 28 and ends with 29")]
    [InlineData("0A0D0D0A000000181A2B3C4D00010000FFFFFFFF00000018", "byte 4: a section header of 24 bytes")]
    public void What_is_no_capture_is_refused_with_place_and_remedy(string hex, string message)
    {
        CaptureFormatException refused = Assert.Throws<CaptureFormatException>(() => CaptureReader.Open(new MemoryStream(Convert.FromHexString(hex))));
        Assert.Contains(message, refused.Message, StringComparison.Ordinal);
        Assert.Contains("; ", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Blocks_that_contradict_themselves_are_refused_at_their_place()
    {
        CaptureBytes start() => new CaptureBytes(false).Section().Interface(101);
        Refused(start().U32(6).U32(13).Bytes(new byte[5]), 52, "13 bytes, not a multiple of 4");
        Refused(start().U32(6).U32(8).Bytes(new byte[8]), 52, "8 bytes, not a multiple of 4");
        Refused(start().Enhanced(1, 0, s_packet), 56, "names interface 1, and the section has described 1");
        Refused(start().Block(6, static b => b.U32(0).U64(0)), 52, "frame 1 is in a block too short for it");
        Refused(start().Block(6, static b => b.U32(0).U64(0).U32(5).U32(5).Padded([1, 2])), 68, "claims 5 bytes in a block that has room for 4");
        Refused(start().Simple(9, [1, 2, 3]), 56, "claims 9 bytes in a block that has room for 4");
        Refused(start().Block(6, static b => b.U32(0).U64(0).U32(0).U32(0).U16(1).U16(9).U32(0)), 76, "an option of 9 bytes in 4 bytes of room");
        Refused(start().Block(1, static b => b.U16(1).U16(0)), 52, "the description of interface 1 is in a block too short");
        Refused(start().Section().Enhanced(0, 0, s_packet), 84, "names interface 0, and the section has described 0");

        static void Refused(CaptureBytes file, long offset, string what)
        {
            CaptureFormatException refused = Assert.Throws<CaptureFormatException>(() => Read(file.ToArray()));
            Assert.Equal(offset, refused.Offset);
            Assert.StartsWith($"byte {offset}: ", refused.Message, StringComparison.Ordinal);
            Assert.Contains(what, refused.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void A_great_length_is_refused_before_memory_is_taken()
    {
        byte[] pcap = new CaptureBytes(false).PcapHeader(0xA1B2C3D4, 1).U32(0).U32(0).U32(CaptureReader.MaxLength + 1).U32(0).ToArray();
        byte[] pcapng = new CaptureBytes(false).Section().Interface(1).U32(6).U32(0xFFFFFFFC).ToArray();
        long before = GC.GetAllocatedBytesForCurrentThread();
        Assert.Contains("byte 32: frame 1 claims 16777217 bytes", Assert.Throws<CaptureFormatException>(() => Read(pcap)).Message, StringComparison.Ordinal);
        Assert.Contains("byte 52: ", Assert.Throws<CaptureFormatException>(() => Read(pcapng)).Message, StringComparison.Ordinal);
        Assert.True(GC.GetAllocatedBytesForCurrentThread() - before < 1_000_000);
    }

    [Theory]
    [InlineData(0, 5ul, 0L, 5_000_000_000)]
    [InlineData(3, 1_700_000_000_001ul, 0L, 1_700_000_000_001_000_000)]
    [InlineData(9, 7ul, 3L, 3_000_000_007)]
    [InlineData(12, 1_234_567ul, 0L, 1_234)]
    [InlineData(127, ulong.MaxValue, 0L, 0)]
    [InlineData(0x80, 5ul, 0L, 5_000_000_000)]
    [InlineData(0x8A, 1025ul, 0L, 1_000_976_562)]
    [InlineData(0xFF, ulong.MaxValue, 0L, 0)]
    [InlineData(6, ulong.MaxValue, 0L, long.MaxValue)]
    [InlineData(0, ulong.MaxValue, long.MaxValue, long.MaxValue)]
    [InlineData(0, 0ul, long.MinValue, long.MinValue)]
    public void Every_resolution_becomes_nanoseconds(byte resolution, ulong units, long offset, long nanoseconds)
    {
        foreach (bool bigEndian in new[] { false, true })
        {
            byte[] file = new CaptureBytes(bigEndian).Section()
                .Interface(101, 0, (9, [resolution]), (14, new CaptureBytes(bigEndian).U64((ulong)offset).ToArray())).Enhanced(0, units, s_packet).ToArray();
            Assert.Equal(nanoseconds, Assert.Single(Read(file)).Time);
        }
    }

    [Fact]
    public void Changed_files_are_read_or_refused_and_nothing_else()
    {
        byte[][] files = [Everything(false, true), new CaptureBytes(false).PcapHeader(0xA1B2C3D4, 1).PcapFrame(1, 2, s_packet).PcapFrame(3, 4, s_packet).ToArray()];
        var random = new Random(1);
        int refused = 0;
        for (int round = 0; round < 8_000; round++)
        {
            byte[] file = [.. files[round % 2]];
            for (int changes = random.Next(1, 4); changes > 0; changes--)
            {
                file[random.Next(file.Length)] = (byte)(random.Next(2) == 0 ? random.Next(256) : 255);
            }

            try
            {
                Read(file);
            }
            catch (CaptureFormatException)
            {
                refused++;
            }
        }

        Assert.InRange(refused, 400, 7_600);
    }

    [Fact]
    public void A_stream_is_left_open_only_where_that_is_asked()
    {
        byte[] file = new CaptureBytes(false).PcapHeader(0xA1B2C3D4, 1).ToArray();
        var stream = new MemoryStream(file);
        CaptureReader.Open(stream, leaveOpen: true).Dispose();
        Assert.True(stream.CanRead);
        CaptureReader.Open(new MemoryStream(file)).Dispose();
        stream.Position = 0;
        CaptureReader.Open(stream).Dispose();
        Assert.False(stream.CanRead);
    }

    // Interfaces of several resolutions, each kind of packet block, options of each kind, blocks nobody knows.
    private static byte[] Everything(bool firstBigEndian, bool secondBigEndian, uint skipped = 0x0BAD) =>
    [
        .. new CaptureBytes(firstBigEndian).Section()
            .Interface(1, 13, (2, CaptureBytes.Utf8("eth0")), (3, CaptureBytes.Utf8("the first")), (12, CaptureBytes.Utf8("Linux")))
            .Enhanced(0, 1_700_000_000_123_456, [1, 2, 3, 4, 5])
            .Block(skipped, static b => b.U32(0).U32(0))
            .Interface(101, 0, (2, CaptureBytes.Utf8("tun ä")), (9, [9]))
            .Enhanced(1, 1_700_000_000_123_456_789, s_packet, null,
                (1, CaptureBytes.Utf8("first")), (2, new CaptureBytes(firstBigEndian).U32(2).ToArray()), (1, CaptureBytes.Utf8("second")))
            .Obsolete(1, 1_700_000_000_123_456_790, s_packet, (1, CaptureBytes.Utf8("odd")), (2, new CaptureBytes(firstBigEndian).U32(1).ToArray()))
            .Simple(20, new byte[13]).ToArray(),
        .. new CaptureBytes(secondBigEndian).Section()
            .Interface(101, 0, (9, [0x80 | 4]), (14, new CaptureBytes(secondBigEndian).U64(1_000_000_000).ToArray()))
            .Enhanced(0, (700_000_000ul << 4) + 8, [0x45, 1, 2, 3, 4, 5], 2000)
            .Enhanced(0, (700_000_000ul << 4) + 4, new byte[7]).ToArray(),
    ];

    private static List<CaptureFrame> Read(byte[] file) => Read(new MemoryStream(file));

    private static List<CaptureFrame> Read(Stream stream)
    {
        using CaptureReader reader = CaptureReader.Open(stream);
        var frames = new List<CaptureFrame>();
        while (reader.TryRead(out CaptureFrame frame))
        {
            frames.Add(frame);
        }

        return frames;
    }

    private static string Told(CaptureFrame f) => $"{f.Number} {f.Time} {f.Interface} {Convert.ToHexString(f.Bytes.Span)} {f.OriginalLength} {f.Comment}";

    private sealed class Dribble(byte[] bytes) : MemoryStream(bytes)
    {
        public override bool CanSeek => false;

        public override int Read(byte[] buffer, int offset, int count) => base.Read(buffer, offset, Math.Min(count, 1));

        public override int Read(Span<byte> buffer) => base.Read(buffer[..Math.Min(buffer.Length, 1)]);
    }
}
