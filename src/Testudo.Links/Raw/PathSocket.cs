// Asks the kernel how long an IPv4 packet may be that leaves towards an address: a connected UDP socket knows (IP_MTU).

using Testudo.Wire;

namespace Testudo.Links;

/// <summary>A socket that never sends. For one thread.</summary>
internal sealed unsafe class PathSocket : IDisposable
{
    // RFC 791, 3.2: every network carries so much. Where the kernel does not say, this always works.
    private const int LeastMtu = 576;

    private readonly int _socket;

    public PathSocket(RawOptions options)
    {
        _socket = Native.Socket(Native.Inet, Native.Datagram | Native.NonBlocking | Native.CloseOnExec, 0);
        int mark = (int)options.Mark; // our own mark, so that it is not led into the TUN device
        _ = Native.SetSockOpt(_socket, Native.SolSocket, Native.Mark, &mark, sizeof(int));
    }

    public int Mtu(in Address destination)
    {
        byte* address = stackalloc byte[16];
        var bytes = new Span<byte>(address, 16);
        bytes.Clear();
        *(ushort*)address = Native.Inet;
        bytes[3] = 9; // any port but 0
        destination.CopyTo(bytes[4..]);
        int mtu = 0;
        uint length = sizeof(int);
        return Native.Connect(_socket, address, 16) == 0
            && Native.GetSockOpt(_socket, Native.SolIp, Native.IpMtu, &mtu, &length) == 0
            && mtu >= LeastMtu ? mtu : LeastMtu;
    }

    public void Dispose() => Native.Close(_socket);
}
