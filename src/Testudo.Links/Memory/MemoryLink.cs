// Two links joined back to back in one process: what is sent into one is received from the other. For tests, simulation,
// and hosts that bring their own network. Bytes are copied; like a wire, the link carries nothing else of a packet.

using Testudo.Wire;

namespace Testudo.Links;

/// <summary>One end of a pair. Any thread may use it.</summary>
public sealed class MemoryLink : Link
{
    private readonly PacketQueue _incoming;
    private readonly PacketQueue _outgoing;

    private MemoryLink(string name, PacketQueue incoming, PacketQueue outgoing)
    {
        Name = name;
        _incoming = incoming;
        _outgoing = outgoing;
    }

    /// <inheritdoc/>
    public override string Name { get; }

    /// <summary>Makes a pair. Each direction holds <paramref name="capacity"/> packets; one more is <see cref="Drop.LinkFull"/>.</summary>
    public static (MemoryLink A, MemoryLink B) Pair(string nameA, string nameB, int capacity = 1024)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(capacity, 1);
        var toA = new PacketQueue(capacity);
        var toB = new PacketQueue(capacity);
        return (new MemoryLink(nameA, toA, toB), new MemoryLink(nameB, toB, toA));
    }

    /// <inheritdoc/>
    public override int Receive(Batch into, int timeoutMilliseconds) => _incoming.Take(into, timeoutMilliseconds);

    /// <inheritdoc/>
    /// <remarks>When either end is closed, packets get <see cref="Drop.LinkRefused"/>.</remarks>
    public override void Send(Batch packets) => _outgoing.Add(packets);

    /// <summary>Sends one packet of a program that has no batches; what became of it, <see cref="Drop.None"/> where it goes its way.</summary>
    public Drop Send(ReadOnlySpan<byte> packet) => _outgoing.AddOne(packet);

    /// <summary>Receives one packet, for a program that has no batches; null where none came in time or the link is closed.</summary>
    public byte[]? Receive(int timeoutMilliseconds) => _incoming.Take(timeoutMilliseconds);

    /// <inheritdoc/>
    public override void Wake() => _incoming.Wake();

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _incoming.Close();
            _outgoing.CloseSending();
        }
    }
}
