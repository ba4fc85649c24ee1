// NAME=VALUE as "up", "open" and "seal" take it.

using Testudo.Control.Sysctl;
using Testudo.Engine;
using Testudo.Engine.Ecn;
using Testudo.Tests.Open;
using Xunit;

namespace Testudo.Tests.Sysctl;

public sealed class EngineSysctlsTests
{
    [Fact]
    public void Each_takes_its_least_and_greatest_value_and_tells_it()
    {
        foreach (EngineSysctl sysctl in EngineSysctls.All)
        {
            foreach (int value in (int[])[sysctl.Least, sysctl.Greatest])
            {
                var options = new EngineOptions();
                Assert.Null(EngineSysctls.TryApply($"{sysctl.Name}={value}", ref options));
                Assert.Equal(value, sysctl.Get(options));
                Assert.All(EngineSysctls.All.Where(other => other != sysctl), other => Assert.Equal(other.Get(new EngineOptions()), other.Get(options)));
            }
        }
    }

    [Theory]
    [InlineData("net.inet.ipsec.ecn=4", "from -1 to 3")]
    [InlineData("net.inet.ipsec.ecn=-2", "from -1 to 3")]
    [InlineData("net.inet.ipsec.dfbit=copy", "from 0 to 2")]
    [InlineData("net.inet.ipsec.dfbit", "from 0 to 2")]
    [InlineData("net.inet.ipsec.dfbit=", "from 0 to 2")]
    [InlineData("net.inet.ipsec.ah_offsetmask=0x10000", "from 0 to 65535")]
    [InlineData("net.inet.ipsec.dfbits=1", "no sysctl that can be set")]
    [InlineData("", "no sysctl that can be set")]
    public void What_cannot_be_is_refused_in_words_and_changes_nothing(string assignment, string words)
    {
        var before = new EngineOptions { DfBit = DfBit.Set };
        EngineOptions options = before;
        Assert.Contains(words, EngineSysctls.TryApply(assignment, ref options));
        Assert.Same(before, options);
    }

    [Fact]
    public void A_value_may_be_hexadecimal_and_the_families_are_apart()
    {
        var options = new EngineOptions();
        Assert.Null(EngineSysctls.TryApply("net.inet.ipsec.ah_offsetmask = 0x4000", ref options));
        Assert.Equal(0x4000, options.AhOffsetMask);
        Assert.Null(EngineSysctls.TryApply("net.inet.ipsec.ecn=0", ref options));
        Assert.Equal((EcnMode.Forbidden, (EcnMode?)EcnMode.Normal), (options.Ecn, options.Ecn6));
    }

    // NetBSD sent this capture with ah_cleartos off and an offset mask of 0: its TOS byte is authenticated.
    [Fact]
    public void The_commands_take_them()
    {
        using var scratch = new Scratch();
        Golden.GoldenCase golden = Golden.GoldenCases.All.Single(static one => one.Name.Contains("cleartos0-offsetmask0000-tunnel", StringComparison.Ordinal));
        string keys = scratch.Write("keys.conf", golden.ToSetkey());
        string[] words = ["open", golden.Capture, "-f", keys, "-w", scratch["out.pcap"]];
        Assert.DoesNotContain($" {golden.Packets.Count} opened", Cli.Run(words).Error);
        Assert.Contains($" {golden.Packets.Count} opened", Cli.Run([.. words, "--sysctl", "net.inet.ipsec.ah_cleartos=0"]).Error);

        CliResult refused = Cli.Run([.. words, "--sysctl", "net.inet.ipsec.ecn=7"]);
        Assert.True(refused.Status == 1 && refused.Error.StartsWith("testudo open: --sysctl net.inet.ipsec.ecn=7: a number from -1 to 3", StringComparison.Ordinal), refused.Error);
    }
}
