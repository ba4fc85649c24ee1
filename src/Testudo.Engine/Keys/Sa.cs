// A security association (RFC 4301, 4.4.2): what never changes of it, and its counters.

using System.Security.Cryptography;
using Testudo.Crypto;
using Testudo.Engine.PathMtu;
using Testudo.Wire;
using Testudo.Wire.PfKey;

namespace Testudo.Engine.Keys;

/// <summary>One SA. Counters are written by packet threads and read by anyone; a key is used by one thread at a time.</summary>
public sealed class Sa
{
    private readonly byte[] _cipherKey;
    private readonly byte[] _integrityKey;
    private long _sequence;
    private int _exhausted;
    private long _bytes;
    private long _packets;
    private long _firstUse;
    private long _firstUseNanoseconds;
    private long _lastUse;
    private UdpPeer? _peer;
    private int _moved;
    private volatile SaState _state;
    private ulong _hardBytes;
    private ulong _hardPackets;
    private int _spent;
    private Worker? _claimant;
    private SaError? _lastError;

    internal Sa(SaParameters parameters, Transform transform, SaKey? sealing, SaKey? opening, ulong ivMask, in Now now, SaState state)
    {
        Spi = parameters.Spi;
        Protocol = parameters.Protocol;
        Source = parameters.Source;
        Destination = parameters.Destination;
        Mode = parameters.Mode;
        Reqid = parameters.Reqid;
        Flags = parameters.Flags;
        ExtendedSequence = parameters.ExtendedSequence;
        Compression = parameters.Compression;
        Encapsulation = parameters.Encapsulation;
        Soft = parameters.Soft;
        Hard = parameters.Hard;
        _hardBytes = parameters.Hard.Bytes;
        _hardPackets = parameters.Hard.Allocations;
        Transform = transform;
        CipherInfo = Transforms.Find(transform.Cipher);
        IcvIvLength = Transforms.Find(transform.Integrity)?.IvLength ?? 0;
        SealingKey = sealing;
        OpeningKey = opening;
        IvMask = ivMask;
        Created = now;
        Window = new ReplayWindow(parameters.ReplayWindow, parameters.LastSequence);
        _sequence = (long)parameters.LastSequence;
        _cipherKey = parameters.CipherKey.ToArray();
        _integrityKey = parameters.IntegrityKey.ToArray();
        _state = state;
    }

    /// <summary>The SPI, host order.</summary>
    public uint Spi { get; }

    /// <summary>The protocol: ESP, AH or IPComp.</summary>
    public IpProtocol Protocol { get; }

    /// <summary>The sending end.</summary>
    public Address Source { get; }

    /// <summary>The receiving end.</summary>
    public Address Destination { get; }

    /// <summary>Transport, tunnel, or any.</summary>
    public IpsecMode Mode { get; }

    /// <summary>The number by which policies ask for it.</summary>
    public uint Reqid { get; }

    /// <summary>KAME's flags.</summary>
    public SaFlags Flags { get; }

    /// <summary>True where sequence numbers have 64 bits, of which 32 are sent (RFC 4303, 2.2.1).</summary>
    public bool ExtendedSequence { get; }

    /// <summary>IPComp's algorithm; none in ESP.</summary>
    public Compression Compression { get; }

    /// <summary>The UDP ports, as they were given; null without UDP encapsulation.</summary>
    public UdpEncapsulation? Encapsulation { get; }

    /// <summary>Where the far end is now; null while it is where it was when the SA was made.</summary>
    public UdpPeer? Peer => Volatile.Read(ref _peer);

    /// <summary>The soft limits. Read and written by the control thread only.</summary>
    public Lifetime Soft { get; private set; }

    /// <summary>The hard limits. Read and written by the control thread only.</summary>
    public Lifetime Hard { get; private set; }

    /// <summary>The algorithms.</summary>
    public Transform Transform { get; }

    /// <summary>When it was made.</summary>
    public Now Created { get; }

    /// <summary>The receiver's window.</summary>
    public ReplayWindow Window { get; }

    /// <summary>Where it is in its life.</summary>
    public SaState State
    {
        get => _state;
        internal set => _state = value;
    }

    /// <summary>True while packets may use it.</summary>
    public bool IsUsable => _state is SaState.Mature or SaState.Dying && !IsSpent;

