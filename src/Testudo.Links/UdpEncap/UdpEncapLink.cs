// ESP in UDP (RFC 3948) on a port that is ours alone: a plain UDP socket of one family. The IP and UDP headers that the
// socket takes away are written again, so that the engine sees whole packets and learns the peer's port.
//
//   IPv4 (20) or IPv6 (40) | source port, destination port | length, checksum | ESP, or 0xFF (keepalive), or 0 0 0 0 IKE
//
// What starts with four zero bytes is IKE's (section 2.2) and goes to a handler; keepalives go up like all others.
// Fragments, which an IPv6 path smaller than the device makes necessary, go out whole by a raw socket.
// The UDP checksum that is passed up is 0 for IPv4 (RFC 3948, 2.1: senders should send 0) and a right one for IPv6, where 0
// is not allowed; the kernel has verified what came. The same holds for what is sent.

using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using Testudo.Wire;

namespace Testudo.Links;

/// <summary>Takes an IKE message that came to the port of encapsulated ESP; the four zero bytes are removed.</summary>
public delegate void IkeMessage(in Address source, ushort sourcePort, in Address destination, ReadOnlySpan<byte> message);

/// <summary>How to open the port.</summary>
/// <param name="Family">IPv4 or IPv6.</param>
/// <param name="Port">The local port; 0 lets the system choose.</param>
/// <param name="Mark">SO_MARK, so that rules let our own packets pass; 0 for none.</param>
/// <param name="BufferBytes">Bytes of the socket's buffers; 0 keeps the system's.</param>
/// <param name="Ike">Takes IKE messages, on the receiving thread; null drops and counts them.</param>
public sealed record UdpEncapOptions(IpFamily Family, ushort Port = 4500, uint Mark = 0, int BufferBytes = 4 * 1024 * 1024, IkeMessage? Ike = null);

/// <summary>A link to the network by a UDP port. A peer with a link-local address cannot be sent to: packets carry no interface.</summary>
public sealed unsafe class UdpEncapLink : DescriptorLink
{
    private readonly UdpEncapOptions _options;
    private readonly int _ipHeader;
    private readonly int _socket;
    private readonly int _whole = -1; // sends fragments with the headers they have
    private readonly ControlBlock _wholeAddress = new(0);
    private readonly ControlBlock _received = new(512);
    private readonly SendControl _send;
    private long _ikeMessages;

    /// <summary>Opens and binds the socket in the calling thread's network namespace. <see cref="IOException"/> where that fails.</summary>
    public UdpEncapLink(UdpEncapOptions options)
    {
        _options = options;
        bool v4 = options.Family == IpFamily.V4;
        _ipHeader = v4 ? IpInfo.V4HeaderLength : IpInfo.V6HeaderLength;
        _socket = Native.OpenSocket(Native.FamilyNumber(options.Family), Native.Datagram, 0, $"open a UDP socket for {options.Family}");
        try
        {
            IpHeaders.Configure(_socket, options.Family, options.Mark, options.BufferBytes);
            IpHeaders.RequestControl(_socket, options.Family);
            if (v4)
            {
                Native.SetOption(_socket, Native.SolSocket, Native.NoCheck, 1, "set SO_NO_CHECK");
            }
            else
            {
                Native.SetOption(_socket, Native.SolIpv6, Native.Ipv6Only, 1, "set IPV6_V6ONLY");
            }

            byte* address = stackalloc byte[28];
            new Span<byte>(address, 28).Clear();
            *(ushort*)address = (ushort)Native.FamilyNumber(options.Family);
            *(ushort*)(address + 2) = BinaryPrimitives.ReverseEndianness(options.Port);
            Native.Check(Native.Bind(_socket, address, v4 ? 16u : 28u), $"bind UDP port {options.Port} of {options.Family}");
            uint length = 28;
            Native.Check(Native.GetSockName(_socket, address, &length), "ask for the port");
            Port = BinaryPrimitives.ReverseEndianness(*(ushort*)(address + 2));
            if (!v4)
            {
                _whole = Native.OpenSocket(Native.Inet6, Native.RawSocket, Native.ProtocolRaw, "open a raw socket for fragments");
                IpHeaders.Configure(_whole, options.Family, options.Mark, options.BufferBytes);
                *(ushort*)_wholeAddress.Address = Native.Inet6;
            }
        }
        catch
        {
            _received.Dispose();
            _wholeAddress.Dispose();
            CloseSockets();
            throw;
        }

        _send = new SendControl(options.Family);
    }

