// What a test expects of a packet, read from the outside in. Like Build it shares no code with what is tested.
//
//   Check.Packet(bytes).Ipv4().From("10.0.0.1").To("10.0.0.2").HopLimit(63).Udp(7, 9).Payload("hello"u8);
//   Check.Packet(bytes).Ipv6().Icmp(2, 0, parameter: 1280).Inner().From("fd00::1").To("fd00::2");
//
// Ipv4 and Ipv6 check every length and the header checksum; Udp, Tcp and Icmp check theirs.

using System.Buffers.Binary;
using System.Net;
using Testudo.Wire;
using Xunit;

namespace Testudo.Tests.Checker;

internal static class Check
{
    /// <summary>Starts at the first byte of an IP packet.</summary>
    public static PacketCheck Packet(ReadOnlySpan<byte> bytes) => new(bytes.ToArray());
}

/// <summary>A place in a packet; each method checks something there and may go on behind it.</summary>
internal sealed class PacketCheck
{
    private readonly byte[] _whole;
    private byte[] _rest; // from the header that is looked at next
    private byte[] _ip = []; // the IP header that was looked at last
    private IPAddress _from = IPAddress.None, _to = IPAddress.None;
    private byte _next;

    internal PacketCheck(byte[] bytes) => _rest = _whole = bytes;

    private bool IsV4 => _ip[0] >> 4 == 4;

    /// <summary>What is behind the headers checked so far.</summary>
    public ReadOnlySpan<byte> Rest => _rest;

    /// <summary>An IPv4 header, well formed, as long as the packet. Options are skipped; see <see cref="Options"/>.</summary>
    public PacketCheck Ipv4()
    {
        That(_rest.Length >= 20 && _rest[0] >> 4 == 4, "an IPv4 header");
        int header = (_rest[0] & 15) * 4;
        That(header >= 20 && header <= _rest.Length, "an IPv4 header length inside the packet");
        Same(_rest.Length, BinaryPrimitives.ReadUInt16BigEndian(_rest.AsSpan(2)), "IPv4 total length");
        Same(0, Sum.Of(_rest[..header]), "IPv4 header checksum (0 is right)");
        _from = new IPAddress(_rest.AsSpan(12, 4));
        _to = new IPAddress(_rest.AsSpan(16, 4));
        _next = _rest[9];
        return SkipIp(header);
    }

    /// <summary>An IPv6 header, as long as the packet. Extension headers are asked for one by one.</summary>
    public PacketCheck Ipv6()
    {
        That(_rest.Length >= 40 && _rest[0] >> 4 == 6, "an IPv6 header");
        Same(_rest.Length - 40, BinaryPrimitives.ReadUInt16BigEndian(_rest.AsSpan(4)), "IPv6 payload length");
        _from = new IPAddress(_rest.AsSpan(8, 16));
        _to = new IPAddress(_rest.AsSpan(24, 16));
        _next = _rest[6];
        return SkipIp(40);
    }

    /// <summary>A whole IP packet of either version is what follows.</summary>
    public PacketCheck Inner() => _rest.Length > 0 && _rest[0] >> 4 == 4 ? Ipv4() : Ipv6();

    /// <summary>The packet quoted in an ICMP error: its header's lengths may say more than is there.</summary>
    public PacketCheck Quoted()
    {
        bool v4 = _rest.Length > 0 && _rest[0] >> 4 == 4;
        That(_rest.Length >= (v4 ? 28 : 48), "a quoted packet: an IP header and 8 bytes");
        _from = new IPAddress(_rest.AsSpan(v4 ? 12 : 8, v4 ? 4 : 16));
        _to = new IPAddress(_rest.AsSpan(v4 ? 16 : 24, v4 ? 4 : 16));
        _next = _rest[v4 ? 9 : 6];
        return SkipIp(v4 ? (_rest[0] & 15) * 4 : 40);
    }

    public PacketCheck From(string address) => Same(IPAddress.Parse(address), _from, "source address");

