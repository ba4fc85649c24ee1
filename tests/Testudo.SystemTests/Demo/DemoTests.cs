// testudo demo, run as its users run it: with and without root, to its end and interrupted. What it leaves is opened by tshark.

using System.Diagnostics;
using System.Runtime.Versioning;
using System.Text.Json;
using Testudo.SystemTests.Daemon;
using Testudo.SystemTests.Witness;
using Testudo.Tests;
using Testudo.Wire;
using Xunit;

namespace Testudo.SystemTests.Demo;

[SupportedOSPlatform("linux")]
public sealed class DemoTests
{
    private const int Interrupt = 2, Kill = 9, Terminate = 15;

    private static readonly string[] s_claims = ["ping", "ping6", "replay", "tamper", "clear", "tcp", "tcp6", "no-key-at-b", "no-key-at-a", "hidden", "tidy"];
    private static readonly string[] s_drops = ["no-sa", "replayed", "bad-icv", "unknown-spi"];

    [Fact]
    public void The_demo_sees_all_its_claims_on_two_hosts_and_its_files_open_in_tshark()
    {
        Tshark.SkipWhereMissing();
        using DemoRun demo = DemoRun.Start("--json");
        JsonElement account = AssertPassed(demo, "namespaces", s_claims);
        Assert.InRange(Figure(account, "tcp", "bytes"), 1e6, 1e12);
        AssertFiles(demo, account, s_drops);
    }

    [Fact]
    public void The_demo_in_words_says_what_it_saw()
    {
        using DemoRun demo = DemoRun.Start();
        Assert.True(demo.WaitForExit(120) == 0, demo.Output + demo.Errors);
        demo.AssertNothingLeft();
        Assert.Equal(s_claims.Length, demo.Output.Split("\n  seen     ").Length - 1);
        Assert.DoesNotContain("NOT SEEN", demo.Output, StringComparison.Ordinal);
        Assert.Contains("Mbit/s", demo.Output, StringComparison.Ordinal);
        Assert.Contains("demo.pcapng, demo.esp_sa", demo.Output, StringComparison.Ordinal);
        Assert.Contains("everything that was claimed was seen", demo.Output, StringComparison.Ordinal);
        Assert.Empty(demo.Errors);
    }

    [Theory]
    [InlineData(Interrupt, "two hosts")]
    [InlineData(Terminate, "ping over IPv6")]
    [InlineData(Interrupt, "TCP over IPv4")]
    public void An_interrupted_demo_leaves_nothing_and_fails(int signal, string moment)
    {
        using DemoRun demo = DemoRun.Start();
        demo.WaitFor(moment);
        demo.Signal(signal);
        Assert.Equal(1, demo.WaitForExit(30));
        Assert.Contains("interrupted", demo.Output, StringComparison.Ordinal);
        demo.AssertNothingLeft();
        Assert.Empty(Directory.GetFileSystemEntries(demo.Folder));
    }

    [Fact]
    public void Without_root_the_demo_does_the_same_in_a_user_namespace()
    {
        Tshark.SkipWhereMissing();
        using DemoRun demo = DemoRun.StartUnprivileged(hasTun: true, "--json");
        JsonElement account = AssertPassed(demo, "user-namespace", s_claims);
        AssertFiles(demo, account, s_drops);
    }

    [Theory]
    [InlineData(Terminate)]
    [InlineData(Kill)]
    public void An_interrupted_or_killed_demo_in_a_user_namespace_leaves_no_process(int signal)
    {
        using DemoRun demo = DemoRun.StartUnprivileged(hasTun: true);
        demo.WaitFor("ping over IPv4");
        demo.Signal(signal);
        _ = demo.WaitForExit(30);
        demo.WaitFor("interrupted"); // the inner one says it, the outer one may be dead
        Wait.Until(() => demo.Processes().Count == 0, () => string.Join('\n', demo.Processes()));
        if (signal == Terminate)
        {
            demo.AssertNothingLeft();
        }
    }

