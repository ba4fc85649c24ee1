// The wire of the demo in memory: what one host sends is looked at and given to the other.

using Testudo.Links;
using Testudo.Wire;

namespace Testudo.App.Demo;

internal sealed class MemoryWire : IDisposable
{
    private readonly MemoryLink _toB;
    private readonly byte[] _marker;
    private readonly Thread[] _threads;
    private readonly Lock _lock = new();
    private WireCount _count;
    private byte[]? _kept;

    /// <summary>Joins the far ends of both hosts' wires; it ends when they are closed.</summary>
    public MemoryWire(MemoryLink a, MemoryLink b, byte[] marker)
    {
        _toB = b;
        _marker = marker;
        _threads = [new Thread(() => Carry(a, b)) { Name = "wire to b", IsBackground = true }, new Thread(() => Carry(b, a)) { Name = "wire to a", IsBackground = true }];
        Array.ForEach(_threads, static thread => thread.Start());
    }

    /// <summary>The first ESP packet that was seen.</summary>
    public byte[]? Kept
    {
        get
        {
            lock (_lock)
            {
                return _kept;
            }
        }
    }

    public WireCount Count()
    {
        lock (_lock)
        {
            return _count;
        }
    }

    /// <summary>Puts a packet on the wire, as an attacker would; it is not counted as the hosts' own.</summary>
    public void SendToB(byte[] packet)
    {
        using var batch = new Batch();
        _ = batch.TryAdd(packet);
        _toB.Send(batch);
    }

    public void Dispose() => Array.ForEach(_threads, static thread => thread.Join());

    private void Carry(MemoryLink from, MemoryLink to)
    {
        using var batch = new Batch();
        while (from.Receive(batch, -1) >= 0)
        {
            lock (_lock)
            {
                foreach (ref readonly Packet packet in batch.Packets)
                {
                    bool isEsp = IpInfo.TryParse(packet.Span, out IpInfo info) == Drop.None && info.Protocol == IpProtocol.Esp;
                    bool isMarked = packet.Span.IndexOf(_marker) >= 0;
                    _count = new WireCount(
                        _count.Esp + (isEsp ? 1 : 0), _count.EspBytes + (isEsp ? packet.Length : 0), _count.Clear + (isEsp ? 0 : 1), _count.Marked + (isMarked ? 1 : 0));
                    if (isEsp)
                    {
                        _kept ??= packet.Span.ToArray();
                    }
                }
            }

            to.Send(batch);
            batch.Clear();
        }
    }
}
