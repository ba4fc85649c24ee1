// The README shows a program that is compiled and run here, letter for letter.

using Testudo.Tests.Checker;
using Testudo.Wire;
using Xunit;

namespace Testudo.Tests.Readme;

public sealed class ReadmeTests
{
    private const string Begin = "<!-- sample: embedding -->\n```csharp\n", End = "```\n<!-- end of sample -->\n";

    [Fact]
    public void The_sample_in_the_README_is_the_one_that_is_compiled()
    {
        string readme = File.ReadAllText(Path.Combine(Repository.Root, "README.md"));
        string source = File.ReadAllText(Path.Combine(Repository.Root, "tests", "Testudo.Tests", "Readme", "EmbeddingSample.cs"));
        int begin = readme.IndexOf(Begin, StringComparison.Ordinal), end = readme.IndexOf(End, StringComparison.Ordinal);
        Assert.True(begin >= 0 && end > begin, "README.md has no sample between its markers");
        Assert.Equal(source, readme[(begin + Begin.Length)..end]);
        Assert.Equal(begin, readme.LastIndexOf(Begin, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("10.0.0.1", "10.0.0.2")]
    [InlineData("fd00::1", "fd00::2")]
    public async Task It_brings_a_packet_through(string alice, string bob)
    {
        IpHeader header = alice.Contains(':') ? Build.Ipv6(alice, bob) : Build.Ipv4(alice, bob);
        byte[] packet = header.Udp(1000, 2000, "through the wire"u8);
        Assert.Equal(packet, await EmbeddingSample.SendAsync(packet, Address.Parse(alice), Address.Parse(bob)));
    }
}
