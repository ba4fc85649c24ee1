// The options of "up", "open" and "seal" about the engine: what lets in what is weak (historic algorithms, ESP without
// authentication), and sysctls.

using System.CommandLine;
using Testudo.Control.Sysctl;
using Testudo.Crypto;
using Testudo.Engine;
using Testudo.Legacy;

namespace Testudo.App.Keys;

internal static class EngineSettings
{
    public static Option<bool> Legacy { get; } = new("--legacy") { Description = "compute historic algorithms too: DES, Blowfish, CAST-128, Skipjack, Twofish, Serpent, RIPEMD-160, keyed MD5 and SHA-1" };

    public static Option<bool> Unauthenticated { get; } = new("--allow-unauthenticated") { Description = "allow ESP without an integrity algorithm, which is open to forgery" };

    public static Option<string[]> Sysctl { get; } = new("--sysctl")
    {
        Description = "set a sysctl of ipsec(4), NAME=VALUE; may be repeated: " + string.Join(", ", EngineSysctls.All.Select(static one => one.Name)),
    };

    public static void AddTo(Command command)
    {
        command.Add(Legacy);
        command.Add(Unauthenticated);
        command.Add(Sysctl);
    }

    public static Providers Providers(ParseResult parsed) => parsed.GetValue(Legacy) ? LegacyProvider.Behind(Crypto.Providers.Default) : Crypto.Providers.Default;

    /// <summary>Null, or why not in words.</summary>
    public static string? TryApply(ParseResult parsed, ref EngineOptions options)
    {
        options = options with { AllowsUnauthenticated = parsed.GetValue(Unauthenticated) };
        foreach (string assignment in parsed.GetValue(Sysctl) ?? [])
        {
            if (EngineSysctls.TryApply(assignment, ref options) is { } fault)
            {
                return "--sysctl " + fault;
            }
        }

        return null;
    }
}
