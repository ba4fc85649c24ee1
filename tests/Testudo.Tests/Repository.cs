// Where the repository is, for tests that read its data.

namespace Testudo.Tests;

/// <summary>Paths in the repository that these tests were built from.</summary>
internal static class Repository
{
    /// <summary>The folder that holds Testudo.slnx, found by walking up from the test program.</summary>
    public static string Root { get; } = Find();

    /// <summary>A path under the folder of golden data.</summary>
    public static string Vectors(params string[] parts) =>
        Path.Combine([Root, "tests", "Testudo.Tests", "Vectors", .. parts]);

    private static string Find()
    {
        DirectoryInfo? folder = new(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "Testudo.slnx")))
        {
            folder = folder.Parent;
        }

        return folder?.FullName ?? throw new DirectoryNotFoundException(
            $"no folder above {AppContext.BaseDirectory} holds Testudo.slnx: run the tests inside the repository");
    }
}
