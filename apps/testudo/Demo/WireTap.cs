// Looks at the wire itself: a packet socket on host b's end of the veth, which neither daemon knows of. It counts what is
// ESP and what is not, and looks for the marker of the payloads.

using System.Net;
using System.Runtime.InteropServices;
using Testudo.Wire;

namespace Testudo.App.Demo;

/// <summary>What the wire carried: packets of ESP, packets in clear, packets with the marker in them.</summary>
internal readonly record struct WireCount(long Esp, long EspBytes, long Clear, long Marked)
{
    public static WireCount operator -(WireCount now, WireCount before) =>
        new(now.Esp - before.Esp, now.EspBytes - before.EspBytes, now.Clear - before.Clear, now.Marked - before.Marked);
}

internal sealed unsafe class WireTap : IDisposable
{
    private const int AllProtocols = 3;
    private readonly int _socket;
    private readonly byte[] _marker;
    private readonly Address _keepFrom;
    private readonly Thread _thread;
    private readonly Lock _lock = new();
    private WireCount _count;
    private byte[]? _kept;
    private int _idle;
    private volatile bool _ending;

    /// <summary>Opens the socket; to be called in the namespace.</summary>
    /// <param name="device">Where to look.</param>
    /// <param name="marker">What the payloads hold.</param>
    /// <param name="keepFrom">The first ESP packet from here is kept.</param>
    /// <exception cref="IOException">The system refused.</exception>
    public WireTap(string device, byte[] marker, string keepFrom)
    {
        _marker = marker;
        _keepFrom = Address.Parse(keepFrom);
        _socket = DemoNative.Socket(DemoNative.PacketFamily, DemoNative.Datagram | DemoNative.CloseOnExec, 0);
        int buffer = 32 * 1024 * 1024;
        if (_socket >= 0 && DemoNative.SetSockOpt(_socket, DemoNative.SolSocket, DemoNative.ReceiveBufferForce, &buffer, sizeof(int)) != 0)
        {
            _ = DemoNative.SetSockOpt(_socket, DemoNative.SolSocket, DemoNative.ReceiveBuffer, &buffer, sizeof(int));
        }

        // struct timeval; struct sockaddr_ll: family, protocol in network order, index
        long* timeout = stackalloc long[2] { 0, 20_000 };
        byte* address = stackalloc byte[20];
        new Span<byte>(address, 20).Clear();
        *(ushort*)address = DemoNative.PacketFamily;
        *(short*)(address + 2) = IPAddress.HostToNetworkOrder((short)AllProtocols);
        *(uint*)(address + 4) = DemoNative.InterfaceIndex(device);
        if (_socket < 0
            || DemoNative.SetSockOpt(_socket, DemoNative.SolSocket, DemoNative.ReceiveTimeout, timeout, 16) != 0
            || DemoNative.Bind(_socket, address, 20) != 0)
        {
            throw new IOException($"a packet socket on {device}: {Marshal.GetLastPInvokeErrorMessage()}");
        }

        _thread = new Thread(Look) { Name = "wire tap", IsBackground = true };
        _thread.Start();
    }

    /// <summary>The first ESP packet that was seen, with its IP header; null where there was none.</summary>
    public byte[]? Kept
    {
        get
        {
            lock (_lock)
            {
                return _kept;
            }
        }
    }

    /// <summary>Packets that came faster than they were looked at, since the last question.</summary>
    public long TakeMissed()
    {
        uint* statistics = stackalloc uint[2];
        uint length = 8;
        return DemoNative.GetSockOpt(_socket, DemoNative.SolPacket, DemoNative.PacketStatistics, statistics, &length) == 0 ? statistics[1] : 0;
    }

    /// <summary>The counts, when everything that lay waiting has been looked at.</summary>
    public WireCount Count()
    {
        int idle = Volatile.Read(ref _idle);
        SpinWait.SpinUntil(() => Volatile.Read(ref _idle) - idle > 1, 3000);
        lock (_lock)
        {
            return _count;
        }
    }

    public void Dispose()
    {
        _ending = true;
        _thread.Join();
        _ = DemoNative.Close(_socket);
    }

    private void Look()
    {
        byte[] buffer = new byte[65536];
        while (!_ending)
        {
            nint length;
            fixed (byte* bytes = buffer)
            {
                length = DemoNative.Receive(_socket, bytes, (nuint)buffer.Length, 0);
            }

            if (length <= 0)
            {
                Interlocked.Increment(ref _idle);
                continue;
            }

            ReadOnlySpan<byte> packet = buffer.AsSpan(0, (int)length);
            if (IpInfo.TryParse(packet, out IpInfo info) == Drop.None && !IsNeighbourhood(info, packet))
            {
                Take(packet, info);
            }
        }
    }

    private void Take(ReadOnlySpan<byte> packet, in IpInfo info)
    {
        bool isEsp = info.Protocol == IpProtocol.Esp;
        bool isMarked = packet.IndexOf(_marker) >= 0;
        lock (_lock)
        {
            _count = new WireCount(
                _count.Esp + (isEsp ? 1 : 0), _count.EspBytes + (isEsp ? packet.Length : 0), _count.Clear + (isEsp ? 0 : 1), _count.Marked + (isMarked ? 1 : 0));
            if (isEsp && _kept is null && info.Source == _keepFrom)
            {
                _kept = packet.ToArray();
            }
        }
    }

    // Neighbour discovery and multicast listener reports (RFC 4861, RFC 3810) are never protected.
    private static bool IsNeighbourhood(in IpInfo info, ReadOnlySpan<byte> packet) =>
        info.Family == IpFamily.V6 && (info.Destination.IsMulticastOrBroadcast || info.Destination.IsLinkLocal || info.Source.IsLinkLocal
            || (info.Protocol == IpProtocol.Icmpv6 && packet.Length > 40 && packet[40] is >= 133 and <= 137));
}
