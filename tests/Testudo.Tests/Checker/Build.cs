// Packets for tests, in a line each. It shares no code with what is tested: every byte is put here by hand.
//
//   byte[] ping = Build.Ipv4("10.0.0.1", "10.0.0.2").IcmpEcho(id: 7, sequence: 1);
//   byte[] dns = Build.Ipv6("fd00::1", "fd00::2", hopLimit: 3).HopByHop().Udp(5353, 53, "hello"u8);
//   byte[] outer = Build.Ipv4("192.0.2.1", "192.0.2.2").Payload(IpProtocol.Ipv4, ping);

using System.Buffers.Binary;
using System.Net;
using Testudo.Wire;

namespace Testudo.Tests.Checker;

internal static class Build
{
    /// <summary>An IPv4 header; end with Udp, Tcp, IcmpEcho, Icmp or Payload. Options are padded with zeros to 4 bytes.</summary>
    public static IpHeader Ipv4(
        string from, string to, byte hopLimit = 64, byte tos = 0, bool dontFragment = true, ushort id = 0, byte[]? options = null) =>
        new(IPAddress.Parse(from), IPAddress.Parse(to), hopLimit, tos)
        {
            DontFragment = dontFragment,
            Id = id,
            Options = options is null ? [] : [.. options, .. new byte[-options.Length & 3]],
        };

    /// <summary>An IPv6 header; add extension headers, then end with Udp, Tcp, IcmpEcho, Icmp or Payload.</summary>
    public static IpHeader Ipv6(string from, string to, byte hopLimit = 64, byte trafficClass = 0, int flowLabel = 0) =>
        new(IPAddress.Parse(from), IPAddress.Parse(to), hopLimit, trafficClass) { FlowLabel = flowLabel };

    /// <summary>Bytes 0, 1, 2 and so on.</summary>
    public static byte[] Pattern(int length, int first = 0) => [.. Enumerable.Range(first, length).Select(static i => (byte)i)];

    /// <summary>The fragments of a packet without options or extension headers, none longer than the MTU.</summary>
    public static List<byte[]> Fragments(byte[] packet, int mtu, uint id = 0x1234)
    {
        bool v4 = packet[0] >> 4 == 4;
        int header = v4 ? 20 : 40, step = (mtu - header - (v4 ? 0 : 8)) & ~7;
        byte[] data = packet[header..];
        var from = new IPAddress(packet.AsSpan(v4 ? 12 : 8, v4 ? 4 : 16));
        var to = new IPAddress(packet.AsSpan(v4 ? 16 : 24, v4 ? 4 : 16));
        IpHeader start = v4
            ? Ipv4(from.ToString(), to.ToString(), packet[8], packet[1], false)
            : Ipv6(from.ToString(), to.ToString(), packet[7], (byte)(BinaryPrimitives.ReadUInt16BigEndian(packet) >> 4));
        var fragments = new List<byte[]>();
        for (int at = 0; at < data.Length; at += step)
        {
            bool more = at + step < data.Length;
            fragments.Add(start.Fragment(id, at, more).Payload((IpProtocol)packet[v4 ? 9 : 6], data.AsSpan(at, Math.Min(step, data.Length - at))));
        }

        return fragments;
    }
}

/// <summary>An IP header whose payload is still to come. Each method gives a new value.</summary>
internal sealed record IpHeader(IPAddress From, IPAddress To, byte HopLimit, byte TrafficClass)
{
    public bool DontFragment { get; init; }

    public uint Id { get; init; }

    public int FlowLabel { get; init; }

    public byte[] Options { get; init; } = [];

    public int FragmentOffset { get; init; }

    public bool MoreFragments { get; init; }

    /// <summary>IPv6 extension headers: the number of each, and its bytes with the first left 0 for the next one's number.</summary>
    private List<(IpProtocol Protocol, byte[] Bytes)> Extensions { get; init; } = [];

    private bool IsV4 => From.GetAddressBytes().Length == 4;

