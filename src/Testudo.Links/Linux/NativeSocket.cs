// The socket calls of libc and the numbers that go with them.
//
//   msghdr    name, namelen (4+4), iov, iovlen, control, controllen, flags (4+4)
//   cmsghdr   len (8: header and data), level (4), type (4), data, padded to 8

using System.Runtime.InteropServices;
using Testudo.Wire;

namespace Testudo.Links;

/// <summary>struct iovec.</summary>
internal unsafe struct IoVector
{
    public void* Bytes;
    public nuint Length;
}

/// <summary>struct msghdr of a 64-bit system.</summary>
internal unsafe struct MessageHeader
{
    public byte* Name;
    public uint NameLength;
    public IoVector* Vectors;
    public nuint VectorCount;
    public byte* Control;
    public nuint ControlLength;
    public int Flags;
}

/// <summary>struct cmsghdr of a 64-bit system; its data follow.</summary>
internal struct ControlHeader
{
    public nuint Length;
    public int Level;
    public int Type;
}

internal static unsafe partial class Native
{
    public const int Inet = 2, Inet6 = 10, NetlinkFamily = 16;
    public const int Datagram = 2, RawSocket = 3;
    public const int ProtocolRaw = 255;
    public const int MessageTruncated = 0x20, ControlTruncated = 8;

    public const int SolSocket = 1, SendBuffer = 7, ReceiveBuffer = 8, NoCheck = 11, SendBufferForce = 32, ReceiveBufferForce = 33, Mark = 36;
    public const int SolIp = 0, IpTos = 1, IpTtl = 2, IpPacketInfo = 8, IpMtuDiscover = 10, IpReceiveTtl = 12, IpReceiveTos = 13, IpMtu = 14;
    public const int SolIpv6 = 41, Ipv6FlowInfo = 11, Ipv6MtuDiscover = 23, Ipv6Only = 26, Ipv6ReceivePacketInfo = 49, Ipv6PacketInfo = 50,
        Ipv6ReceiveHopLimit = 51, Ipv6HopLimit = 52, Ipv6TrafficClass = 67, Ipv6AutoFlowLabel = 70;
    public const int PathMtuOmit = 5;

    /// <summary>AF_INET or AF_INET6.</summary>
    public static int FamilyNumber(IpFamily family) => family == IpFamily.V4 ? Inet : Inet6;

    /// <summary>A non-blocking socket that is not inherited; throws with the words of what was tried.</summary>
    public static int OpenSocket(int family, int type, int protocol, string tried) =>
        Check(Socket(family, type | NonBlocking | CloseOnExec, protocol), tried);

    /// <summary>Sets an integer option; throws with the words of what was tried.</summary>
    public static void SetOption(int socket, int level, int option, int value, string tried) =>
        Check(SetSockOpt(socket, level, option, &value, sizeof(int)), tried);

    /// <summary>Raises both buffers: past the system's limit where that is permitted, else up to it.</summary>
    public static void SetBuffers(int socket, int bytes)
    {
        if (SetSockOpt(socket, SolSocket, ReceiveBufferForce, &bytes, sizeof(int)) != 0)
        {
            _ = SetSockOpt(socket, SolSocket, ReceiveBuffer, &bytes, sizeof(int));
        }

        if (SetSockOpt(socket, SolSocket, SendBufferForce, &bytes, sizeof(int)) != 0)
        {
            _ = SetSockOpt(socket, SolSocket, SendBuffer, &bytes, sizeof(int));
        }
    }

    [LibraryImport(C, EntryPoint = "socket", SetLastError = true)]
    public static partial int Socket(int family, int type, int protocol);

    [LibraryImport(C, EntryPoint = "bind", SetLastError = true)]
    public static partial int Bind(int socket, void* address, uint length);

    [LibraryImport(C, EntryPoint = "getsockname", SetLastError = true)]
    public static partial int GetSockName(int socket, void* address, uint* length);

    [LibraryImport(C, EntryPoint = "setsockopt", SetLastError = true)]
    public static partial int SetSockOpt(int socket, int level, int option, void* value, uint length);

    [LibraryImport(C, EntryPoint = "getsockopt", SetLastError = true)]
    public static partial int GetSockOpt(int socket, int level, int option, void* value, uint* length);

    [LibraryImport(C, EntryPoint = "connect", SetLastError = true)]
    public static partial int Connect(int socket, void* address, uint length);

    [LibraryImport(C, EntryPoint = "recv", SetLastError = true)]
    public static partial nint Receive(int socket, void* bytes, nuint length, int flags);

    [LibraryImport(C, EntryPoint = "send", SetLastError = true)]
    public static partial nint Send(int socket, void* bytes, nuint length, int flags);

    [LibraryImport(C, EntryPoint = "sendto", SetLastError = true)]
    public static partial nint SendTo(int socket, void* bytes, nuint length, int flags, void* address, uint addressLength);

    [LibraryImport(C, EntryPoint = "recvmsg", SetLastError = true)]
    public static partial nint ReceiveMessage(int socket, MessageHeader* message, int flags);

    [LibraryImport(C, EntryPoint = "sendmsg", SetLastError = true)]
    public static partial nint SendMessage(int socket, MessageHeader* message, int flags);
}
