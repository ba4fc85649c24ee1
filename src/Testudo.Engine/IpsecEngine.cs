// The engine: databases, and the two ways of a packet. It knows no clock, thread, socket or random source; they come in
// as arguments. Packet threads call Outbound and Inbound, each with a worker of its own; one control thread at a time
// calls everything else.

using System.Collections.Concurrent;
using System.Collections.Frozen;
using System.Security.Cryptography;
using Testudo.Crypto;
using Testudo.Engine.Inbound;
using Testudo.Engine.Keys;
using Testudo.Engine.Outbound;
using Testudo.Engine.PathMtu;
using Testudo.Engine.Policies;
using Testudo.Wire;
using Testudo.Wire.PfKey;

namespace Testudo.Engine;

/// <summary>IPsec as decisions: packets and the time go in; packets, drops and events come out.</summary>
/// <param name="options">What it is told once.</param>
/// <param name="providers">Who computes.</param>
/// <param name="hashSeed">64 random bits for the tables whose keys strangers choose; they change no packet.</param>
public sealed class IpsecEngine(EngineOptions options, Providers providers, ulong hashSeed)
{
    private readonly List<Worker> _workers = [];
    private readonly List<Removed> _removed = [];
    private readonly ConcurrentQueue<Sa> _silent = new();
    private readonly Dictionary<UInt128, int> _keysInUse = [];
    private volatile FrozenSet<Address> _local = FrozenSet<Address>.Empty;

    /// <summary>The options it was made with.</summary>
    public EngineOptions Options { get; } = options;

    /// <summary>Who computes, in order of preference.</summary>
    public Providers Providers { get; } = providers;

    /// <summary>The security associations.</summary>
    public Sad Sad { get; } = new(new SeededHash(hashSeed));

    /// <summary>The security policies.</summary>
    public Spd Spd { get; } = new();

    /// <summary>How long packets may be, by destination.</summary>
    public PathMtus PathMtus { get; } = new(options);

    /// <summary>The workers made so far, for their counters.</summary>
    public IReadOnlyList<Worker> Workers => _workers;

    /// <summary>Scratch and counters for one packet thread.</summary>
    public Worker NewWorker()
    {
        var worker = new Worker(Options.ReassemblyBytes, new SeededHash(hashSeed));
        lock (_workers)
        {
            _workers.Add(worker);
        }

        return worker;
    }

    /// <summary>Says which addresses are this host's: they tell what is forwarded, and no tunnel may bring them in as source.</summary>
    public void SetLocalAddresses(IEnumerable<Address> addresses) => _local = addresses.ToFrozenSet();

    /// <summary>True for this host's addresses, and for multicast and broadcast, which are everybody's.</summary>
    public bool IsLocal(in Address address) => _local.Contains(address) || address.IsMulticastOrBroadcast;

    /// <summary>False until <see cref="SetLocalAddresses"/> was told any: then every packet is taken as one for this host.</summary>
    internal bool KnowsLocalAddresses => _local.Count > 0;

    /// <summary>
    /// Protects packets. Those that go on are moved to <paramref name="wire"/> as descriptors; the others stay in
    /// <paramref name="work"/> with their drop. Answers to local senders go to <paramref name="back"/>.
    /// </summary>
    public void Outbound(Batch work, Batch wire, Batch back, in Now now, Worker me)
    {
        me.Enter();
        OutboundPath.Run(this, work, wire, back, now, me);
        me.Leave();
    }

    /// <summary>
    /// Unprotects and checks packets. Those that go on are moved to <paramref name="clear"/> as descriptors; the others
    /// stay in <paramref name="work"/> with their drop, or with <see cref="PacketFlags.Held"/> while reassembly has them.
    /// </summary>
    public void Inbound(Batch work, Batch clear, in Now now, Worker me)
    {
        me.Enter();
        InboundPath.Run(this, work, clear, now, me);
        me.Leave();
    }

