// Packets of the demo in memory: echo requests and their answers (RFC 792, RFC 4443), and UDP datagrams (RFC 768).

using System.Buffers.Binary;
using Testudo.Wire;

namespace Testudo.App.Demo;

internal static class DemoPackets
{
    /// <summary>The last byte of the sequence number of an ESP packet over IPv4.</summary>
    public const int V4SequenceLowByte = IpInfo.V4HeaderLength + 7;

    private const int Payload = 80;

    /// <summary>An echo request from host a to host b that holds the marker, over and over.</summary>
    public static byte[] Echo(IpFamily family, ushort number, byte[] marker)
    {
        byte[] body = new byte[8 + Payload];
        body[0] = (byte)(family == IpFamily.V4 ? 8 : 128);
        BinaryPrimitives.WriteUInt16BigEndian(body.AsSpan(6), number);
        for (int i = 0; i < Payload; i++)
        {
            body[8 + i] = marker[i % marker.Length];
        }

        bool v4 = family == IpFamily.V4;
        return Packet(Address.Parse(v4 ? TwoNamespaces.AddressA : TwoNamespaces.Address6A), Address.Parse(v4 ? TwoNamespaces.AddressB : TwoNamespaces.Address6B), body, v4 ? IpProtocol.Icmp : IpProtocol.Icmpv6, 2);
    }

    /// <summary>A UDP datagram over IPv4 from host a to host b.</summary>
    public static byte[] Datagram(ReadOnlySpan<byte> payload)
    {
        byte[] body = [0x13, 0x88, 0x13, 0x89, 0, 0, 0, 0, .. payload];
        BinaryPrimitives.WriteUInt16BigEndian(body.AsSpan(4), (ushort)body.Length);
        return Packet(Address.Parse(TwoNamespaces.AddressA), Address.Parse(TwoNamespaces.AddressB), body, IpProtocol.Udp, 6);
    }

    /// <summary>The answer to an echo request; null for everything else.</summary>
    public static byte[]? Answer(ReadOnlySpan<byte> packet, in IpInfo info)
    {
        ReadOnlySpan<byte> body = packet[info.UpperOffset..info.TotalLength];
        bool isRequest = (info.Protocol == IpProtocol.Icmp && body is [8, ..]) || (info.Protocol == IpProtocol.Icmpv6 && body is [128, ..]);
        return isRequest ? Packet(info.Destination, info.Source, [(byte)(info.Protocol == IpProtocol.Icmp ? 0 : 129), 0, 0, 0, .. body[4..]], info.Protocol, 2) : null;
    }

    private static byte[] Packet(in Address source, in Address destination, byte[] body, IpProtocol protocol, int checksum)
    {
        ulong sum = protocol == IpProtocol.Icmp ? 0 : Checksum.PseudoHeader(source, destination, body.Length, protocol);
        BinaryPrimitives.WriteUInt16BigEndian(body.AsSpan(checksum), Checksum.Finish(Checksum.Add(sum, body)));
        bool v4 = source.Family == IpFamily.V4;
        byte[] packet = new byte[(v4 ? IpInfo.V4HeaderLength : IpInfo.V6HeaderLength) + body.Length];
        body.CopyTo(packet, packet.Length - body.Length);
        if (v4)
        {
            IpWrite.V4(packet, packet.Length, 0, 0, dontFragment: true, 64, protocol, source, destination);
        }
        else
        {
            IpWrite.V6(packet, packet.Length, 0, 0, 64, protocol, source, destination);
        }

        return packet;
    }
}
