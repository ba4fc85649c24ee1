// A bad network in front of a link: loses, duplicates, delays and reorders what is sent, as a seeded generator says. The same
// generator and the same packets give the same behaviour: time plays no part, delays count packets.

using System.Buffers;
using Testudo.Wire;

namespace Testudo.Links;

/// <summary>How bad the network is. Chances are from 0 to 1 for each packet, independently of each other.</summary>
/// <param name="Lose">The chance that a packet is lost.</param>
/// <param name="Duplicate">The chance that a packet is sent twice; the second one is delayed and reordered on its own.</param>
/// <param name="Reorder">The chance that a packet is held back until 1 to <paramref name="Span"/> later ones were sent.</param>
/// <param name="Span">See <paramref name="Reorder"/>.</param>
/// <param name="Delay">Every packet is held back until so many later ones were sent.</param>
public sealed record LossOptions(double Lose = 0, double Duplicate = 0, double Reorder = 0, int Span = 3, int Delay = 0);

/// <summary>Wraps a link; what is received passes untouched. A lost packet lives on for its sender, as on a real network.</summary>
public sealed class LossLink : Link
{
    private readonly Link _inner;
    private readonly LossOptions _options;
    private readonly Random _random;
    private readonly Batch _out = new();
    private readonly int[] _from = new int[Batch.MaxPackets]; // the caller's packet for each of _out; -1 for held ones
    private readonly PriorityQueue<Held, (long Due, long Order)> _held = new();
    private long _sent;
    private long _order;

    /// <summary>Wraps a link, which is closed with this one.</summary>
    public LossLink(Link inner, LossOptions options, Random random)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(options.Span, 1);
        ArgumentOutOfRangeException.ThrowIfNegative(options.Delay);
        _inner = inner;
        _options = options;
        _random = random;
    }

    /// <inheritdoc/>
    public override string Name => $"{_inner.Name} with loss";

    /// <summary>How many packets were lost.</summary>
    public long Lost { get; private set; }

    /// <summary>How many packets are held back now.</summary>
    public int HeldBack => _held.Count;

    /// <inheritdoc/>
    public override int Receive(Batch into, int timeoutMilliseconds) => _inner.Receive(into, timeoutMilliseconds);

    /// <inheritdoc/>
    public override void Send(Batch packets)
    {
        Span<Packet> all = packets.Packets;
        for (int i = 0; i < all.Length; i++)
        {
            if (all[i].Drop != Drop.None)
            {
                continue;
            }

            _sent++;
            Release(all, _sent);
            if (Chance(_options.Lose))
            {
                Lost++;
                continue;
            }

            int copies = Chance(_options.Duplicate) ? 2 : 1;
            for (int copy = 0; copy < copies; copy++)
            {
                int behind = _options.Delay + (Chance(_options.Reorder) ? 1 + _random.Next(_options.Span) : 0);
                if (behind == 0)
                {
                    MakeRoom(all);
                    _from[_out.Count] = i;
                    _ = _out.TryMove(all[i]);
                }
                else
                {
                    byte[] bytes = ArrayPool<byte>.Shared.Rent(all[i].Length);
                    all[i].Span.CopyTo(bytes);
                    // Behind that many later packets, so before the one that follows them.
                    _held.Enqueue(new Held(bytes, all[i].Length), (_sent + behind + 1, _order++));
                }
            }
        }

        FlushOut(all);
    }

    /// <summary>Sends everything that is held back, in the order in which it would have been due.</summary>
    public void Flush()
    {
        Release([], long.MaxValue);
        FlushOut([]);
    }

    /// <inheritdoc/>
    public override void Wake() => _inner.Wake();

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _inner.Dispose();
            _out.Dispose();
        }
    }

    private bool Chance(double chance) => chance > 0 && _random.NextDouble() < chance;

    private void Release(Span<Packet> all, long now)
    {
        while (_held.TryPeek(out Held held, out (long Due, long Order) place) && place.Due <= now)
        {
            _ = _held.Dequeue();
            MakeRoom(all);
            _from[_out.Count] = -1;
            _ = _out.TryAdd(held.Bytes.AsSpan(0, held.Length));
            ArrayPool<byte>.Shared.Return(held.Bytes);
        }
    }

    private void MakeRoom(Span<Packet> all)
    {
        if (_out.IsFull)
        {
            FlushOut(all);
        }
    }

    private void FlushOut(Span<Packet> all)
    {
        if (_out.Count > 0)
        {
            _inner.Send(_out);
            Span<Packet> sent = _out.Packets;
            for (int i = 0; i < sent.Length; i++)
            {
                if (_from[i] >= 0)
                {
                    all[_from[i]].Drop = sent[i].Drop;
                }
            }

            _out.Clear();
        }
    }

    private readonly record struct Held(byte[] Bytes, int Length);
}