    /// <summary>True where a packet would have passed the hard limit of bytes or packets: none goes through any more.</summary>
    internal bool IsSpent => Volatile.Read(ref _spent) != 0;

    /// <summary>The last sequence number sent; the upper half counts the rounds of a cyclic one.</summary>
    public ulong LastSequence => (ulong)Volatile.Read(ref _sequence);

    /// <summary>Bytes that went through, as IP payload before protection.</summary>
    public ulong Bytes => (ulong)Volatile.Read(ref _bytes);

    /// <summary>Packets that went through.</summary>
    public ulong Packets => (ulong)Volatile.Read(ref _packets);

    /// <summary>Unix time of the first packet; 0 before it.</summary>
    public long FirstUse => Volatile.Read(ref _firstUse);

    /// <summary>Unix time of the last packet; 0 before the first.</summary>
    public long LastUse => Volatile.Read(ref _lastUse);

    /// <summary>The last ICMP error about a packet of this SA; null where there was none. To be shown.</summary>
    public SaError? LastError => Volatile.Read(ref _lastError);

    /// <summary>The cipher's key, for the control plane's dumps. Zeros once wiped.</summary>
    public ReadOnlySpan<byte> CipherKey => _cipherKey;

    /// <summary>The integrity key, for the control plane's dumps. Zeros once wiped.</summary>
    public ReadOnlySpan<byte> IntegrityKey => _integrityKey;

    /// <summary>A number drawn for this object: the IV is the sequence number XOR this, so that a key added twice repeats none.</summary>
    internal ulong IvMask { get; }

    /// <summary>Its place in the SAD's list, while it is there. For the control thread.</summary>
    internal LinkedListNode<Sa>? Place { get; set; }

    internal CipherInfo? CipherInfo { get; }

    internal SaKey? SealingKey { get; }

    internal SaKey? OpeningKey { get; }

    /// <summary>Who receives by this SA now; null for nobody.</summary>
    internal Worker? Claimant => Volatile.Read(ref _claimant);

    internal bool TrySetClaimant(Worker worker) => Interlocked.CompareExchange(ref _claimant, worker, null) is null;

    internal void ClearClaimant() => Volatile.Write(ref _claimant, null);

    internal int IvLength => CipherInfo?.IvLength ?? 0;

    /// <summary>Bytes of IV at the start of AH's ICV (RFC 4543, 4); 0 for all but AES-GMAC.</summary>
    internal int IcvIvLength { get; }

    /// <summary>True for ESP as RFC 1827 has it: the SPI alone, no sequence number.</summary>
    internal bool IsOld => (Flags & SaFlags.Old) != 0;

    /// <summary>Bytes from the SPI to the IV.</summary>
    internal int HeaderLength => IsOld ? Esp.OldHeaderLength : Esp.HeaderLength;

    /// <summary>ESP pads to 4 bytes at least, and to the cipher's block (RFC 4303, 2.4).</summary>
    internal int PadTo => Math.Max(4, CipherInfo!.BlockLength);

    /// <summary>Bytes of the UDP header, and of the marker behind it, where there is one.</summary>
    internal int UdpLength => Encapsulation?.Length ?? 0;

    /// <summary>Where packets of this SA are sent to.</summary>
    internal Address SendsTo => Peer?.Address ?? Destination;

    /// <summary>Sets other limits, for the control thread; a dying SA whose soft limit is not passed any more is mature again.</summary>
    public void SetLifetimes(in Lifetime soft, in Lifetime hard, in Now now)
    {
        Soft = soft;
        Hard = hard;
        Volatile.Write(ref _hardBytes, hard.Bytes);
        Volatile.Write(ref _hardPackets, hard.Allocations);
        Volatile.Write(ref _spent, 0);
        if (State == SaState.Dying && !HasPassed(soft, now))
        {
            State = SaState.Mature;
        }
    }

