// `testudo seal`: what it seals, open opens to the same packets at the same times, and tshark decrypts.

using System.Text.Json;
using Testudo.SystemTests.Witness;
using Testudo.Tests.Checker;
using Testudo.Tests.Open;
using Testudo.Wire;
using Xunit;

namespace Testudo.Tests.Offline;

public sealed class SealTests : IDisposable
{
    private const string GcmKey = "000102030405060708090a0b0c0d0e0f10111213", TunnelKey = "505152535455565758595a5b5c5d5e5f60616263", CbcKey = "202122232425262728292a2b2c2d2e2f",
        MacKey = "303132333435363738393a3b3c3d3e3f404142434445464748494a4b4c4d4e4f";

    private const string Transport =
        $"""
        add 10.0.0.1 10.0.0.2 esp 0x1001 -m transport -E aes-gcm-16 0x{GcmKey};
        add fd00::1 fd00::2 esp 0x1003 -m transport -E aes-cbc 0x{CbcKey} -A hmac-sha2-256 0x{MacKey};
        """;

    private const string Tunnel = $"add 192.0.2.1 192.0.2.2 esp 0x2001 -m tunnel -E aes-gcm-16 0x{TunnelKey};\n";

    private static readonly WitnessSa[] s_witnesses =
    [
        new("esp", "10.0.0.1", "10.0.0.2", 0x1001, "aes-gcm-16", Convert.FromHexString(GcmKey), null, []),
        new("esp", "fd00::1", "fd00::2", 0x1003, "aes-cbc", Convert.FromHexString(CbcKey), "hmac-sha2-256", Convert.FromHexString(MacKey)),
        new("esp", "192.0.2.1", "192.0.2.2", 0x2001, "aes-gcm-16", Convert.FromHexString(TunnelKey), null, [], Tunnel: true),
    ];

    private readonly Scratch _scratch = new();

    public static TheoryData<string> Plain =>
        [.. Directory.EnumerateFiles(Repository.Vectors("linux", "plain"), "*.pcap").Select(static file => Path.GetFileName(file)).Order(StringComparer.Ordinal)];

    [Theory]
    [MemberData(nameof(Plain))]
    public void What_a_kernel_sent_in_clear_is_sealed_and_opened_again(string name)
    {
        string plain = Repository.Vectors("linux", "plain", name), keys = _scratch.Write("keys.conf", Tunnel);
        List<(long, string)> before = Read(plain);
        Assert.NotEmpty(before);

        CliResult result = Cli.Run("seal", plain, "-f", keys, "-w", _scratch["sealed.pcap"]);
        Assert.Equal((0, $"testudo seal: {before.Count} frames: {before.Count} sealed, 0 in clear by policy, 0 not IP, 0 dropped\n"), (result.Status, result.Error));
        Assert.Equal(0, Cli.Run("open", _scratch["sealed.pcap"], "-f", keys, "-w", _scratch["opened.pcapng"]).Status);

        Assert.Equal(before, Read(_scratch["opened.pcapng"]));
        Assert.Equal(before.Select(static frame => frame.Item1), Read(_scratch["sealed.pcap"]).Select(static frame => frame.Item1));
        Assert.Empty(Read(_scratch["sealed.pcap"]).Intersect(before));
    }

    [Fact]
    public void Tshark_decrypts_what_was_sealed_and_finds_every_ICV_good()
    {
        Tshark.SkipWhereMissing();
        string capture = Capture(Packets()), keys = _scratch.Write("keys.conf", Transport + Tunnel);
        Assert.Equal(0, Cli.Run("seal", capture, "-f", keys, "-w", _scratch["sealed.pcapng"]).Status);
        IReadOnlyList<TsharkFrame> frames = Tshark.ReadEsp(_scratch["sealed.pcapng"], s_witnesses, "udp.dstport", "udp.checksum.status");
        Assert.Equal(Packets().Count, frames.Count);
        Assert.All(frames, static frame => Assert.True(frame is { Decrypted: true, Icv: TsharkIcv.Good, Malformed: false }, frame.ToString()));
        Assert.All(frames, static frame => Assert.Equal(("2000", "1"), (frame.Fields["udp.dstport"], frame.Fields["udp.checksum.status"])));
        // By the SAs: between their own addresses, and the tunnel for the rest.
        Assert.Equal<uint>([0x1001, 0x1003, 0x2001], frames.Select(static frame => frame.Spi).Distinct().Order().ToArray());
        Assert.All(frames.GroupBy(static frame => frame.Spi), static sa => Assert.Equal(Enumerable.Range(1, sa.Count()), sa.Select(static frame => (int)frame.Sequence)));
    }

