// What one packet thread has for itself: scratch, counters, and its place in the count of batch boundaries by which the
// control thread knows when a removed SA's keys can be wiped.

using Testudo.Crypto;
using Testudo.Engine.Fragments;
using Testudo.Engine.Keys;
using Testudo.Engine.Policies;
using Testudo.Wire;

namespace Testudo.Engine;

/// <summary>One packet thread's state. Made by <see cref="IpsecEngine.NewWorker"/>; used by one thread at a time.</summary>
public sealed class Worker : IDisposable
{
    private readonly long[] _drops = new long[Drops.Count];
    private Batch? _pieces;
    private PacketState[]? _pieceStates;
    private long _boundary;
    private long _packets;
    private long _bytes;
    private long _cut;
    private readonly Sa[] _claimed = new Sa[Batch.MaxPackets];
    private int _claims;
    private ushort _identification;
    private Compressor? _compressor; // these three are made for the first packet of IPComp
    private Batch? _decompressed;
    private byte[]? _compressionScratch;
    private byte[]? _aside; // made for the first packet of AH

    internal Worker(int reassemblyBytes, SeededHash hash)
    {
        Reassembly = new Reassembly(reassemblyBytes, hash);
    }

    /// <summary>Packets that this worker let go on.</summary>
    public long Packets => Volatile.Read(ref _packets);

    /// <summary>Bytes of those packets, as they left the engine.</summary>
    public long Bytes => Volatile.Read(ref _bytes);

    /// <summary>What the last batch put together from fragments. Those that were dropped have their drop here.</summary>
    public Batch Assembled { get; } = new();

    /// <summary>Fragments that wait for others. These four are for the packet thread, or for whoever knows it at rest.</summary>
    public int FragmentsHeld => Reassembly.Held;

    /// <summary>Packets that there are more because one was cut into pieces.</summary>
    public long PiecesMade => Volatile.Read(ref _cut);

    /// <summary>Fragments that became part of a whole packet, but for the one that stands for it.</summary>
    public long FragmentsJoined => Reassembly.Joined;

    /// <summary>Fragments that ended with their datagram, beside the one that its drop stands for.</summary>
    public long FragmentsAbandoned => Reassembly.Abandoned;

    /// <summary>Bytes of memory that waiting fragments hold; never more than <see cref="EngineOptions.ReassemblyBytes"/>.</summary>
    public int ReassemblyBytes => Reassembly.HeldBytes;

    /// <summary>How many packets ended so.</summary>
    public long Dropped(Drop drop) => Volatile.Read(ref _drops[(int)drop]);

    internal CryptoJob[] Jobs { get; } = new CryptoJob[Batch.MaxPackets];

    internal PacketState[] States { get; } = MakeStates();

    internal Reassembly Reassembly { get; }

    /// <summary>Another number for an IPv4 packet: never 0, in whose place a host puts one of its own.</summary>
    internal ushort NextIdentification()
    {
        _identification++;
        return _identification == 0 ? ++_identification : _identification;
    }

    internal Compressor Compressor => _compressor ??= Compressor.New();

    /// <summary>Packets that the last inbound batch decompressed, until the next one.</summary>
    internal Batch Decompressed => _decompressed ??= new Batch(IpComp.BatchBytes);

    internal Span<byte> CompressionScratch => _compressionScratch ??= new byte[Batch.MaxPacketLength];

    /// <summary>Where a packet's headers are kept while its AH is computed.</summary>
    internal Span<byte> Aside(int index) =>
        (_aside ??= new byte[Batch.MaxPackets * Ah.MaxHeaders]).AsSpan(index * Ah.MaxHeaders, Ah.MaxHeaders);

    /// <summary>What packets of the last outbound batch were cut into; made when the first one is.</summary>
    internal Batch Pieces => _pieces ??= new Batch(512 * 1024, Batch.MaxPieces);

    /// <summary>The states of one packet's pieces.</summary>
    internal PacketState[] PieceStates => _pieceStates ??= MakeStates();

    // Odd while a batch is worked on.
    internal long Boundary => Volatile.Read(ref _boundary);

    internal void Enter() => Interlocked.Increment(ref _boundary);

    internal void Leave() => Interlocked.Increment(ref _boundary);

    /// <summary>Takes an SA's window and opening key for this worker alone; false while another one has them.</summary>
    internal bool TryClaim(Sa sa)
    {
        if (ReferenceEquals(sa.Claimant, this))
        {
            return true;
        }

        if (!sa.TrySetClaimant(this))
        {
            return false;
        }

        _claimed[_claims++] = sa; // one for each packet at most
        return true;
    }

