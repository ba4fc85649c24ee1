// A NAT for IPv4: UDP, TCP and pings from inside leave with its outer address and a port of its own, and what comes back
// to that port goes inside (RFC 4787: endpoint-independent mapping and filtering). A mapping ends when it is not used for
// a while; the next packet gets another port, and so the peer is seen to move.

using System.Buffers.Binary;
using Testudo.Wire;

namespace Testudo.Simulation;

/// <summary>A NAT in a <see cref="Network"/>.</summary>
public sealed class SimulatedNat : SimulatedRouter
{
    private const int MaxFragmentedDatagrams = 64;
    private readonly Prefix _inside;
    private readonly Address _outer;
    private readonly SeededRandom _random;
    private readonly Dictionary<(IpProtocol, Address, ushort), Mapping> _byInside = [];
    private readonly Dictionary<(IpProtocol, ushort), Mapping> _byPort = [];
    private readonly Dictionary<(Address, Address, IpProtocol, uint), Address> _fragments = [];

    internal SimulatedNat(Network network, string name, Prefix inside, Address[] addresses, SeededRandom random)
        : base(network, name, addresses)
    {
        (_inside, _outer, _random) = (inside, addresses[1], random);
    }

    /// <summary>How long a mapping lives without a packet from inside.</summary>
    public TimeSpan Timeout { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>Mappings made so far.</summary>
    public int Mappings { get; private set; }

    /// <summary>The outer port of an inner address and port; null where it has none.</summary>
    public ushort? PortOf(IpProtocol protocol, in Address address, ushort port) =>
        _byInside.TryGetValue((protocol, address, port), out Mapping? mapping) && !HasEnded(mapping) ? mapping.OuterPort : null;

    /// <summary>Forgets all mappings, as a NAT does that is started anew: everybody inside gets other ports.</summary>
    public void Rebind()
    {
        _byInside.Clear();
        _byPort.Clear();
    }

    /// <inheritdoc/>
    private protected override void Forward(byte[] packet, in IpInfo info)
    {
        if (info.Family == IpFamily.V4 && _inside.Contains(info.Source) && !_inside.Contains(info.Destination))
        {
            if (TakeHop(packet) && Outward(packet, info))
            {
                Transmit(packet);
            }
        }
        else if (_inside.Contains(info.Destination))
        {
            Drop("no-mapping", packet, CaptureDirection.Inbound); // inner addresses are not known outside
        }
        else
        {
            base.Forward(packet, info);
        }
    }

    /// <inheritdoc/>
    protected override void Arrive(byte[] packet)
    {
        if (IpInfo.TryParse(packet, out IpInfo info) != Wire.Drop.None || info.Destination != _outer)
        {
            base.Arrive(packet);
            return;
        }

        Note(Side.Wire, CaptureDirection.Inbound, Wire.Drop.None, null, packet);
        packet = packet[..info.TotalLength];
        if (Inward(packet, info) && TakeHop(packet))
        {
            Transmit(packet);
        }
    }

    // What leaves with the outer address belongs to somebody inside; so does an error about it.
    private protected override bool IsOwn(in Address source) => source != _outer && base.IsOwn(source);

    private protected override void SendOwn(byte[] packet)
    {
        if (IpInfo.TryParse(packet, out IpInfo info) != Wire.Drop.None || info.Destination != _outer || Inward(packet, info))
        {
            Transmit(packet);
        }
    }

    private bool Outward(byte[] packet, in IpInfo info)
    {
        var datagram = (info.Source, info.Destination, info.Protocol, info.Identification);
        if (info.FragmentOffset != 0)
        {
            return _fragments.ContainsKey(datagram) ? Rewrite(packet, info, 12, _outer, null) : Refuse("fragment-without-ports", packet);
        }

        if (!HasPort(packet, info))
        {
            return QuotedMapping(packet, info, 16) is { } about ? RewriteError(packet, info, about, leaving: true) : Refuse("not-translated", packet);
        }

        ushort port = InnerPort(packet, info);
        if (!_byInside.TryGetValue((info.Protocol, info.Source, port), out Mapping? mapping) || HasEnded(mapping))
        {
            mapping = Map(info.Protocol, info.Source, port);
        }

        mapping.Used = Network.Time;
        Remember(datagram, info, _outer);
        return Rewrite(packet, info, 12, _outer, mapping.OuterPort);
    }

    private bool Inward(byte[] packet, in IpInfo info)
    {
        var datagram = (info.Source, info.Destination, info.Protocol, info.Identification);
        if (info.FragmentOffset != 0)
        {
            return _fragments.TryGetValue(datagram, out Address inner) ? Rewrite(packet, info, 16, inner, null) : Refuse("fragment-without-ports", packet);
        }

        Mapping? mapping;
        if (!HasPort(packet, info))
        {
            return QuotedMapping(packet, info, 12) is { } about ? RewriteError(packet, info, about, leaving: false) : Refuse("not-translated", packet);
        }

        // A ping has one number for both ends; only its answers are for somebody inside.
        ushort port = info.Protocol == IpProtocol.Icmp ? BinaryPrimitives.ReadUInt16BigEndian(packet.AsSpan(info.UpperOffset + 4)) : info.DestinationPort;
        if (!_byPort.TryGetValue((info.Protocol, port), out mapping) || HasEnded(mapping))
        {
            return Refuse("no-mapping", packet);
        }

        Remember(datagram, info, mapping.Inner);
        return Rewrite(packet, info, 16, mapping.Inner, mapping.InnerPort);
    }

    private Mapping Map(IpProtocol protocol, in Address inner, ushort port)
    {
        if (_byInside.Remove((protocol, inner, port), out Mapping? old))
        {
            _byPort.Remove((protocol, old.OuterPort));
        }

        ushort outer;
        do
        {
            outer = (ushort)(20_000 + _random.Next(40_000));
        }
        while (_byPort.ContainsKey((protocol, outer)));

        Mappings++;
        return _byInside[(protocol, inner, port)] = _byPort[(protocol, outer)] = new Mapping(inner, port, outer);
    }

    private bool HasEnded(Mapping mapping) => Network.Time - mapping.Used >= Timeout.Ticks * 100;

    private bool Refuse(string name, byte[] packet)
    {
        Drop(name, packet, CaptureDirection.Inbound);
        return false;
    }

    private void Remember((Address, Address, IpProtocol, uint) datagram, in IpInfo info, in Address to)
    {
        if (info.IsFragment)
        {
            if (_fragments.Count >= MaxFragmentedDatagrams)
            {
                _fragments.Clear();
            }

            _fragments[datagram] = to;
        }
    }

    private static bool HasPort(ReadOnlySpan<byte> packet, in IpInfo info) =>
        info.Protocol is IpProtocol.Udp or IpProtocol.Tcp ? packet.Length >= info.UpperOffset + (info.Protocol == IpProtocol.Udp ? 8 : 20)
            : info.Protocol == IpProtocol.Icmp && info.SourcePort is 0 or 8 && packet.Length >= info.UpperOffset + 8;

    private static ushort InnerPort(ReadOnlySpan<byte> packet, in IpInfo info) =>
        info.Protocol == IpProtocol.Icmp ? BinaryPrimitives.ReadUInt16BigEndian(packet[(info.UpperOffset + 4)..]) : info.SourcePort;

    // Sets the source (12) or destination (16) and its port, and mends the checksums (RFC 1624).
    private static bool Rewrite(byte[] packet, in IpInfo info, int addressOffset, in Address address, ushort? port)
    {
        Span<byte> before = stackalloc byte[6], after = stackalloc byte[6];
        packet.AsSpan(addressOffset, 4).CopyTo(before);
        address.CopyTo(packet.AsSpan(addressOffset));
        packet.AsSpan(addressOffset, 4).CopyTo(after);
        if (port is { } number)
        {
            bool icmp = info.Protocol == IpProtocol.Icmp;
            int place = info.UpperOffset + (icmp ? 4 : addressOffset == 12 ? 0 : 2);
            packet.AsSpan(place, 2).CopyTo(before[4..]);
            BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(place), number);
            packet.AsSpan(place, 2).CopyTo(after[4..]);
            Span<byte> sum = packet.AsSpan(info.UpperOffset + (icmp ? 2 : info.Protocol == IpProtocol.Udp ? 6 : 16), 2);
            if (icmp && !info.IsFragment)
            {
                // Anew: mending cannot tell a sum of nothing but zeros from one that came out as zero.
                sum.Clear();
                BinaryPrimitives.WriteUInt16BigEndian(sum, Checksum.Of(packet.AsSpan(info.UpperOffset, info.TotalLength - info.UpperOffset)));
            }
            else if (info.Protocol != IpProtocol.Udp || BinaryPrimitives.ReadUInt16BigEndian(sum) != 0)
            {
                Mend(sum, icmp ? before[4..] : before, icmp ? after[4..] : after);
                if (info.Protocol == IpProtocol.Udp && BinaryPrimitives.ReadUInt16BigEndian(sum) == 0)
                {
                    sum.Fill(0xFF); // RFC 768: zero would say that there is none
                }
            }
        }

        IpWrite.SetLength(packet, info.TotalLength, info.UpperOffset);
        return true;
    }