    [Fact]
    public void Sealed_and_opened_again_it_is_the_same_capture()
    {
        string capture = Capture(Packets()), keys = _scratch.Write("keys.conf", Transport + Tunnel);
        Assert.Equal(0, Cli.Run("seal", capture, "-f", keys, "-w", _scratch["sealed.pcap"]).Status);
        Assert.Equal(0, Cli.Run("open", _scratch["sealed.pcap"], "-f", keys, "-w", _scratch["opened.pcap"]).Status);
        Assert.Equal(File.ReadAllBytes(capture), File.ReadAllBytes(_scratch["opened.pcap"]));
    }

    [Fact]
    public void One_seed_gives_one_file_and_no_seed_gives_another_each_time()
    {
        string capture = Capture(Packets()), keys = _scratch.Write("keys.conf", Transport + Tunnel);
        byte[] one = Run("--seed", "7"), again = Run("--seed", "7"), other = Run("--seed", "8"), random = Run(), more = Run();
        Assert.Equal(one, again);
        Assert.Equal(4, ((byte[][])[one, other, random, more]).Select(Convert.ToHexString).Distinct().Count());

        byte[] Run(params string[] more)
        {
            Assert.Equal(0, Cli.Run(["seal", capture, "-f", keys, "-w", _scratch["sealed.pcap"], .. more]).Status);
            return File.ReadAllBytes(_scratch["sealed.pcap"]);
        }
    }

    [Fact]
    public void Policies_decide_where_there_are_any()
    {
        string policies = """
            spdadd 10.0.0.1[1001] 10.0.0.2 udp -P out none;
            spdadd 10.0.0.1[1002] 10.0.0.2 udp -P out discard;
            spdadd 10.0.0.1[1003] 10.0.0.2 udp -P out ipsec esp/tunnel/192.0.2.9-192.0.2.8/require;
            spdadd 10.0.0.0/24 10.0.0.0/24 udp -P out ipsec esp/tunnel/192.0.2.1-192.0.2.2/require;

            """;
        byte[] clear = Datagram(1001);
        string capture = Capture([clear, Datagram(1002), Datagram(1003), Datagram(1004)]), keys = _scratch.Write("keys.conf", policies + Transport + Tunnel);
        CliResult result = Cli.Run("seal", capture, "-f", keys, "-w", _scratch["sealed.pcap"], "--json");
        Assert.Equal((0, "testudo seal: 4 frames: 1 sealed, 1 in clear by policy, 0 not IP, 2 dropped (policy-discard 1, no-sa 1)\n"), (result.Status, result.Error));
        Assert.Equal(
            ["1 clear   ", "2 dropped policy-discard  ", "3 dropped no-sa  ", "4 sealed  0x00002001 1"],
            result.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(static line =>
            {
                using JsonDocument document = JsonDocument.Parse(line);
                return string.Join(' ', ((string[])["frame", "verdict", "drop", "spi", "sequence"]).Select(name => document.RootElement.TryGetProperty(name, out JsonElement value) ? value.ToString() : ""));
            }));
        Assert.Equal(Convert.ToHexString(clear), Read(_scratch["sealed.pcap"])[0].Bytes);
    }

