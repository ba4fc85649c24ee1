// `testudo open` on captures of real kernels: from what is supported exactly the plain packets come out, at the time of the
// last frame that carried them; what is not supported is refused in words or ends in named drops.

using System.Net;
using System.Security.Cryptography;
using Testudo.Control.Setkey;
using Testudo.Crypto;
using Testudo.Engine;
using Testudo.Legacy;
using Testudo.Offline;
using Testudo.Tests.Checker;
using Testudo.Tests.Golden;
using Testudo.Wire;
using Testudo.Wire.PfKey;
using Xunit;

namespace Testudo.Tests.Open;

public sealed class OpenGoldenTests(ITestOutputHelper output)
{
    private static readonly GoldenCase[] s_supported = [.. GoldenCases.All.Where(static one => one.Unsupported() is null)];

    /// <summary>
    /// Captures with a supported case, below the folder of golden data. A process each takes long: every sixth of them in a
    /// short run. (What the command does with each case is done in this process too, below.)
    /// </summary>
    public static IEnumerable<TheoryDataRow<string>> Captures => s_supported.Where(static one => one.IsKnown)
        .Select(static one => Path.GetRelativePath(Repository.Vectors(), one.Capture)).Distinct()
        .Select(static (capture, i) => i % 6 == 0 ? new TheoryDataRow<string>(capture) : new TheoryDataRow<string>(capture).WithTrait("Kind", "Long"));

    /// <summary>One case for each reason why one is not supported.</summary>
    public static TheoryData<string> Unsupported => [.. Refused().DistinctBy(static one => one.Unsupported()).Select(static one => one.Name)];

    [Theory]
    [MemberData(nameof(Captures))]
    public void The_plain_packets_come_out_and_nothing_else(string capture)
    {
        using var scratch = new Scratch();
        GoldenCase[] cases = [.. s_supported.Where(one => one.Capture == Repository.Vectors(capture))];
        IReadOnlyList<GoldenFrame> frames = GoldenCapture.Read(cases[0].Capture).Frames;
        string[] keys = ["-f", scratch.Write("keys.conf", string.Join('\n', cases.SelectMany(static one => one.ToSetkey().Split('\n')).Distinct()))];
        (long Time, string Sha256)[] expected = [.. cases.SelectMany(static one => one.Packets)
            .Where(static packet => packet.Sha256 is not null)
            .OrderBy(static packet => packet.Frames.Max())
            .Select(packet => (frames[packet.Frames.Max() - 1].Stamp * 1000, Convert.ToHexString(packet.Sha256!)))];

        string written = scratch[capture.Length % 2 == 0 ? "out.pcap" : "out.pcapng"];
        CliResult result = Cli.Run(["open", cases[0].Capture, .. keys, "-w", written, "--legacy", "--allow-unauthenticated"]);
        Assert.Equal((0, ""), (result.Status, result.Output));
        Assert.StartsWith($"testudo open: {frames.Count} frames: {expected.Length} opened, ", result.Error.Split('\n')[^2], StringComparison.Ordinal);
        Assert.Equal(expected, Read(written).Select(static frame => (frame.Time, Convert.ToHexString(SHA256.HashData(frame.Bytes)))));
    }

    [Theory]
    [MemberData(nameof(Unsupported))]
    public void What_is_not_supported_is_refused_in_words(string name)
    {
        using var scratch = new Scratch();
        GoldenCase one = GoldenCases.All.Single(one => one.Name == name);
        CliResult result = Cli.Run("open", scratch.Write("in.pcap", one.CaptureOfThis()), "-f", scratch.Write("keys.conf", one.ToSetkey()), "-w", scratch["out.pcap"], "--legacy", "--allow-unauthenticated");
        output.WriteLine($"{name} ({one.Unsupported()}): status {result.Status}\n{result.Error}");
        if (result.Status == 0)
        {
            // The early drafts' UDP is not known as ESP at all; everything else is, and has a name for its end.
            // Of AH as somebody else computes it, what has nothing in question is opened.
            bool isPart = one.Unsupported()!.StartsWith("AH over", StringComparison.Ordinal);
            string ends = one.Unsupported()!.StartsWith("UDP", StringComparison.Ordinal) ? @"[1-9]\d* not protected, " : @".* [1-9]\d* dropped \([a-z]+-[a-z]+";
            Assert.Matches(@"^testudo open: \d+ frames: " + (isPart ? @"\d+" : "0") + " opened, " + ends, result.Error.Split('\n')[^2]);
            Assert.True(isPart || Read(scratch["out.pcap"]).Count == 0);
        }
        else
        {
            Assert.Equal(1, result.Status);
            Assert.Contains("keys.conf", result.Error);
            Assert.DoesNotContain("   at ", result.Error); // no stack of an exception
            Assert.False(File.Exists(scratch["out.pcap"]));
        }
    }

