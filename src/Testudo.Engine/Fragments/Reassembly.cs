// Fragments of IPv4 (RFC 791) and IPv6 (RFC 8200, 4.5) become whole packets again. Bounded in bytes, datagrams and time;
// overlapping fragments end the whole datagram (RFC 5722), for they only serve to slip past filters. Where no room is left
// the datagram that waits longest gives way: a flood must come between the fragments of one datagram to do harm, while
// full tables that take nothing new would keep everybody out for the price of a few packets.

using System.Buffers.Binary;
using System.Runtime.InteropServices;
using Testudo.Wire;

namespace Testudo.Engine.Fragments;

/// <summary>Fragments that wait for each other. Used by one thread.</summary>
internal sealed unsafe class Reassembly(int maxBytes, SeededHash hash) : IDisposable
{
    /// <summary>How long a datagram waits for its last fragment (RFC 8200, 4.5: 60 seconds; Linux and we: 30).</summary>
    private const long Lifetime = 30_000_000_000;

    private const int MaxFragments = 256;

    /// <summary>An IPv4 header with options, or IPv6 with a few extension headers: nobody fragments with more before.</summary>
    private const int MaxHeader = 512;

    private readonly Dictionary<Key, Datagram> _waiting = new(new KeyComparer(hash));
    private readonly LinkedList<Datagram> _byAge = [];
    private readonly Stack<LinkedListNode<Datagram>> _free = new();

    private int _evicted;

    /// <summary>Bytes of memory held.</summary>
    public int HeldBytes { get; private set; }

    /// <summary>Fragments that wait.</summary>
    public int Held { get; private set; }

    /// <summary>Fragments that became part of a whole packet, but for the one that stands for it.</summary>
    public long Joined { get; private set; }

    /// <summary>Fragments that ended with their datagram beside the one that its drop stands for.</summary>
    public long Abandoned { get; private set; }

    /// <summary>
    /// Takes a fragment over; when it was the last one missing, the whole packet is put into <paramref name="done"/>.
    /// </summary>
    public Drop Take(in Packet packet, in IpInfo info, in Now now, Batch done)
    {
        int header = info.Family == IpFamily.V4 ? info.UpperOffset : info.FragmentHeaderOffset;
        int data = info.Family == IpFamily.V4 ? info.UpperOffset : info.FragmentHeaderOffset + 8;
        ReadOnlySpan<byte> body = packet.Span[data..info.TotalLength];
        int end = info.FragmentOffset + body.Length;
        if (body.IsEmpty || (info.MoreFragments && body.Length % 8 != 0) || header > MaxHeader || header + end > Batch.MaxPacketLength)
        {
            return Drop.BadFragment;
        }

        // The protocol is part of IPv4's key (RFC 791, 3.2); IPv6 has a larger number instead.
        var key = new Key(info.Source, info.Destination, info.Identification, info.Family == IpFamily.V4 ? info.Protocol : IpProtocol.Any);
        if (!_waiting.TryGetValue(key, out Datagram? datagram))
        {
            if (HeldBytes + Datagram.Bytes > maxBytes)
            {
                if (_byAge.First is not { } oldest)
                {
                    return Drop.ReassemblyFull;
                }

                Abandon(oldest.Value, counted: 1);
                _evicted++;
            }

            LinkedListNode<Datagram> node = _free.Count > 0 ? _free.Pop() : new LinkedListNode<Datagram>(new Datagram());
            datagram = node.Value;
            datagram.Start(key, node, now.Nanoseconds);
            HeldBytes += Datagram.Bytes;
            _waiting.Add(key, datagram);
            _byAge.AddLast(node);
        }

        if (datagram.Has(info.FragmentOffset, body, info.MoreFragments))
        {
            return Drop.BadFragment; // the network doubled it: only this one is dropped (RFC 8200, 4.5)
        }

        if (!datagram.TryPlace(info.FragmentOffset, body, info.MoreFragments))
        {
            Abandon(datagram, counted: 0);
            return Drop.BadFragment;
        }

        Held++;

        datagram.Note((byte)(info.TrafficClass & 3));

        if (info.FragmentOffset == 0)
        {
            datagram.SetHeader(packet.Span[..header], info.Family == IpFamily.V6 ? packet.Span[header] : (byte)0);
        }

        if (datagram.IsComplete)
        {
            Drop drop = datagram.IsEcnCorrupted ? Drop.EcnCorrupted : Deliver(datagram, packet, done);
            if (drop == Drop.None)
            {
                Joined += datagram.Fragments - 1;
                Release(datagram);
            }
            else
            {
                Abandon(datagram, counted: 1);
            }

            return drop;
        }

        return Drop.None;
    }

    /// <summary>How many datagrams gave way to others since the last call.</summary>
    public int TakeEvicted()
    {
        int evicted = _evicted;
        _evicted = 0;
        return evicted;
    }

    /// <summary>Gives up what waits too long; how many datagrams that were.</summary>
    public int Expire(in Now now)
    {
        int expired = 0;
        while (_byAge.First is { } oldest && now.Nanoseconds - oldest.Value.Started >= Lifetime)
        {
            Abandon(oldest.Value, counted: 1);
            expired++;
        }

        return expired;
    }

    public void Dispose()
    {
        foreach (Datagram datagram in _byAge.Concat(_free.Select(static node => node.Value)))
        {
            datagram.Dispose();
        }

        _byAge.Clear();
        _free.Clear();
        _waiting.Clear();
    }