    /// <summary>
    /// Writes a NAT keepalive for each peer to which nothing was sent for <see cref="EngineOptions.KeepaliveSeconds"/>, as the
    /// last <see cref="Tick"/> found. To be called by the thread that sends; the batch has memory of its own.
    /// </summary>
    public void Keepalives(Batch wire, Worker me)
    {
        me.Enter();
        Keepalive.Run(_silent, wire, me);
        me.Leave();
    }

    /// <summary>
    /// Adds an SA. Null when it could not be, with the reason in words.
    /// </summary>
    /// <param name="parameters">What it is made of.</param>
    /// <param name="ivMask">64 random bits, drawn for this SA alone.</param>
    /// <param name="now">The time.</param>
    /// <param name="words">Why not; or a warning beside an SA that was added; else null.</param>
    public Sa? AddSa(SaParameters parameters, ulong ivMask, in Now now, out Refusal? words)
    {
        Sa? sa = Make(parameters, ivMask, now, out words);
        if (sa is null)
        {
            return null;
        }

        if (!Sad.TryAdd(sa))
        {
            sa.Wipe();
            words = new Refusal(PfKeyError.Exists, $"an SA to {sa.Destination} with SPI 0x{sa.Spi:x8} exists already: delete it first, or update it");
            return null;
        }

        words = Hold(sa);
        return sa;
    }

    /// <summary>
    /// Puts a new SA in the place of one with the same SPI, protocol and destination (SADB_UPDATE), in one step: packets
    /// find the old one or the new one. The old one stays where the new one is refused. Under the same keys it goes on
    /// counting: otherwise the peer would take its packets for replayed ones, and replayed ones would come in here.
    /// </summary>
    public Sa? UpdateSa(Sa old, SaParameters parameters, ulong ivMask, in Now now, out Refusal? words)
    {
        Sa? sa = Make(GoingOn(old, parameters), ivMask, now, out words);
        if (sa is null)
        {
            return null;
        }

        if (!Sad.TryReplace(old, sa))
        {
            sa.Wipe();
            words = new Refusal(PfKeyError.NoSuchProcess, $"there is no SA to {sa.Destination} with SPI 0x{sa.Spi:x8} to update");
            return null;
        }

        Bury(old);
        words = Hold(sa);
        return sa;
    }

    /// <summary>Adds an SA that only reserves its SPI (SADB_GETSPI); packets do not see it.</summary>
    public Sa? AddLarval(uint spi, IpProtocol protocol, Address source, Address destination, IpsecMode mode, uint reqid, in Now now)
    {
        var parameters = new SaParameters
        {
            Spi = spi,
            Protocol = protocol,
            Source = source,
            Destination = destination,
            Mode = mode,
            Reqid = reqid,
            Cipher = Cipher.None,
            ReplayWindow = 0,
        };
        var sa = new Sa(parameters, default, null, null, 0, now, SaState.Larval);
        return Sad.TryAdd(sa) ? sa : null;
    }

    /// <summary>Takes an SA away: no packet uses it from now on; its keys are wiped when no packet thread can hold it.</summary>
    public bool RemoveSa(Sa sa)
    {
        if (!Sad.TryRemove(sa))
        {
            return false;
        }

        Bury(sa);
        return true;
    }

    /// <summary>Why a policy cannot be added, or be put in the place of another; null where it can.</summary>
    /// <param name="policy">The new one.</param>
    /// <param name="insteadOf">The one that it replaces.</param>
    /// <param name="among">Those beside which it will stand; those of <see cref="Spd"/> where it is null.</param>
    public Refusal? CheckPolicy(Policy policy, Policy? insteadOf = null, PolicySet? among = null) =>
        PolicyRules.Check(policy)
        ?? ((among ?? Spd.Current).Find(policy.Direction, policy.Selector) is { } same && !ReferenceEquals(same, insteadOf)
            ? new Refusal(PfKeyError.Exists, $"policy {same.Id} has the same direction and selector: delete it first, or use spdupdate")
            : null);

