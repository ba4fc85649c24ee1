// What must hold in every simulated network at every moment, watched from outside of the engines: on the wires, at the
// hosts' doors, and in the accounts. A violation names the rule, the seed and the time, so that it can be seen again.
//
//   clear       nothing that the sending host's policy wants protected (or discarded) is on a wire in clear, nor shows
//               its plain text behind an ESP header of a cipher that hides it
//   replay      of each SA with a replay window each sequence number is accepted at most once under its keys
//   nonce       of each key of a counter-mode cipher no IV is on a wire twice
//   accounting  every node's and every link's account is exact, and the nodes' and the links' agree
//   memory      fragments hold no more than they may, and a packet in gives no more than one batch

using System.Security.Cryptography;
using Testudo.Crypto;
using Testudo.Engine.Keys;
using Testudo.Engine.Policies;
using Testudo.Wire;
using Testudo.Wire.PfKey;

namespace Testudo.Simulation;

/// <summary>The rules.</summary>
public enum Invariant : byte
{
    /// <summary>Nothing in clear that must be protected.</summary>
    Clear,

    /// <summary>No packet accepted twice.</summary>
    Replay,

    /// <summary>No IV twice under a key.</summary>
    Nonce,

    /// <summary>Packets are neither lost nor made uncounted.</summary>
    Accounting,

    /// <summary>Memory stays within its bounds.</summary>
    Memory,
}

/// <summary>A rule that did not hold.</summary>
/// <param name="Rule">Which.</param>
/// <param name="Seed">The network's seed.</param>
/// <param name="Time">Virtual nanoseconds since the network was made.</param>
/// <param name="Where">The node or link.</param>
/// <param name="What">What was seen, in words.</param>
public sealed record Violation(Invariant Rule, ulong Seed, long Time, string Where, string What)
{
    /// <inheritdoc/>
    public override string ToString() => $"{Rule}: seed {Seed}, {Time / 1e9:F9} s, {Where}: {What}";
}

/// <summary>A rule did not hold.</summary>
public sealed class SimulationException(Violation violation) : Exception(violation.ToString())
{
    /// <summary>Which, where and when.</summary>
    public Violation Violation { get; } = violation;
}

/// <summary>Watches a network.</summary>
public sealed class Invariants
{
    private readonly Network _network;
    private readonly List<Violation> _violations = [];
    private readonly long[] _checks = new long[Enum.GetValues<Invariant>().Length];
    private readonly Dictionary<Sa, KeyUse> _bySa = [];
    private bool _hasThrown;
    private readonly Dictionary<string, KeyUse> _byKey = [];

    internal Invariants(Network network) => _network = network;

    /// <summary>True where a violation is thrown as a <see cref="SimulationException"/>; false where it is only noted.</summary>
    public bool Throws { get; set; } = true;

    /// <summary>What was violated.</summary>
    public IReadOnlyList<Violation> Violations => _violations;

    /// <summary>How often a rule was checked: a rule that was never checked says nothing.</summary>
    public long Checks(Invariant rule) => _checks[(int)rule];

    /// <summary>A packet leaves a node for a link.</summary>
    internal void OnWire(SimulatedNode from, ReadOnlySpan<byte> packet)
    {
        if (from is not SimulatedHost host || IpInfo.TryParse(packet, out IpInfo info) != Drop.None)
        {
            return;
        }

        // Later fragments show no SPI: they follow their first one, which was looked at.
        if (info.FragmentOffset != 0 && host.LastProtected == (info.Source, info.Destination, info.Identification))
        {
            return;
        }

        if (FindEsp(host, packet, info, out Sa? sa, out int esp))
        {
            if (info.IsFragment)
            {
                host.LastProtected = (info.Source, info.Destination, info.Identification);
            }

            if (sa is not null)
            {
                CheckNonce(host, packet, sa, esp);
            }

            return;
        }

        _checks[(int)Invariant.Clear]++;
        Policy? policy = host.Engine.Spd.Lookup(PolicyDirection.Out, info, out Drop drop);
        PolicyAction action = policy?.Action ?? host.Engine.Spd.DefaultAction;
        bool must = action == PolicyAction.Ipsec
            ? policy!.Requests.Any(request => (request.Level == PolicyLevel.Default ? host.Engine.Options.DefaultLevel : request.Level) is PolicyLevel.Require or PolicyLevel.Unique)
            : action == PolicyAction.Discard;
        if (drop == Drop.None && must && !IsKeepalive(packet, info))
        {
            Violate(Invariant.Clear, host.Name, $"{info.Protocol} from {info.Source} to {info.Destination} is on the wire in clear, though policy {policy?.Id.ToString(null, null) ?? "by default"} says {action}");
        }
    }

