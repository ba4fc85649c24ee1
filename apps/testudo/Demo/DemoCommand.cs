// testudo demo: shows on this machine alone, in some seconds, that it does what it says. Exit status 0 only where all that
// was claimed was seen.

using System.CommandLine;
using System.Diagnostics;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Testudo.App.Pair;

namespace Testudo.App.Demo;

internal static class DemoCommand
{
    private const string Interrupted = "interrupted";
    private static readonly Option<bool> s_json = new("--json") { Description = "the account as one JSON document" };
    private static readonly Option<string?> s_inner = new("--inner") { Hidden = true };

    public static Command Make()
    {
        var command = new Command("demo", "two hosts on this machine: traffic, keys, attacks, and what became of them; leaves demo.pcapng and demo.esp_sa here") { s_json, s_inner };

        // Not asynchronous: the parser would end the process two seconds after Ctrl-C, perhaps before everything is removed.
        command.SetAction(Run);
        return command;
    }

    private static int Run(ParseResult parsed)
    {
        using var ending = new CancellationTokenSource();
        void End(PosixSignalContext context)
        {
            context.Cancel = true;
            ending.Cancel();
        }

        using PosixSignalRegistration interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, End);
        using PosixSignalRegistration terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, End);
        using PosixSignalRegistration hangup = PosixSignalRegistration.Create(PosixSignal.SIGHUP, End);
        bool json = parsed.GetValue(s_json);
        if (parsed.GetValue(s_inner) is { } given)
        {
            new Thread(() => WatchParent(ending)) { IsBackground = true }.Start();
            return InNamespaces(new DemoTeller(json, "user-namespace", "not root"), given, isInner: true, ending.Token) ?? Ground.Refused;
        }

        DirectoryInfo? folder = null;
        try
        {
            using (File.Create($".demo-{Environment.ProcessId}", 1, FileOptions.DeleteOnClose))
            {
                // the current folder can be written to
            }

            DemoFiles.RemoveDead();
            folder = Directory.CreateTempSubdirectory($"{DemoFiles.FolderPrefix}{Environment.ProcessId}-");
            int status = OnBestGround(json, folder.FullName, ending.Token);
            Leave(folder.FullName);
            return status;
        }
        catch (OperationCanceledException)
        {
            return 1;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            Console.Error.WriteLine($"testudo demo: {e.Message} (the demo writes to the current folder and to {Path.GetTempPath()})");
            return 1;
        }
        finally
        {
            folder?.Delete(recursive: true);
        }
    }

    private static int OnBestGround(bool json, string folder, CancellationToken cancel)
    {
        string? why = Ground.WhyNoNamespaces();
        if (why is null)
        {
            if (InNamespaces(new DemoTeller(json, "namespaces", null), folder, isInner: false, cancel) is { } status)
            {
                return status;
            }

            why = ReadRefusal(folder);
        }

        if (Ground.WhyNoUserNamespace(cancel) is { } whyNot)
        {
            why = why == whyNot ? why : $"{why}; {whyNot}";
        }
        else
        {
            int status = Ground.RunInner(folder, json, cancel);
            if (status != Ground.Refused || cancel.IsCancellationRequested)
            {
                return status;
            }

            why = $"{why}; {ReadRefusal(folder)}";
        }

        return InMemory(new DemoTeller(json, "memory", why), folder, why, cancel);
    }

    // Null where the ground does not bear; the reason is then in the folder.
    private static int? InNamespaces(DemoTeller tell, string folder, bool isInner, CancellationToken cancel)
    {
        long start = Stopwatch.GetTimestamp();
        byte[] marker = Marker();
        PairRequest pair = NewPair();
        IReadOnlyList<PairSa> sas = PairFiles.NewSas(pair);
        DemoHostCounters[] hosts = [];
        string? fault = null;
        NamespaceDemo? demo = null;
        try
        {
            demo = new NamespaceDemo(tell, folder, marker, cancel);
            demo.Begin(pair, sas);
            tell.Say(isInner
                ? "two hosts, a and b: network namespaces inside a user namespace (you are not root), a daemon in each"
                : "two hosts, a and b: network namespaces, a daemon in each");
            hosts = demo.Show();
        }
        catch (Exception e) when (e is IOException or SocketException or OperationCanceledException)
        {
            if (e is IOException && (demo is null || (isInner && hosts.Length == 0 && !tell.HasClaims)))
            {
                demo?.Dispose();
                File.WriteAllText(Path.Combine(folder, "refused"), e.Message);
                return null;
            }

            fault = e is OperationCanceledException ? Interrupted : e.Message;
        }
        catch (Exception)
        {
            demo?.Dispose();
            throw;
        }

        demo?.Dispose();
        bool hasFiles = fault != Interrupted && TryLook(tell, folder, marker, sas, ref fault);
        demo?.CheckTidy();
        return Finish(tell, NamespaceDemo.Claims, start, hosts, hasFiles, fault);
    }

    private static int InMemory(DemoTeller tell, string folder, string why, CancellationToken cancel)
    {
        long start = Stopwatch.GetTimestamp();
        byte[] marker = Marker();
        PairRequest pair = NewPair();
        IReadOnlyList<PairSa> sas = PairFiles.NewSas(pair);
        DemoHostCounters[] hosts = [];
        string? fault = null;
        tell.Say($"two hosts, a and b, in this process, joined by memory (no namespaces: {why})");
        try
        {
            using var demo = new MemoryDemo(tell, folder, marker, pair, sas, cancel);
            hosts = demo.Show();
        }
        catch (Exception e) when (e is IOException or OperationCanceledException)
        {
            fault = e is OperationCanceledException ? Interrupted : e.Message;
        }

        bool hasFiles = fault != Interrupted && TryLook(tell, folder, marker, sas, ref fault);
        return Finish(tell, MemoryDemo.Claims, start, hosts, hasFiles, fault);
    }

    private static int Finish(DemoTeller tell, string[] claims, long start, DemoHostCounters[] hosts, bool hasFiles, string? fault)
    {
        DemoAccount account = tell.End(
            claims, Stopwatch.GetElapsedTime(start).TotalSeconds, hosts, hasFiles ? [DemoFiles.Capture, DemoFiles.Keys] : [], hasFiles ? DemoFiles.Tshark : null, fault);
        if (tell.IsJson)
        {
            Console.Out.WriteLine(JsonSerializer.Serialize(account, AppJson.Default.DemoAccount));
        }

        return account.Passed ? 0 : 1;
    }

    private static bool TryLook(DemoTeller tell, string folder, byte[] marker, IReadOnlyList<PairSa> sas, ref string? fault)
    {
        if (!File.Exists(Path.Combine(folder, "a.pcapng")) || !File.Exists(Path.Combine(folder, "b.pcapng")))
        {
            return false;
        }

        try
        {
            CaptureCount count = DemoFiles.Merge(
                Path.Combine(folder, DemoFiles.Capture), [("a", Path.Combine(folder, "a.pcapng")), ("b", Path.Combine(folder, "b.pcapng"))], marker);
            DemoFiles.WriteKeys(Path.Combine(folder, DemoFiles.Keys), sas);
            tell.Claim("hidden", "what the programs sent is nowhere on the wire side of the capture, and on the clear side it is",
                count.WireFrames > 0 && count.WireMarked == 0 && count.ClearMarked > 0,
                $"{count.Frames} frames, {count.WireFrames} of them on the wire side: {count.WireMarked} hold the payload's marker, and {count.ClearMarked} of the clear side do",
                ("frames", count.Frames), ("wire", count.WireFrames), ("wireMarked", count.WireMarked), ("clearMarked", count.ClearMarked), ("dropped", count.Dropped));
            return true;
        }
        catch (Exception e) when (e is IOException or FormatException)
        {
            fault ??= $"the captures could not be read: {e.Message}";
            return false;
        }
    }

    private static void Leave(string folder)
    {
        string capture = Path.Combine(folder, DemoFiles.Capture);
        string keys = Path.Combine(folder, DemoFiles.Keys);
        if (File.Exists(capture) && File.Exists(keys))
        {
            File.Move(capture, DemoFiles.Capture, overwrite: true);
            SecretFile.Write(DemoFiles.Keys, File.ReadAllText(keys), replaces: true);
        }
    }

    // Sixteen bytes that nothing else holds, and that a reader of the capture recognises.
    private static byte[] Marker() => Encoding.ASCII.GetBytes("TESTUDO-" + Convert.ToHexString(RandomNumberGenerator.GetBytes(4)));

    private static PairRequest NewPair() => PairRequest.Read(
        $"{TwoNamespaces.AddressA},{TwoNamespaces.Address6A}", $"{TwoNamespaces.AddressB},{TwoNamespaces.Address6B}", null, null, isUdp: false, out _)!;

    private static string ReadRefusal(string folder)
    {
        string file = Path.Combine(folder, "refused");
        return File.Exists(file) ? File.ReadAllText(file) : "the namespace could not be entered";
    }

    private static void WatchParent(CancellationTokenSource ending)
    {
        while (Console.In.Read() >= 0)
        {
            // nothing is said here; only the end matters
        }

        try
        {
            ending.Cancel();
        }
        catch (ObjectDisposedException)
        {
            // the demo was faster
        }
    }
}
