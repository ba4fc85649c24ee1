// testudo pair, as its users use it: the files are made, brought to two hosts and loaded, and traffic passes protected.

using System.Diagnostics;
using System.Runtime.Versioning;
using Testudo.SystemTests.Daemon;
using Testudo.SystemTests.Netns;
using Xunit;

namespace Testudo.SystemTests.Demo;

[SupportedOSPlatform("linux")]
public sealed class PairTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("pt-");

    public void Dispose() => _folder.Delete(recursive: true);

    [Theory]
    [InlineData("")]
    [InlineData("--udp")]
    public void Two_hosts_started_with_the_files_of_a_pair_talk_protected_over_both_families(string options)
    {
        using var a = new NetworkNamespace();
        using var b = new NetworkNamespace();
        TwoHosts.Connect(a, b);
        Assert.Equal(0, Pair($"10.9.0.1,fd09::1 fd09::2,10.9.0.2 {options}").Status);
        using TestudoDaemon daemonA = TestudoDaemon.Start(a, options: $"-f {At("10.9.0.1")}");
        using TestudoDaemon daemonB = TestudoDaemon.Start(b, options: $"-f {At("10.9.0.2")}");
        Traffic.Ping(a, "10.9.0.2");
        Traffic.Ping(a, "fd09::2");
        DaemonStatus status = daemonB.Status();
        Assert.Equal((4, 4), (status.Sas, status.Policies));
        Assert.InRange(status.Inbound.Packets, 6, long.MaxValue);
        Assert.Empty(status.Drops);
        Assert.Contains("window: 256(packets)", daemonB.Dump("-D"), StringComparison.Ordinal);
    }

    [Fact]
    public void The_files_are_their_owners_alone_and_are_replaced_only_when_that_is_asked_for()
    {
        Assert.Equal(0, Pair("10.9.0.1 10.9.0.2").Status);
        Assert.All((string[])[At("10.9.0.1"), At("10.9.0.2")], static file =>
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(file)));
        string before = File.ReadAllText(At("10.9.0.1"));
        (int status, string output) = Pair("10.9.0.1 10.9.0.2");
        Assert.Equal(1, status);
        Assert.Contains("--force", output, StringComparison.Ordinal);
        Assert.Equal(before, File.ReadAllText(At("10.9.0.1")));
        Assert.Equal(0, Pair("10.9.0.1 10.9.0.2 --force").Status);
        Assert.NotEqual(before, File.ReadAllText(At("10.9.0.1")));
        Assert.Equal(2, _folder.GetFiles().Length);
    }

    internal static (int Status, string Output) RunPair(string folder, string words)
    {
        using Process process = Process.Start(new ProcessStartInfo(TestudoDaemon.Program, ["pair", .. words.Split(' ', StringSplitOptions.RemoveEmptyEntries), "-o", folder])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
        string output = process.StandardOutput.ReadToEnd() + process.StandardError.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, output);
    }

    private string At(string address) => Path.Combine(_folder.FullName, $"pair-{address}.conf");

    private (int Status, string Output) Pair(string words) => RunPair(_folder.FullName, words);
}

[SupportedOSPlatform("linux")]
public sealed class TunnelPairTests(TwoSites sites) : IClassFixture<TwoSites>
{
    [Fact]
    public void Hosts_behind_two_gateways_with_the_files_of_a_pair_talk_protected_over_both_families()
    {
        DirectoryInfo folder = Directory.CreateTempSubdirectory("pt-");
        try
        {
            Assert.Equal(0, PairTests.RunPair(folder.FullName, "10.9.0.1,fd09::1 10.9.0.2,fd09::2 10.1.0.0/24,fd01::/64 10.2.0.0/24,fd02::/64").Status);
            sites.DaemonA.Setkey(File.ReadAllText(Path.Combine(folder.FullName, "pair-10.9.0.1.conf")));
            sites.DaemonB.Setkey(File.ReadAllText(Path.Combine(folder.FullName, "pair-10.9.0.2.conf")));
            long before = sites.DaemonB.Status().Inbound.Packets;
            Traffic.Ping(sites.HostA, "10.2.0.2");
            Traffic.Ping(sites.HostA, "fd02::2");
            Traffic.Ping(sites.HostB, "fd01::2");
            Assert.InRange(sites.DaemonB.Status().Inbound.Packets - before, 9, long.MaxValue);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }
}
