// The IP headers that sockets take away on receiving, written again from what recvmsg tells, and the way back: a header
// turned into the address and the ancillary data of sendmsg.

using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using Testudo.Wire;

namespace Testudo.Links;

internal static unsafe class IpHeaders
{
    public const byte DefaultHopLimit = 64;

    /// <summary>Asks a socket for everything that <see cref="WriteV4"/> or <see cref="WriteV6"/> needs.</summary>
    public static void RequestControl(int socket, IpFamily family)
    {
        if (family == IpFamily.V4)
        {
            Native.SetOption(socket, Native.SolIp, Native.IpPacketInfo, 1, "set IP_PKTINFO");
            Native.SetOption(socket, Native.SolIp, Native.IpReceiveTtl, 1, "set IP_RECVTTL");
            Native.SetOption(socket, Native.SolIp, Native.IpReceiveTos, 1, "set IP_RECVTOS");
        }
        else
        {
            Native.SetOption(socket, Native.SolIpv6, Native.Ipv6ReceivePacketInfo, 1, "set IPV6_RECVPKTINFO");
            Native.SetOption(socket, Native.SolIpv6, Native.Ipv6ReceiveHopLimit, 1, "set IPV6_RECVHOPLIMIT");
            Native.SetOption(socket, Native.SolIpv6, Native.Ipv6FlowInfo, 1, "set IPV6_FLOWINFO");
        }
    }

    /// <summary>The mark, the buffers, and the kernel's own path MTU left out of it (it belongs to the inner flows).</summary>
    public static void Configure(int socket, IpFamily family, uint mark, int bufferBytes)
    {
        if (mark != 0)
        {
            Native.SetOption(socket, Native.SolSocket, Native.Mark, (int)mark, "set SO_MARK");
        }

        if (bufferBytes > 0)
        {
            Native.SetBuffers(socket, bufferBytes);
        }

        // In transport mode a too-big written for an inner flow makes a route exception for the same destination. With OMIT
        // the socket fragments at the device's MTU, whatever the exceptions say, and never sets DF.
        if (family == IpFamily.V4)
        {
            Native.SetOption(socket, Native.SolIp, Native.IpMtuDiscover, Native.PathMtuOmit, "set IP_MTU_DISCOVER");
        }
        else
        {
            Native.SetOption(socket, Native.SolIpv6, Native.Ipv6MtuDiscover, Native.PathMtuOmit, "set IPV6_MTU_DISCOVER");
            // A packet's flow label is its maker's to choose, 0 too.
            Native.SetOption(socket, Native.SolIpv6, Native.Ipv6AutoFlowLabel, 0, "clear IPV6_AUTOFLOWLABEL");
        }
    }

    /// <summary>Writes an IPv4 header of 20 bytes for a received datagram; false where the kernel did not tell the destination.</summary>
    public static bool WriteV4(byte* header, int length, IpProtocol protocol, ControlBlock control)
    {
        byte* info = control.Find(Native.SolIp, Native.IpPacketInfo, 12); // interface, local address, destination in the header
        if (info == null)
        {
            return false;
        }

        byte* ttl = control.Find(Native.SolIp, Native.IpTtl, sizeof(int));
        byte* tos = control.Find(Native.SolIp, Native.IpTos, 1);
        var bytes = new Span<byte>(header, IpInfo.V4HeaderLength);
        bytes.Clear();
        bytes[0] = 0x45;
        bytes[1] = tos == null ? (byte)0 : *tos;
        BinaryPrimitives.WriteUInt16BigEndian(bytes[2..], (ushort)length);
        bytes[8] = ttl == null ? DefaultHopLimit : (byte)*(int*)ttl;
        bytes[9] = (byte)protocol;
        new Span<byte>(control.Address + 4, 4).CopyTo(bytes[12..]); // sockaddr_in: family, port, address
        new Span<byte>(info + 8, 4).CopyTo(bytes[16..]);
        BinaryPrimitives.WriteUInt16BigEndian(bytes[10..], Checksum.Of(bytes));
        return true;
    }