    [Fact]
    public void Where_no_namespace_can_be_made_the_demo_runs_in_memory_and_says_why()
    {
        Tshark.SkipWhereMissing();
        using DemoRun demo = DemoRun.StartUnprivileged(hasTun: false, "--json");
        JsonElement account = AssertPassed(demo, "memory", ["ping", "ping6", "replay", "tamper", "clear", "datagrams", "no-key-at-b", "no-key-at-a", "hidden"]);
        Assert.Contains("/dev/net/tun is not there", account.GetProperty("whyNotBetter").GetString(), StringComparison.Ordinal);
        AssertFiles(demo, account, [.. s_drops, "clear-but-required"]);
    }

    private static JsonElement AssertPassed(DemoRun demo, string ground, string[] claims)
    {
        Assert.True(demo.WaitForExit(120) == 0, demo.Output + demo.Errors);
        demo.AssertNothingLeft();
        JsonElement account = demo.Json();
        Assert.True(account.GetProperty("passed").GetBoolean());
        Assert.Equal(ground, account.GetProperty("ground").GetString());
        Assert.Equal(0, account.GetProperty("notSeen").GetArrayLength());
        Assert.Equal(claims.Order(), account.GetProperty("claims").EnumerateArray().Select(static claim => claim.GetProperty("name").GetString()!).Order());
        Assert.All(account.GetProperty("claims").EnumerateArray(), static claim => Assert.True(claim.GetProperty("seen").GetBoolean()));
        Assert.InRange(account.GetProperty("seconds").GetDouble(), 0.5, 60);
        return account;
    }

    private static double Figure(JsonElement account, string claim, string figure) =>
        account.GetProperty("claims").EnumerateArray().Single(found => found.GetProperty("name").GetString() == claim).GetProperty("figures").GetProperty(figure).GetDouble();

    private static void AssertFiles(DemoRun demo, JsonElement account, string[] drops)
    {
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(demo.At("demo.esp_sa")));
        Assert.InRange(new FileInfo(demo.At("demo.pcapng")).Length, 1000, 20_000_000);
        Assert.Equal(["demo.esp_sa", "demo.pcapng"], Directory.GetFiles(demo.Folder).Select(Path.GetFileName).Order());
        var names = new SortedSet<string>();
        var comments = new HashSet<string>();
        long time = 0;
        using (CaptureReader reader = CaptureReader.Open(File.OpenRead(demo.At("demo.pcapng"))))
        {
            while (reader.TryRead(out CaptureFrame frame))
            {
                names.Add(frame.Interface.Name!);
                comments.Add(frame.Comment ?? "");
                Assert.InRange(frame.Time, time, long.MaxValue);
                time = frame.Time;
            }
        }

        Assert.Equal(["a-clear", "a-wire", "b-clear", "b-wire"], names);
        Assert.Superset(drops.ToHashSet(), comments);

        // The very line that is printed; then the same with fields, to see each ICV.
        string line = account.GetProperty("tshark").GetString()!;
        Assert.Contains("Echo (ping) request", Shell(demo.Folder, line), StringComparison.Ordinal);
        string[] frames = Shell(demo.Folder, $"{line} -Tfields -eframe.interface_name -eframe.comment -eesp.icv_good -eesp.icv_bad").Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.InRange(frames.Length, 40, int.MaxValue);
        string[] bad = [.. frames.Where(static frame => frame.Split('\t') is not [_, _, "1", "0"])];
        Assert.Equal("b-wire\tbad-icv\t0\t1", Assert.Single(bad)); // the one that was changed on its way
    }

    private static string Shell(string folder, string line)
    {
        var start = new ProcessStartInfo("/bin/sh", ["-c", line]) { WorkingDirectory = folder, RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment["WIRESHARK_CONFIG_DIR"] = Path.Combine(Repository.Root, "artifacts", "no-wireshark-settings");
        using Process process = Process.Start(start)!;
        Task<string> errors = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        Assert.True(process.ExitCode == 0, errors.GetAwaiter().GetResult());
        return output;
    }
}
