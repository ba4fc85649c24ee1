// Where the repository is, for tests that read golden data.

namespace Testudo.Tests;

internal static class Repository
{
    /// <summary>The folder that holds Testudo.slnx.</summary>
    public static string Root { get; } = FindRoot();

    /// <summary>A path under tests/Testudo.Tests/Vectors.</summary>
    public static string Vectors(params string[] path) =>
        Path.Combine([Root, "tests", "Testudo.Tests", "Vectors", .. path]);

    private static string FindRoot()
    {
        for (DirectoryInfo? at = new(AppContext.BaseDirectory); at is not null; at = at.Parent)
        {
            if (File.Exists(Path.Combine(at.FullName, "Testudo.slnx")))
            {
                return at.FullName;
            }
        }

        throw new InvalidOperationException($"no Testudo.slnx above {AppContext.BaseDirectory}: run the tests from a build within the repository");
    }
}