    // Its fragments end here; so many of them are counted as a drop by the caller.
    private void Abandon(Datagram datagram, int counted)
    {
        Abandoned += datagram.Fragments - counted;
        Release(datagram);
    }

    private void Release(Datagram datagram)
    {
        Held -= datagram.Fragments;
        _waiting.Remove(datagram.Key);
        _byAge.Remove(datagram.Node!);
        _free.Push(datagram.Node!);
        HeldBytes -= Datagram.Bytes;
    }

    private static Drop Deliver(Datagram datagram, in Packet last, Batch done)
    {
        int length = datagram.HeaderLength + datagram.Length;
        Span<byte> room = done.Reserve(length);
        if (room.IsEmpty)
        {
            return Drop.ReassemblyFull;
        }

        datagram.CopyTo(room);
        ref Packet whole = ref done.Commit(length);
        whole.Flags = PacketFlags.Reassembled;
        whole.Time = last.Time;
        whole.Number = last.Number;
        whole.Link = last.Link;
        return Drop.None;
    }

    private readonly record struct Key(Address Source, Address Destination, uint Identification, IpProtocol Protocol);

    private sealed class KeyComparer(SeededHash hash) : IEqualityComparer<Key>
    {
        public bool Equals(Key x, Key y) => x == y;

        public int GetHashCode(Key key) => hash.Of(key.Source, key.Destination, ((ulong)key.Identification << 8) | (byte)key.Protocol);
    }

    /// <summary>One datagram in the making: its bytes where they belong, and which spans of them have come.</summary>
    private sealed class Datagram : IDisposable
    {
        /// <summary>Memory of one datagram, whatever its length.</summary>
        public const int Bytes = Batch.MaxPacketLength + 1;

        private readonly (int Start, int End)[] _spans = new (int, int)[MaxFragments];
        private readonly byte[] _header = new byte[MaxHeader];
        private readonly byte* _body = (byte*)NativeMemory.Alloc(Bytes);
        private int _count;
        private int _received;
        private int _marks; // bit n: a fragment had the ECN mark n

        public Key Key { get; private set; }

        public long Started { get; private set; }

        public LinkedListNode<Datagram>? Node { get; private set; }

        public int HeaderLength { get; private set; }

        /// <summary>Length of the data; known when the last fragment came, -1 before.</summary>
        public int Length { get; private set; }

        public int Fragments => _count;

        public bool IsComplete => HeaderLength > 0 && _received == Length;

        public void Start(in Key key, LinkedListNode<Datagram> node, long now)
        {
            Key = key;
            Node = node;
            Started = now;
            HeaderLength = _count = _received = _marks = 0;
            Length = -1;
        }

        /// <summary>RFC 3168, 5.3: congestion on one fragment and a sender without ECN by another.</summary>
        public bool IsEcnCorrupted => (_marks & 0b1001) == 0b1001;

        public void Note(byte ecn) => _marks |= 1 << ecn;

        /// <summary>True for a fragment that is there already, byte for byte.</summary>
        public bool Has(int start, ReadOnlySpan<byte> body, bool more)
        {
            int end = start + body.Length;
            return _spans.AsSpan(0, _count).Contains((start, end)) && more == (Length != end)
                && body.SequenceEqual(new ReadOnlySpan<byte>(_body + start, body.Length));
        }

        public bool TryPlace(int start, ReadOnlySpan<byte> body, bool more)
        {
            int end = start + body.Length;
            if (_count == MaxFragments || (Length >= 0 && (end > Length || !more)))
            {
                return false;
            }

            for (int i = 0; i < _count; i++)
            {
                if (start < _spans[i].End && _spans[i].Start < end)
                {
                    return false;
                }

                if (!more && _spans[i].End > end)
                {
                    return false;
                }
            }

            _spans[_count++] = (start, end);
            _received += body.Length;
            body.CopyTo(new Span<byte>(_body + start, body.Length));
            if (!more)
            {
                Length = end;
            }

            return true;
        }

        /// <summary>
        /// Keeps the first fragment's header. IPv6 loses its fragment header: whatever names it names now what followed it.
        /// </summary>
        public void SetHeader(ReadOnlySpan<byte> header, byte next)
        {
            header.CopyTo(_header);
            HeaderLength = header.Length;
            if (header[0] >> 4 != 6)
            {
                return;
            }

            int names = 6;
            for (int at = IpInfo.V6HeaderLength; at < header.Length; at += (header[at + 1] + 1) * 8)
            {
                names = at;
            }

            _header[names] = next;
        }

        public void CopyTo(Span<byte> packet)
        {
            _header.AsSpan(0, HeaderLength).CopyTo(packet);
            new ReadOnlySpan<byte>(_body, Length).CopyTo(packet[HeaderLength..]);
            if (packet[0] >> 4 == 4)
            {
                BinaryPrimitives.WriteUInt16BigEndian(packet[6..], (ushort)(BinaryPrimitives.ReadUInt16BigEndian(packet[6..]) & 0x4000));
            }

            if ((_marks & 0b1000) != 0)
            {
                IpWrite.SetEcn(packet, HeaderLength, 3);
            }

            IpWrite.SetLength(packet, HeaderLength + Length, HeaderLength);
        }

        public void Dispose() => NativeMemory.Free(_body);
    }
}
