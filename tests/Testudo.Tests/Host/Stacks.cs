// Two stacks on real threads, joined by links in memory, each with a program on its clear side.

using Testudo.Crypto;
using Testudo.Engine.Keys;
using Testudo.Links;
using Testudo.Tests.Checker;
using Testudo.Wire;
using Testudo.Wire.PfKey;
using Xunit;

namespace Testudo.Tests.Host;

internal sealed class Stacks : IAsyncDisposable
{
    public static readonly Address Alice = Address.Parse("10.0.0.1"), Bob = Address.Parse("10.0.0.2");
    private readonly Batch _batch = new();

    /// <param name="a">Alice's options.</param>
    /// <param name="b">Bob's options.</param>
    /// <param name="wrap">Wraps Alice's link to the network.</param>
    public Stacks(IpsecStackOptions? a = null, IpsecStackOptions? b = null, Func<Link, Link>? wrap = null)
    {
        (MemoryLink wireA, MemoryLink wireB) = MemoryLink.Pair("a-wire", "b-wire");
        (ProgramA, MemoryLink clearA) = MemoryLink.Pair("a-program", "a-clear");
        (ProgramB, MemoryLink clearB) = MemoryLink.Pair("b-program", "b-clear");
        A = new IpsecStack(a);
        A.AttachClear(clearA);
        A.AttachWire(wrap?.Invoke(wireA) ?? wireA);
        B = new IpsecStack(b);
        B.AttachClear(clearB);
        B.AttachWire(wireB);
    }

    public IpsecStack A { get; }

    public IpsecStack B { get; }

    public MemoryLink ProgramA { get; }

    public MemoryLink ProgramB { get; }

    /// <summary>An SA, with a key that follows from its SPI.</summary>
    public static SaParameters Sa(uint spi, Address source, Address destination) => new()
    {
        Spi = spi,
        Source = source,
        Destination = destination,
        Cipher = Cipher.AesGcm16,
        CipherKey = Build.Pattern(20, (int)spi),
    };

    /// <summary>Both directions protected, and started.</summary>
    public Stacks Protected()
    {
        foreach ((IpsecStack stack, Address me, Address other) in ((IpsecStack, Address, Address)[])[(A, Alice, Bob), (B, Bob, Alice)])
        {
            stack.AddSa(Sa(0x1001, Alice, Bob));
            stack.AddSa(Sa(0x1002, Bob, Alice));
            stack.AddPolicy(Protect.Transport(PolicyDirection.Out, me, other));
            stack.AddPolicy(Protect.Transport(PolicyDirection.In, other, me));
        }

        return Started();
    }

    public Stacks Started()
    {
        A.Start();
        B.Start();
        return this;
    }

    public void Send(Link from, params ReadOnlySpan<byte[]> packets)
    {
        _batch.Clear();
        foreach (byte[] packet in packets)
        {
            Assert.True(_batch.TryAdd(packet));
        }

        from.Send(_batch);
        Assert.All(_batch.Packets.ToArray().Select(static packet => packet.Drop), static drop => Assert.Equal(Drop.None, drop));
    }

    /// <summary>The next packet, within ten seconds.</summary>
    public byte[] Receive(Link at)
    {
        _batch.Clear();
        Assert.Equal(1, at.Receive(_batch, 10_000));
        return _batch[0].Span.ToArray();
    }

    /// <summary>Waits up to twenty seconds for something to become true.</summary>
    public static void Until(Func<bool> condition, string what) => Assert.True(SpinWait.SpinUntil(condition, TimeSpan.FromSeconds(20)), "never happened: " + what);

    public async ValueTask DisposeAsync()
    {
        await A.DisposeAsync();
        await B.DisposeAsync();
        ProgramA.Dispose();
        ProgramB.Dispose();
        _batch.Dispose();
    }
}
