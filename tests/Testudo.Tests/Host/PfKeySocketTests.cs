// The PF_KEY socket of a stack, with its own client and with clients that behave badly.

using System.Diagnostics;
using System.Net.Sockets;
using System.Runtime.Versioning;
using Testudo.Control.Setkey;
using Testudo.PfKey;
using Testudo.Tests.Open;
using Testudo.Wire.PfKey;
using Xunit;

namespace Testudo.Tests.Host;

public sealed class PfKeySocketTests : IAsyncDisposable
{
    private readonly Scratch _scratch = new();
    private readonly IpsecStack _stack = new();
    private readonly string _path;
    private readonly PfKeySocket _socket;

    public PfKeySocketTests()
    {
        _path = _scratch["run/pfkey.sock"];
        _socket = new PfKeySocket(_stack, _path);
    }

    [Fact]
    [UnsupportedOSPlatform("windows")]
    public void Only_its_owner_may_use_it()
    {
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(_path));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute, File.GetUnixFileMode(_scratch["run"]));
    }

    [Fact]
    [Shows("ipsec4-kernel-2")]
    public void What_is_added_is_dumped_and_found_in_the_stack()
    {
        using var client = new PfKeyClient(_path);
        Assert.Equal(PfKeyError.NoEntry, Assert.Single(client.Ask(new PfKeyMessage(PfKeyType.Dump))).Error);
        for (uint spi = 0x1001; spi <= 0x1064; spi++)
        {
            Assert.Equal(PfKeyError.None, Assert.Single(client.Ask(Add(spi))).Error);
        }

        Assert.Equal(PfKeyError.None, Assert.Single(client.Ask(Message("spdadd 10.0.0.1 10.0.0.2 any -P out ipsec esp/transport//require;"))).Error);
        Assert.Equal((100, 1), _stack.Count());
        Assert.Equal(
            Enumerable.Range(0x1001, 100).Select(static spi => (uint)spi),
            client.Ask(new PfKeyMessage(PfKeyType.Dump)).Select(static answer => answer.Find<SaExtension>()!.Spi).Order());
        Assert.Single(client.Ask(new PfKeyMessage(PfKeyType.SpdDump)));
        Assert.Equal(PfKeyError.None, Assert.Single(client.Ask(Message("flush;"))).Error);
        Assert.Equal((0, 1), _stack.Count());
    }

    [Fact]
    public void Errors_come_with_words_and_the_connection_goes_on()
    {
        using var client = new PfKeyClient(_path);
        client.Ask(Add(0x1001));
        PfKeyMessage again = Assert.Single(client.Ask(Add(0x1001)));
        Assert.Equal(PfKeyError.Exists, again.Error);
        Assert.Contains("exists already", again.Find<TestudoExtension>()!.Text);
        PfKeyMessage bad = Assert.Single(client.Ask(Message("delete 10.0.0.1 10.0.0.2 esp 0x2002;")));
        Assert.Equal(PfKeyError.NoSuchProcess, bad.Error);
        Assert.NotEmpty(bad.Find<TestudoExtension>()!.Text!);
        Assert.Equal(PfKeyError.None, Assert.Single(client.Ask(Add(0x1002))).Error);
    }

    [Fact]
    public void Bytes_that_are_no_message_harm_nobody()
    {
        using Socket bad = Connect();
        bad.Send([1]);
        bad.Send(new byte[16]);
        bad.Send(Enumerable.Repeat((byte)0xFF, 4096).ToArray());
        byte[] answer = new byte[4096];
        bad.ReceiveTimeout = 10_000;
        Assert.InRange(bad.Receive(answer), 16, 4096);
        Assert.NotEqual(0, answer[2]); // sadb_msg_errno
        using var client = new PfKeyClient(_path);
        Assert.Equal(PfKeyError.None, Assert.Single(client.Ask(Add(0x1001))).Error);
    }

    [Fact]
    public void A_client_that_never_reads_delays_nobody_and_is_not_read_any_more()
    {
        using var client = new PfKeyClient(_path);
        for (uint spi = 0x1001; spi <= 0x1100; spi++)
        {
            client.Ask(Add(spi));
        }

        using Socket deaf = Connect();
        deaf.SendTimeout = 1000; // then its requests stay in the socket
        byte[] dump = Codec.Write(Dialect.Linux, new PfKeyMessage(PfKeyType.Dump) { Sequence = 1, Pid = 1 });
        int sent = 0;
        SocketException full = Assert.Throws<SocketException>(() =>
        {
            for (; sent < 100_000; sent++)
            {
                deaf.Send(dump);
            }
        });
        Assert.Contains(full.SocketErrorCode, (SocketError[])[SocketError.TimedOut, SocketError.WouldBlock]);
        Assert.Equal(256, client.Ask(new PfKeyMessage(PfKeyType.Dump)).Count);
        Assert.Equal(PfKeyError.None, Assert.Single(client.Ask(Message("flush;"))).Error);
    }

    [Fact]
    public async Task Twenty_clients_at_once_are_all_answered()
    {
        const int Clients = 20, SasEach = 50;
        long[][] ticks = await Task.WhenAll(Enumerable.Range(0, Clients).Select(number => Task.Factory.StartNew(() => Work(number), TaskCreationOptions.LongRunning)));
        Assert.Equal((0, 0), _stack.Count());
        long[] sorted = [.. ticks.SelectMany(static times => times).Order()];
        TestContext.Current.TestOutputHelper?.WriteLine(
            $"{sorted.Length} answers: median {Stopwatch.GetElapsedTime(0, sorted[sorted.Length / 2]).TotalMilliseconds:F2} ms, "
            + $"p99.9 {Stopwatch.GetElapsedTime(0, sorted[(int)(sorted.Length * 0.999)]).TotalMilliseconds:F2} ms");

        long[] Work(int number)
        {
            var times = new List<long>();
            using var client = new PfKeyClient(_path);
            uint first = 0x10000 + (uint)(number * SasEach);
            for (uint spi = first; spi < first + SasEach; spi++)
            {
                Timed(Add(spi));
            }

            for (uint spi = first; spi < first + SasEach; spi++)
            {
                Timed(Message($"delete 10.0.0.1 10.0.0.2 esp 0x{spi:x};"));
            }

            return [.. times];

            void Timed(PfKeyMessage message)
            {
                long start = Stopwatch.GetTimestamp();
                Assert.Equal(PfKeyError.None, Assert.Single(client.Ask(message)).Error);
                times.Add(Stopwatch.GetTimestamp() - start);
            }
        }
    }

    [Fact]
    public void A_path_in_use_is_refused_and_a_dead_socket_is_replaced()
    {
        Assert.Contains("somebody listens there", Assert.Throws<IOException>(() => new PfKeySocket(_stack, _path)).Message);
        Assert.Contains("is no socket", Assert.Throws<IOException>(() => new PfKeySocket(_stack, _scratch.Write("file", "text"))).Message);
        Assert.Equal("text", File.ReadAllText(_scratch["file"]));

        using (var dying = new Socket(AddressFamily.Unix, SocketType.Seqpacket, ProtocolType.Unspecified))
        {
            dying.Bind(new UnixDomainSocketEndPoint(_scratch["dying.sock"]));
            File.Move(_scratch["dying.sock"], _scratch["dead.sock"]); // closing would take it away
        }

        using var socket = new PfKeySocket(_stack, _scratch["dead.sock"]);
        using var client = new PfKeyClient(_scratch["dead.sock"]);
        Assert.Single(client.Ask(new PfKeyMessage(PfKeyType.Dump)));
    }

    [Fact]
    public void The_end_of_the_socket_is_told_to_who_waits()
    {
        using var client = new PfKeyClient(_path);
        client.Ask(Add(0x1001));
        _socket.Dispose();
        Assert.Contains("closed the PF_KEY socket", Assert.Throws<IOException>(() => client.Receive()).Message);
        Assert.False(File.Exists(_path));
        Assert.Equal((1, 0), _stack.Count());
    }

    public async ValueTask DisposeAsync()
    {
        _socket.Dispose();
        await _stack.DisposeAsync();
        _scratch.Dispose();
    }

    private static PfKeyMessage Add(uint spi) => Message($"add 10.0.0.1 10.0.0.2 esp 0x{spi:x} -E null -A hmac-sha1 0x{spi:x8}0102030405060708090a0b0c0d0e0f10;");

    private static PfKeyMessage Message(string script)
    {
        SetkeyScript read = SetkeyParser.Parse(script, "test");
        Assert.Empty(read.Errors);
        return Assert.Single(Assert.Single(read.Commands).Messages);
    }

    private Socket Connect()
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Seqpacket, ProtocolType.Unspecified);
        socket.Connect(new UnixDomainSocketEndPoint(_path));
        return socket;
    }
}
