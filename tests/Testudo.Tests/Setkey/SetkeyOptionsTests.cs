// setkey's command line.

using Testudo.Control.Setkey;
using Testudo.Wire.PfKey;
using Xunit;

namespace Testudo.Tests.Setkey;

public class SetkeyOptionsTests
{
    private static SetkeyOptions Parse(string line)
    {
        Assert.Null(SetkeyOptions.TryParse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries), out SetkeyOptions? options));
        return options!;
    }

    [Theory]
    [InlineData("-D", PfKeyType.Dump)]
    [InlineData("-DP", PfKeyType.SpdDump)]
    [InlineData("-D -P -v", PfKeyType.SpdDump)]
    [InlineData("-PD", PfKeyType.SpdDump)]
    [InlineData("-DpP", PfKeyType.SpdDump)]
    [InlineData("-Da", PfKeyType.Dump)]
    [InlineData("-F", PfKeyType.Flush)]
    [InlineData("-FP", PfKeyType.SpdFlush)]
    [InlineData("-FDP", PfKeyType.SpdDump)]
    public void Dumps_and_flushes_are_one_message(string line, PfKeyType type)
    {
        SetkeyOptions options = Parse(line);
        Assert.Equal(type, options.ToMessage()!.Type);
        Assert.NotNull(options.ToMessage()!.Find<TestudoExtension>());
    }

    [Theory]
    [InlineData("-c", "-", null)]
    [InlineData("-f /etc/ipsec.conf", "/etc/ipsec.conf", null)]
    [InlineData("-vnf/etc/ipsec.conf", "/etc/ipsec.conf", null)]
    [InlineData("-f -", "-", null)]
    [InlineData("-e flush;", null, "flush;")]
    public void Scripts_come_from_standard_input_a_file_or_the_line_itself(string line, string? file, string? script)
    {
        SetkeyOptions options = Parse(line);
        Assert.Equal((SetkeyAction.Script, file, script), (options.Action, options.File, options.Script));
        Assert.Null(options.ToMessage());
        Assert.DoesNotContain("flush;", options.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void Flags_are_kept()
    {
        SetkeyOptions options = Parse("-nvaNpd --pfkey /run/a.sock -c");
        Assert.True(options.ChecksOnly && options.IsVerbose && options.ShowsDead && options.HidesSocketPolicies && options.ShowsPorts);
        Assert.Equal("/run/a.sock", options.PfKeyPath);
        Assert.Equal("/run/b.sock", Parse("-D --pfkey=/run/b.sock").PfKeyPath);
        Assert.Equal(SetkeyAction.Version, Parse("-V").Action);
        Assert.All(["", "-h", "-?", "-n", "-vn"], static line => Assert.Equal(SetkeyAction.Usage, Parse(line).Action));
    }

    [Theory]
    [InlineData("-Dr")]
    [InlineData("-ck")]
    public void The_flags_for_Linux_warn_as_recorded_and_go_on(string line)
    {
        Assert.Equal(["warning: -r and -k options are not supported in this environment"], Parse(line).Warnings);
        string[] recorded = File.ReadAllLines(Repository.Vectors("netbsd", "setkey", "_options.txt"));
        Assert.Contains(Parse(line).Warnings[0], recorded);
    }

    [Theory]
    [InlineData("-DT", "unknown option -- T")]
    [InlineData("-Dl", "-l, the dump that repeats itself, is not carried yet")]
    [InlineData("-x", "-x, the monitor of PF_KEY messages, is not carried yet")]
    [InlineData("-Dh", "-h, hexadecimal dumps of PF_KEY messages, is not carried yet")]
    [InlineData("-DH", "-H, hexadecimal dumps")]
    [InlineData("-DPg", "-g, FreeBSD's choice by scope, is not carried yet")]
    [InlineData("-f", "option requires an argument -- f")]
    [InlineData("-f a -f b", "only one of -f and -e may be given")]
    [InlineData("-f a -e b", "only one of -f and -e may be given")]
    [InlineData("recording.bin", "'recording.bin': files without a flag are recordings of PF_KEY messages")]
    [InlineData("-- recording.bin", "files without a flag")]
    [InlineData("--pfkey", "--pfkey needs the path")]
    [InlineData("--pfkey=", "--pfkey needs the path")]
    [InlineData("--pfkeys x", "unknown option '--pfkeys'")]
    public void What_is_not_understood_or_not_carried_is_refused_by_name(string line, string refusal)
    {
        string? words = SetkeyOptions.TryParse(line.Split(' '), out SetkeyOptions? options);
        Assert.Null(options);
        Assert.Contains(refusal, words, StringComparison.Ordinal);
    }
}