    // The mapping of the packet that an ICMP error quotes: sent by the NAT's outer address (12), or to an inner one (16).
    private Mapping? QuotedMapping(ReadOnlySpan<byte> packet, in IpInfo info, int addressOffset)
    {
        ReadOnlySpan<byte> quoted = packet[Math.Min(info.UpperOffset + 8, packet.Length)..];
        if (info.Protocol != IpProtocol.Icmp || quoted.Length < 28 || quoted[0] != 0x45)
        {
            return null;
        }

        var protocol = (IpProtocol)quoted[9];
        ushort port = BinaryPrimitives.ReadUInt16BigEndian(quoted[(20 + (protocol == IpProtocol.Icmp ? 4 : addressOffset == 12 ? 0 : 2))..]);
        return addressOffset == 12 ? _byPort.GetValueOrDefault((protocol, port)) : _byInside.GetValueOrDefault((protocol, Address.V4(quoted[16..]), port));
    }

    // RFC 5508, 4: the error and what it quotes both change sides.
    private bool RewriteError(byte[] packet, in IpInfo info, Mapping mapping, bool leaving)
    {
        (Address address, ushort port) = leaving ? (_outer, mapping.OuterPort) : (mapping.Inner, mapping.InnerPort);
        Span<byte> icmp = packet.AsSpan(info.UpperOffset, info.TotalLength - info.UpperOffset), quoted = icmp[8..];
        address.CopyTo(packet.AsSpan(leaving ? 12 : 16));
        address.CopyTo(quoted[(leaving ? 16 : 12)..]);
        bool ping = quoted[9] == (byte)IpProtocol.Icmp;
        BinaryPrimitives.WriteUInt16BigEndian(quoted[(20 + (ping ? 4 : leaving ? 2 : 0))..], port);
        IpWrite.SetLength(quoted, BinaryPrimitives.ReadUInt16BigEndian(quoted[2..]), 20);
        icmp[2] = icmp[3] = 0;
        BinaryPrimitives.WriteUInt16BigEndian(icmp[2..], Checksum.Of(icmp));
        IpWrite.SetLength(packet, info.TotalLength, info.UpperOffset);
        return true;
    }

    private static void Mend(Span<byte> checksum, ReadOnlySpan<byte> before, ReadOnlySpan<byte> after)
    {
        uint sum = (ushort)~BinaryPrimitives.ReadUInt16BigEndian(checksum);
        for (int i = 0; i < before.Length; i += 2)
        {
            sum += (ushort)~BinaryPrimitives.ReadUInt16BigEndian(before[i..]);
            sum += BinaryPrimitives.ReadUInt16BigEndian(after[i..]);
        }

        sum = (sum & 0xFFFF) + (sum >> 16);
        sum = (sum & 0xFFFF) + (sum >> 16);
        BinaryPrimitives.WriteUInt16BigEndian(checksum, (ushort)~sum);
    }

    private sealed class Mapping(Address inner, ushort innerPort, ushort outerPort)
    {
        public Address Inner { get; } = inner;

        public ushort InnerPort { get; } = innerPort;

        public ushort OuterPort { get; } = outerPort;

        public long Used { get; set; }
    }
}
