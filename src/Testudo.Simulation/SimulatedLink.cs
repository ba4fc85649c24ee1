// A link between two simulated hosts: it loses, duplicates, delays and reorders as its profile and the seed say.

using System.Buffers.Binary;
using Testudo.Wire;

namespace Testudo.Simulation;

/// <summary>A link between two hosts, the same in both directions.</summary>
public sealed class SimulatedLink
{
    private readonly Network _network;
    private readonly SeededRandom _random;
    private readonly SimulatedHost _a;
    private readonly SimulatedHost _b;

    internal SimulatedLink(Network network, SimulatedHost a, SimulatedHost b, LinkProfile profile, SeededRandom random)
    {
        (_network, _a, _b, Profile, _random) = (network, a, b, profile, random);
    }

    /// <summary>What it does to packets from now on; may be changed at any time.</summary>
    public LinkProfile Profile { get; set; }

    /// <summary>Packets that it lost.</summary>
    public int Lost { get; private set; }

    /// <summary>Packets that it delivered twice.</summary>
    public int Duplicated { get; private set; }

    /// <summary>Packets that it held back.</summary>
    public int Delayed { get; private set; }

    /// <summary>Takes a packet of one host to the other.</summary>
    /// <returns>What it did: null, or "lost", "twice", "late".</returns>
    internal string? Carry(SimulatedHost from, byte[] packet)
    {
        SimulatedHost to = ReferenceEquals(from, _a) ? _b : _a;
        LinkProfile profile = Profile;

        // All is drawn for each packet, so that a change of one chance leaves the others' draws alone.
        bool lost = _random.Chance(profile.Loss), twice = _random.Chance(profile.Duplication), late = _random.Chance(profile.Reordering);
        TimeSpan lateness = _random.Next(profile.Lateness), second = _random.Next(profile.Lateness);
        if (lost)
        {
            Lost++;
            return "lost";
        }

        _network.After(profile.Latency + (late ? lateness : TimeSpan.Zero), () => to.Arrive(packet));
        if (twice)
        {
            Duplicated++;
            _network.After(profile.Latency + second, () => to.Arrive(packet));
        }

        Delayed += late ? 1 : 0;
        return twice ? "twice" : late ? "late" : null;
    }

    /// <summary>The packet in pieces that fit: itself where it does, none where it may not be cut (RFC 791, 3.2).</summary>
    internal IReadOnlyList<byte[]> Cut(byte[] packet)
    {
        if (packet.Length <= Profile.Mtu)
        {
            return [packet];
        }

        if (IpInfo.TryParse(packet, out IpInfo info) != Drop.None || info.Family != IpFamily.V4 || info.DontFragment)
        {
            return [];
        }

        var pieces = new List<byte[]>();
        int header = info.TransportOffset, step = (Profile.Mtu - header) & ~7;
        for (int at = header; at < packet.Length; at += step)
        {
            int length = Math.Min(step, packet.Length - at);
            byte[] piece = [.. packet.AsSpan(0, header), .. packet.AsSpan(at, length)];
            bool more = info.MoreFragments || at + length < packet.Length;
            BinaryPrimitives.WriteUInt16BigEndian(piece.AsSpan(6), (ushort)(((info.FragmentOffset + at - header) / 8) | (more ? 0x2000 : 0)));
            IpWrite.SetLength(piece, piece.Length, header);
            pieces.Add(piece);
        }

        return pieces;
    }
}
