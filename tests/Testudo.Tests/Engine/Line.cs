// One packet after the other through an engine, each against a forbidden page: exactly one end for each, and no memory.

using Testudo.Wire;
using Xunit;

namespace Testudo.Tests.Engine;

internal sealed unsafe class Line : IDisposable
{
    /// <summary>What the engines here may hold of fragments.</summary>
    public const int Reassembly = 256 * 1024;

    private readonly GuardPage _page = new(70_000);
    private readonly Batch _work = new(), _result = new(), _back = new();
    private readonly Dictionary<Host, int> _allocating = [];
    private long _packets, _allocated;

    public HashSet<Drop> Seen { get; } = [];

    /// <summary>The last packet waits for others, or they were put together.</summary>
    public bool IsHeld { get; private set; }

    public Drop In(Host host, byte[] packet) => Run(host, packet, false);

    /// <summary>Twice: against the page, where most need room that is not there, and with room.</summary>
    public Drop Out(Host host, byte[] packet)
    {
        Run(host, packet, true);
        return Run(host, packet, true, hasRoom: true);
    }

    /// <summary>Packets cost no memory that a collector has to look for.</summary>
    public void Report()
    {
        TestContext.Current.TestOutputHelper?.WriteLine($"{_packets} packets, {_allocated} bytes allocated, {string.Join(' ', Seen.Order())}");
        Assert.True(_packets > 1000, $"{_packets} packets");
        // What is made at its first use (a key's parts, scratch room) is made once; fragments are bounded by what may wait.
        Assert.InRange(_allocating.Values.DefaultIfEmpty().Max(), 0, 6);
    }

    public void Dispose()
    {
        _page.Dispose();
        _work.Dispose();
        _result.Dispose();
        _back.Dispose();
    }

    private Drop Run(Host host, byte[] bytes, bool isOut, bool hasRoom = false)
    {
        if (bytes.Length == 0)
        {
            return Drop.PacketTooShort;
        }

        _packets++;
        fixed (byte* data = _page.Last(bytes))
        {
            Assert.True(hasRoom ? _work.TryAdd(bytes) : _work.TryMove(new Packet { Data = data, Length = bytes.Length }));
            long before = GC.GetAllocatedBytesForCurrentThread();
            if (isOut)
            {
                host.Engine.Outbound(_work, _result, _back, host.Now, host.Worker);
            }
            else
            {
                host.Engine.Inbound(_work, _result, host.Now, host.Worker);
            }

            long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
            _allocated += allocated;
            if (allocated > 0 && (_work[0].Flags & PacketFlags.Held) == 0 && host.Engine.Sad.All.All(static sa => sa.Transform.Cipher != global::Testudo.Crypto.Cipher.Cast128Cbc)) // its library allocates for each block
            {
                _allocating[host] = _allocating.GetValueOrDefault(host) + 1;
            }
        }

        Packet packet = _work[0];
        IsHeld = (packet.Flags & PacketFlags.Held) != 0;
        bool isCut = (packet.Flags & PacketFlags.Cut) != 0;
        Assert.False(IsHeld && packet.Drop != Drop.None);
        if (!IsHeld && !isCut)
        {
            Assert.Equal(packet.Drop == Drop.None ? 1 : 0, _result.Count);
        }

        Assert.InRange(host.Worker.ReassemblyBytes, 0, Reassembly);
        Seen.Add(packet.Drop);
        foreach (ref Packet whole in host.Worker.Assembled.Packets)
        {
            Seen.Add(whole.Drop);
        }

        _work.Clear();
        _result.Clear();
        _back.Clear();
        return packet.Drop;
    }
}
