// Sends by a link that several threads may use, and counts what the link could not take.

using Testudo.Links;
using Testudo.Wire;

namespace Testudo.Host;

/// <summary>Drops at the links of a stack.</summary>
internal sealed class LinkCounters
{
    private readonly long[] _drops = new long[Drops.Count];

    /// <summary>How many packets ended so.</summary>
    public long Dropped(Drop drop) => Volatile.Read(ref _drops[(int)drop]);

    /// <summary>Counts one.</summary>
    public void Count(Drop drop) => Interlocked.Increment(ref _drops[(int)drop]);

    /// <summary>Sends the batch, one thread at a time, and counts what was not sent.</summary>
    public void Send(Link link, Batch batch)
    {
        if (batch.Count == 0)
        {
            return;
        }

        lock (link)
        {
            link.Send(batch);
        }

        foreach (ref readonly Packet packet in batch.Packets)
        {
            if (packet.Drop != Drop.None)
            {
                Count(packet.Drop);
            }
        }
    }
}
