// One batch through the engine: out, and out and in again.

using BenchmarkDotNet.Attributes;
using Testudo.Crypto;
using Testudo.Engine;
using Testudo.Engine.Keys;
using Testudo.Engine.Policies;
using Testudo.Wire;
using Testudo.Wire.PfKey;

namespace Testudo.Bench;

[MemoryDiagnoser]
public class EngineBench : IDisposable
{
    private const int Packets = 64;
    private static readonly Address s_a = Address.Parse("10.0.0.1"), s_b = Address.Parse("10.0.0.2");
    private readonly IpsecEngine _engine = new(new EngineOptions(), new Providers(new Crypto.InBox.InBoxProvider()), hashSeed: 1);
    private readonly Batch _work = new(), _wire = new(0), _back = new(), _clear = new(0);
    private readonly byte[] _packet = new byte[1420];
    private Worker _out = null!, _in = null!;

    [GlobalSetup]
    public void Setup()
    {
        _engine.AddSa(new SaParameters { Spi = 0x1000, Source = s_a, Destination = s_b, Cipher = Cipher.AesGcm16, CipherKey = new byte[20], ReplayWindow = 4096 }, 1, default, out _);
        foreach (PolicyDirection direction in (PolicyDirection[])[PolicyDirection.Out, PolicyDirection.In])
        {
            _engine.AddPolicy(
                new Policy
                {
                    Direction = direction,
                    Selector = new Selector(Prefix.Host(s_a), Prefix.Host(s_b)),
                    Action = PolicyAction.Ipsec,
                    Requests = [new PolicyRequest(IpProtocol.Esp, IpsecMode.Transport, PolicyLevel.Require, 0, null, null)],
                },
                default,
                out _);
        }

        IpWrite.V4(_packet, _packet.Length, 0, 1, false, 64, IpProtocol.Udp, s_a, s_b);
        _out = _engine.NewWorker();
        _in = _engine.NewWorker();
    }

    [Benchmark(OperationsPerInvoke = Packets)]
    public int Outbound()
    {
        Fill();
        _engine.Outbound(_work, _wire, _back, default, _out);
        return _wire.Count;
    }

    [Benchmark(OperationsPerInvoke = Packets)]
    public int OutboundAndInbound()
    {
        Fill();
        _engine.Outbound(_work, _wire, _back, default, _out);
        _clear.Clear();
        _engine.Inbound(_wire, _clear, default, _in);
        return _clear.Count;
    }

    [GlobalCleanup]
    public void Dispose()
    {
        foreach (Batch batch in (Batch[])[_work, _wire, _back, _clear])
        {
            batch.Dispose();
        }

        GC.SuppressFinalize(this);
    }

    private void Fill()
    {
        _work.Clear();
        _wire.Clear();
        _back.Clear();
        for (int i = 0; i < Packets; i++)
        {
            _work.TryAdd(_packet);
        }
    }
}
