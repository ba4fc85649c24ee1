// The witnesses themselves, on captures of real kernels: what they say of good packets, and of one that was changed.

using System.Security.Cryptography;
using Testudo.Tests.Golden;
using Xunit;

namespace Testudo.SystemTests.Witness;

public class WitnessTests
{
    [Theory]
    [InlineData("linux/esp-transport-v4")]
    [InlineData("linux/esp-tunnel-v6")]
    [InlineData("linux/natt")]
    [InlineData("linux/frag")]
    [InlineData("netbsd/esp-aead/aes-gcm-16")]
    [InlineData("netbsd/esp/rijndael-cbc")]
    [InlineData("netbsd/udpencap")]
    public void Tshark_decrypts_every_packet_and_finds_its_ICV_good(string start)
    {
        Tshark.SkipWhereMissing();
        foreach (IGrouping<string, GoldenCase> group in Cases(start, sa => Tshark.SaLine(sa) is not null))
        {
            ILookup<uint, TsharkFrame> frames = Tshark.ReadEsp(group.Key, group.SelectMany(WitnessSa.Of)).ToLookup(frame => frame.Spi);
            foreach (GoldenCase one in group)
            {
                TsharkFrame[] mine = [.. one.Sas.SelectMany(sa => frames[sa.Spi])];
                Assert.True(mine.Length >= one.Packets.Count, one.Name);
                Assert.All(mine, frame => Assert.True(frame is { Decrypted: true, Icv: TsharkIcv.Good }, $"{one.Name}: {frame}"));
            }
        }
    }

    [Theory]
    [InlineData("linux/esp-transport-v4")]
    [InlineData("linux/esp-tunnel-v6")]
    [InlineData("linux/natt")]
    [InlineData("linux/frag")]
    [InlineData("linux/ah-transport-v6")]
    [InlineData("netbsd/esp-aead/aes-gcm-16")]
    [InlineData("netbsd/esp/rijndael-cbc")]
    [InlineData("netbsd/udpencap")]
    public void Scapy_opens_every_packet_to_the_plain_one(string start)
    {
        Scapy.SkipWhereMissing();
        foreach (IGrouping<string, GoldenCase> group in Cases(start, Scapy.Knows))
        {
            IReadOnlyList<ScapyPacket> opened = Scapy.Open(group.Key, group.SelectMany(WitnessSa.Of));
            Dictionary<int, GoldenPacket> expected = group.SelectMany(one => one.Packets).ToDictionary(packet => packet.Frames[^1]);
            Assert.Equal(expected.Count, opened.Count);
            Assert.All(opened, packet =>
            {
                Assert.True(packet.Plain is not null, $"frame {packet.Frame}: {packet.Error}");
                Assert.Equal(expected[packet.Frame].Sha256, SHA256.HashData(packet.Plain));
            });
        }
    }

    [Theory]
    [InlineData("linux/esp-transport-v4/aes-gcm-128-icv128")]
    [InlineData("linux/esp-transport-v4/aes-cbc-128+hmac-sha256-128")]
    public void Both_see_a_changed_packet(string name)
    {
        Tshark.SkipWhereMissing();
        Scapy.SkipWhereMissing();
        GoldenCase one = GoldenCases.Linux.Single(c => c.Name == name);
        string path = Path.GetTempFileName();
        try
        {
            byte[] capture = one.CaptureOfThis();
            capture[24 + 16 + 14 + 20 + 8 + 20] ^= 1; // in the first packet's cipher text
            File.WriteAllBytes(path, capture);
            WitnessSa[] sas = WitnessSa.Of(one);
            IReadOnlyList<TsharkFrame> frames = Tshark.ReadEsp(path, sas, "icmp.type");
            Assert.Equal(TsharkIcv.Bad, frames[0].Icv);
            Assert.All(frames.Skip(1), frame => Assert.Equal(TsharkIcv.Good, frame.Icv));
            Assert.Equal("8", frames[2].Fields["icmp.type"]);
            IReadOnlyList<ScapyPacket> opened = Scapy.Open(path, sas);
            Assert.NotNull(opened[0].Error);
            Assert.All(opened.Skip(1), packet => Assert.NotNull(packet.Plain));
        }
        finally
        {
            File.Delete(path);
        }
    }

    // By capture, so that a witness is started once for all cases in it.
    private static IEnumerable<IGrouping<string, GoldenCase>> Cases(string start, Func<WitnessSa, bool> known)
    {
        GoldenCase[] cases = [.. GoldenCases.All.Where(one => one.Accepted && one.Name.StartsWith(start, StringComparison.Ordinal)
            && one.Sas.All(sa => !sa.Esn && sa.Encapsulation is null or { Type: "espinudp" }) && WitnessSa.Of(one).All(known)
            && one.Sas.Any(sa => sa.Auth is not null || sa.IcvBits > 0))];
        Assert.NotEmpty(cases);
        return cases.GroupBy(one => one.Capture);
    }
}
