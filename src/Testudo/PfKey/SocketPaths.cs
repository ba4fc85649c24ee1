// Where the PF_KEY socket and the control API are, for whoever is not told.

namespace Testudo.PfKey;

/// <summary>The usual places of the sockets.</summary>
public static class SocketPaths
{
    /// <summary>The PF_KEY socket: what was given, else TESTUDO_PFKEY, else the system's.</summary>
    public static string PfKey(string? given = null) => Choose(given, "TESTUDO_PFKEY", "/run/testudo/pfkey.sock");

    /// <summary>The control API's socket: what was given, else TESTUDO_API, else the system's.</summary>
    public static string Api(string? given = null) => Choose(given, "TESTUDO_API", "/run/testudo/api.sock");

    private static string Choose(string? given, string variable, string usual) =>
        given ?? (Environment.GetEnvironmentVariable(variable) is { Length: > 0 } set ? set : usual);
}