    public PacketCheck To(string address) => Same(IPAddress.Parse(address), _to, "destination address");

    /// <summary>TTL or hop limit.</summary>
    public PacketCheck HopLimit(int value) => Same(value, _ip[IsV4 ? 8 : 7], "TTL or hop limit");

    /// <summary>TOS or traffic class, ECN bits and all.</summary>
    public PacketCheck TrafficClass(int value) =>
        Same(value, IsV4 ? _ip[1] : (byte)(BinaryPrimitives.ReadUInt16BigEndian(_ip) >> 4), "TOS or traffic class");

    public PacketCheck FlowLabel(int value) => Same(value, (int)(BinaryPrimitives.ReadUInt32BigEndian(_ip) & 0xFFFFF), "flow label");

    public PacketCheck DontFragment(bool value) => Same(value, (_ip[6] & 0x40) != 0, "DF");

    public PacketCheck Id(int value) => Same(value, BinaryPrimitives.ReadUInt16BigEndian(_ip.AsSpan(4)), "IPv4 identification");

    /// <summary>The IPv4 options.</summary>
    public PacketCheck Options(ReadOnlySpan<byte> bytes) =>
        Same(Convert.ToHexString(bytes), Convert.ToHexString(_ip.AsSpan(20)), "IPv4 options");

    /// <summary>IPv4: this fragment, bytes. IPv6: a fragment header comes next.</summary>
    public PacketCheck Fragment(int offset, bool more)
    {
        if (IsV4)
        {
            int word = BinaryPrimitives.ReadUInt16BigEndian(_ip.AsSpan(6));
            return Same(offset, (word & 0x1FFF) * 8, "fragment offset").Same(more, (word & 0x2000) != 0, "MF");
        }

        Extension(IpProtocol.Fragment, out byte[] header);
        int place = BinaryPrimitives.ReadUInt16BigEndian(header.AsSpan(2));
        return Same(offset, place & ~7, "fragment offset").Same(more, (place & 1) != 0, "M");
    }

    /// <summary>The protocol (next header) of what follows.</summary>
    public PacketCheck Protocol(IpProtocol value) => Same(value, (IpProtocol)_next, "protocol or next header");

    /// <summary>An IPv6 extension header comes next; it is skipped.</summary>
    public PacketCheck Extension(IpProtocol protocol) => Extension(protocol, out _);

    /// <summary>A UDP header, of the right length and checksum (0 is none for IPv4, and for tunnels of RFC 3948).</summary>
    public PacketCheck Udp(int from, int to)
    {
        Protocol(IpProtocol.Udp).That(_rest.Length >= 8, "a UDP header");
        Same(_rest.Length, BinaryPrimitives.ReadUInt16BigEndian(_rest.AsSpan(4)), "UDP length");
        if (BinaryPrimitives.ReadUInt16BigEndian(_rest.AsSpan(6)) != 0)
        {
            UpperSum("UDP");
        }

        return Ports(from, to).Skip(8);
    }

    /// <summary>A TCP header with a right checksum, and these flags where given.</summary>
    public PacketCheck Tcp(int from, int to, int? flags = null)
    {
        Protocol(IpProtocol.Tcp).That(_rest.Length >= 20 && (_rest[12] >> 4) * 4 <= _rest.Length, "a TCP header");
        UpperSum("TCP");
        Same(flags ?? _rest[13], _rest[13], "TCP flags");
        return Ports(from, to).Skip((_rest[12] >> 4) * 4);
    }

    /// <summary>An echo request or reply of the family.</summary>
    public PacketCheck IcmpEcho(int id, int sequence, bool reply = false) =>
        Icmp(IsV4 ? (reply ? 0 : 8) : (reply ? 129 : 128), 0, ((uint)id << 16) | (uint)sequence);

