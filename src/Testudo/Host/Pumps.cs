// The packet threads: one for each link that is read. Each runs a batch to its end: read, work, send.

using Testudo.Engine;
using Testudo.Links;
using Testudo.Wire;

namespace Testudo.Host;

/// <summary>Clear side to wire side.</summary>
internal sealed class OutboundPump(IpsecEngine engine, Link clear, IReadOnlyList<(Link Link, WireKind Kind)> wires, LinkCounters counters, PacketTap? tap)
{
    /// <summary>Runs until the clear link is closed.</summary>
    public void Run(Worker me)
    {
        using var work = new Batch();
        using var wire = new Batch(0, Batch.MaxPieces);
        using var back = new Batch(64 * 1024);
        using var links = new WireLinks(wires, counters);
        using var keepalives = new Batch(64 * 1024);
        while (clear.Receive(work, 1000) >= 0) // a second at the most: keepalives are due though nothing is sent
        {
            engine.Keepalives(keepalives, me);
            links.Send(keepalives);
            keepalives.Clear();
            if (work.Count > 0)
            {
                PacketTap.Copy? taken = tap is null ? null : PacketTap.Take(work);
                engine.Outbound(work, wire, back, HostClock.Now, me);
                if (taken is { } copy)
                {
                    tap!.Write(copy, work, wireSide: false);
                    tap.WriteLeaving(wire, wireSide: true);
                    tap.WriteLeaving(back, wireSide: false);
                }

                links.Send(wire);
                counters.Send(clear, back);
            }

            work.Clear();
            wire.Clear();
            back.Clear();
        }
    }
}

/// <summary>Wire side to clear side.</summary>
internal sealed class InboundPump(IpsecEngine engine, Link wire, Link clear, LinkCounters counters, PacketTap? tap)
{
    /// <summary>Runs until the wire link is closed.</summary>
    public void Run(Worker me)
    {
        using var work = new Batch();
        using var done = new Batch(0);
        while (wire.Receive(work, -1) >= 0)
        {
            if (work.Count > 0)
            {
                PacketTap.Copy? taken = tap is null ? null : PacketTap.Take(work);
                engine.Inbound(work, done, HostClock.Now, me);
                if (taken is { } copy)
                {
                    tap!.Write(copy, work, wireSide: true);
                    tap.WriteLeaving(done, wireSide: false);
                }

                counters.Send(clear, done);
            }

            work.Clear();
            done.Clear();
        }
    }
}

/// <summary>
/// ICMP errors about what was sent, of which the system has a copy of its own: the engine notes what they say, and nothing is
/// delivered.
/// </summary>
internal sealed class ErrorPump(IpsecEngine engine, Link errors)
{
    /// <summary>Runs until the link is closed.</summary>
    public void Run(Worker me)
    {
        using var work = new Batch();
        using var done = new Batch(0);
        while (errors.Receive(work, -1) >= 0)
        {
            engine.Inbound(work, done, HostClock.Now, me);
            work.Clear();
            done.Clear();
        }
    }
}
