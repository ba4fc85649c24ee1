// One engine with its batches, for tests that speak in byte arrays: bytes in; bytes, drops and answers out.

using Testudo.Crypto;
using Testudo.Crypto.InBox;
using Testudo.Engine;
using Testudo.Engine.Keys;
using Testudo.Engine.Policies;
using Testudo.Wire;
using Testudo.Wire.PfKey;
using Xunit;

namespace Testudo.Tests.Engine;

/// <summary>What became of the packets of one batch. Drops are in the order of the packets that ended.</summary>
internal sealed record Outcome(List<byte[]> Passed, List<Drop> Drops, List<byte[]> Answers, int Held)
{
    /// <summary>The one packet that passed, where nothing else happened.</summary>
    public byte[] Single
    {
        get
        {
            Assert.Empty(Drops);
            return Assert.Single(Passed);
        }
    }

    /// <summary>The one drop, where nothing passed.</summary>
    public Drop Drop
    {
        get
        {
            Assert.Empty(Passed);
            return Assert.Single(Drops);
        }
    }
}

/// <summary>An engine and the thread's things that go with it.</summary>
internal sealed class Host : IDisposable
{
    private readonly Batch _work = new(), _result = new(), _back = new();
    private ulong _mask = 0x0123456789ABCDEF;

    public Host(EngineOptions? options = null, params string[] addresses)
        : this(new InBoxProvider(), options, addresses)
    {
    }

    public Host(CryptoProvider provider, EngineOptions? options = null, params string[] addresses)
        : this(new Providers(provider), options, addresses)
    {
    }

    public Host(Providers providers, EngineOptions? options = null, params string[] addresses)
    {
        Engine = new IpsecEngine(options ?? new EngineOptions { Mtu = 65535 }, providers, hashSeed: 1);
        Engine.SetLocalAddresses(addresses.Select(Address.Parse));
        Worker = Engine.NewWorker();
    }

    public IpsecEngine Engine { get; }

    public Worker Worker { get; }

    public Now Now { get; set; } = new(1_000_000_000, 1_700_000_000);

    public void Advance(double seconds) => Now = new Now(Now.Nanoseconds + (long)(seconds * 1e9), Now.UnixSeconds + (long)seconds);

    public Sa Add(SaParameters parameters)
    {
        Sa? sa = Engine.AddSa(parameters, NextMask(), Now, out Refusal? words);
        Assert.True(sa is not null, words?.Sentence);
        return sa;
    }

    public ulong NextMask() => _mask = (_mask * 6364136223846793005) + 1442695040888963407;

    public Policy Add(Policy policy)
    {
        Policy? added = Engine.AddPolicy(policy, Now, out Refusal? words);
        Assert.True(added is not null, words?.Sentence);
        return added;
    }

    public Outcome Out(params IEnumerable<byte[]> packets) => Run(packets, true);

    public Outcome In(params IEnumerable<byte[]> packets) => Run(packets, false);

    public void Dispose()
    {
        Worker.Dispose();
        _work.Dispose();
        _result.Dispose();
        _back.Dispose();
    }

    private Outcome Run(IEnumerable<byte[]> packets, bool isOut)
    {
        var outcome = new Outcome([], [], [], 0);
        foreach (byte[] packet in packets)
        {
            if (!_work.TryAdd(packet))
            {
                outcome = Flush(outcome, isOut);
                Assert.True(_work.TryAdd(packet));
            }
        }

        return Flush(outcome, isOut);
    }

    private Outcome Flush(Outcome sum, bool isOut)
    {
        if (isOut)
        {
            Engine.Outbound(_work, _result, _back, Now, Worker);
        }
        else
        {
            Engine.Inbound(_work, _result, Now, Worker);
        }

        foreach (ref Packet packet in _result.Packets)
        {
            sum.Passed.Add(packet.Span.ToArray());
        }

        foreach (ref Packet packet in _back.Packets)
        {
            Assert.Equal(PacketFlags.Reply, packet.Flags);
            sum.Answers.Add(packet.Span.ToArray());
        }

        int held = 0;
        foreach (ref Packet packet in _work.Packets)
        {
            held += (packet.Flags & PacketFlags.Held) != 0 ? 1 : 0;
            if (packet.Drop != Drop.None)
            {
                sum.Drops.Add(packet.Drop);
            }
        }

        foreach (ref Packet packet in Worker.Assembled.Packets)
        {
            if (packet.Drop != Drop.None)
            {
                sum.Drops.Add(packet.Drop);
            }
        }

        _work.Clear();
        _result.Clear();
        _back.Clear();
        return sum with { Held = sum.Held + held };
    }
}

