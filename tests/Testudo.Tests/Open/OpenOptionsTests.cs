// The options of `testudo open`, and what it says to files that are not as they should be.

using System.Text.Json;
using Testudo.Simulation;
using Testudo.Tests.Checker;
using Testudo.Tests.Sim;
using Testudo.Wire;
using Xunit;

namespace Testudo.Tests.Open;

public sealed class OpenOptionsTests : IDisposable
{
    private const string Tunnel = "add 10.0.0.1 10.0.0.2 esp 0x1001 -m tunnel -r 32 -E aes-gcm-16 0x000102030405060708090a0b0c0d0e0f10111213;\n";
    private const string TunnelPolicy = "spdadd 10.0.0.0/24 10.0.0.0/24 any -P in ipsec esp/tunnel/10.0.0.1-10.0.0.2/require;\n";
    private static readonly byte[] s_clear = Build.Ipv4("10.0.0.1", "10.0.0.2").Udp(7, 8, "clear"u8);
    private readonly Scratch _scratch = new();

    [Fact]
    public void What_was_not_protected_is_written_with_all_only()
    {
        string capture = Capture(), keys = _scratch.Write("keys.conf", Tunnel);
        CliResult result = Cli.Run("open", capture, "-f", keys, "-w", _scratch["some.pcap"]);
        Assert.Equal((0, "testudo open: 5 frames: 3 opened, 1 not protected, 0 fragments, 0 not IP, 1 dropped (replayed 1)\n"), (result.Status, result.Error));
        Assert.Equal([Networks.Numbered(0), Networks.Numbered(1), Networks.Numbered(2)], Packets("some.pcap"));

        Assert.Equal(0, Cli.Run("open", capture, "-f", keys, "-w", _scratch["all.pcapng"], "--all").Status);
        Assert.Equal([Networks.Numbered(0), s_clear, Networks.Numbered(1), Networks.Numbered(2)], Packets("all.pcapng"));
    }

    [Fact]
    public void Json_has_a_line_for_every_frame()
    {
        CliResult result = Cli.Run("open", Capture(), "-f", _scratch.Write("keys.conf", Tunnel), "--json");
        Assert.Equal(0, result.Status);
        string[] lines = result.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(
            ["1 opened  0x00001001 1", "2 clear   ", "3 dropped replayed 0x00001001 1", "4 opened  0x00001001 2", "5 opened  0x00001001 3"],
            lines.Select(static line =>
            {
                using JsonDocument document = JsonDocument.Parse(line);
                return string.Join(' ', ((string[])["frame", "verdict", "drop", "spi", "sequence"]).Select(name => document.RootElement.TryGetProperty(name, out JsonElement value) ? value.ToString() : ""));
            }));
    }

    [Fact]
    public void With_policy_the_policies_of_the_files_decide()
    {
        string capture = Capture(), keys = _scratch.Write("keys.conf", Tunnel), policies = _scratch.Write("policies.conf", TunnelPolicy);
        Assert.Contains(" 0 opened, 1 not protected, 0 fragments, 0 not IP, 4 dropped (replayed 1, tunnel-policy-missing 3)", Cli.Run("open", capture, "-f", keys, "--policy").Error);
        Assert.Contains(" 3 opened, 0 not protected, 0 fragments, 0 not IP, 2 dropped (replayed 1, clear-but-required 1)", Cli.Run("open", capture, "-f", keys, "-f", policies, "--policy").Error);
        Assert.Contains(" 3 opened, 1 not protected,", Cli.Run("open", capture, "-f", keys, "-f", policies).Error);
    }

    [Fact]
    public void Keys_may_stand_in_several_files_and_a_wrong_key_is_a_named_drop()
    {
        string other = _scratch.Write("other.conf", Tunnel.Replace("0x1001", "0x1002", StringComparison.Ordinal));
        Assert.Contains("0 opened, 1 not protected, 0 fragments, 0 not IP, 4 dropped (unknown-spi 4)", Cli.Run("open", Capture(), "-f", other).Error);
        Assert.Contains("3 opened", Cli.Run("open", Capture(), "-f", other, "-f", _scratch.Write("keys.conf", Tunnel)).Error);
        Assert.Contains("dropped (bad-icv 4)", Cli.Run("open", Capture(), "-f", _scratch.Write("wrong.conf", Tunnel.Replace("0x0001", "0x0002", StringComparison.Ordinal))).Error);
    }

