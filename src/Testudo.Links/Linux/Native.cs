// The system calls of libc that links need: descriptors, waiting and memory layouts. Sockets are in NativeSocket.cs.
// Only what is the same on x86-64 and arm64: no system call numbers, and no C structure but those of the 64-bit generic ABI.

using System.Runtime.InteropServices;

namespace Testudo.Links;

/// <summary>struct pollfd.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct PollDescriptor
{
    public int Descriptor;
    public short Wanted;
#pragma warning disable CS0649 // the kernel writes it
    public short Seen;
#pragma warning restore CS0649
}

/// <summary>struct ifreq: 16 bytes of name, then a union of 24.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct InterfaceRequest
{
    public fixed byte Name[16];
    public fixed byte Value[24];
}

/// <summary>libc, called with the smallest marshalling. Errors are read by <see cref="Errno"/> right after a call.</summary>
internal static unsafe partial class Native
{
    public const int ReadWrite = 2, CreateFile = 0x40, NonBlocking = 0x800, CloseOnExec = 0x80000;
    public const short PollIn = 1;
    public const nuint TunSetIff = 0x400454CA, TunGetIff = 0x800454D2;
    public const ushort IffTun = 1, IffNoPi = 0x1000;
    public const int LockExclusive = 2, LockNonBlocking = 4;
    public const uint MemFdCloseOnExec = 1;
    private const string C = "libc";

    /// <summary>errno of the last call made with SetLastError on this thread.</summary>
    public static int Errno => Marshal.GetLastPInvokeError();

    /// <summary>The system's words for an errno.</summary>
    public static string Words(int errno) => Marshal.GetPInvokeErrorMessage(errno);

    /// <summary>Gives a result back, or throws with the words of what was tried. For the set-up path only.</summary>
    public static int Check(int result, string tried) => result >= 0 ? result : throw Failure(tried, Errno);

    /// <summary>An exception that says what was tried, what the system answered, and what usually helps.</summary>
    public static IOException Failure(string tried, int errno) => new($"{tried}: {Words(errno)}{errno switch
    {
        Links.Errno.NotPermitted or Links.Errno.AccessDenied => " (CAP_NET_ADMIN and CAP_NET_RAW are needed: run as root or give the capabilities)",
        Links.Errno.Busy => " (another process has it open)",
        Links.Errno.AddressInUse => " (another program has the port: see ss -ulpn)",
        _ => "",
    }}");

    [LibraryImport(C, EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int Open(string path, int flags); // variadic in C: integers and pointers pass alike on both machines

    [LibraryImport(C, EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int Open(string path, int flags, uint mode);

    [LibraryImport(C, EntryPoint = "close", SetLastError = true)]
    public static partial int Close(int descriptor);

    [LibraryImport(C, EntryPoint = "read", SetLastError = true)]
    public static partial nint Read(int descriptor, void* bytes, nuint length);

    [LibraryImport(C, EntryPoint = "write", SetLastError = true)]
    public static partial nint Write(int descriptor, void* bytes, nuint length);

    [LibraryImport(C, EntryPoint = "poll", SetLastError = true)]
    public static partial int Poll(PollDescriptor* descriptors, nuint count, int milliseconds);

    [LibraryImport(C, EntryPoint = "eventfd", SetLastError = true)]
    public static partial int EventFd(uint value, int flags);

    [LibraryImport(C, EntryPoint = "memfd_create", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int MemFdCreate(string name, uint flags);

    [LibraryImport(C, EntryPoint = "ioctl", SetLastError = true)]
    public static partial int Ioctl(int descriptor, nuint request, void* argument);

    [LibraryImport(C, EntryPoint = "fcntl", SetLastError = true)]
    public static partial int Fcntl(int descriptor, int command, nint argument);

    [LibraryImport(C, EntryPoint = "flock", SetLastError = true)]
    public static partial int Flock(int descriptor, int operation);
}
