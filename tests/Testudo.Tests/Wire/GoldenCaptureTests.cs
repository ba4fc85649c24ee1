// The captures of real kernels are read as other programs read them: frame by frame the same.

using System.Globalization;
using System.Text.Json;
using Testudo.Tests.Checker;
using Testudo.Wire;
using Xunit;

namespace Testudo.Tests.Wire;

public sealed class GoldenCaptureTests
{
    [Theory]
    [InlineData("ah-transport-v6", 88, 88)]
    [InlineData("ah-tunnel-v4", 88, 88)]
    [InlineData("bundle-v4", 52, 52)]
    [InlineData("esn-v4", 486, 486)]
    [InlineData("esp-transport-v4", 504, 504)]
    [InlineData("esp-tunnel-v6", 504, 504)]
    [InlineData("ipcomp", 32, 26)]
    [InlineData("misc-v4", 480, 396)]
    [InlineData("natt-v4", 96, 96)]
    public void The_Linux_captures_have_all_their_frames(string name, int frames, int plain)
    {
        List<CaptureFrame> outer = Golden.Frames(Repository.Vectors("linux", $"{name}.pcap"));
        List<CaptureFrame> inner = Golden.Frames(Repository.Vectors("linux", "plain", $"{name}.pcap"));
        Assert.Equal(frames, outer.Count);
        Assert.Equal(plain, inner.Count);
        Assert.Equal(LinkType.Ethernet, outer[0].Interface.LinkType);
        Assert.Equal(LinkType.Raw, inner[0].Interface.LinkType);
        Assert.All(outer, static frame => Assert.True(frame.TryGetIp(out _)));
        Assert.All(inner, static frame => Assert.True(frame.TryGetIp(out ReadOnlyMemory<byte> ip) && ip.Length == frame.Bytes.Length));
        // The inner packet has the time stamp of the packet that carried it.
        Assert.Subset(outer.Select(static f => f.Time).ToHashSet(), inner.Select(static f => f.Time).ToHashSet());
    }

    [Fact]
    public void The_NetBSD_captures_hold_what_their_index_says()
    {
        using JsonDocument index = JsonDocument.Parse(File.ReadAllBytes(Repository.Vectors("netbsd", "index.json")));
        int packets = 0;
        foreach (JsonElement entry in index.RootElement.EnumerateArray())
        {
            List<CaptureFrame> frames = Golden.Frames(Repository.Vectors("netbsd", entry.GetProperty("file").GetString()!));
            foreach (JsonElement packet in entry.GetProperty("packets_list").EnumerateArray())
            {
                packets++;
                JsonElement outer = packet.GetProperty("outer");
                foreach (JsonElement number in packet.GetProperty("frames").EnumerateArray())
                {
                    CaptureFrame frame = frames[number.GetInt32() - 1];
                    Assert.Equal(number.GetInt32(), frame.Number);
                    Assert.True(frame.TryGetIp(out ReadOnlyMemory<byte> ip));
                    Assert.Equal(Drop.None, IpInfo.TryParse(ip.Span, out IpInfo info));
                    Assert.Equal(Address.Parse(outer.GetProperty("src").GetString()!), info.Source);
                    Assert.Equal(Address.Parse(outer.GetProperty("dst").GetString()!), info.Destination);
                    if (!info.IsFragment)
                    {
                        Assert.Equal(outer.GetProperty("length").GetInt32(), info.TotalLength);
                        Assert.Equal(outer.GetProperty("proto").GetInt32(), (int)info.Protocol);
                    }
                }
            }
        }

        Assert.Equal(222, index.RootElement.GetArrayLength());
        Assert.True(packets > 4000, $"{packets} packets");
    }

    [Fact(Skip = Tool.NoWireshark, SkipUnless = nameof(Tool.HasWireshark), SkipType = typeof(Tool))]
    public void Every_golden_capture_has_the_frame_count_that_capinfos_counts()
    {
        // File name, tab, number of packets.
        Dictionary<string, int> counts = Tool.Run("capinfos", ["-T", "-r", "-M", "-c", .. Golden.Files])
            .Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(static line => line.Split('\t'))
            .ToDictionary(static c => c[0], static c => int.Parse(c[1], CultureInfo.InvariantCulture));
        Assert.Equal(240, counts.Count);
        Assert.All(Golden.Files, file => Assert.Equal(counts[file], Golden.Frames(file).Count));
    }

