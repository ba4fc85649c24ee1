// What hosts, routers and NATs have in common: a name, addresses, links with routes to them, forwarding, and an account.

using System.Buffers.Binary;
using Testudo.Wire;

namespace Testudo.Simulation;

/// <summary>A node of a <see cref="Network"/>. Derive from it for a node of another kind: <see cref="Arrive"/> is called for each packet.</summary>
public abstract class SimulatedNode
{
    private readonly List<(Prefix Prefix, SimulatedLink Link)> _routes = [];
    private int _depth;
    private uint _fragmentId;

    /// <summary>A node; <see cref="Simulation.Network.Add{T}"/> takes it into its network.</summary>
    protected SimulatedNode(Network network, string name, IReadOnlyList<Address> addresses)
    {
        (Network, Name, Addresses) = (network, name, addresses);
    }

    /// <summary>The name in the trace.</summary>
    public string Name { get; }

    /// <summary>Its addresses, of all its interfaces.</summary>
    public IReadOnlyList<Address> Addresses { get; }

    /// <summary>What came and what became of it.</summary>
    public Ledger Ledger { get; } = new();

    /// <summary>The network that it is in.</summary>
    protected Network Network { get; }

    /// <summary>Sends what is for this prefix by a link; the longest prefix wins, then the earliest.</summary>
    public void AddRoute(string prefix, SimulatedLink link) => AddRoute(Prefix.Parse(prefix), link);

    internal void AddRoute(Prefix prefix, SimulatedLink link) => _routes.Add((prefix, link));

    /// <summary>A packet comes out of a link.</summary>
    internal void Receive(byte[] packet)
    {
        Enter();
        try
        {
            Ledger.In++;
            if (packet[0] >> 4 == 4 && packet.Length >= 20 && (packet[0] & 15) * 4 is >= 20 and int header && header <= packet.Length && Checksum.Of(packet.AsSpan(0, header)) != 0)
            {
                Drop("bad-header-checksum", packet, CaptureDirection.Inbound);
                return;
            }

            Arrive(packet);
        }
        finally
        {
            Leave();
        }
    }

    /// <summary>A packet has come; it counts as in. It must end as out, dropped, absorbed or held.</summary>
    protected abstract void Arrive(byte[] packet);

    /// <summary>Null, or how the account is not balanced.</summary>
    internal virtual string? Imbalance() => Ledger.Difference == 0 ? null : Ledger.ToString();

    /// <summary>The account is looked at when the outermost of nested calls ends.</summary>
    private protected void Enter() => _depth++;

    private protected void Leave()
    {
        if (--_depth == 0)
        {
            Network.Invariants.OnRest(this);
        }
    }

    /// <summary>Counts and traces a packet that ends here.</summary>
    private protected void Drop(string name, byte[] packet, CaptureDirection direction = CaptureDirection.Outbound)
    {
        Ledger.Drop(name);
        Note(Side.Wire, direction, Wire.Drop.None, name, packet);
    }

    /// <summary>True where a hop was left, which is now one less; else the sender was told.</summary>
    private protected bool TakeHop(byte[] packet)
    {
        bool v4 = packet[0] >> 4 == 4;
        ref byte hops = ref packet[v4 ? 8 : 7];
        if (hops <= 1)
        {
            Drop("hop limit", packet, CaptureDirection.Inbound);
            Tell(packet, IcmpReason.TimeExceeded);
            return false;
        }

        hops--;
        if (v4)
        {
            IpWrite.SetLength(packet, BinaryPrimitives.ReadUInt16BigEndian(packet.AsSpan(2)), (packet[0] & 15) * 4); // the checksum
        }

        return true;
    }

    /// <summary>Gives a packet to the link that its destination is behind, in fragments where it is too long and they are allowed.</summary>
    /// <param name="packet">The packet.</param>
    /// <param name="wasWhole">It was put together here, so that it may be cut again whatever the family.</param>
    private protected void Transmit(byte[] packet, bool wasWhole = false)
    {
        if (IpInfo.TryParse(packet, out IpInfo info) != Wire.Drop.None)
        {
            Drop("no packet", packet);
            return;
        }

        bool isMine = IsOwn(info.Source);
        if (Route(info.Destination) is not { } link)
        {
            Ledger.Drop("no-route");
            Note(Side.Wire, CaptureDirection.Outbound, Wire.Drop.LinkRefused, null, packet);
            if (!isMine)
            {
                Tell(packet, IcmpReason.NoRoute);
            }

            return;
        }

        int mtu = isMine ? Math.Min(link.Profile.Mtu, PathMtu(info)) : link.Profile.Mtu;
        if (packet.Length <= mtu)
        {
            Emit(link, packet);
            return;
        }

        bool mayCut = info.Family == IpFamily.V4 ? !info.DontFragment : isMine || wasWhole;
        IReadOnlyList<byte[]> pieces = mayCut ? PacketWriter.Cut(packet, mtu, ++_fragmentId) : [];
        if (pieces.Count == 0)
        {
            Ledger.Drop("too-big");
            Note(Side.Wire, CaptureDirection.Outbound, Wire.Drop.TooBig, null, packet);
            if (!isMine || !IsEsp(info))
            {
                Tell(packet, IcmpReason.TooBig, (uint)mtu);
            }

            return; // about its own ESP a host tells nobody: its own links take what its engine was told
        }

        Ledger.Cut += pieces.Count - 1;
        foreach (byte[] piece in pieces)
        {
            Emit(link, piece);
        }
    }

    /// <summary>Bytes of the longest packet of this node itself that reaches its destination, as far as it knows.</summary>
    private protected virtual int PathMtu(in IpInfo info) => int.MaxValue;

    /// <summary>True for packets that this node made itself.</summary>
    private protected virtual bool IsOwn(in Address source) => Addresses.Contains(source);

    private protected static bool IsEsp(in IpInfo info) =>
        info.Protocol is IpProtocol.Esp or IpProtocol.Ah || info is { Protocol: IpProtocol.Udp, DestinationPort: 4500 } or { Protocol: IpProtocol.Udp, SourcePort: 4500 };

    /// <summary>Tells a packet's sender what became of it, where that may be told.</summary>
    private protected void Tell(byte[] packet, IcmpReason reason, uint mtu = 0)
    {
        if (PacketWriter.Error(Addresses, packet, reason, mtu) is { } error)
        {
            Ledger.Made++;
            SendOwn(error);
        }
    }

    /// <summary>Sends a packet that this node made.</summary>
    private protected virtual void SendOwn(byte[] packet) => Transmit(packet);

    private protected void Note(Side side, CaptureDirection direction, Drop drop, string? fate, byte[] bytes) =>
        Network.Trace.Add(Network.Time, Name, side, direction, drop, fate, bytes);

    private void Emit(SimulatedLink link, byte[] packet)
    {
        Ledger.Out++;
        Note(Side.Wire, CaptureDirection.Outbound, Wire.Drop.None, link.Carry(this, packet), packet);
    }

    private SimulatedLink? Route(in Address destination)
    {
        SimulatedLink? best = null;
        int length = -1;
        foreach ((Prefix prefix, SimulatedLink link) in _routes)
        {
            if (prefix.Length > length && prefix.Contains(destination))
            {
                (best, length) = (link, prefix.Length);
            }
        }

        return best;
    }
}
