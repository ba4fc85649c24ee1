// A link between two simulated nodes: it loses, duplicates, delays, reorders and damages as its profile and the seed say.
// Its account: carried + duplicated = delivered + lost + on the way.

namespace Testudo.Simulation;

/// <summary>A link between two nodes, the same in both directions.</summary>
public sealed class SimulatedLink
{
    private readonly Network _network;
    private readonly SeededRandom _random;

    internal SimulatedLink(Network network, SimulatedNode a, SimulatedNode b, LinkProfile profile, SeededRandom random)
    {
        (_network, A, B, Profile, _random) = (network, a, b, profile, random);
    }

    /// <summary>One end.</summary>
    public SimulatedNode A { get; }

    /// <summary>The other end.</summary>
    public SimulatedNode B { get; }

    /// <summary>What it does to packets from now on; may be changed at any time.</summary>
    public LinkProfile Profile { get; set; }

    /// <summary>Packets that were given to it.</summary>
    public long Carried { get; private set; }

    /// <summary>Packets that it gave to an end.</summary>
    public long Delivered { get; private set; }

    /// <summary>Packets that it lost.</summary>
    public int Lost { get; private set; }

    /// <summary>Packets that it delivered twice.</summary>
    public int Duplicated { get; private set; }

    /// <summary>Packets that it held back.</summary>
    public int Delayed { get; private set; }

    /// <summary>Packets that it damaged.</summary>
    public int Corrupted { get; private set; }

    /// <summary>Packets that are in it now.</summary>
    public long OnTheWay { get; private set; }

    /// <summary>A broken link, to show that the account sees it: packets for which it says true vanish uncounted.</summary>
    public Func<byte[], bool>? Thief { get; set; }

    /// <summary>The other end.</summary>
    public SimulatedNode Other(SimulatedNode one) => ReferenceEquals(one, A) ? B : A;

    /// <summary>Takes a packet of one end to the other.</summary>
    /// <returns>What it did: null, or "lost", "twice", "late", "corrupted".</returns>
    internal string? Carry(SimulatedNode from, byte[] packet)
    {
        SimulatedNode to = Other(from);
        LinkProfile profile = Profile;
        Carried++;
        _network.Invariants.OnWire(from, packet);

        // All is drawn for each packet, so that a change of one chance leaves the others' draws alone.
        bool lost = _random.Chance(profile.Loss), twice = _random.Chance(profile.Duplication), late = _random.Chance(profile.Reordering);
        TimeSpan lateness = _random.Next(profile.Lateness), second = _random.Next(profile.Lateness);
        bool corrupted = _random.Chance(profile.Corruption);
        int bit = _random.Next(packet.Length * 8);
        if (lost)
        {
            Lost++;
            return "lost";
        }

        if (Thief?.Invoke(packet) == true)
        {
            return null;
        }

        byte[] arriving = packet;
        if (corrupted)
        {
            Corrupted++;
            arriving = [.. packet];
            arriving[bit / 8] ^= (byte)(1 << (bit % 8));
        }

        Deliver(to, arriving, profile.Latency + (late ? lateness : TimeSpan.Zero));
        if (twice)
        {
            Duplicated++;
            Deliver(to, [.. packet], profile.Latency + second); // nodes change what they pass on
        }

        Delayed += late ? 1 : 0;
        return corrupted ? "corrupted" : twice ? "twice" : late ? "late" : null;
    }

    private void Deliver(SimulatedNode to, byte[] packet, TimeSpan delay)
    {
        OnTheWay++;
        _network.After(delay, () =>
        {
            OnTheWay--;
            Delivered++;
            to.Receive(packet);
        });
    }
}