    /// <summary>A host sealed a packet: is the plain text still to be seen?</summary>
    internal void OnSealed(SimulatedHost host, ReadOnlySpan<byte> plain, ReadOnlySpan<byte> wire)
    {
        if (plain.Length < 48 || IpInfo.TryParse(wire, out IpInfo info) != Drop.None || !FindEsp(host, wire, info, out Sa? sa, out _) || sa is null || sa.Transform.Cipher == Cipher.Null)
        {
            return;
        }

        _checks[(int)Invariant.Clear]++;
        if (wire.IndexOf(plain[^16..]) >= 0)
        {
            Violate(Invariant.Clear, host.Name, $"SA 0x{sa.Spi:x8} to {sa.Destination} shows its plain text");
        }
    }

    /// <summary>A host's engine let a protected packet in.</summary>
    internal void OnAccepted(SimulatedHost host, Sa sa, ulong sequence)
    {
        if (sa.Window.Packets == 0)
        {
            return; // this SA was asked not to look
        }

        _checks[(int)Invariant.Replay]++;
        if (!Use(sa).Accepted.Add((host.Name, sa.Spi, sequence)))
        {
            Violate(Invariant.Replay, host.Name, $"packet {sequence} of SA 0x{sa.Spi:x8} was accepted twice");
        }
    }

    /// <summary>A node is at rest between two events.</summary>
    internal void OnRest(SimulatedNode node)
    {
        if (_hasThrown)
        {
            return; // what was thrown stopped a packet halfway: accounts say nothing any more
        }

        _checks[(int)Invariant.Accounting]++;
        if (node.Imbalance() is { } imbalance)
        {
            Violate(Invariant.Accounting, node.Name, imbalance);
        }

        if (node is SimulatedHost host)
        {
            _checks[(int)Invariant.Memory]++;
            if (host.Excess() is { } excess)
            {
                Violate(Invariant.Memory, node.Name, excess);
            }
        }
    }

    /// <summary>The whole network is at rest between two events.</summary>
    internal void OnRest()
    {
        if (_hasThrown)
        {
            return;
        }

        _checks[(int)Invariant.Accounting]++;
        long carried = 0, delivered = 0, sent = 0, arrived = 0;
        foreach (SimulatedLink link in _network.Links)
        {
            carried += link.Carried;
            delivered += link.Delivered;
            if (link.Carried + link.Duplicated != link.Delivered + link.Lost + link.OnTheWay)
            {
                Violate(
                    Invariant.Accounting, $"{link.A.Name}-{link.B.Name}",
                    $"carried {link.Carried} + duplicated {link.Duplicated} is not delivered {link.Delivered} + lost {link.Lost} + on the way {link.OnTheWay}");
            }
        }

        foreach (SimulatedNode node in _network.Nodes)
        {
            sent += node.Ledger.Out;
            arrived += node.Ledger.In;
        }

        if (sent != carried || arrived != delivered)
        {
            Violate(Invariant.Accounting, "all", $"nodes sent {sent} and links carried {carried}; links delivered {delivered} and nodes received {arrived}");
        }
    }

