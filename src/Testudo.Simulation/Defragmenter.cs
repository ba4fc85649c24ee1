// A host's own reassembly, for fragments that came out of a tunnel: the engine leaves them to the destination. Small and
// slow, and not the engine's: the two may be compared.

using System.Buffers.Binary;
using Testudo.Wire;

namespace Testudo.Simulation;

internal sealed class Defragmenter
{
    private const long Lifetime = 30_000_000_000;
    private const int MaxDatagrams = 64;
    private readonly Dictionary<Key, Datagram> _waiting = [];

    /// <summary>Fragments that wait.</summary>
    public int Held { get; private set; }

    /// <summary>Bytes that they hold.</summary>
    public int Bytes { get; private set; }

    /// <summary>Fragments that became part of a whole packet, but for the one that stands for it.</summary>
    public long Joined { get; private set; }

    /// <summary>
    /// Takes a fragment. Where it was the last one missing, the whole packet comes back; where it cannot be used, a name
    /// for its end; else neither: it waits.
    /// </summary>
    public byte[]? Take(byte[] packet, in IpInfo info, long now, Action<string> drop)
    {
        foreach ((Key old, Datagram waiting) in _waiting.Where(pair => now - pair.Value.Since >= Lifetime).ToArray())
        {
            GiveUp(old, waiting, drop);
        }

        bool v4 = info.Family == IpFamily.V4;
        int data = v4 ? info.UpperOffset : info.FragmentHeaderOffset + 8;
        var key = new Key(info.Source, info.Destination, info.Identification, v4 ? info.Protocol : IpProtocol.Any);
        if (!_waiting.TryGetValue(key, out Datagram? datagram))
        {
            if (_waiting.Count == MaxDatagrams)
            {
                Key oldest = _waiting.MinBy(static pair => pair.Value.Since).Key;
                GiveUp(oldest, _waiting[oldest], drop);
            }

            _waiting[key] = datagram = new Datagram(now);
        }

        var piece = new Piece(info.FragmentOffset, info.FragmentOffset + info.TotalLength - data, info.MoreFragments, packet, data);
        if (datagram.Pieces.Exists(other => piece.Start < other.End && other.Start < piece.End))
        {
            drop("fragment overlaps");
            return null;
        }

        datagram.Pieces.Add(piece);
        Held++;
        Bytes += packet.Length;
        datagram.Pieces.Sort(static (a, b) => a.Start.CompareTo(b.Start));
        int end = 0;
        foreach (Piece one in datagram.Pieces)
        {
            if (one.Start != end)
            {
                return null;
            }

            end = one.End;
        }

        if (datagram.Pieces[^1].More)
        {
            return null;
        }

        _waiting.Remove(key);
        Release(datagram);
        Joined += datagram.Pieces.Count - 1;
        return Join(datagram.Pieces, end, v4);
    }

    private static byte[] Join(List<Piece> pieces, int length, bool v4)
    {
        byte[] first = pieces[0].Packet;
        int header = v4 ? pieces[0].Data : pieces[0].Data - 8;
        byte[] whole = new byte[header + length];
        first.AsSpan(0, header).CopyTo(whole);
        foreach (Piece one in pieces)
        {
            one.Packet.AsSpan(one.Data, one.End - one.Start).CopyTo(whole.AsSpan(header + one.Start));
        }

        if (v4)
        {
            BinaryPrimitives.WriteUInt16BigEndian(whole.AsSpan(6), 0);
        }
        else
        {
            _ = IpInfo.TryParse(first, out IpInfo info);
            int names = 6;
            for (int at = IpInfo.V6HeaderLength; at < info.FragmentHeaderOffset; at += (first[at + 1] + 1) * 8)
            {
                names = at;
            }

            whole[names] = first[info.FragmentHeaderOffset];
        }

        IpWrite.SetLength(whole, whole.Length, header);
        return whole;
    }

    private void GiveUp(in Key key, Datagram datagram, Action<string> drop)
    {
        _waiting.Remove(key);
        Release(datagram);
        datagram.Pieces.ForEach(_ => drop("fragment waited too long"));
    }

    private void Release(Datagram datagram)
    {
        Held -= datagram.Pieces.Count;
        Bytes -= datagram.Pieces.Sum(static piece => piece.Packet.Length);
    }

    private readonly record struct Key(Address Source, Address Destination, uint Identification, IpProtocol Protocol);

    private readonly record struct Piece(int Start, int End, bool More, byte[] Packet, int Data);

    private sealed class Datagram(long since)
    {
        public long Since { get; } = since;

        public List<Piece> Pieces { get; } = [];
    }
}