    /// <summary>Writes an IPv6 header of 40 bytes for a received datagram; false where the kernel did not tell the destination.</summary>
    public static bool WriteV6(byte* header, int length, IpProtocol protocol, ControlBlock control)
    {
        byte* info = control.Find(Native.SolIpv6, Native.Ipv6PacketInfo, 20); // destination, interface
        if (info == null)
        {
            return false;
        }

        byte* hops = control.Find(Native.SolIpv6, Native.Ipv6HopLimit, sizeof(int));
        // Traffic class and flow label as they stand in the header; not told where both are 0.
        byte* flow = control.Find(Native.SolIpv6, Native.Ipv6FlowInfo, sizeof(uint));
        var bytes = new Span<byte>(header, IpInfo.V6HeaderLength);
        uint first = flow == null ? 0 : BinaryPrimitives.ReadUInt32BigEndian(new ReadOnlySpan<byte>(flow, sizeof(uint)));
        BinaryPrimitives.WriteUInt32BigEndian(bytes, 0x60000000 | (first & 0x0FFFFFFF));
        BinaryPrimitives.WriteUInt16BigEndian(bytes[4..], (ushort)(length - IpInfo.V6HeaderLength));
        bytes[6] = (byte)protocol;
        bytes[7] = hops == null ? DefaultHopLimit : (byte)*(int*)hops;
        new Span<byte>(control.Address + 8, 16).CopyTo(bytes[8..]); // sockaddr_in6: family, port, flow, address, scope
        new Span<byte>(info, 16).CopyTo(bytes[24..]);
        return true;
    }
}

/// <summary>What sendmsg needs to make the IP header that a packet has: laid out once, filled in for each packet.</summary>
internal sealed unsafe class SendControl : IDisposable
{
    private readonly ControlBlock _block = new(128);
    private readonly IpFamily _family;
    private readonly byte* _source;
    private readonly byte* _hopLimit;
    private readonly byte* _trafficClass;
    private readonly byte* _flow;
    private readonly int _withoutFlow;

    public SendControl(IpFamily family)
    {
        _family = family;
        *(ushort*)_block.Address = (ushort)Native.FamilyNumber(family);
        if (family == IpFamily.V4)
        {
            _source = _block.Add(Native.SolIp, Native.IpPacketInfo, 12) + 4;
            _hopLimit = _block.Add(Native.SolIp, Native.IpTtl, sizeof(int));
            _trafficClass = _block.Add(Native.SolIp, Native.IpTos, sizeof(int));
            _block.Message->NameLength = 16;
            _withoutFlow = (int)_block.Message->ControlLength;
        }
        else
        {
            _source = _block.Add(Native.SolIpv6, Native.Ipv6PacketInfo, 20);
            _hopLimit = _block.Add(Native.SolIpv6, Native.Ipv6HopLimit, sizeof(int));
            _trafficClass = _block.Add(Native.SolIpv6, Native.Ipv6TrafficClass, sizeof(int));
            _withoutFlow = (int)_block.Message->ControlLength;
            _flow = _block.Add(Native.SolIpv6, Native.Ipv6FlowInfo, sizeof(uint));
            _block.Message->NameLength = 28;
        }
    }

    /// <summary>Sends a payload with the addresses, hop limit, class and label of a packet's header, to a port (0 for raw sockets).</summary>
    public int Send(int socket, byte* packet, byte* payload, int payloadLength, ushort port)
    {
        byte* address = _block.Address;
        *(ushort*)(address + 2) = BinaryPrimitives.ReverseEndianness(port);
        if (_family == IpFamily.V4)
        {
            *(uint*)(address + 4) = *(uint*)(packet + 16);
            *(uint*)_source = *(uint*)(packet + 12);
            *(int*)_hopLimit = packet[8];
            *(int*)_trafficClass = packet[1];
            return _block.Send(socket, payload, payloadLength, _withoutFlow);
        }

        Unsafe.CopyBlockUnaligned(address + 8, packet + 24, 16);
        Unsafe.CopyBlockUnaligned(_source, packet + 8, 16);
        *(int*)_hopLimit = packet[7];
        uint first = BinaryPrimitives.ReverseEndianness(*(uint*)packet);
        *(int*)_trafficClass = (int)(first >> 20) & 0xFF;
        uint label = first & 0xFFFFF;
        *(uint*)_flow = BinaryPrimitives.ReverseEndianness(label);
        return _block.Send(socket, payload, payloadLength, label == 0 ? _withoutFlow : _withoutFlow + 24);
    }

    public void Dispose() => _block.Dispose();
}
