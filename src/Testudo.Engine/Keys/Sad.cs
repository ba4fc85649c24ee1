// The security association database (RFC 4301, 4.4.2). Written by the control thread, read by packet threads without a
// lock: inbound by (destination, protocol, SPI), outbound by the group of SAs between two addresses.

using System.Collections.Concurrent;
using Testudo.Wire;
using Testudo.Wire.PfKey;

namespace Testudo.Engine.Keys;

/// <summary>All SAs of an engine.</summary>
public sealed class Sad
{
    private readonly ConcurrentDictionary<Identity, Sa> _byIdentity;
    private readonly ConcurrentDictionary<Pair, SaGroup> _byPair;
    private readonly LinkedList<Sa> _all = [];
    private int _generation;

    internal Sad(SeededHash hash)
    {
        _byIdentity = new ConcurrentDictionary<Identity, Sa>(new IdentityComparer(hash));
        _byPair = new ConcurrentDictionary<Pair, SaGroup>(new PairComparer(hash));
    }

    /// <summary>Use the oldest SA of a group as long as it lives (net.key.preferred_oldsa), instead of the newest.</summary>
    public bool PreferOld { get; set; }

    /// <summary>All SAs in the order they were added. For the control thread.</summary>
    public IReadOnlyCollection<Sa> All => _all;

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
        ReadOnlySpan<Sa> seen = default;
        while (_byPair.TryGetValue(pair, out SaGroup? group) && group.Sas is var now && now != seen)
        {
            seen = now;
            if (Choose(now, mode, reqid) is { } sa)
            {
                return sa;
            }

            // None, or it died while we looked and its successor has come since: look again.
        }

        return null;
    }

    /// <summary>All SAs between two addresses, in this direction, dead ones among them. To be read by any thread.</summary>
    internal ReadOnlySpan<Sa> Between(IpProtocol protocol, in Address source, in Address destination) =>
        _byPair.TryGetValue(new Pair(protocol, source, destination), out SaGroup? group) ? group.Sas : [];

    private Sa? Choose(ReadOnlySpan<Sa> group, IpsecMode mode, uint reqid)
    {
        Sa? any = null;
        for (int i = 0; i < group.Length; i++)
        {
            Sa sa = group[PreferOld ? i : group.Length - 1 - i];
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

        sa.Place = _all.AddLast(sa);
        Group(sa);
        return true;
    }

    internal bool TryRemove(Sa sa)
    {
        if (!_byIdentity.TryRemove(new KeyValuePair<Identity, Sa>(new Identity(sa.Spi, sa.Protocol, sa.Destination), sa)))
        {
            return false;
        }

        Bury(sa);
        return true;
    }

    internal bool TryReplace(Sa old, Sa sa)
    {
        var identity = new Identity(sa.Spi, sa.Protocol, sa.Destination);
        if (old.Place is not { } place || place.List != _all || identity != new Identity(old.Spi, old.Protocol, old.Destination))
        {
            return false;
        }

        // The new one is in its group before the old one leaves: a packet that looks between finds either.
        _byIdentity[identity] = sa;
        sa.Place = _all.AddAfter(place, sa);
        Group(sa);
        Bury(old);
        return true;
    }

    private void Group(Sa sa)
    {
        Pair pair = new(sa.Protocol, sa.Source, sa.Destination);
        _byPair.TryGetValue(pair, out SaGroup? group);
        _byPair[pair] = SaGroup.With(group, sa);
        Interlocked.Increment(ref _generation);
    }

    // Dead before it leaves its group: whoever still finds it there passes over it.
    private void Bury(Sa sa)
    {
        sa.State = SaState.Dead;
        _all.Remove(sa.Place!);
        sa.Place = null;
        Pair pair = new(sa.Protocol, sa.Source, sa.Destination);
        if (_byPair[pair].WithoutDead() is { } rest)
        {
            _byPair[pair] = rest;
        }
        else
        {
            _byPair.TryRemove(pair, out _);
        }

        Interlocked.Increment(ref _generation);
    }

    private readonly record struct Identity(uint Spi, IpProtocol Protocol, Address Destination);

    private readonly record struct Pair(IpProtocol Protocol, Address Source, Address Destination);

    private sealed class IdentityComparer(SeededHash hash) : IEqualityComparer<Identity>
    {
        public bool Equals(Identity x, Identity y) => x == y;

        public int GetHashCode(Identity key) => hash.Of(key.Destination, ((ulong)key.Spi << 8) | (byte)key.Protocol);
    }

    private sealed class PairComparer(SeededHash hash) : IEqualityComparer<Pair>
    {
        public bool Equals(Pair x, Pair y) => x == y;

        public int GetHashCode(Pair key) => hash.Of(key.Source, key.Destination, (byte)key.Protocol);
    }
}