    /// <summary>An ICMP message of the family, with a right checksum, and this second word where given.</summary>
    public PacketCheck Icmp(int type, int code, uint? parameter = null)
    {
        Protocol(IsV4 ? IpProtocol.Icmp : IpProtocol.Icmpv6).That(_rest.Length >= 8, "an ICMP header");
        Same(type, _rest[0], "ICMP type").Same(code, _rest[1], "ICMP code");
        uint word = BinaryPrimitives.ReadUInt32BigEndian(_rest.AsSpan(4));
        Same(parameter ?? word, word, "ICMP parameter");
        if (IsV4)
        {
            Same(0, Sum.Of(_rest), "ICMP checksum (0 is right)");
        }
        else
        {
            UpperSum("ICMPv6");
        }

        return Skip(8);
    }

    /// <summary>An ESP header; what is left is IV, text and ICV.</summary>
    public PacketCheck Esp(uint spi, uint sequence)
    {
        Protocol(IpProtocol.Esp);
        return Esp(0, spi, sequence);
    }

    /// <summary>An ESP header behind the UDP header of RFC 3948.</summary>
    public PacketCheck EspInUdp(uint spi, uint sequence) => Esp(0, spi, sequence);

    /// <summary>An AH header (RFC 4302); its ICV is skipped with it.</summary>
    public PacketCheck Ah(uint spi, uint sequence)
    {
        Protocol(IpProtocol.Ah).That(_rest.Length >= 12, "an AH header");
        int length = (_rest[1] + 2) * 4;
        byte next = _rest[0];
        Esp(4, spi, sequence, length);
        _next = next;
        return this;
    }

    /// <summary>What is left is exactly this.</summary>
    public PacketCheck Payload(ReadOnlySpan<byte> bytes) => Same(Convert.ToHexString(bytes), Convert.ToHexString(_rest), "payload");

    /// <summary>So much is left.</summary>
    public PacketCheck PayloadLength(int value) => Same(value, _rest.Length, "payload length");

    private PacketCheck Esp(int at, uint spi, uint sequence, int length = 8)
    {
        That(_rest.Length >= length, "a header with SPI and sequence number");
        Same(spi, BinaryPrimitives.ReadUInt32BigEndian(_rest.AsSpan(at)), "SPI");
        Same(sequence, BinaryPrimitives.ReadUInt32BigEndian(_rest.AsSpan(at + 4)), "sequence number");
        return Skip(length);
    }

    private PacketCheck Extension(IpProtocol protocol, out byte[] header)
    {
        Protocol(protocol).That(_rest.Length >= 8, $"a {protocol} header");
        int length = protocol == IpProtocol.Fragment ? 8 : (_rest[1] + 1) * 8;
        That(length <= _rest.Length, $"a {protocol} header inside the packet");
        header = _rest[..length];
        _next = header[0];
        return Skip(length);
    }

    private PacketCheck Ports(int from, int to) =>
        Same(from, BinaryPrimitives.ReadUInt16BigEndian(_rest), "source port")
            .Same(to, BinaryPrimitives.ReadUInt16BigEndian(_rest.AsSpan(2)), "destination port");

    private void UpperSum(string what) =>
        Same(0, Sum.Of(Sum.PseudoHeader(_from, _to, _rest.Length, _next), _rest), $"{what} checksum (0 is right)");

    private PacketCheck SkipIp(int header)
    {
        _ip = _rest[..header];
        return Skip(header);
    }

    private PacketCheck Skip(int bytes)
    {
        _rest = _rest[bytes..];
        return this;
    }

    private PacketCheck That(bool condition, string what)
    {
        if (!condition)
        {
            Assert.Fail($"expected {what} {Where()}");
        }

        return this;
    }

    private PacketCheck Same<T>(T expected, T actual, string what)
    {
        if (!EqualityComparer<T>.Default.Equals(expected, actual))
        {
            Assert.Fail($"{what}: expected {expected}, found {actual} {Where()}");
        }

        return this;
    }

    private string Where() => $"at byte {_whole.Length - _rest.Length} of\n{Convert.ToHexString(_whole)}";
}
