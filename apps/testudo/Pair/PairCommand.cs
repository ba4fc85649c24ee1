// testudo pair: two hosts' setkey files with fresh keys, ready to be brought to them.

using System.CommandLine;
using System.Security.Cryptography;

namespace Testudo.App.Pair;

internal static class PairCommand
{
    private static readonly Argument<string> s_a = new("A") { Description = "the first host's address, of either family or V4,V6" };
    private static readonly Argument<string> s_b = new("B") { Description = "the second host's, of the same family or families" };
    private static readonly Argument<string?> s_netA = new("NETA") { Description = "the net behind A, or V4,V6: tunnel mode instead of transport mode", Arity = ArgumentArity.ZeroOrOne };
    private static readonly Argument<string?> s_netB = new("NETB") { Description = "the net behind B", Arity = ArgumentArity.ZeroOrOne };
    private static readonly Option<bool> s_udp = new("--udp") { Description = "ESP in UDP, port 4500 on both sides: for NATs that keep the port, and paths that pass UDP only" };
    private static readonly Option<DirectoryInfo?> s_folder = new("--output", "-o") { Description = "the folder to write to (else the current one)" };
    private static readonly Option<bool> s_force = new("--force") { Description = "replace files that are there" };

    public static Command Make()
    {
        var command = new Command("pair", "write two hosts' setkey files with fresh keys: pair-A.conf and pair-B.conf, named after their (first) addresses, for testudo up -f")
        {
            s_a, s_b, s_netA, s_netB, s_udp, s_folder, s_force,
        };
        command.SetAction(Run);
        return command;
    }

    private static int Run(ParseResult parsed)
    {
        PairRequest? request = PairRequest.Read(
            parsed.GetRequiredValue(s_a), parsed.GetRequiredValue(s_b), parsed.GetValue(s_netA), parsed.GetValue(s_netB), parsed.GetValue(s_udp), out string? fault);
        if (request is null)
        {
            Console.Error.WriteLine($"testudo pair: {fault}");
            return 1;
        }

        string folder = parsed.GetValue(s_folder)?.FullName ?? Directory.GetCurrentDirectory();
        bool replaces = parsed.GetValue(s_force);
        (PairSide A, PairSide B) first = request.Families[0];
        string[] names = [PairFiles.Name(first.A.Outer), PairFiles.Name(first.B.Outer)];
        string[] paths = [.. names.Select(name => Path.Combine(folder, name))];
        if (!replaces && Array.Find(paths, File.Exists) is { } there)
        {
            Console.Error.WriteLine($"testudo pair: {there} is there already and its keys may be in use: nothing was written. Take it away, choose another folder with -o, or give --force.");
            return 1;
        }

        IReadOnlyList<PairSa> sas = PairFiles.NewSas(request);
        try
        {
            Directory.CreateDirectory(folder);
            SecretFile.Write(paths[0], PairFiles.Text(request, sas, isA: true, names[0], names[1]), replaces);
            SecretFile.Write(paths[1], PairFiles.Text(request, sas, isA: false, names[1], names[0]), replaces);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            Console.Error.WriteLine($"testudo pair: {e.Message}");
            return 1;
        }
        finally
        {
            foreach (PairSa sa in sas)
            {
                CryptographicOperations.ZeroMemory(sa.Key);
            }
        }

        Console.Out.WriteLine($"testudo: wrote {paths[0]} for {first.A.Outer} and {paths[1]} for {first.B.Outer}; on each host: testudo up -f FILE");
        return 0;
    }
}
