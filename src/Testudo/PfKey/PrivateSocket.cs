// Unix sockets that only their owner may use: mode 0600 from the first moment, in a folder of mode 0700.

using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace Testudo.PfKey;

/// <summary>Makes room for a Unix socket of mode 0600.</summary>
public static partial class PrivateSocket
{
    /// <summary>Makes the folder and takes a dead socket away.</summary>
    /// <exception cref="IOException">Somebody listens there, or something else than a socket has the name.</exception>
    public static void Prepare(string path)
    {
        MakeFolder(Path.GetDirectoryName(Path.GetFullPath(path)) ?? "/");

        if (!File.Exists(path))
        {
            return;
        }

        if (!IsSocket(path))
        {
            throw new IOException($"{path} is there and is no socket: choose another path");
        }

        foreach (SocketType type in (ReadOnlySpan<SocketType>)[SocketType.Seqpacket, SocketType.Stream])
        {
            using var probe = new Socket(AddressFamily.Unix, type, ProtocolType.Unspecified);
            try
            {
                probe.Connect(new UnixDomainSocketEndPoint(path));
                throw new IOException($"{path}: somebody listens there already; end it, or choose another path");
            }
            catch (SocketException e) when (e.SocketErrorCode == SocketError.ProtocolType)
            {
                // a socket of the other type: ask that one
            }
            catch (SocketException e) when (e.SocketErrorCode == SocketError.ConnectionRefused)
            {
                File.Delete(path);
                return;
            }
        }

        throw new IOException($"{path} is there and is no dead socket: choose another path");
    }

    /// <summary>Makes a folder that only its owner may enter; one that is there stays as it is.</summary>
    public static void MakeFolder(string folder)
    {
        if (OperatingSystem.IsWindows())
        {
            Directory.CreateDirectory(folder);
        }
        else if (!Directory.Exists(folder))
        {
            Directory.CreateDirectory(folder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        }
    }

    /// <summary>Until it is disposed, what this process makes is its owner's alone (umask 0177).</summary>
    public static IDisposable Umask() => new Mask(SetUmask(0x7F));

    // To connect to any other file is refused as by a dead socket; only a socket cannot be opened: ENXIO on Linux (6),
    // EOPNOTSUPP on macOS (102) and FreeBSD (45). For reading and writing, so that a named pipe does not wait for its peer.
    private static bool IsSocket(string path)
    {
        try
        {
            File.OpenHandle(path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete).Dispose();
            return false;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return e.HResult is 6 or 45 or 102;
        }
    }

    [LibraryImport("libc", EntryPoint = "umask")]
    private static partial uint SetUmask(uint mask);

    private sealed class Mask(uint before) : IDisposable
    {
        public void Dispose() => _ = SetUmask(before);
    }
}
