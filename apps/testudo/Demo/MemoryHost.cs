// A host of the demo in memory: a stack, and behind it what stands for its IP stack: it answers echo requests and counts.

using Testudo.App.Keys;
using Testudo.App.Up;
using Testudo.Control.Setkey;
using Testudo.Host;
using Testudo.Links;
using Testudo.Wire;

namespace Testudo.App.Demo;

internal sealed class MemoryHost : IDisposable
{
    private const int Capacity = 4096;
    private readonly PacketTap _capture;
    private readonly MemoryLink _host;
    private readonly Thread _thread;
    private readonly Batch _sending = new();
    private long _requests, _replies, _datagrams;

    public MemoryHost(string name, string capture, long captureLimit)
    {
        Name = name;
        _capture = new PacketTap(File.Create(capture), "testudo", captureLimit);
        Stack = new IpsecStack(new IpsecStackOptions { Capture = _capture });
        (MemoryLink clear, _host) = MemoryLink.Pair($"{name} clear", $"{name} host", Capacity);
        (MemoryLink wire, FarWire) = MemoryLink.Pair($"{name} wire", $"{name} far wire", Capacity);
        Stack.AttachClear(clear);
        Stack.AttachWire(wire);
        Stack.Start();
        _thread = new Thread(Live) { Name = $"host {name}", IsBackground = true };
        _thread.Start();
    }

    public string Name { get; }

    public IpsecStack Stack { get; }

    /// <summary>The other end of this host's wire.</summary>
    public MemoryLink FarWire { get; }

    /// <summary>Echo requests that arrived.</summary>
    public long Requests => Volatile.Read(ref _requests);

    /// <summary>Answers that arrived.</summary>
    public long Replies => Volatile.Read(ref _replies);

    /// <summary>UDP datagrams that arrived.</summary>
    public long Datagrams => Volatile.Read(ref _datagrams);

    /// <summary>Executes a setkey script.</summary>
    /// <exception cref="IOException">A command was refused.</exception>
    public void Load(string text, string name)
    {
        SetkeyScript script = SetkeyParser.Parse(text, name, SystemLookups.All);
        if (!ScriptRunner.Report(script, text, Console.Error) || !ScriptRunner.Run(script, Stack.Keys.Ask, SetkeyProgram.Show, Console.Error))
        {
            throw new IOException($"{name} was refused by host {Name}");
        }
    }

    /// <summary>Sends a packet, as a program on this host would. For one thread.</summary>
    public void Send(byte[] packet, int times = 1)
    {
        for (int i = 0; i < times; i++)
        {
            if (!_sending.TryAdd(packet))
            {
                break;
            }
        }

        _host.Send(_sending);
        _sending.Clear();
    }

    public DemoHostCounters Counters() => new(
        Name,
        Traffic.Of(Stack.Outbound),
        Traffic.Of(Stack.Inbound),
        [.. Drops.Table.ToArray()
            .Where(text => text.Drop != Drop.None && Stack.Dropped(text.Drop) > 0)
            .Select(text => new DropCount(text.Name, Stack.Dropped(text.Drop), text.Sentence))]);

    public void Dispose()
    {
        Stack.DisposeAsync().AsTask().GetAwaiter().GetResult();
        _host.Dispose();
        _thread.Join();
        FarWire.Dispose();
        _capture.Dispose();
        _sending.Dispose();
    }

    private void Live()
    {
        using var batch = new Batch();
        using var answers = new Batch();
        while (_host.Receive(batch, -1) >= 0)
        {
            foreach (ref readonly Packet packet in batch.Packets)
            {
                if (IpInfo.TryParse(packet.Span, out IpInfo info) != Drop.None)
                {
                    continue;
                }

                if (info.Protocol == IpProtocol.Udp)
                {
                    Interlocked.Increment(ref _datagrams);
                }
                else if (DemoPackets.Answer(packet.Span, info) is { } answer)
                {
                    Interlocked.Increment(ref _requests);
                    _ = answers.TryAdd(answer);
                }
                else
                {
                    Interlocked.Increment(ref _replies);
                }
            }

            if (answers.Count > 0)
            {
                _host.Send(answers);
                answers.Clear();
            }

            batch.Clear();
        }
    }
}
