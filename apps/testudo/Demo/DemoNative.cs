// The few system calls of the demo that .NET has no words for: entering a network namespace, a packet socket, a signal.

using System.Runtime.InteropServices;

namespace Testudo.App.Demo;

internal static unsafe partial class DemoNative
{
    public const int CloneNewNet = 0x40000000;
    public const int PacketFamily = 17, Datagram = 2, CloseOnExec = 0x80000;
    public const int SolSocket = 1, ReceiveBuffer = 8, ReceiveTimeout = 20, ReceiveBufferForce = 33, Mark = 36;
    public const int SolPacket = 263, PacketStatistics = 6;
    public const int Terminate = 15;
    private const string C = "libc";

    [LibraryImport(C, EntryPoint = "setns", SetLastError = true)]
    public static partial int SetNs(int descriptor, int kind);

    [LibraryImport(C, EntryPoint = "socket", SetLastError = true)]
    public static partial int Socket(int family, int type, int protocol);

    [LibraryImport(C, EntryPoint = "bind", SetLastError = true)]
    public static partial int Bind(int socket, void* address, uint length);

    [LibraryImport(C, EntryPoint = "setsockopt", SetLastError = true)]
    public static partial int SetSockOpt(int socket, int level, int option, void* value, uint length);

    [LibraryImport(C, EntryPoint = "getsockopt", SetLastError = true)]
    public static partial int GetSockOpt(int socket, int level, int option, void* value, uint* length);

    [LibraryImport(C, EntryPoint = "recv", SetLastError = true)]
    public static partial nint Receive(int socket, void* bytes, nuint length, int flags);

    [LibraryImport(C, EntryPoint = "close", SetLastError = true)]
    public static partial int Close(int descriptor);

    [LibraryImport(C, EntryPoint = "if_nametoindex", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial uint InterfaceIndex(string name);

    [LibraryImport(C, EntryPoint = "kill", SetLastError = true)]
    public static partial int Kill(int process, int signal);
}
