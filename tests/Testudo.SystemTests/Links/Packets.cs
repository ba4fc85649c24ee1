// Packets for the tests of links, written by hand.

using System.Buffers.Binary;
using Testudo.Wire;

namespace Testudo.SystemTests.Links;

internal static class Packets
{
    /// <summary>An IPv4 or IPv6 packet with the given protocol and payload.</summary>
    public static byte[] Ip(string source, string destination, IpProtocol protocol, byte[] payload, byte hopLimit = 61, byte trafficClass = 0x28, uint flow = 0, bool df = false)
    {
        Address from = Address.Parse(source), to = Address.Parse(destination);
        int header = from.Family == IpFamily.V4 ? 20 : 40;
        byte[] packet = new byte[header + payload.Length];
        if (from.Family == IpFamily.V4)
        {
            packet[0] = 0x45;
            packet[1] = trafficClass;
            BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(2), (ushort)packet.Length);
            packet[6] = df ? (byte)0x40 : (byte)0;
            packet[8] = hopLimit;
            packet[9] = (byte)protocol;
            from.CopyTo(packet.AsSpan(12));
            to.CopyTo(packet.AsSpan(16));
            BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(10), Checksum.Of(packet.AsSpan(0, 20)));
        }
        else
        {
            BinaryPrimitives.WriteUInt32BigEndian(packet, 0x60000000 | ((uint)trafficClass << 20) | flow);
            BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(4), (ushort)payload.Length);
            packet[6] = (byte)protocol;
            packet[7] = hopLimit;
            from.CopyTo(packet.AsSpan(8));
            to.CopyTo(packet.AsSpan(24));
        }

        payload.CopyTo(packet, header);
        return packet;
    }

    /// <summary>Counting bytes that begin with an SPI, so that they pass for ESP.</summary>
    public static byte[] Esp(int length)
    {
        byte[] esp = new byte[length];
        for (int i = 0; i < length; i++)
        {
            esp[i] = (byte)(i + 1);
        }

        return esp;
    }

    /// <summary>A UDP header without a checksum and a payload.</summary>
    public static byte[] Udp(ushort source, ushort destination, byte[] payload)
    {
        byte[] udp = new byte[8 + payload.Length];
        BinaryPrimitives.WriteUInt16BigEndian(udp, source);
        BinaryPrimitives.WriteUInt16BigEndian(udp.AsSpan(2), destination);
        BinaryPrimitives.WriteUInt16BigEndian(udp.AsSpan(4), (ushort)udp.Length);
        payload.CopyTo(udp, 8);
        return udp;
    }
}