    [Fact]
    public void A_file_that_is_no_capture_is_named()
    {
        string keys = _scratch.Write("keys.conf", Tunnel);
        AssertFails(Cli.Run("open", _scratch.Write("letter.txt", "Dear reader, this is no capture at all."), "-f", keys), "letter.txt");
        AssertFails(Cli.Run("open", _scratch.Write("empty.pcap", []), "-f", keys), "empty.pcap");
        AssertFails(Cli.Run("open", _scratch["missing.pcap"], "-f", keys), "missing.pcap");
        AssertFails(Cli.Run("open", _scratch[""], "-f", keys), "testudo-");
    }

    [Fact]
    public void Of_a_cut_capture_the_whole_frames_are_opened()
    {
        byte[] whole = File.ReadAllBytes(Capture());
        CliResult result = Cli.Run("open", _scratch.Write("cut.pcap", whole[..^20]), "-f", _scratch.Write("keys.conf", Tunnel), "-w", _scratch["out.pcap"]);
        AssertFails(result, "cut.pcap");
        Assert.Contains("4 frames: 2 opened", result.Error);
        Assert.Equal(2, Packets("out.pcap").Count);
    }

    [Fact]
    public void Key_files_that_cannot_be_used_are_named_with_their_place()
    {
        string capture = Capture();
        AssertFails(Cli.Run("open", capture, "-f", _scratch["missing.conf"]), "missing.conf");
        AssertFails(Cli.Run("open", capture, "-f", _scratch.Write("bad.conf", "\nadd 10.0.0.1 10.0.0.2 esp 0x1001 -E rot13 1;\n")), "bad.conf:2:");
        AssertFails(Cli.Run("open", capture, "-f", _scratch.Write("twice.conf", Tunnel + Tunnel)), "twice.conf:2:", "exists already");
        CliResult none = Cli.Run("open", capture);
        Assert.Equal(1, none.Status);
        Assert.Contains("--file", none.Error + none.Output);
    }

    [Fact]
    public void The_output_has_a_suffix_that_names_its_format()
    {
        AssertFails(Cli.Run("open", Capture(), "-f", _scratch.Write("keys.conf", Tunnel), "-w", _scratch["out.txt"]), "out.txt", ".pcapng or .pcap");
        Assert.False(File.Exists(_scratch["out.txt"]));
        AssertFails(Cli.Run("open", Capture(), "-f", _scratch["keys.conf"], "-w", _scratch["no/such/folder.pcap"]), "folder.pcap");
    }

    public void Dispose() => _scratch.Dispose();

    private static void AssertFails(CliResult result, params string[] words)
    {
        Assert.Equal((1, ""), (result.Status, result.Output));
        Assert.All(words, word => Assert.Contains(word, result.Error));
        Assert.DoesNotContain("   at ", result.Error);
    }

    // What Bob's wire saw: three datagrams through a tunnel, the first of them twice, and one in clear.
    private string Capture()
    {
        using var network = new Network(1);
        SimulatedHost alice = network.AddHost("alice", "10.0.0.1"), bob = network.AddHost("bob", "10.0.0.2");
        network.Connect(alice, bob);
        alice.Setkey(Tunnel + "spdadd 10.0.0.0/24 10.0.0.0/24 udp -P out ipsec esp/tunnel/10.0.0.1-10.0.0.2/require;");
        Networks.SendNumbered(network, alice, 3);
        byte[][] seen = [.. network.Trace.Entries.Where(static entry => entry is { Host: "bob", Side: Side.Wire }).Select(static entry => entry.Bytes)];
        using (var writer = new PcapWriter(File.Create(_scratch["in.pcap"])))
        {
            foreach (byte[] packet in (byte[][])[seen[0], s_clear, seen[0], seen[1], seen[2]])
            {
                writer.Write(1_700_000_000_000_000_000, packet);
            }
        }

        return _scratch["in.pcap"];
    }

    private List<byte[]> Packets(string name)
    {
        var packets = new List<byte[]>();
        using CaptureReader reader = CaptureReader.Open(File.OpenRead(_scratch[name]));
        while (reader.TryRead(out CaptureFrame frame))
        {
            Assert.True(frame.TryGetIp(out ReadOnlyMemory<byte> packet));
            packets.Add(packet.ToArray());
        }

        return packets;
    }
}
