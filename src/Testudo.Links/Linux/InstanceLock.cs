// One live process for each instance number: a locked file. The lock goes with the process, however it ends; the file goes
// in an orderly end, while the lock is held, and who gets the lock of a file that was removed meanwhile takes another one.

using System.Globalization;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace Testudo.Links;

/// <summary>Holds an instance number until it is disposed or the process ends.</summary>
public sealed class InstanceLock : IDisposable
{
    private readonly SafeFileHandle _file;
    private readonly string _path;

    private InstanceLock(SafeFileHandle file, string path)
    {
        _file = file;
        _path = path;
    }

    /// <summary>Takes the number.</summary>
    /// <param name="options">Names the instance.</param>
    /// <param name="path">The file to lock; another one in each network namespace.</param>
    /// <exception cref="IOException">A live process holds it; its process id is named.</exception>
    public static InstanceLock Take(HostJoinOptions options, string path)
    {
        while (true)
        {
            // Not File.OpenHandle: it locks the file itself and fails without saying who holds it.
            int descriptor = Native.Check(Native.Open(path, Native.ReadWrite | Native.CreateFile | Native.CloseOnExec, 0x180), $"open {path}"); // mode 0600
            var file = new SafeFileHandle(descriptor, ownsHandle: true);
            if (Native.Flock(descriptor, Native.LockExclusive | Native.LockNonBlocking) != 0)
            {
                Span<byte> text = new byte[32];
                string holder = Encoding.UTF8.GetString(text[..RandomAccess.Read(file, text, 0)]).Trim();
                file.Dispose();
                throw new IOException($"instance {options.Instance} is running{(holder.Length > 0 ? $" as process {holder}" : "")}: it holds {path}; end it, or choose another instance number");
            }

            // Its holder may have removed it between our opening and our locking: a lock on a file without a name holds nobody off.
            if (File.ResolveLinkTarget($"/proc/self/fd/{descriptor}", returnFinalTarget: false)?.FullName.EndsWith(" (deleted)", StringComparison.Ordinal) == true)
            {
                file.Dispose();
                continue;
            }

            RandomAccess.SetLength(file, 0);
            RandomAccess.Write(file, Encoding.UTF8.GetBytes(Environment.ProcessId.ToString(CultureInfo.InvariantCulture) + "\n"), 0);
            return new InstanceLock(file, path);
        }
    }

    /// <summary>Removes the file and gives the number back.</summary>
    public void Dispose()
    {
        if (_file.IsClosed)
        {
            return; // the name may be another's by now
        }

        try
        {
            File.Delete(_path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // it stays, as after a kill: the next one takes it
        }

        _file.Dispose();
    }
}
