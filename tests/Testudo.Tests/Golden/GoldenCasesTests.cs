// The index itself: that it finds what is in the data, and says it in setkey's language.

using System.Security.Cryptography;
using Xunit;

namespace Testudo.Tests.Golden;

public class GoldenCasesTests
{
    [Fact]
    public void Each_plain_packet_of_linux_belongs_to_exactly_one_case()
    {
        Assert.Equal(278, GoldenCases.Linux.Count);
        Assert.All(GoldenCases.Linux, one => Assert.NotEmpty(one.Packets));
        foreach (IGrouping<string, GoldenCase> group in GoldenCases.Linux.GroupBy(one => one.Capture))
        {
            string plain = Repository.Vectors("linux", "plain", Path.GetFileName(group.Key));
            Assert.Equal(
                GoldenCapture.Read(plain).Frames.Select(frame => Convert.ToHexString(SHA256.HashData(frame.Bytes))).Order(),
                group.SelectMany(one => one.Packets).Select(packet => Convert.ToHexString(packet.Listed ?? packet.Sha256!)).Order());
        }
    }

    [Fact]
    public void No_frame_is_counted_twice()
    {
        foreach (IGrouping<string, GoldenCase> group in GoldenCases.All.GroupBy(one => one.Capture))
        {
            int[] frames = [.. group.SelectMany(one => one.Packets).SelectMany(packet => packet.Frames)];
            Assert.Distinct(frames);
            Assert.InRange(frames.Max(), 1, GoldenCapture.Read(group.Key).Frames.Count);
        }
    }

    [Fact]
    public void Fragments_of_one_packet_stand_together()
    {
        GoldenCase big = GoldenCases.Linux.Single(one => one.Name == "linux/frag-tunnel-v4/gcm");
        Assert.All(big.Packets, packet => Assert.True(packet.Frames.Length > 1));
        Assert.Contains(GoldenCases.Netbsd, one => one.Packets.Any(packet => packet.Frames.Length > 1));
    }

    [Fact]
    public void A_case_can_be_cut_out_of_its_capture()
    {
        GoldenCase one = GoldenCases.Linux.Single(c => c.Name == "linux/esp-transport-v4/null+hmac-sha256-128");
        string path = Path.GetTempFileName();
        try
        {
            File.WriteAllBytes(path, one.CaptureOfThis());
            IReadOnlyList<GoldenFrame> frames = GoldenCapture.Read(path).Frames;
            Assert.Equal(8, frames.Count); // four pings and their answers
            Assert.All(frames, frame => Assert.Contains(GoldenCapture.Outer(frame.Bytes)!.Value.Spi, one.Sas.Select(sa => sa.Spi)));
        }
        finally
        {
            File.Delete(path);
        }
    }

    [Theory]
    [InlineData(
        "linux/esp-transport-v4/null+hmac-sha256-128",
        "add 10.77.0.1 10.77.0.2 esp 0x1000 -m transport -u 1 -E null -A hmac-sha2-256 0xe179820c1459869b9d4c55453876f669c6af5a0c8293519b92aa27878acfbaef;")]
    [InlineData(
        "linux/natt-transport-v4/gcm",
        "add 10.77.0.1[4500] 10.77.0.2[4500] esp-udp 0x1112 -m transport -u 1 -E aes-gcm-16 0x87d7fe5ded7c7d8105c32eed4445f79e1ad2aafa;")]
    [InlineData(
        "linux/natt-transport-v4/esn-gcm",
        "add 10.77.0.1[4500] 10.77.0.2[4500] esp-udp 0x111a -m transport -u 1 -esn -seq 4294967293 -E aes-gcm-16 0x440ec380bf8a02b364307452aabe3147b4c49b4076a646c93043356bacc3f5991c16e356;")]
    [InlineData(
        "linux/esp-transport-v4/aes-gcm-128-icv64",
        "add 10.77.0.1 10.77.0.2 esp ")]
    [InlineData(
        "netbsd/padding/null-zero-pad",
        "add fd00::1 fd00::2 esp 0x1001 -m transport -f zero-pad -E null -A hmac-sha1 0xd0ed0a2744617e9bb8d5f20f2c496683a0bddaf7;")]
    [InlineData(
        "netbsd/unique/esp-unique7",
        "add 10.0.0.1 10.0.0.2 esp 0x1001 -m tunnel -u 7 -E aes-cbc 0x92afcce90623405d7a97b4d1ee0b2845627f9cb9d6f3102d4a6784a1bedbf815 -A hmac-sha2-256 0xdefb1835526f8ca9c6e3001d3a577491aecbe805223f5c7996b3d0ed0a274461;")]
    public void An_SA_reads_as_setkey_writes_it(string name, string expected) =>
        Assert.StartsWith(expected, GoldenCases.All.Single(one => one.Name == name).ToSetkey(), StringComparison.Ordinal);

    [Fact]
    public void What_is_not_supported_says_why()
    {
        ILookup<string, GoldenCase> byReason = GoldenCases.All.ToLookup(one => one.Unsupported() ?? "");
        Assert.True(byReason[""].Count() >= 219, $"only {byReason[""].Count()} cases are supported");
        Assert.Contains("no ipcomp", byReason.Select(reason => reason.Key));
        Assert.All(byReason, reason => Assert.True(reason.Key.Length < 60));
        foreach (IGrouping<string, GoldenCase> reason in byReason)
        {
            TestContext.Current.TestOutputHelper?.WriteLine($"{reason.Count()} {reason.Key}");
        }
    }
}
