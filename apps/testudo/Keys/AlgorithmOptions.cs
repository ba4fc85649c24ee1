// The options of "up" and "open" that let in what is weak: historic algorithms, and ESP without authentication.

using System.CommandLine;
using Testudo.Crypto;
using Testudo.Legacy;

namespace Testudo.App.Keys;

internal static class AlgorithmOptions
{
    public static Option<bool> Legacy { get; } = new("--legacy") { Description = "compute historic algorithms too: DES, Blowfish, CAST-128, Skipjack, Twofish, Serpent, RIPEMD-160, keyed MD5 and SHA-1" };

    public static Option<bool> Unauthenticated { get; } = new("--allow-unauthenticated") { Description = "allow ESP without an integrity algorithm, which is open to forgery" };

    public static Providers Providers(bool legacy) => legacy ? LegacyProvider.Behind(Crypto.Providers.Default) : Crypto.Providers.Default;
}
