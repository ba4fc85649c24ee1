// What a link is to the host: something that packets are read from in batches and written to in batches. Links wrap
// links (capture, loss), so a link never asks what it stands on.

using Testudo.Wire;

namespace Testudo.Links;

/// <summary>A way to a network or to this host's own IP stack. Whole IP packets go in and come out.</summary>
/// <remarks>One thread receives and one thread sends; the two may be different ones.</remarks>
public abstract class Link : IDisposable
{
    /// <summary>The name in status, captures and messages: "tun testudo0", "raw4".</summary>
    public abstract string Name { get; }

    /// <summary>
    /// Waits for packets and reads what is there without waiting again, until <see cref="Batch.IsFull"/>. The batch is
    /// not cleared first.
    /// </summary>
    /// <param name="into">Where the packets go. <see cref="Packet.Time"/> is set by the host.</param>
    /// <param name="timeoutMilliseconds">How long to wait for the first one; 0 does not wait, -1 waits for ever.</param>
    /// <returns>How many were read; 0 after the time or <see cref="Wake"/>; -1 when the link is closed.</returns>
    public abstract int Receive(Batch into, int timeoutMilliseconds);

    /// <summary>Sends every packet that still lives; one that cannot be sent gets a <see cref="Packet.Drop"/>. Never throws for a packet.</summary>
    public abstract void Send(Batch packets);

    /// <summary>Ends a <see cref="Receive"/> that waits, now or the next time.</summary>
    public abstract void Wake();

    /// <summary>Closes the link: receiving answers -1 from then on.</summary>
    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Closes the link.</summary>
    protected abstract void Dispose(bool disposing);
}
