// A real kernel's ESP behind every kind of link header, as scapy writes them: tshark finds the same ESP packets in each
// file, and `testudo open` the same plain ones.

using Testudo.SystemTests.Witness;
using Testudo.Tests.Checker;
using Testudo.Tests.Golden;
using Testudo.Tests.Open;
using Testudo.Wire;
using Xunit;

namespace Testudo.Tests.Pcap;

public sealed class LinkHeaderTests : IDisposable
{
    private const string Script = """
        import sys
        from scapy.all import CookedLinux, CookedLinuxV2, Dot1AD, Dot1Q, Ether, Loopback, PcapReader, RawPcapWriter
        source, target, kind = sys.argv[1:4]
        make = {
            'vlan': (1, lambda t: Ether(src='02:00:00:00:00:01', dst='02:00:00:00:00:02') / Dot1Q(vlan=5, type=t)),
            'qinq': (1, lambda t: Ether(src='02:00:00:00:00:01', dst='02:00:00:00:00:02') / Dot1AD(vlan=5) / Dot1Q(vlan=6, type=t)),
            'null': (0, lambda t: int.to_bytes(2 if t == 0x0800 else 30, 4, 'little')),
            'null-big-endian': (0, lambda t: int.to_bytes(2 if t == 0x0800 else 24, 4, 'big')),
            'loop': (108, lambda t: int.to_bytes(2 if t == 0x0800 else 24, 4, 'big')),
            'sll': (113, lambda t: CookedLinux(pkttype=4, lladdrlen=6, src=b'\x02\0\0\0\0\x01\0\0', proto=t)),
            'sll-vlan': (113, lambda t: CookedLinux(lladdrlen=6, src=b'\x02\0\0\0\0\x01\0\0', proto=0x8100) / Dot1Q(vlan=5, type=t)),
            'sll2': (276, lambda t: CookedLinuxV2(pkttype=4, ifindex=3, lladdrlen=6, src=b'\x02\0\0\0\0\x01\0\0', proto=t)),
            'sll2-vlan': (276, lambda t: CookedLinuxV2(ifindex=3, lladdrlen=6, src=b'\x02\0\0\0\0\x01\0\0', proto=0x8100) / Dot1Q(vlan=5, type=t)),
        }
        linktype, header = make[kind]
        writer = RawPcapWriter(target, linktype=linktype)
        with PcapReader(source) as frames:
            for frame in frames:
                data = bytes(frame)
                packet = data[14:]
                if not writer.header_present:
                    writer.write_header(None)
                writer.write_packet(bytes(header(int.from_bytes(data[12:14], 'big'))) + packet, sec=int(frame.time), usec=int(frame.time * 1000000 % 1000000))
        writer.close()
        """;

    private readonly Scratch _scratch = new();

    // Every second header, IPv4 and IPv6 in turn; in a long run both behind each.
    public static IEnumerable<TheoryDataRow<string, string>> Kinds
    {
        get
        {
            string[] kinds = ["vlan", "qinq", "null", "null-big-endian", "loop", "sll", "sll-vlan", "sll2", "sll2-vlan"];
            string[] captures = ["linux/esp-transport-v4", "linux/esp-tunnel-v6"];
            for (int i = 0; i < kinds.Length; i++)
            {
                var row = new TheoryDataRow<string, string>(kinds[i], captures[i / 2 % 2]);
                yield return i % 2 == 1 ? row : row.WithTrait("Kind", "Long");
                yield return new TheoryDataRow<string, string>(kinds[i], captures[1 - (i / 2 % 2)]).WithTrait("Kind", "Long");
            }
        }
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void The_same_ESP_is_found_behind_the_header_and_opened(string kind, string golden)
    {
        Tshark.SkipWhereMissing();
        Assert.SkipUnless(File.Exists("/usr/bin/python3") && Directory.Exists("/usr/lib/python3/dist-packages/scapy"), "needs python3-scapy");
        GoldenCase[] cases = [.. GoldenCases.Linux.Where(one => one.Name.StartsWith(golden + "/", StringComparison.Ordinal) && one.Unsupported() is null)];
        string original = cases[0].Capture, written = _scratch[$"{kind}.pcap"];
        Tool.Run("/usr/bin/python3", "-I", "-B", _scratch.Write("write.py", Script), original, written, kind);

        // tshark knows the file: the same ESP headers in the same frames, none of them malformed.
        string[] fields = ["esp.spi", "esp.sequence", "ip.len", "ipv6.plen", "_ws.malformed"];
        List<string[]> expected = Tool.Fields(original, fields);
        Assert.True(expected.Count > 50);
        Assert.Equal(expected, Tool.Fields(written, fields));
        if (kind.Contains("vlan", StringComparison.Ordinal) || kind == "qinq")
        {
            Assert.All(Tool.Fields(written, "vlan.id"), field => Assert.Equal(kind == "qinq" ? "6" : "5", field[0]));
        }

        string[] keys = [.. cases.SelectMany((one, i) => (string[])["-f", _scratch.Write($"keys{i}.conf", one.ToSetkey())])];
        CliResult plain = Cli.Run(["open", original, "--legacy", "--allow-unauthenticated", .. keys, "-w", _scratch["expected.pcap"]]), result = Cli.Run(["open", written, "--legacy", "--allow-unauthenticated", .. keys, "-w", _scratch["out.pcap"]]);
        Assert.Equal((0, plain.Error), (result.Status, result.Error));
        List<byte[]> packets = Read(_scratch["out.pcap"]);
        Assert.True(packets.Count > 20);
        Assert.Equal(Read(_scratch["expected.pcap"]), packets);
    }

    public void Dispose() => _scratch.Dispose();

    private static List<byte[]> Read(string path)
    {
        var packets = new List<byte[]>();
        using CaptureReader reader = CaptureReader.Open(File.OpenRead(path));
        while (reader.TryRead(out CaptureFrame frame))
        {
            packets.Add(frame.Bytes.ToArray());
        }

        return packets;
    }
}