    [Theory]
    [InlineData("linux/esp-transport-v4/blowfish-cbc-448+hmac-sha256-128", "blowfish-cbc is historic", "--legacy")]
    [InlineData("linux/esp-transport-v4/null+hmac-rmd160-96", "hmac-ripemd160 is historic", "--legacy")]
    [InlineData("linux/esp-transport-v4/aes-cbc-128+none", "aes-cbc without an integrity algorithm", "--allow-unauthenticated")]
    public void What_is_weak_is_opened_only_where_that_is_asked_for(string name, string words, string option)
    {
        using var scratch = new Scratch();
        GoldenCase one = GoldenCases.All.Single(one => one.Name == name);
        string[] arguments = ["open", scratch.Write("in.pcap", one.CaptureOfThis()), "-f", scratch.Write("keys.conf", one.ToSetkey())];
        CliResult refused = Cli.Run(arguments);
        Assert.Equal(1, refused.Status);
        Assert.Contains("keys.conf:1:", refused.Error);
        Assert.Contains(words, refused.Error);
        Assert.Contains(option, refused.Error);
        CliResult opened = Cli.Run([.. arguments, option]);
        Assert.Contains($" {one.Packets.Count} opened,", opened.Error);
        Assert.Equal(0, opened.Status);
    }

    [Fact]
    public void Every_case_ends_as_it_should_and_is_counted()
    {
        var table = new SortedDictionary<string, int>(StringComparer.Ordinal);
        int opened = 0, all = 0;
        foreach (GoldenCase one in GoldenCases.All)
        {
            string end = Run(one);
            opened += end == "opened" ? 1 : 0;
            all++;
            string row = $"{one.Name[..one.Name.IndexOf('/', StringComparison.Ordinal)]}: {(end == "opened" ? end : $"{one.Unsupported() ?? "supported"}: {end}")}";
            table[row] = table.GetValueOrDefault(row) + 1;
            Assert.True(end == "opened" == one.Unsupported() is null, $"{one.Name}: {one.Unsupported()}: {end}");
        }

        Assert.Equal(500, all);
        Assert.Equal(s_supported.Length, opened);
        output.WriteLine($"{opened} of {all} cases opened");
        foreach ((string row, int count) in table)
        {
            output.WriteLine($"{count,4} {row}");
        }
    }

    private static IEnumerable<GoldenCase> Refused() => GoldenCases.All.Where(static one => one.Unsupported() is not null);

    // The same as the command does, in this process, on the frames of one case.
    private static string Run(GoldenCase one)
    {
        SetkeyScript script = SetkeyParser.Parse(one.ToSetkey(), one.Name);
        if (script.Errors.Length > 0)
        {
            return "refused by setkey";
        }

        var offline = new OfflineEngine(LegacyProvider.Behind(Providers.Default), new EngineOptions { ChecksPolicy = false, AllowsUnauthenticated = true }, static bytes => bytes.Clear());
        foreach (PfKeyMessage message in script.Commands.SelectMany(static command => command.Messages))
        {
            PfKeyMessage answer = offline.Keys.Ask(message)[^1];
            if (answer.Error != PfKeyError.None)
            {
                Assert.False(string.IsNullOrEmpty(answer.Find<TestudoExtension>()?.Text), $"{one.Name}: {answer.Error} without words");
                return "refused by the engine";
            }
        }

        HashSet<string> plain = [.. one.Packets.Where(static packet => packet.Sha256 is not null).Select(static packet => Convert.ToHexString(packet.Sha256!))];
        int wanted = one.Packets.Count(static packet => packet.Sha256 is not null), found = 0;
        using CaptureReader reader = CaptureReader.Open(new MemoryStream(one.CaptureOfThis()));
        using var opener = new CaptureOpener(offline.Engine);
        while (reader.TryRead(out CaptureFrame frame))
        {
            EndedFrame result = opener.Open(frame);
            if (result.Verdict == Verdict.Opened)
            {
                found++;
                Assert.True(
                    one.IsKnown ? plain.Contains(Convert.ToHexString(SHA256.HashData(result.Packet.Span))) : IsUpperChecksumRight(result.Packet.Span),
                    $"{one.Name}: {Convert.ToHexString(result.Packet.Span)}");
            }
        }

        wanted = one.IsKnown ? wanted : one.Packets.Count;
        return found == wanted && wanted > 0 ? "opened" : $"{found} of {wanted} packets opened";
    }

    // Skipjack was read by nobody else: the IPv6 packets inside bear witness for themselves.
    private static bool IsUpperChecksumRight(ReadOnlySpan<byte> packet) =>
        Sum.Of(Sum.PseudoHeader(new IPAddress(packet[8..24]), new IPAddress(packet[24..40]), packet.Length - 40, packet[6]), packet[40..].ToArray()) == 0;

    private static List<(long Time, byte[] Bytes)> Read(string path)
    {
        var frames = new List<(long, byte[])>();
        using CaptureReader reader = CaptureReader.Open(File.OpenRead(path));
        while (reader.TryRead(out CaptureFrame frame))
        {
            Assert.True(frame.TryGetIp(out ReadOnlyMemory<byte> packet));
            frames.Add((frame.Time, packet.ToArray()));
        }

        return frames;
    }
}