    // mergecap makes one pcapng of them all, an interface for each file; nsecpcap and the other formats come from editcap.
    [Theory(Skip = Tool.NoWireshark, SkipUnless = nameof(Tool.HasWireshark), SkipType = typeof(Tool))]
    [InlineData("pcapng")]
    [InlineData("nsecpcap")]
    [InlineData("pcap")]
    public void All_golden_frames_in_one_file_are_read_as_tshark_reads_them(string format)
    {
        using var folder = new TemporaryFolder();
        string merged = folder.File("merged");
        string[] files = [.. Golden.Files.Where(static f => !f.Contains("/plain/", StringComparison.Ordinal))];
        Tool.Run("mergecap", ["-F", format, "-w", merged, .. files]);
        List<CaptureFrame> frames = Golden.Frames(merged);
        List<string[]> seen = Tool.Fields(
            merged, "frame.number", "frame.time_epoch", "frame.len", "eth.type",
            "ip.src", "ip.dst", "ip.proto", "ip.len", "ip.ttl", "ip.dsfield", "ip.id", "ip.flags.df", "ip.flags.mf", "ip.frag_offset",
            "ipv6.src", "ipv6.dst", "ipv6.nxt", "ipv6.plen", "ipv6.tclass", "ipv6.hlim", "frame.interface_id");
        Assert.Equal(seen.Count, frames.Count);
        Assert.True(frames.Count > 6000);
        for (int i = 0; i < frames.Count; i++)
        {
            CaptureFrame frame = frames[i];
            string[] f = seen[i];
            Assert.Equal(f[0], $"{frame.Number}");
            Assert.Equal(f[1], $"{frame.Time / 1_000_000_000}.{frame.Time % 1_000_000_000:D9}");
            Assert.Equal(f[2], $"{frame.OriginalLength}");
            Assert.Equal(f[2], $"{frame.Bytes.Length}");
            Assert.Equal(format == "pcapng" ? f[20] : "0", $"{frame.Interface.Index}");
            if (frame.TryGetIp(out ReadOnlyMemory<byte> packet))
            {
                Same(f, packet.Span);
            }
            else
            {
                Assert.True(f[3] is not ("0x0800" or "0x86dd"), $"frame {f[0]}");
            }
        }
    }

    private static void Same(string[] f, ReadOnlySpan<byte> packet)
    {
        Assert.Equal(Drop.None, IpInfo.TryParse(packet, out IpInfo info));
        Assert.Equal(packet.Length, info.TotalLength);
        bool v4 = info.Family == IpFamily.V4;
        Assert.Equal(v4 ? "0x0800" : "0x86dd", f[3]);
        Assert.Equal(f[v4 ? 4 : 14], $"{info.Source}");
        Assert.Equal(f[v4 ? 5 : 15], $"{info.Destination}");
        if (v4)
        {
            string flag(bool value) => value ? "1" : "0";
            Assert.Equal<IEnumerable<string>>(
                f[6..14],
                [$"{(int)info.Protocol}", $"{info.TotalLength}", $"{info.HopLimit}", $"0x{info.TrafficClass:x2}", $"0x{info.Identification:x4}",
                    flag(info.DontFragment), flag(info.MoreFragments), $"{info.FragmentOffset / 8}"]);
            Assert.Equal(0, Checksum.Of(packet[..info.UpperOffset]));
        }
        else
        {
            Assert.Equal<IEnumerable<string>>(f[17..20], [$"{info.TotalLength - 40}", $"0x{info.TrafficClass:x8}", $"{info.HopLimit}"]);
            Assert.True(f[16] is "0" or "43" or "44" or "60" || f[16] == $"{(int)info.Protocol}", $"frame {f[0]}");
        }
    }
}