    /// <summary>The local port.</summary>
    public ushort Port { get; }

    /// <summary>How many IKE messages came, with or without a handler.</summary>
    public long IkeMessages => Volatile.Read(ref _ikeMessages);

    /// <inheritdoc/>
    public override string Name => $"udp{(int)_options.Family} port {Port}";

    internal override int Descriptor => _socket;

    internal override int ReadOne(Batch into)
    {
        int headers = _ipHeader + UdpHeader.Length;
        Span<byte> room = into.Reserve();
        fixed (byte* bytes = room)
        {
            int length = _received.Receive(_socket, bytes + headers, room.Length - headers);
            if (length < 0)
            {
                return ReadFailure(Native.Errno);
            }

            bool known = _options.Family == IpFamily.V4
                ? IpHeaders.WriteV4(bytes, headers + length, IpProtocol.Udp, _received)
                : IpHeaders.WriteV6(bytes, headers + length, IpProtocol.Udp, _received);
            if (!known || (_received.Message->Flags & Native.MessageTruncated) != 0)
            {
                Ignore();
                return 1;
            }

            ushort port = BinaryPrimitives.ReverseEndianness(*(ushort*)(_received.Address + 2));
            if (length >= 4 && *(uint*)(bytes + headers) == 0)
            {
                PassIke(room[..(headers + length)], port);
                return 1;
            }

            WriteUdp(room[_ipHeader..(headers + length)], port, room);
            into.Commit(headers + length);
            return 1;
        }
    }

    internal override Drop SendOne(in Packet packet)
    {
        byte* data = packet.Data;
        if (IpInfo.TryParse(packet.Span, out IpInfo info) != Drop.None || info.Family != _options.Family
            || info.Protocol != IpProtocol.Udp)
        {
            return Drop.LinkRefused;
        }

        if (info.IsFragment && _whole >= 0)
        {
            Unsafe.CopyBlockUnaligned(_wholeAddress.Address + 8, data + 24, 16);
            return Native.SendTo(_whole, data, (nuint)info.TotalLength, 0, _wholeAddress.Address, 28) >= 0 ? Drop.None : SendFailure(Native.Errno);
        }

        if (info.IsFragment || info.SourcePort != Port)
        {
            return Drop.LinkRefused;
        }

        // IPv4 options and IPv6 extension headers are not kept: the engine puts none before UDP.
        int payload = info.UpperOffset + UdpHeader.Length;
        if (payload > info.TotalLength)
        {
            return Drop.LinkRefused;
        }

        int sent = _send.Send(_socket, data, data + payload, info.TotalLength - payload, info.DestinationPort);
        return sent >= 0 ? Drop.None : SendFailure(Native.Errno);
    }

    internal override void Close()
    {
        CloseSockets();
        _wholeAddress.Dispose();
        _received.Dispose();
        _send.Dispose();
    }

    private void CloseSockets()
    {
        _ = Native.Close(_socket);
        if (_whole >= 0)
        {
            _ = Native.Close(_whole);
        }
    }

    private void WriteUdp(Span<byte> udp, ushort port, ReadOnlySpan<byte> ip)
    {
        new UdpHeader(port, Port, (ushort)udp.Length, 0).Write(udp);
        if (_options.Family == IpFamily.V6)
        {
            UdpHeader.SetChecksum(udp, Address.V6(ip[8..]), Address.V6(ip[24..]));
        }
    }

    private void PassIke(ReadOnlySpan<byte> packet, ushort port)
    {
        _ikeMessages++;
        if (_options.Ike is { } handler)
        {
            bool v4 = _options.Family == IpFamily.V4;
            Address source = v4 ? Address.V4(packet[12..]) : Address.V6(packet[8..]);
            Address destination = v4 ? Address.V4(packet[16..]) : Address.V6(packet[24..]);
            handler(source, port, destination, packet[(_ipHeader + UdpHeader.Length + 4)..]);
        }
    }
}