    /// <summary>
    /// Takes the next sequence number (RFC 4303, 3.3.3). False when 32 bits are used up and the SA may not cycle, or 64 are.
    /// The number is never given twice, whatever the threads: IVs are made of all its 64 bits.
    /// </summary>
    internal bool TryTakeSequence(out ulong sequence)
    {
        bool isLong = ExtendedSequence || IsOld || (Flags & SaFlags.CyclicSequence) != 0;
        ulong last = isLong ? ulong.MaxValue : uint.MaxValue;
        for (long taken = Volatile.Read(ref _sequence); (ulong)taken < last;)
        {
            long seen = Interlocked.CompareExchange(ref _sequence, taken + 1, taken);
            if (seen == taken)
            {
                sequence = (ulong)taken + 1;
                return true;
            }

            taken = seen;
        }

        sequence = 0;
        Interlocked.CompareExchange(ref _exhausted, 1, 0); // said once
        return false;
    }

    /// <summary>True once after a packet found no sequence number left.</summary>
    internal bool TakeExhausted() => Volatile.Read(ref _exhausted) == 1 && Interlocked.Exchange(ref _exhausted, 2) == 1;

    /// <summary>
    /// False where the packet would pass the hard limit: the SA is over then, before the next look at the clock (RFC 4301,
    /// 4.4.2.1). No byte goes beyond the limit.
    /// </summary>
    internal bool Admits(int bytes)
    {
        ulong most = Volatile.Read(ref _hardBytes), packets = Volatile.Read(ref _hardPackets);
        if ((most == 0 || Bytes + (ulong)bytes <= most) && (packets == 0 || Packets < packets))
        {
            return true;
        }

        Volatile.Write(ref _spent, 1);
        return false;
    }

    /// <summary>Keeps what a router said; the same again within a second is no news.</summary>
    internal void NoteError(byte type, byte code, in Address by, in Now now)
    {
        if (_lastError is not { } last || last.UnixSeconds != now.UnixSeconds)
        {
            Volatile.Write(ref _lastError, new SaError(type, code, by, now.UnixSeconds));
        }
    }

    /// <summary>Counts a packet that went through.</summary>
    internal void Count(int bytes, in Now now)
    {
        Volatile.Write(ref _bytes, _bytes + bytes);
        Volatile.Write(ref _lastUse, now.UnixSeconds);
        if (_packets == 0)
        {
            Volatile.Write(ref _firstUse, now.UnixSeconds);
            Volatile.Write(ref _firstUseNanoseconds, now.Nanoseconds);
        }

        Volatile.Write(ref _packets, _packets + 1); // last: who sees a packet sees when the first one was
    }

    /// <summary>Takes note that the far end is elsewhere; the control thread turns it into an event.</summary>
    internal void Move(UdpPeer peer)
    {
        Volatile.Write(ref _peer, peer);
        Volatile.Write(ref _moved, 1);
    }

    internal bool TakeMoved() => Volatile.Read(ref _moved) != 0 && Interlocked.Exchange(ref _moved, 0) != 0;

    /// <summary>Unix time of the last keepalive for this SA's peer. For the control thread.</summary>
    internal long KeptAlive { get; set; }

    /// <summary>Unix time of the last packet or keepalive, or when the SA was made.</summary>
    internal long LastSent => Math.Max(Math.Max(LastUse, KeptAlive), Created.UnixSeconds);

    /// <summary>Destroys the keys. Only when no packet thread can hold this SA any more.</summary>
    internal void Wipe()
    {
        SealingKey?.Dispose();
        OpeningKey?.Dispose();
        CryptographicOperations.ZeroMemory(_cipherKey);
        CryptographicOperations.ZeroMemory(_integrityKey);
    }

    /// <summary>True where a limit is passed.</summary>
    internal bool HasPassed(in Lifetime limit, in Now now) =>
        (limit.Bytes != 0 && Bytes >= limit.Bytes)
        || (limit.Allocations != 0 && Packets >= limit.Allocations)
        || (limit.AddSeconds != 0 && Seconds(Created.Nanoseconds, now) >= limit.AddSeconds)
        || (limit.UseSeconds != 0 && Packets != 0 && Seconds(Volatile.Read(ref _firstUseNanoseconds), now) >= limit.UseSeconds);

    // By the clock that never goes back. Limits are as large as PF_KEY's 64 bits: it is they that must not be multiplied.
    private static ulong Seconds(long since, in Now now) => (ulong)Math.Max(0, now.Nanoseconds - since) / 1_000_000_000;

    /// <summary>Never the keys.</summary>
    public override string ToString() => $"{Protocol} {Source} -> {Destination} spi 0x{Spi:x8} {State}";
}