    [Fact]
    public void The_first_SA_that_fits_is_taken_and_none_is_a_named_end()
    {
        string second = "add 10.0.0.1 10.0.0.2 esp 0x1002 -m transport -E aes-gcm-16 0x" + GcmKey[..^2] + "ff;\n";
        byte[] other = Build.Ipv4("10.7.0.1", "10.7.0.2").Udp(1, 2);
        CliResult result = Cli.Run("seal", Capture([Datagram(5), other]), "-f", _scratch.Write("keys.conf", Transport + second), "-w", _scratch["sealed.pcap"], "--json");
        Assert.Contains("\"spi\":\"0x00001001\",\"sequence\":1", result.Output);
        Assert.Contains("1 sealed, 1 in clear by policy", result.Error); // no policy and no SA speaks of it

        result = Cli.Run("seal", Capture([Datagram(5)]), "-f", _scratch.Write("none.conf", "# nothing\n"), "-w", _scratch["none.pcap"]);
        Assert.Equal(1, result.Status);
        Assert.Contains("neither an SA nor an out policy", result.Error);
        Assert.False(File.Exists(_scratch["none.pcap"]));
    }

    [Fact]
    public void Files_that_cannot_be_used_are_named()
    {
        string keys = _scratch.Write("keys.conf", Tunnel), capture = Capture([Datagram(5)]);
        Check("letter.txt", "seal", _scratch.Write("letter.txt", "Dear reader, this is no capture at all."), "-f", keys, "-w", _scratch["out.pcap"]);
        Check("missing.pcap", "seal", _scratch["missing.pcap"], "-f", keys, "-w", _scratch["out.pcap"]);
        Check("out.txt", "seal", capture, "-f", keys, "-w", _scratch["out.txt"]);
        Check("bad.conf:1:", "seal", capture, "-f", _scratch.Write("bad.conf", "add nonsense;"), "-w", _scratch["out.pcap"]);
        Check("--write", "seal", capture, "-f", keys);

        static void Check(string word, params string[] arguments)
        {
            CliResult result = Cli.Run(arguments);
            Assert.Equal(1, result.Status);
            Assert.Contains(word, result.Error + result.Output);
            Assert.DoesNotContain("   at ", result.Error);
        }
    }

    public void Dispose() => _scratch.Dispose();

    private static byte[] Datagram(ushort from) => Build.Ipv4("10.0.0.1", "10.0.0.2").Udp(from, 2000, Build.Pattern(33));

    // Both families, all sizes to beyond a link's MTU, for each SA.
    private static List<byte[]> Packets()
    {
        var packets = new List<byte[]>();
        foreach (int size in (int[])[0, 1, 15, 16, 17, 1000, 1472, 9000, 65000])
        {
            byte[] payload = Build.Pattern(size);
            packets.Add(Build.Ipv4("10.0.0.1", "10.0.0.2", id: 7).Udp(1000, 2000, payload));
            packets.Add(Build.Ipv6("fd00::1", "fd00::2").Udp(1000, 2000, payload));
            packets.Add(Build.Ipv4("10.1.0.1", "10.2.0.2", dontFragment: false, id: 8).Udp(1000, 2000, payload));
            packets.Add(Build.Ipv6("fd01::1", "fd02::2", trafficClass: 0x28).Udp(1000, 2000, payload));
        }

        return packets;
    }

    private static List<(long Time, string Bytes)> Read(string path)
    {
        var frames = new List<(long, string)>();
        using CaptureReader reader = CaptureReader.Open(File.OpenRead(path));
        while (reader.TryRead(out CaptureFrame frame))
        {
            Assert.True(frame.TryGetIp(out ReadOnlyMemory<byte> packet));
            frames.Add((frame.Time, Convert.ToHexString(packet.Span)));
        }

        return frames;
    }

    private string Capture(List<byte[]> packets)
    {
        using var writer = new PcapWriter(File.Create(_scratch["in.pcap"]));
        for (int i = 0; i < packets.Count; i++)
        {
            writer.Write(1_700_000_000_000_000_000 + (i * 1_234_567), packets[i]);
        }

        return _scratch["in.pcap"];
    }
}
