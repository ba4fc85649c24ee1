// The PF_KEY socket and setkey as the world sees them: a client written in Python from the kernel's header, many SAs, a
// client that does not read, and setkey's words for what is wrong.

using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using Testudo.SystemTests.Netns;
using Xunit;

namespace Testudo.SystemTests.Daemon;

public sealed class Keyed : IDisposable
{
    public Keyed() => Daemon = TestudoDaemon.Start(Namespace, options: "--links none");

    internal NetworkNamespace Namespace { get; } = new();

    internal TestudoDaemon Daemon { get; }

    public void Dispose()
    {
        Daemon.Dispose();
        Namespace.Dispose();
    }
}

public sealed class PfKeySocketTests(Keyed keyed) : IClassFixture<Keyed>
{
    [Fact]
    public void Only_its_owner_may_use_the_sockets()
    {
        foreach (string path in (string[])[keyed.Daemon.PfKey, keyed.Daemon.Api])
        {
            Assert.Equal("srw------- root", keyed.Namespace.Run($"stat -c '%A %U' {path}").Trim());
        }
    }

    [Fact]
    [Shows("ipsec4-kernel-2")]
    public void A_client_in_Python_registers_and_dumps()
    {
        keyed.Daemon.Setkey("flush; " + new Protection("10.9.0.1", "10.9.0.2", Suite.CbcSha256, 0x7001).Sas);
        string said = keyed.Namespace.Run("/usr/bin/python3 -", $"""
            import os, socket, struct
            s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            s.connect("{keyed.Daemon.PfKey}")
            ask = lambda kind, satype: s.send(struct.pack("=BBBBHHII", 2, kind, 0, satype, 2, 0, 7, os.getpid()))
            head = lambda m: dict(zip(("version", "type", "errno", "satype", "len", "reserved", "seq", "pid"), struct.unpack("=BBBBHHII", m[:16])))
            ask(7, 3)  # SADB_REGISTER, SADB_SATYPE_ESP
            m = s.recv(65536); h = head(m)
            assert h["type"] == 7 and h["errno"] == 0 and h["len"] * 8 == len(m), h
            at, algorithms = 16, set()
            while at < len(m):
                length, kind = struct.unpack("=HH", m[at:at+4])
                if kind in (14, 15):  # SADB_EXT_SUPPORTED_AUTH, _ENCRYPT
                    for i in range(at + 8, at + length * 8, 8): algorithms.add((kind, m[i]))
                at += length * 8
            assert (14, 5) in algorithms and (15, 12) in algorithms and (15, 20) in algorithms, algorithms
            ask(10, 0)  # SADB_DUMP
            spis = []
            while True:
                m = s.recv(65536); h = head(m)
                assert h["type"] == 10 and h["errno"] == 0 and h["len"] * 8 == len(m), h
                assert struct.unpack("=HH", m[16:20])[1] == 1, m[16:24]  # SADB_EXT_SA comes first
                spis.append(hex(struct.unpack(">I", m[20:24])[0]))
                if h["seq"] == 0: break
            print(*sorted(spis))
            """);
        Assert.Equal("0x7001 0x7002", said.Trim());
    }

    [Fact]
    [Shows("ipsec4-bugs-6")]
    public void Ten_thousand_SAs_are_dumped_whole_while_another_client_reads_nothing()
    {
        var script = new StringBuilder("flush;\n");
        for (int i = 0; i < 10_000; i++)
        {
            script.Append(CultureInfo.InvariantCulture, $"add 10.0.{i >> 8}.{i & 255} 10.9.0.2 esp {0x10000 + i} -E aes-gcm-16 0x{i:x8}02030405060708090a0b0c0d0e0f1011;\n");
        }

        keyed.Daemon.Setkey(script.ToString());

        // It asks for everything again and again, and reads nothing.
        System.Diagnostics.Process lazy = keyed.Namespace.Start($$"""
            exec /usr/bin/python3 -u -c 'import os, socket, struct, time
            s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            s.connect("{{keyed.Daemon.PfKey}}")
            s.setblocking(False)
            try:
                while True: s.send(struct.pack("=BBBBHHII", 2, 10, 0, 0, 2, 0, 7, os.getpid()))
            except BlockingIOError: print("full")
            time.sleep(1000)' 2>&1
            """);
        Assert.Equal("full", lazy.StandardOutput.ReadLine());

        string dump = keyed.Daemon.Dump("-D");
        Assert.Equal(10_000, Regex.Count(dump, "state=mature"));
        Assert.Equal(10_000, Regex.Matches(dump, @"spi=(\d+)").Select(static match => match.Groups[1].Value).Distinct().Count());
        keyed.Daemon.Setkey("flush;");
        Assert.Equal(0, keyed.Daemon.Status().Sas);
        lazy.Kill();
    }

    [Fact]
    public void Wrong_input_is_shown_at_its_place_and_nothing_of_it_is_done()
    {
        keyed.Daemon.Setkey("flush;");
        string file = Path.Combine(keyed.Daemon.Folder, "wrong.conf");
        File.WriteAllText(file, "add 10.9.0.1 10.9.0.2 esp 0x7003 -E null -A hmac-sha1 0x" + new string('a', 40) + ";\nadd 10.9.0.1 10.9.0.2 esp 0x7004 -E nonsense 0x00;\n");
        (int status, string output) = keyed.Daemon.TryRun($"setkey --pfkey {keyed.Daemon.PfKey} -f {file}");
        Assert.Equal(1, status);
        Assert.Contains($"{file}:2:37: ", output, StringComparison.Ordinal);
        Assert.Matches(@"\n +\^~*\n", output);
        Assert.DoesNotContain("aaaaaaaa", output, StringComparison.Ordinal);
        Assert.Equal(0, keyed.Daemon.Status().Sas);
    }

    [Fact]
    public void What_the_stack_refuses_is_said_in_words()
    {
        string sas = new Protection("10.9.0.1", "10.9.0.2", Suite.Gcm, 0x7005).Sas;
        keyed.Daemon.Setkey("flush; " + sas);
        (int status, string output) = keyed.Daemon.TryRun($"setkey --pfkey {keyed.Daemon.PfKey} -c", sas);
        Assert.Equal(1, status);
        Assert.Contains("exist", output, StringComparison.OrdinalIgnoreCase);
        (status, output) = keyed.Daemon.TryRun($"setkey --pfkey {keyed.Daemon.PfKey} -c", "get 10.9.0.1 10.9.0.2 esp 0x7999;");
        Assert.Equal(1, status);
        (status, output) = keyed.Daemon.TryRun("setkey --pfkey /nonexistent/socket -D");
        Assert.Equal(1, status);
        Assert.Contains("Is testudo up?", output, StringComparison.Ordinal);
    }

    [Fact]
    public void Called_by_the_name_setkey_it_is_setkey()
    {
        string link = Path.Combine(keyed.Daemon.Folder, "setkey");
        File.CreateSymbolicLink(link, TestudoDaemon.Program);
        Assert.Contains("setkey of testudo", keyed.Namespace.Run($"{link} -V"), StringComparison.Ordinal);
        keyed.Daemon.Setkey("flush;");
        Assert.Contains("No SAD entries", keyed.Namespace.Run($"TESTUDO_PFKEY={keyed.Daemon.PfKey} {link} -D"), StringComparison.Ordinal);
    }
}
