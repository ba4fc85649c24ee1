// The programs' side of a simulated host: datagrams, segments and pings out; what comes is put together, checked and
// kept; ICMP errors are believed as far as they speak of packets that this host could have sent.

using System.Buffers.Binary;
using Testudo.Engine.Keys;
using Testudo.Wire;

namespace Testudo.Simulation;

/// <summary>A peer behind a NAT is seen at another address or port than before.</summary>
/// <param name="Time">Virtual nanoseconds since the network was made.</param>
/// <param name="Spi">The inbound SA that its packet came by.</param>
/// <param name="Address">Where it is now.</param>
/// <param name="Port">Its UDP port now.</param>
public readonly record struct PeerMove(long Time, uint Spi, Address Address, ushort Port);

public sealed partial class SimulatedHost
{
    private readonly Defragmenter _defragmenter = new();
    private readonly Dictionary<Address, int> _pathMtus = [];
    private readonly Dictionary<(uint Spi, Address Peer), (Address Address, ushort Port)> _peers = [];
    private readonly List<PeerMove> _moves = [];
    private ushort _id;

    /// <summary>Whether it answers pings.</summary>
    public bool AnswersPings { get; set; }

    /// <summary>The UDP ports that somebody listens on; null for all. To others it answers "port unreachable".</summary>
    public IReadOnlySet<ushort>? OpenPorts { get; set; }

    /// <summary>Called for each packet that its programs receive; they may send at once.</summary>
    public Action<ReceivedPacket>? OnReceived { get; set; }

    /// <summary>Whether <see cref="Received"/> grows; false for long runs.</summary>
    public bool KeepsReceived { get; set; } = true;

    /// <summary>Peers of SAs in UDP that were seen to move.</summary>
    public IReadOnlyList<PeerMove> PeerMoves => _moves;

    /// <summary>Sends a datagram from the first address of the destination's family.</summary>
    public void SendUdp(in Address to, ushort sourcePort, ushort destinationPort, ReadOnlySpan<byte> payload, bool dontFragment = false) =>
        Send(PacketWriter.Udp(From(to), to, sourcePort, destinationPort, payload, ++_id, dontFragment));

    /// <summary>Sends an echo request.</summary>
    public void Ping(in Address to, ushort id, ushort sequence, ReadOnlySpan<byte> payload) =>
        Send(PacketWriter.EchoRequest(From(to), to, ((uint)id << 16) | sequence, payload, ++_id));

    /// <summary>
    /// Sends bytes as TCP does in the middle of a connection: in segments as long as the path is known to take, with DF. No
    /// handshake, no acknowledgement, nothing sent again.
    /// </summary>
    /// <returns>Segments sent.</returns>
    public int SendSegments(in Address to, ushort sourcePort, ushort destinationPort, uint sequence, ReadOnlySpan<byte> bytes)
    {
        int headers = (to.Family == IpFamily.V4 ? IpInfo.V4HeaderLength : IpInfo.V6HeaderLength) + 20, segments = 0;
        for (; bytes.Length > 0; segments++)
        {
            int length = Math.Min(bytes.Length, PathMtu(to) - headers); // asked for each one: an error may have come meanwhile
            Send(PacketWriter.Tcp(From(to), to, sourcePort, destinationPort, sequence, bytes[..length], ++_id));
            sequence += (uint)length;
            bytes = bytes[length..];
        }

        return segments;
    }

    /// <summary>Bytes of the longest packet of its programs that reaches a destination, as far as it was told.</summary>
    public int PathMtu(in Address to) => _pathMtus.TryGetValue(to, out int mtu) ? mtu : Engine.Options.Mtu;

    private protected override int PathMtu(in IpInfo info) =>
        IsEsp(info) ? Engine.PathMtus.Of(info.Destination, Network.Now) : PathMtu(info.Destination);

    private Address From(in Address to)
    {
        foreach (Address address in Addresses)
        {
            if (address.Family == to.Family)
            {
                return address;
            }
        }

        throw new ArgumentException($"{Name} has no address to send to {to} from");
    }