    /// <summary>Gives back what was claimed.</summary>
    internal void ReleaseClaims()
    {
        while (_claims > 0)
        {
            _claimed[--_claims].ClearClaimant();
        }
    }

    internal void Count(in Packet packet)
    {
        Volatile.Write(ref _packets, _packets + 1);
        Volatile.Write(ref _bytes, _bytes + packet.Length);
    }

    /// <summary>Counts what there is more because a packet was cut.</summary>
    internal void CountPieces(int more) => Volatile.Write(ref _cut, _cut + more);

    /// <summary>Forgets the packets that the last batch was put together, cut or decompressed into: they have been sent.</summary>
    internal void ClearMade()
    {
        Assembled.Clear();
        _pieces?.Clear();
        _decompressed?.Clear();
    }

    /// <summary>Counts the datagrams whose fragments gave way to others or waited too long.</summary>
    internal void CountReassembly(in Now now)
    {
        for (int evicted = Reassembly.TakeEvicted(); evicted > 0; evicted--)
        {
            Count(Drop.ReassemblyFull);
        }

        for (int expired = Reassembly.Expire(now); expired > 0; expired--)
        {
            Count(Drop.ReassemblyTimeout);
        }
    }

    internal void Count(Drop drop) => Volatile.Write(ref _drops[(int)drop], _drops[(int)drop] + 1);

    /// <inheritdoc/>
    public void Dispose()
    {
        Assembled.Dispose();
        _pieces?.Dispose();
        Reassembly.Dispose();
        _compressor?.Dispose();
        _decompressed?.Dispose();
    }

    private static PacketState[] MakeStates()
    {
        var states = new PacketState[Batch.MaxPackets];
        for (int i = 0; i < states.Length; i++)
        {
            states[i] = new PacketState();
        }

        return states;
    }
}

/// <summary>What is known of one packet of the batch while it is worked on.</summary>
internal sealed class PacketState
{
    /// <summary>The packet's headers as they are now.</summary>
    public IpInfo Info;

    /// <summary>Outbound: the policy that selects it.</summary>
    public Policy? Policy;

    /// <summary>Outbound: the SAs to apply, in order. Inbound: the SAs whose headers were removed, the outermost first.</summary>
    public readonly Sa[] Chain = new Sa[Policy_MaxRequests];

    /// <summary>Outbound: for each SA, whether it makes a tunnel. Inbound: whether it was one.</summary>
    public readonly bool[] IsTunnel = new bool[Policy_MaxRequests];

    /// <summary>SAs in <see cref="Chain"/>.</summary>
    public int Count;

    /// <summary>Outbound: SAs applied so far.</summary>
    public int Done;

    /// <summary>Inbound: where the ESP or AH header is.</summary>
    public int EspOffset;

    /// <summary>Inbound: the UDP header before it, 8 or 0 bytes.</summary>
    public int UdpLength;

    /// <summary>Inbound: whether the packet has the highest number of its SA so far.</summary>
    public bool IsNewest;

    /// <summary>Inbound: bytes of the AH header, padding included.</summary>
    public int AhLength;

    /// <summary>Outbound: bytes of the IP header before the ESP (and UDP) or AH header.</summary>
    public int OuterLength;

    /// <summary>Outbound: a fragment that only its whole datagram's protection would do for.</summary>
    public bool MustBeWhole;

    /// <summary>Outbound: the packet is cut into pieces of so many bytes before it is protected; 0 where it is not.</summary>
    public int CutTo;

    /// <summary>Outbound: what is protected is longer than its path, and may be fragmented.</summary>
    public bool IsOversize;

    /// <summary>Outbound: it is fragmented here, into so many bytes; 0 where its link or a router does it.</summary>
    public int FragmentTo;

    private const int Policy_MaxRequests = Policy.MaxRequests;

    public void Reset()
    {
        Policy = null;
        Count = Done = EspOffset = UdpLength = OuterLength = CutTo = FragmentTo = 0;
        IsOversize = MustBeWhole = false;
    }

    /// <summary>Takes over what was decided for the packet that this one is a piece of.</summary>
    public void BePieceOf(PacketState whole)
    {
        Reset();
        Policy = whole.Policy;
        Count = whole.Count;
        whole.Chain.CopyTo(Chain, 0);
        whole.IsTunnel.CopyTo(IsTunnel, 0);
    }
}
