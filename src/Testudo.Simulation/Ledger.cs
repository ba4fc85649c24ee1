// The account of one node: what came, what went, and what became of the rest. It is exact at every moment between events:
//
//   in + made + cut = out + dropped + joined + abandoned + absorbed + held

namespace Testudo.Simulation;

/// <summary>Counts packets at one node. Everything but <see cref="Held"/> only grows.</summary>
public sealed class Ledger
{
    private readonly SortedDictionary<string, long> _drops = new(StringComparer.Ordinal);

    /// <summary>Packets that came from links.</summary>
    public long In { get; internal set; }

    /// <summary>Packets that were made here: by programs, as answers, as ICMP errors.</summary>
    public long Made { get; internal set; }

    /// <summary>Packets that there are more because one was cut into fragments.</summary>
    public long Cut { get; internal set; }

    /// <summary>Packets handed to links.</summary>
    public long Out { get; internal set; }

    /// <summary>Packets that ended, by any name; of a datagram given up in reassembly one.</summary>
    public long Dropped { get; internal set; }

    /// <summary>Packets that there are fewer because fragments became a whole one.</summary>
    public long Joined { get; internal set; }

    /// <summary>Fragments that ended with their datagram, beside the one that counts as dropped.</summary>
    public long Abandoned { get; internal set; }

    /// <summary>Packets that a program of this node received.</summary>
    public long Absorbed { get; internal set; }

    /// <summary>Fragments that wait now.</summary>
    public long Held { get; internal set; }

    /// <summary>Packets that ended in the node itself, outside of its engine, by name.</summary>
    public IReadOnlyDictionary<string, long> Drops => _drops;

    /// <summary>What went in less what came out: 0, or packets were lost or made without being counted.</summary>
    public long Difference => In + Made + Cut - (Out + Dropped + Joined + Abandoned + Absorbed + Held);

    /// <inheritdoc/>
    public override string ToString() =>
        $"in {In} + made {Made} + cut {Cut} = out {Out} + dropped {Dropped} + joined {Joined} + abandoned {Abandoned} + absorbed {Absorbed} + held {Held}"
        + (Difference == 0 ? "" : $", and {Difference} too many on the left");

    internal void Drop(string name)
    {
        Dropped++;
        _drops[name] = _drops.GetValueOrDefault(name) + 1;
    }
}