/// <summary>SAs and policies in a line each.</summary>
internal static class Make
{
    public static SaParameters Sa(
        uint spi, string source, string destination, IpsecMode mode = IpsecMode.Transport, Suite? suite = null, bool udp = false, int keyFirst = -1)
    {
        suite ??= Suite.Gcm128;
        int first = keyFirst >= 0 ? keyFirst : (int)spi;
        return new SaParameters
        {
            Spi = spi,
            Source = Address.Parse(source),
            Destination = Address.Parse(destination),
            Mode = mode,
            Cipher = suite.Cipher,
            Integrity = suite.Integrity,
            CipherKey = Checker.Build.Pattern(suite.CipherKeyLength, first),
            IntegrityKey = Checker.Build.Pattern(suite.IntegrityKeyLength, first + 100),
            Encapsulation = udp ? new UdpEncapsulation(4500, 4500) : null,
        };
    }

    public static SaParameters Ah(
        uint spi, string source, string destination, IpsecMode mode = IpsecMode.Transport, Integrity integrity = Integrity.HmacSha256, SaFlags flags = SaFlags.None) =>
        Sa(spi, source, destination, mode, new Suite(Cipher.None, integrity, 0, Transforms.Find(integrity)!.KeyBits / 8)) with
        {
            Protocol = IpProtocol.Ah,
            Flags = flags,
            ReplayWindow = (flags & SaFlags.Old) != 0 ? 0 : 64,
        };

    public static Policy Policy(
        PolicyDirection direction, string source, string destination, params ReadOnlySpan<PolicyRequest> requests) =>
        Policy(direction, new Selector(Prefix.Parse(source), Prefix.Parse(destination)), PolicyAction.Ipsec, requests);

    public static Policy Policy(
        PolicyDirection direction, Selector selector, PolicyAction action = PolicyAction.Ipsec, params ReadOnlySpan<PolicyRequest> requests) =>
        new()
        {
            Direction = direction,
            Selector = selector,
            Action = action,
            Requests = action != PolicyAction.Ipsec ? [] : requests.IsEmpty ? [Transport()] : [.. requests],
        };

    public static PolicyRequest Transport(PolicyLevel level = PolicyLevel.Require, uint reqid = 0) =>
        new(IpProtocol.Esp, IpsecMode.Transport, level, reqid, null, null);

    public static PolicyRequest AhTransport(PolicyLevel level = PolicyLevel.Require, uint reqid = 0) =>
        Transport(level, reqid) with { Protocol = IpProtocol.Ah };

    public static PolicyRequest AhTunnel(string source, string destination, PolicyLevel level = PolicyLevel.Require, uint reqid = 0) =>
        Tunnel(source, destination, level, reqid) with { Protocol = IpProtocol.Ah };

    public static PolicyRequest Tunnel(string source, string destination, PolicyLevel level = PolicyLevel.Require, uint reqid = 0) =>
        new(IpProtocol.Esp, IpsecMode.Tunnel, level, reqid, Address.Parse(source), Address.Parse(destination));
}

/// <summary>Algorithms with their key lengths in bytes.</summary>
internal sealed record Suite(Cipher Cipher, Integrity Integrity, int CipherKeyLength, int IntegrityKeyLength)
{
    public static Suite Gcm128 { get; } = new(Cipher.AesGcm16, Integrity.None, 20, 0);

    public static Suite Null { get; } = new(Cipher.Null, Integrity.HmacSha256, 0, 32);

    public static Suite Cbc128 { get; } = new(Cipher.AesCbc, Integrity.HmacSha256, 16, 32);

    /// <summary>Every algorithm with every key length and every integrity algorithm that goes with it.</summary>
    public static IEnumerable<Suite> All { get; } =
    [
        new(Cipher.AesGcm16, Integrity.None, 20, 0),
        new(Cipher.AesGcm16, Integrity.None, 28, 0),
        new(Cipher.AesGcm16, Integrity.None, 36, 0),
        .. from key in (int[])[16, 24, 32] from mac in Macs select new Suite(Cipher.AesCbc, mac.Integrity, key, mac.Length),
        .. from mac in Macs select new Suite(Cipher.Null, mac.Integrity, 0, mac.Length),
    ];

    public override string ToString() => Integrity == Integrity.None ? $"{Cipher}-{CipherKeyLength}" : $"{Cipher}-{CipherKeyLength}-{Integrity}";

    private static (Integrity Integrity, int Length)[] Macs =>
        [(Integrity.HmacSha1, 20), (Integrity.HmacSha256, 32), (Integrity.HmacSha384, 48), (Integrity.HmacSha512, 64)];
}