    /// <summary>Adds a policy; null with the reason in words where it cannot be.</summary>
    public Policy? AddPolicy(Policy policy, in Now now, out Refusal? words)
    {
        words = CheckPolicy(policy);
        if (words is not null)
        {
            return null;
        }

        Spd.Set(Spd.Current.With(policy, null, now, out Policy added));
        return added;
    }

    /// <summary>Takes a policy away.</summary>
    public void RemovePolicy(Policy policy) => Spd.Set(Spd.Current.Without(policy));

    /// <summary>Takes all policies away.</summary>
    public void ClearPolicies() => Spd.Set(Spd.Current.Cleared());

    /// <summary>
    /// Makes a change that was worked out on <see cref="Spd.Current"/>, or takes one back. Each direction's list is seen
    /// whole, old or new. What the set has was checked by <see cref="CheckPolicy"/>.
    /// </summary>
    public void SetPolicies(PolicySet set) => Spd.Set(set);

    /// <summary>
    /// What the passing of time does: lifetimes, larval SAs, peers that heard nothing, and the wiping of keys. To be called every second.
    /// </summary>
    /// <returns>What happened, for whoever wants to know.</returns>
    public IReadOnlyList<EngineEvent> Tick(in Now now)
    {
        var events = new List<EngineEvent>();
        foreach (Sa sa in Sad.All.ToArray())
        {
            if (sa.State == SaState.Larval)
            {
                if (now.Nanoseconds - sa.Created.Nanoseconds >= LarvalLifetime)
                {
                    RemoveSa(sa);
                }
            }
            else if (sa.IsSpent || sa.HasPassed(sa.Hard, now))
            {
                RemoveSa(sa);
                events.Add(new EngineEvent(EngineEventKind.SaHardExpired, sa, null));
            }
            else if (sa.State == SaState.Mature && sa.HasPassed(sa.Soft, now))
            {
                sa.State = SaState.Dying;
                events.Add(new EngineEvent(EngineEventKind.SaSoftExpired, sa, null));
            }
        }

        foreach (Sa sa in Sad.All)
        {
            if (sa.TakeMoved())
            {
                events.Add(new EngineEvent(EngineEventKind.PeerMoved, sa, null));
            }

            if (sa.TakeExhausted())
            {
                events.Add(new EngineEvent(EngineEventKind.SaSequenceExhausted, sa, null));
            }
        }

        foreach (Policy policy in Spd.List(PolicyDirection.Out))
        {
            if (policy.TakeWanted())
            {
                events.Add(new EngineEvent(EngineEventKind.SaWanted, null, policy));
            }
        }

        Keepalive.Find(this, now, _silent);
        WipeRemoved();
        return events;
    }

    /// <summary>True where this request must be fulfilled.</summary>
    internal bool IsRequired(PolicyRequest request) => IsRequired(request, Options.DefaultLevel);

    /// <summary>The same where level default means another one. For IPComp it is always use (KAME).</summary>
    internal static bool IsRequired(PolicyRequest request, PolicyLevel defaultLevel) => request.Level switch
    {
        PolicyLevel.Default => request.Protocol != IpProtocol.IpComp && defaultLevel is PolicyLevel.Require or PolicyLevel.Unique,
        PolicyLevel level => level is PolicyLevel.Require or PolicyLevel.Unique,
    };

    /// <summary>Puts an ICMP error for the packet's sender into the batch, if one may be sent about it: too big, or (no MTU) prohibited.</summary>
    internal static void Tell(in Packet packet, int? mtu, Batch back)
    {
        Span<byte> room = back.Reserve(IcmpError.MaxLength);
        int length = room.IsEmpty ? 0 : mtu is { } fits ? IcmpError.TooBig(packet.Span, fits, room) : IcmpError.Prohibited(packet.Span, room);
        if (length > 0)
        {
            back.Commit(length).Flags = PacketFlags.Reply;
        }
    }