    // For a program here.
    private void Absorb(byte[] packet, IpInfo info)
    {
        if (info.IsFragment)
        {
            byte[]? whole = _defragmenter.Take(packet, info, Network.Time, name => Drop(name, packet, CaptureDirection.Inbound));
            if (whole is null || IpInfo.TryParse(packet = whole, out info) != Wire.Drop.None)
            {
                if (whole is not null)
                {
                    Drop("no packet", whole, CaptureDirection.Inbound);
                }

                return;
            }
        }

        if (!PacketWriter.HasRightChecksum(packet, info))
        {
            Drop("bad-checksum", packet, CaptureDirection.Inbound);
            return;
        }

        Note(Side.Clear, CaptureDirection.Inbound, Wire.Drop.None, null, packet);
        Ledger.Absorbed++;
        var received = new ReceivedPacket(Network.Time, packet);
        if (KeepsReceived)
        {
            _received.Add(received);
        }

        Learn(packet, info);
        if (AnswersPings && Echo.Answer(packet) is { } answer)
        {
            Ledger.Made++;
            Protect(answer);
        }

        if (info.Protocol == IpProtocol.Udp && OpenPorts?.Contains(info.DestinationPort) == false)
        {
            Tell(packet, IcmpReason.PortClosed);
        }

        OnReceived?.Invoke(received);
    }

    // "Too big" says how long a packet may be (RFC 1191, 4; RFC 8201, 4): the engine is told about what it protected, the
    // stack about the rest. It must quote a packet of this host, and protected ones must name an SA of it (RFC 4301, 8.2.1).
    private void Learn(byte[] packet, in IpInfo info)
    {
        bool tooBig = (info.Protocol, info.SourcePort, info.DestinationPort) is (IpProtocol.Icmp, 3, 4) or (IpProtocol.Icmpv6, 2, _);
        ReadOnlySpan<byte> quoted = packet.AsSpan(info.UpperOffset);
        if (!tooBig || quoted.Length < 8 + 28)
        {
            return;
        }

        int mtu = (int)Math.Min(BinaryPrimitives.ReadUInt32BigEndian(quoted[4..]), ushort.MaxValue);
        quoted = quoted[8..];
        bool v4 = quoted[0] >> 4 == 4;
        if (quoted.Length < (v4 ? 28 : 48))
        {
            return;
        }

        Address source = v4 ? Address.V4(quoted[12..]) : Address.V6(quoted[8..]), destination = v4 ? Address.V4(quoted[16..]) : Address.V6(quoted[24..]);
        var protocol = (IpProtocol)quoted[v4 ? 9 : 6];
        ReadOnlySpan<byte> upper = quoted[(v4 ? (quoted[0] & 15) * 4 : 40)..];
        if (!Addresses.Contains(source) || mtu < 68)
        {
            return;
        }

        bool inUdp = protocol == IpProtocol.Udp && upper.Length >= 12;
        uint spi = upper.Length < 4 ? 0 : BinaryPrimitives.ReadUInt32BigEndian(inUdp ? upper[8..] : upper);
        if ((protocol == IpProtocol.Esp || inUdp) && Engine.Sad.Find(spi, IpProtocol.Esp, destination) is not null)
        {
            Engine.PathMtus.Set(destination, mtu);
        }
        else if (protocol != IpProtocol.Esp)
        {
            _pathMtus[destination] = Math.Min(PathMtu(destination), Math.Max(mtu, v4 ? 68 : 1280));
        }
    }

    // The ESP header of a whole packet, by itself or in UDP, where this host has its SA.
    private (Sa? Sa, ulong Sequence) Named(ReadOnlySpan<byte> packet, in IpInfo info)
    {
        int esp = PacketWriter.EspOffset(packet, info);
        if (info.IsFragment || esp < 0)
        {
            return default;
        }

        return (Engine.Sad.Find(BinaryPrimitives.ReadUInt32BigEndian(packet[esp..]), IpProtocol.Esp, info.Destination), BinaryPrimitives.ReadUInt32BigEndian(packet[(esp + 4)..]));
    }

    // An accepted packet in UDP shows where its sender is now.
    private void NotePeer(Sa sa, in IpInfo info, byte[] packet)
    {
        if (sa.Encapsulation is not { } ports || info.IsFragment || packet.Length < info.UpperOffset + 8)
        {
            return;
        }

        (Address, ushort) now = (info.Source, info.SourcePort);
        (Address, ushort) before = _peers.GetValueOrDefault((sa.Spi, sa.Source), (sa.Source, ports.SourcePort));
        _peers[(sa.Spi, sa.Source)] = now;
        if (now == before)
        {
            return;
        }

        _moves.Add(new PeerMove(Network.Time, sa.Spi, now.Item1, now.Item2)); // whether the engine follows is its own affair
    }
}
