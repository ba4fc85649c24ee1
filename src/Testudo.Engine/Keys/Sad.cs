// The security association database (RFC 4301, 4.4.2). Written by the control thread, read by packet threads without a
// lock: inbound by (destination, protocol, SPI), outbound by the group of SAs between two addresses.

using System.Collections.Concurrent;
using Testudo.Wire;
using Testudo.Wire.PfKey;

namespace Testudo.Engine.Keys;

/// <summary>All SAs of an engine.</summary>
public sealed class Sad
{
    private readonly ConcurrentDictionary<Identity, Sa> _byIdentity = new();
    private readonly ConcurrentDictionary<Pair, Sa[]> _byPair = new();
    private readonly List<Sa> _all = [];
    private int _generation;

    /// <summary>Use the oldest SA of a group as long as it lives (net.key.preferred_oldsa), instead of the newest.</summary>
    public bool PreferOld { get; set; }

    /// <summary>All SAs in the order they were added. For the control thread.</summary>
    public IReadOnlyList<Sa> All => _all;

    /// <summary>Changes whenever an SA comes, changes or goes. To be read by any thread.</summary>
    public int Generation => Volatile.Read(ref _generation);

    /// <summary>Where SAs end, each address once. To be read by any thread.</summary>
    public IReadOnlyList<Address> Destinations() => [.. _byIdentity.Keys.Select(static identity => identity.Destination).Distinct()];

    /// <summary>The SA that a packet names (RFC 4303, 3.4.2); null where there is none.</summary>
    public Sa? Find(uint spi, IpProtocol protocol, in Address destination)
    {
        var identity = new Identity(spi, protocol, destination);
        Sa? sa;
        do
        {
            _byIdentity.TryGetValue(identity, out sa);
        }
        while (sa is { State: SaState.Dead }); // it died between the look and now: its successor, or nothing, is there
        return sa;
    }

    /// <summary>
    /// The SA to send by between two addresses: of the mode asked for before one of mode any, usable, with the reqid
    /// where one is asked for, the newest (or oldest) of those.
    /// </summary>
    public Sa? FindForSending(IpProtocol protocol, in Address source, in Address destination, IpsecMode mode, uint reqid)
    {
        var pair = new Pair(protocol, source, destination);
        Sa[]? group = null;
        while (_byPair.TryGetValue(pair, out Sa[]? now) && now != group)
        {
            group = now;
            if (Choose(group, mode, reqid) is { } sa)
            {
                return sa;
            }

            // None, or it died while we looked and its successor is in a new group: look again.
        }

        return null;
    }

    /// <summary>All SAs between two addresses, in this direction. To be read by any thread.</summary>
    internal ReadOnlySpan<Sa> Between(IpProtocol protocol, in Address source, in Address destination) =>
        _byPair.TryGetValue(new Pair(protocol, source, destination), out Sa[]? group) ? group : [];

    /// <summary>All SAs, in no order. To be read by any thread.</summary>
    internal IEnumerable<Sa> Snapshot => _byIdentity.Select(static entry => entry.Value);

    private Sa? Choose(Sa[] group, IpsecMode mode, uint reqid)
    {
        Sa? any = null;
        for (int i = 0; i < group.Length; i++)
        {
            Sa sa = group[PreferOld ? group.Length - 1 - i : i];
            if (!sa.IsUsable || (reqid != 0 && sa.Reqid != reqid))
            {
                continue;
            }

            if (sa.Mode == mode)
            {
                return sa;
            }

            if (sa.Mode == IpsecMode.Any)
            {
                any ??= sa;
            }
        }

        return any;
    }

    internal bool TryAdd(Sa sa)
    {
        if (!_byIdentity.TryAdd(new Identity(sa.Spi, sa.Protocol, sa.Destination), sa))
        {
            return false;
        }

        _all.Add(sa);
        Group(sa);
        return true;
    }

    internal bool TryRemove(Sa sa)
    {
        if (!_byIdentity.TryRemove(new KeyValuePair<Identity, Sa>(new Identity(sa.Spi, sa.Protocol, sa.Destination), sa)))
        {
            return false;
        }

        sa.State = SaState.Dead;
        _all.Remove(sa);
        Ungroup(sa);
        return true;
    }

    internal bool TryReplace(Sa old, Sa sa)
    {
        var identity = new Identity(sa.Spi, sa.Protocol, sa.Destination);
        int place = _all.IndexOf(old);
        if (place < 0 || identity != new Identity(old.Spi, old.Protocol, old.Destination))
        {
            return false;
        }

        // The new one is in its group before the old one leaves: a packet that looks between finds either.
        _byIdentity[identity] = sa;
        _all[place] = sa;
        Group(sa);
        Ungroup(old);
        old.State = SaState.Dead;
        return true;
    }

    private void Group(Sa sa)
    {
        Pair pair = new(sa.Protocol, sa.Source, sa.Destination);
        _byPair[pair] = _byPair.TryGetValue(pair, out Sa[]? group) ? [sa, .. group] : [sa]; // newest first
        Interlocked.Increment(ref _generation);
    }

    private void Ungroup(Sa sa)
    {
        Pair pair = new(sa.Protocol, sa.Source, sa.Destination);
        Sa[] rest = Array.FindAll(_byPair[pair], other => other != sa);
        if (rest.Length == 0)
        {
            _byPair.TryRemove(pair, out _);
        }
        else
        {
            _byPair[pair] = rest;
        }

        Interlocked.Increment(ref _generation);
    }

    private readonly record struct Identity(uint Spi, IpProtocol Protocol, Address Destination)
    {
        public override int GetHashCode() => (int)(Spi * 0x9E3779B1) ^ Destination.GetHashCode() ^ (byte)Protocol;
    }

    private readonly record struct Pair(IpProtocol Protocol, Address Source, Address Destination)
    {
        public override int GetHashCode() => (Source.GetHashCode() * 31) ^ Destination.GetHashCode() ^ (byte)Protocol;
    }
}