    /// <summary>net.key.larval_lifetime: 30 seconds.</summary>
    private const long LarvalLifetime = 30_000_000_000;

    private Sa? Make(SaParameters parameters, ulong ivMask, in Now now, out Refusal? words)
    {
        words = SaRules.Check(parameters, Options.AllowsUnauthenticated, out Transform transform);
        if (words is not null)
        {
            return null;
        }

        if (parameters.Protocol == IpProtocol.IpComp)
        {
            return new Sa(parameters, transform, null, null, ivMask, now, SaState.Mature);
        }

        SaKey? sealing = Providers.Bind(transform, parameters.CipherKey.Span, parameters.IntegrityKey.Span);
        SaKey? opening = Providers.Bind(transform, parameters.CipherKey.Span, parameters.IntegrityKey.Span);
        if (sealing is null || opening is null)
        {
            sealing?.Dispose();
            opening?.Dispose();
            words = new Refusal(PfKeyError.NotSupported, Transforms.HistoricHalf(transform) is { } historic
                ? $"{historic} is historic and is computed only where testudo was started with --legacy: use aes-gcm-16 or aes-cbc with hmac-sha2-256"
                : "no crypto provider on this machine computes these algorithms");
            return null;
        }

        return new Sa(parameters, transform, sealing, opening, ivMask, now, SaState.Mature);
    }

    private static SaParameters GoingOn(Sa old, SaParameters parameters)
    {
        bool isSame = CryptographicOperations.FixedTimeEquals(old.CipherKey, parameters.CipherKey.Span)
            & CryptographicOperations.FixedTimeEquals(old.IntegrityKey, parameters.IntegrityKey.Span);
        ulong last = Math.Min(Math.Max(old.LastSequence, old.Window.Highest), parameters.ExtendedSequence ? ulong.MaxValue : uint.MaxValue);
        return isSame && last > parameters.LastSequence ? parameters with { LastSequence = last } : parameters;
    }

    private void Bury(Sa sa)
    {
        Release(sa);
        lock (_workers)
        {
            _removed.Add(new Removed(sa, [.. _workers.Select(static worker => worker.Boundary)]));
        }
    }

    // A key in use twice is a nonce in use twice in the making. Kept as hashes, so that no key stands here.
    private Refusal? Hold(Sa sa)
    {
        if (sa.CipherKey.IsEmpty && sa.IntegrityKey.IsEmpty)
        {
            return null;
        }

        UInt128 print = Fingerprint(sa);
        _keysInUse[print] = _keysInUse.GetValueOrDefault(print) + 1;
        return _keysInUse[print] > 1 ? new Refusal(PfKeyError.None, "another SA uses the same key: give each direction a key of its own") : null;
    }

    private void Release(Sa sa)
    {
        UInt128 print = Fingerprint(sa);
        if (_keysInUse.TryGetValue(print, out int holders))
        {
            if (holders > 1)
            {
                _keysInUse[print] = holders - 1;
            }
            else
            {
                _keysInUse.Remove(print);
            }
        }
    }

    private static UInt128 Fingerprint(Sa sa)
    {
        Span<byte> hash = stackalloc byte[32];
        SHA256.HashData(sa.CipherKey.IsEmpty ? sa.IntegrityKey : sa.CipherKey, hash);
        return System.Buffers.Binary.BinaryPrimitives.ReadUInt128BigEndian(hash);
    }

    // A worker that has passed a batch boundary since, or was between batches then, cannot hold the SA.
    private void WipeRemoved()
    {
        lock (_workers)
        {
            _removed.RemoveAll(removed =>
            {
                for (int i = 0; i < removed.Boundaries.Length; i++)
                {
                    if ((removed.Boundaries[i] & 1) != 0 && _workers[i].Boundary == removed.Boundaries[i])
                    {
                        return false;
                    }
                }

                removed.Sa.Wipe();
                return true;
            });
        }
    }

    private readonly record struct Removed(Sa Sa, long[] Boundaries);
}
