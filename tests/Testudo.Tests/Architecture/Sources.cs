// The source files of the repository, without what building makes.

namespace Testudo.Tests.Architecture;

internal static class Sources
{
    /// <summary>C# files below a folder, as full paths.</summary>
    public static IEnumerable<string> Of(params string[] folders) => Files(folders, "*.cs");

    /// <summary>Files below folders, as full paths; no build output, no golden data.</summary>
    public static IEnumerable<string> Files(string[] folders, string pattern) =>
        from folder in folders
        from file in Directory.EnumerateFiles(Path.Combine(Repository.Root, folder), pattern, SearchOption.AllDirectories)
        let path = file.Replace('\\', '/')
        where !path.Contains("/obj/", StringComparison.Ordinal) && !path.Contains("/bin/", StringComparison.Ordinal) && !path.Contains("/Vectors/", StringComparison.Ordinal)
        select path;

    /// <summary>Below the root, for messages.</summary>
    public static string Short(string path) => Path.GetRelativePath(Repository.Root, path);

    /// <summary>The comment at the beginning of a file, in one line.</summary>
    public static string FirstComment(string path) =>
        string.Join(' ', File.ReadLines(path).TakeWhile(static line => line.StartsWith("//", StringComparison.Ordinal)).Select(static line => line[2..].Trim()));
}