    /// <summary>A hop-by-hop header: 8 bytes of padding, or the bytes given (from the length byte on set right).</summary>
    public IpHeader HopByHop(byte[]? options = null) => Extension(IpProtocol.HopByHop, Padded(options));

    /// <summary>A destination options header.</summary>
    public IpHeader DestinationOptions(byte[]? options = null) => Extension(IpProtocol.DestinationOptions, Padded(options));

    /// <summary>A routing header: of an experimental type (RFC 4727), no segments left and 4 zero bytes of data unless others are given.</summary>
    public IpHeader Routing(byte type = 253, byte segmentsLeft = 0, byte[]? data = null)
    {
        byte[] bytes = [0, 0, type, segmentsLeft, .. data ?? new byte[4]];
        bytes[1] = (byte)((bytes.Length / 8) - 1);
        return Extension(IpProtocol.Routing, bytes);
    }

    /// <summary>Any extension header; the bytes are taken as they are, but for the first.</summary>
    public IpHeader Extension(IpProtocol protocol, byte[] bytes) => this with { Extensions = [.. Extensions, (protocol, bytes)] };

    /// <summary>Makes it a fragment (IPv6: adds the fragment header). The offset is in bytes.</summary>
    public IpHeader Fragment(uint id, int offset, bool more)
    {
        if (IsV4)
        {
            return this with { Id = id, FragmentOffset = offset, MoreFragments = more };
        }

        byte[] bytes = new byte[8];
        BinaryPrimitives.WriteUInt16BigEndian(bytes.AsSpan(2), (ushort)(offset | (more ? 1 : 0)));
        BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan(4), id);
        return Extension(IpProtocol.Fragment, bytes);
    }

    /// <summary>A UDP datagram (RFC 768).</summary>
    public byte[] Udp(ushort from, ushort to, ReadOnlySpan<byte> payload = default, bool checksum = true)
    {
        byte[] udp = new byte[8 + payload.Length];
        BinaryPrimitives.WriteUInt16BigEndian(udp, from);
        BinaryPrimitives.WriteUInt16BigEndian(udp.AsSpan(2), to);
        BinaryPrimitives.WriteUInt16BigEndian(udp.AsSpan(4), (ushort)udp.Length);
        payload.CopyTo(udp.AsSpan(8));
        ushort sum = UpperSum(IpProtocol.Udp, udp);
        BinaryPrimitives.WriteUInt16BigEndian(udp.AsSpan(6), (ushort)(!checksum ? 0 : sum == 0 ? 0xFFFF : sum));
        return Payload(IpProtocol.Udp, udp);
    }

    /// <summary>A TCP segment (RFC 9293). Flags: FIN 1, SYN 2, RST 4, PSH 8, ACK 16, URG 32, ECE 64, CWR 128.</summary>
    public byte[] Tcp(
        ushort from, ushort to, ReadOnlySpan<byte> payload = default, byte flags = 0x10, uint sequence = 1, uint ack = 1, byte[]? options = null)
    {
        byte[] padded = options is null ? [] : [.. options, .. new byte[-options.Length & 3]];
        byte[] tcp = [.. new byte[20], .. padded, .. payload];
        BinaryPrimitives.WriteUInt16BigEndian(tcp, from);
        BinaryPrimitives.WriteUInt16BigEndian(tcp.AsSpan(2), to);
        BinaryPrimitives.WriteUInt32BigEndian(tcp.AsSpan(4), sequence);
        BinaryPrimitives.WriteUInt32BigEndian(tcp.AsSpan(8), ack);
        tcp[12] = (byte)((20 + padded.Length) / 4 << 4);
        tcp[13] = flags;
        BinaryPrimitives.WriteUInt16BigEndian(tcp.AsSpan(14), 0xFFFF);
        BinaryPrimitives.WriteUInt16BigEndian(tcp.AsSpan(16), UpperSum(IpProtocol.Tcp, tcp));
        return Payload(IpProtocol.Tcp, tcp);
    }

    /// <summary>An echo request or reply of this header's family (RFC 792, RFC 4443 4).</summary>
    public byte[] IcmpEcho(ushort id = 1, ushort sequence = 1, ReadOnlySpan<byte> payload = default, bool reply = false) =>
        Icmp((byte)(IsV4 ? (reply ? 0 : 8) : (reply ? 129 : 128)), 0, ((uint)id << 16) | sequence, payload);

    /// <summary>Any ICMP message of this header's family; the parameter is the second word.</summary>
    public byte[] Icmp(byte type, byte code, uint parameter = 0, ReadOnlySpan<byte> payload = default)
    {
        byte[] icmp = [type, code, 0, 0, 0, 0, 0, 0, .. payload];
        BinaryPrimitives.WriteUInt32BigEndian(icmp.AsSpan(4), parameter);
        IpProtocol protocol = IsV4 ? IpProtocol.Icmp : IpProtocol.Icmpv6;
        BinaryPrimitives.WriteUInt16BigEndian(icmp.AsSpan(2), IsV4 ? Sum.Of(icmp) : UpperSum(protocol, icmp));
        return Payload(protocol, icmp);
    }

    /// <summary>The packet with these bytes behind its headers, whatever they are.</summary>
    public byte[] Payload(IpProtocol protocol, ReadOnlySpan<byte> payload)
    {
        if (IsV4)
        {
            byte[] v4 = [.. new byte[12], .. From.GetAddressBytes(), .. To.GetAddressBytes(), .. Options, .. payload];
            int header = 20 + Options.Length;
            v4[0] = (byte)(0x40 | (header / 4));
            v4[1] = TrafficClass;
            BinaryPrimitives.WriteUInt16BigEndian(v4.AsSpan(2), (ushort)v4.Length);
            BinaryPrimitives.WriteUInt16BigEndian(v4.AsSpan(4), (ushort)Id);
            BinaryPrimitives.WriteUInt16BigEndian(
                v4.AsSpan(6), (ushort)((DontFragment ? 0x4000 : 0) | (MoreFragments ? 0x2000 : 0) | (FragmentOffset / 8)));
            v4[8] = HopLimit;
            v4[9] = (byte)protocol;
            BinaryPrimitives.WriteUInt16BigEndian(v4.AsSpan(10), Sum.Of(v4[..header]));
            return v4;
        }

        byte[] extensions = [.. Extensions.SelectMany((e, i) =>
            e.Bytes.Skip(1).Prepend((byte)(i + 1 < Extensions.Count ? Extensions[i + 1].Protocol : protocol)))];
        byte[] v6 = [.. new byte[8], .. From.GetAddressBytes(), .. To.GetAddressBytes(), .. extensions, .. payload];
        BinaryPrimitives.WriteUInt32BigEndian(v6, (6u << 28) | ((uint)TrafficClass << 20) | (uint)FlowLabel);
        BinaryPrimitives.WriteUInt16BigEndian(v6.AsSpan(4), (ushort)(v6.Length - 40));
        v6[6] = (byte)(Extensions.Count > 0 ? Extensions[0].Protocol : protocol);
        v6[7] = HopLimit;
        return v6;
    }

    private ushort UpperSum(IpProtocol protocol, byte[] upper) =>
        Sum.Of(Sum.PseudoHeader(From, To, upper.Length, (byte)protocol), upper);

    // An options header is a multiple of 8 bytes; what is missing is one PadN option (RFC 8200 4.2).
    private static byte[] Padded(byte[]? options)
    {
        byte[] given = options ?? [];
        int missing = -(2 + given.Length) & 7;
        byte[] padding = missing switch { 0 => [], 1 => [0], _ => [1, (byte)(missing - 2), .. new byte[missing - 2]] };
        return [0, (byte)((2 + given.Length + missing) / 8 - 1), .. given, .. padding];
    }
}