    private void CheckNonce(SimulatedHost host, ReadOnlySpan<byte> packet, Sa sa, int esp)
    {
        // Only the SA's own sender: what a gateway passes on was counted where it was made.
        CipherInfo? cipher = Transforms.Find(sa.Transform.Cipher);
        if (!host.Addresses.Contains(sa.Source) || cipher is not { IvLength: 8, BlockLength: < 8 } || packet.Length < esp + 16)
        {
            return;
        }

        _checks[(int)Invariant.Nonce]++;
        ulong iv = System.Buffers.Binary.BinaryPrimitives.ReadUInt64BigEndian(packet[(esp + 8)..]);
        if (!Use(sa).Ivs.Add(iv))
        {
            Violate(Invariant.Nonce, host.Name, $"IV {iv:x16} was used twice under the key of SA 0x{sa.Spi:x8}");
        }
    }

    // ESP by itself, in UDP, or behind AH, by an SA that the host has. The outermost protection counts.
    private static bool FindEsp(SimulatedHost host, ReadOnlySpan<byte> packet, in IpInfo info, out Sa? sa, out int esp)
    {
        sa = null;
        esp = info.UpperOffset;
        IpProtocol protocol = info.Protocol;
        bool protectedByAh = false;
        if (info.FragmentOffset != 0)
        {
            return false;
        }

        if (protocol == IpProtocol.Ah && packet.Length >= esp + 12)
        {
            uint ah = System.Buffers.Binary.BinaryPrimitives.ReadUInt32BigEndian(packet[(esp + 4)..]);
            protectedByAh = host.Engine.Sad.Find(ah, IpProtocol.Ah, info.Destination) is not null;
            protocol = (IpProtocol)packet[esp];
            esp += (packet[esp + 1] + 2) * 4;
        }
        else
        {
            esp = PacketWriter.EspOffset(packet, info);
            protocol = IpProtocol.Esp;
        }

        if (protocol == IpProtocol.Esp && esp >= 0 && packet.Length >= esp + 8)
        {
            uint spi = System.Buffers.Binary.BinaryPrimitives.ReadUInt32BigEndian(packet[esp..]);
            sa = host.Engine.Sad.Find(spi, IpProtocol.Esp, info.Destination);
            if (info.Protocol == IpProtocol.Udp)
            {
                Address to = info.Destination;
                sa ??= host.Engine.Sad.All.FirstOrDefault(one => one.Spi == spi && one.Peer?.Address == to); // behind a NAT that has moved
                sa = sa?.Encapsulation is null ? null : sa;
            }
        }

        return sa is not null || protectedByAh;
    }

    // RFC 3948, 2.3: it is sent beside policy, and says nothing.
    private static bool IsKeepalive(ReadOnlySpan<byte> packet, in IpInfo info) =>
        info is { Protocol: IpProtocol.Udp } && info.TotalLength == info.UpperOffset + 9 && packet[info.UpperOffset + 8] == 0xFF;

    private void Violate(Invariant rule, string where, string what)
    {
        var violation = new Violation(rule, _network.Seed, _network.Time, where, what);
        _violations.Add(violation);
        if (Throws)
        {
            _hasThrown = true;
            throw new SimulationException(violation);
        }
    }

    // By the keys themselves: an SA that is taken away and added again goes on where it was.
    private KeyUse Use(Sa sa)
    {
        if (!_bySa.TryGetValue(sa, out KeyUse? use))
        {
            string key = Convert.ToHexString(SHA256.HashData([.. sa.CipherKey, .. sa.IntegrityKey]));
            if (!_byKey.TryGetValue(key, out use))
            {
                _byKey[key] = use = new KeyUse();
            }

            _bySa[sa] = use;
        }

        return use;
    }

    private sealed class KeyUse
    {
        public HashSet<ulong> Ivs { get; } = [];

        public HashSet<(string Host, uint Spi, ulong Sequence)> Accepted { get; } = [];
    }
}
