// The program's help names it as its users do.

using Xunit;

namespace Testudo.Tests.Open;

public sealed class HelpTests
{
    [Theory]
    [InlineData("testudo [command] [options]")]
    [InlineData("testudo up [options]", "up")]
    [InlineData("testudo open <IN> [options]", "open")]
    [InlineData("testudo pair <A> <B> [<NETA> [<NETB>]] [options]", "pair")]
    public void It_calls_the_program_testudo(string usage, params string[] words)
    {
        CliResult help = Cli.Run([.. words, "--help"]);
        Assert.Equal(0, help.Status);
        Assert.Contains($"Usage:\n  {usage}\n", help.Output);
        Assert.DoesNotContain("Testudo.App", help.Output);
    }

    [Fact]
    public void It_tells_its_version_and_refuses_an_unknown_word()
    {
        Assert.Matches(@"^\d+\.\d+", Cli.Run("--version").Output);
        CliResult unknown = Cli.Run("nonsense");
        Assert.NotEqual(0, unknown.Status);
        Assert.Contains("'nonsense'", unknown.Error);
    }
}
