// Files with keys in them: their owner's alone from the first moment, whatever the umask.

using System.Text;

namespace Testudo.App.Pair;

internal static class SecretFile
{
    /// <summary>Writes a new file of mode 0600.</summary>
    /// <param name="path">Where.</param>
    /// <param name="text">What.</param>
    /// <param name="replaces">True where a file that is there gives way; it is replaced as a whole.</param>
    /// <exception cref="IOException">It is there already, or cannot be made.</exception>
    public static void Write(string path, string text, bool replaces)
    {
        // An old file may have another mode, other readers, or be a link: never write into it.
        string made = replaces ? $"{path}.{Environment.ProcessId}.new" : path;
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, Share = FileShare.None };
        if (!OperatingSystem.IsWindows())
        {
            options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        }

        using (var stream = new FileStream(made, options))
        {
            stream.Write(Encoding.UTF8.GetBytes(text));
        }

        if (replaces)
        {
            File.Move(made, path, overwrite: true);
        }
    }
}
