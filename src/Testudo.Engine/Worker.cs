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

    /// <summary>How many packets ended so.</summary>
    public long Dropped(Drop drop) => Volatile.Read(ref _drops[(int)drop]);

    internal CryptoJob[] Jobs { get; } = new CryptoJob[Batch.MaxPackets];

    internal PacketState[] States { get; } = MakeStates();

    internal Reassembly Reassembly { get; }

    /// <summary>What packets of the last outbound batch were cut into; made when the first one is.</summary>
    internal Batch Pieces => _pieces ??= new Batch(512 * 1024, Batch.MaxPieces);

    /// <summary>The states of one packet's pieces.</summary>
    internal PacketState[] PieceStates => _pieceStates ??= MakeStates();

    internal ushort Identification { get; set; }

    // Odd while a batch is worked on.
    internal long Boundary => Volatile.Read(ref _boundary);

    internal void Enter() => Interlocked.Increment(ref _boundary);

    internal void Leave() => Interlocked.Increment(ref _boundary);

    internal void Count(in Packet packet)
    {
        Volatile.Write(ref _packets, _packets + 1);
        Volatile.Write(ref _bytes, _bytes + packet.Length);
    }

    /// <summary>Forgets the packets that the last batch was put together or cut into: they have been sent.</summary>
    internal void ClearMade()
    {
        Assembled.Clear();
        _pieces?.Clear();
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

    /// <summary>Inbound: where the ESP header is.</summary>
    public int EspOffset;

    /// <summary>Inbound: the UDP header before it, 8 or 0 bytes.</summary>
    public int UdpLength;

    /// <summary>Inbound: whether the packet has the highest number of its SA so far.</summary>
    public bool IsNewest;

    /// <summary>Outbound: bytes of the IP header before the ESP (and UDP) header.</summary>
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
