// testudo status, confirm and down: what is asked of a running instance over its control API.

using System.CommandLine;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using Testudo.Links;
using Testudo.PfKey;

namespace Testudo.App.Up;

internal static class ApiCommands
{
    private static readonly Option<bool> s_json = new("--json") { Description = "as JSON" };

    public static Command MakeStatus()
    {
        var command = new Command("status", "show what runs, and the counters") { UpOptions.Api, UpOptions.InstanceNumber, s_json };
        command.SetAction(parsed => Report(parsed, "GET", "/v1/status", status => Show(parsed, status)));
        return command;
    }

    public static Command MakeConfirm()
    {
        var command = new Command("confirm", "keep what \"up --confirm\" would undo") { UpOptions.Api, UpOptions.InstanceNumber };
        command.SetAction(parsed => Report(parsed, "POST", "/v1/confirm", _ => Console.Out.WriteLine("testudo: confirmed")));
        return command;
    }

    public static Command MakeDown()
    {
        var command = new Command("down", "end the running instance, or remove what a dead one left") { UpOptions.Api, UpOptions.InstanceNumber };
        command.SetAction(Down);
        return command;
    }

    private static string PathOf(ParseResult parsed) =>
        UpOptions.ForInstance(parsed.GetValue(UpOptions.Api), SocketPaths.Api, parsed.GetValue(UpOptions.InstanceNumber));

    private static int Report(ParseResult parsed, string method, string resource, Action<Status> show)
    {
        string path = PathOf(parsed);
        try
        {
            show(Ask(path, method, resource));
            return 0;
        }
        catch (Exception e) when (e is SocketException or IOException)
        {
            Console.Error.WriteLine($"testudo {parsed.CommandResult.Command.Name}: nothing answers at {path}: {e.Message}. Another instance is named by --instance, another socket by --api or TESTUDO_API.");
            return 1;
        }
    }

    private static int Down(ParseResult parsed)
    {
        int instance = parsed.GetValue(UpOptions.InstanceNumber);
        try
        {
            string path = PathOf(parsed);
            int pid;
            try
            {
                pid = Ask(path, "POST", "/v1/down").Pid;
            }
            catch (SocketException)
            {
                return CleanUp(instance);
            }

            // The socket goes when everything has gone.
            while (File.Exists($"/proc/{pid}/stat") && File.Exists(path))
            {
                Thread.Sleep(20);
            }

            Console.Out.WriteLine("testudo: down");
            return 0;
        }
        catch (IOException e)
        {
            Console.Error.WriteLine($"testudo down: {e.Message}");
            return 1;
        }
    }

    private static int CleanUp(int instance)
    {
        using var nft = new Nftables();
        IReadOnlyList<string> found = HostJoin.CleanUp(HostJoinOptions.ForInstance(instance), UpOptions.LockFile(instance), nft);
        foreach (string thing in found)
        {
            Console.Out.WriteLine($"testudo: removed {thing}");
        }

        Console.Out.WriteLine(found.Count > 0 ? "testudo: what a dead instance left is gone" : "testudo: nothing runs and nothing was left");
        return 0;
    }

    // A plain socket: HttpClient would cost start time.
    internal static Status Ask(string path, string method, string resource)
    {
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        socket.Connect(new UnixDomainSocketEndPoint(path));
        using var stream = new NetworkStream(socket);
        stream.Write(Encoding.ASCII.GetBytes($"{method} {resource} HTTP/1.0\r\nHost: testudo\r\nContent-Length: 0\r\n\r\n"));
        using var reader = new StreamReader(stream, Encoding.UTF8);
        string answer = reader.ReadToEnd();
        int body = answer.IndexOf("\r\n\r\n", StringComparison.Ordinal);
        if (body < 0 || !answer.StartsWith("HTTP/1.1 200", StringComparison.Ordinal))
        {
            throw new IOException($"it answered '{answer.Split('\r')[0]}'");
        }

        return JsonSerializer.Deserialize(answer.AsSpan(body + 4), AppJson.Default.Status) ?? throw new IOException("it answered nothing");
    }

    private static void Show(ParseResult parsed, Status status)
    {
        if (parsed.GetValue(s_json))
        {
            Console.Out.WriteLine(JsonSerializer.Serialize(status, AppJson.Default.Status));
            return;
        }

        Console.Out.WriteLine($"testudo {status.Version}, instance {status.Instance}, {status.State} for {status.Seconds:0} s, process {status.Pid}");
        Console.Out.WriteLine($"links     {(status.Links.Length > 0 ? string.Join(", ", status.Links) : "none")}");
        Console.Out.WriteLine($"databases {status.Sas} SAs, {status.Policies} policies, pfkey {status.Pfkey}");
        Console.Out.WriteLine($"outbound  {status.Outbound.Packets} packets, {status.Outbound.Bytes} bytes");
        Console.Out.WriteLine($"inbound   {status.Inbound.Packets} packets, {status.Inbound.Bytes} bytes");
        foreach (PathOfSa path in status.Paths)
        {
            Console.Out.WriteLine($"path      {path.Protocol} {path.Spi} {path.Source} -> {path.Destination}: mtu {path.Mtu} ({path.Why}){(path.LastError is { } error ? $"; last {error}" : "")}");
        }

        foreach (DropCount drop in status.Drops)
        {
            Console.Out.WriteLine($"dropped   {drop.Packets} {drop.Name}: {drop.Sentence}");
        }
    }
}
