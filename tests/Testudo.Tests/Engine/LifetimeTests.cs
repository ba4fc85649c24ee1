// Hard limits of bytes and packets hold on the packet path, not one byte beyond (RFC 4301, 4.4.2.1); and what is over
// leaves nothing behind.

using Testudo.Engine;
using Testudo.Engine.Keys;
using Testudo.Tests.Checker;
using Testudo.Wire;
using Testudo.Wire.PfKey;
using Xunit;

namespace Testudo.Tests.Engine;

public sealed class LifetimeTests
{
    private const string A = "10.1.0.1", B = "10.2.0.1";
    private static readonly byte[] s_packet = Build.Ipv4(A, B).Udp(7, 9, "text"u8); // 12 bytes of payload

    [Theory]
    [InlineData(0u, 100ul, 8)]
    [InlineData(0u, 96ul, 8)]
    [InlineData(0u, 95ul, 7)]
    [InlineData(3u, 0ul, 3)]
    [InlineData(3u, 24ul, 2)]
    [Shows("rfc4301-4.4.2.1-7")]
    public void In_one_batch_no_packet_goes_beyond_a_hard_limit_in_either_direction(uint packets, ulong bytes, int pass)
    {
        using Host a = Sender(), b = Receiver();
        using Host limitedA = Sender(), limitedB = Receiver();
        a.Add(Make.Sa(0x1000, A, B));
        b.Add(Make.Sa(0x1000, A, B));
        SaParameters limited = Make.Sa(0x1000, A, B) with { Hard = new Lifetime(packets, bytes, 0, 0) };
        Sa sending = limitedA.Add(limited), receiving = limitedB.Add(limited);
        byte[][] twenty = [.. Enumerable.Repeat(s_packet, 20)];

        Outcome sent = limitedA.Out(twenty);
        Assert.Equal(pass, sent.Passed.Count);
        Assert.All(sent.Drops, static drop => Assert.True(drop is Drop.LifetimeOver or Drop.NoSa));
        Assert.Equal((ulong)pass, sending.LastSequence); // no number was lost on what was not sent
        Assert.Equal(pass, b.In(sent.Passed).Passed.Count);

        Outcome received = limitedB.In(a.Out(twenty).Passed);
        Assert.Equal(pass, received.Passed.Count);
        Assert.All(received.Drops, static drop => Assert.Equal(Drop.LifetimeOver, drop));
        Assert.Equal((ulong)pass * 12, receiving.Bytes);
        foreach (Host host in (Host[])[limitedA, limitedB])
        {
            Sa sa = host.Engine.Sad.All.First();
            Assert.False(sa.IsUsable);
            EngineEvent over = Assert.Single(host.Engine.Tick(host.Now), static e => e.Kind != EngineEventKind.SaWanted);
            Assert.Equal((EngineEventKind.SaHardExpired, sa), (over.Kind, over.Sa));
            AssertNothingIsLeft(host, sa);
        }
    }

    [Fact]
    public void An_SA_that_is_over_gives_way_to_another_at_once()
    {
        using Host a = Sender();
        a.Engine.Sad.PreferOld = true;
        a.Add(Make.Sa(0x1000, A, B) with { Hard = new Lifetime(2, 0, 0, 0) });
        a.Add(Make.Sa(0x1001, A, B));
        Outcome outcome = a.Out(Enumerable.Repeat(s_packet, 10));
        outcome = a.Out(Enumerable.Repeat(s_packet, 10));
        Assert.Equal(10, outcome.Passed.Count);
        Check.Packet(outcome.Passed[0]).Ipv4().Esp(0x1001, 1);
        Check.Packet(outcome.Passed[9]).Ipv4().Esp(0x1001, 10);
    }

    [Fact]
    public void Higher_limits_in_time_let_it_go_on()
    {
        using Host a = Sender();
        Sa sa = a.Add(Make.Sa(0x1000, A, B) with { Hard = new Lifetime(0, 24, 0, 0) });
        Assert.Equal(2, a.Out(Enumerable.Repeat(s_packet, 3)).Passed.Count);
        sa.SetLifetimes(default, new Lifetime(0, 48, 0, 0), a.Now);
        Assert.Empty(a.Engine.Tick(a.Now));
        Assert.Equal(2, a.Out(Enumerable.Repeat(s_packet, 3)).Passed.Count);
    }

    [Theory]
    [InlineData("add")]
    [InlineData("use")]
    [InlineData("bytes")]
    [InlineData("packets")]
    public void Each_limit_is_told_twice_and_leaves_nothing(string kind)
    {
        using Host a = Sender();
        Lifetime soft = Limit(kind, 2), hard = Limit(kind, 4);
        Sa sa = a.Add(Make.Sa(0x1000, A, B, IpsecMode.Transport, Suite.Cbc128) with { Soft = soft, Hard = hard });
        var told = new List<EngineEventKind>();
        for (int second = 0; second < 6; second++)
        {
            a.Out(s_packet);
            a.Advance(1);
            told.AddRange(a.Engine.Tick(a.Now).Select(static e => e.Kind).Where(static e => e != EngineEventKind.SaWanted));
        }

        Assert.Equal([EngineEventKind.SaSoftExpired, EngineEventKind.SaHardExpired], told);
        AssertNothingIsLeft(a, sa);

        static Lifetime Limit(string kind, uint n) => kind switch
        {
            "add" => new Lifetime(0, 0, n, 0),
            "use" => new Lifetime(0, 0, 0, n),
            "bytes" => new Lifetime(0, n * 12, 0, 0),
            _ => new Lifetime(n, 0, 0, 0),
        };
    }

    [Fact]
    public void A_larval_SA_that_is_over_leaves_nothing()
    {
        using Host a = Sender();
        Sa larval = a.Engine.AddLarval(0x1000, IpProtocol.Esp, Address.Parse(A), Address.Parse(B), IpsecMode.Transport, 0, a.Now)!;
        a.Advance(30);
        Assert.Empty(a.Engine.Tick(a.Now));
        AssertNothingIsLeft(a, larval);
    }

    private static void AssertNothingIsLeft(Host host, Sa sa)
    {
        Assert.Equal(SaState.Dead, sa.State);
        Assert.Empty(host.Engine.Sad.All);
        Assert.Empty(host.Engine.Sad.Destinations());
        Assert.Null(host.Engine.Sad.Find(sa.Spi, sa.Protocol, sa.Destination));
        Assert.Null(host.Engine.Sad.FindForSending(sa.Protocol, sa.Source, sa.Destination, IpsecMode.Transport, 0));
        Assert.All(sa.CipherKey.ToArray(), static b => Assert.Equal(0, b));
        Assert.All(sa.IntegrityKey.ToArray(), static b => Assert.Equal(0, b));
        host.Add(Make.Sa(0x1000, A, B, IpsecMode.Transport, Suite.Cbc128)); // its SPI is free
        Assert.Null(host.Engine.UpdateSa(sa, Make.Sa(0x1000, A, B), 1, host.Now, out _)); // and it cannot come back
    }

    private static Host Sender()
    {
        var a = new Host(null, A);
        a.Add(Make.Policy(PolicyDirection.Out, A, B));
        return a;
    }

    private static Host Receiver()
    {
        var b = new Host(null, B);
        b.Add(Make.Policy(PolicyDirection.In, A, B));
        return b;
    }
}
