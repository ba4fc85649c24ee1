// The stack as an embedding program sees it: typed SAs and policies, refusals in words, events, counters, captures.

using Testudo.Engine;
using Testudo.Engine.Keys;
using Testudo.Engine.Policies;
using Testudo.Host;
using Testudo.Tests.Checker;
using Testudo.Wire;
using Testudo.Wire.PfKey;
using Xunit;

namespace Testudo.Tests.Host;

public sealed class IpsecStackTests
{
    private static readonly byte[] s_there = Build.Ipv4("10.0.0.1", "10.0.0.2").Udp(1, 2, "there"u8);
    private static readonly byte[] s_back = Build.Ipv4("10.0.0.2", "10.0.0.1").Udp(2, 1, "back"u8);

    [Fact]
    public async Task Packets_go_through_in_both_directions_and_are_counted()
    {
        await using Stacks stacks = new Stacks().Protected();
        stacks.Send(stacks.ProgramA, s_there);
        Assert.Equal(s_there, stacks.Receive(stacks.ProgramB));
        stacks.Send(stacks.ProgramB, s_back);
        Assert.Equal(s_back, stacks.Receive(stacks.ProgramA));

        Assert.Equal((2, 2), stacks.A.Count());
        Assert.Equal(["a-clear", "a-wire"], stacks.A.LinkNames);
        Assert.Equal(1, Assert.Single(stacks.A.Outbound).Packets);
        Stacks.Until(() => stacks.A.Inbound.Single().Packets == 1, "the packet back was counted");
        Assert.Equal(1ul, stacks.A.Engine.Sad.All.Single(static sa => sa.Spi == 0x1001).Packets);
    }

    [Fact]
    public async Task Policies_are_added_and_removed_while_packets_flow()
    {
        await using Stacks stacks = new Stacks().Started();
        stacks.Send(stacks.ProgramA, s_there); // in clear
        Assert.Equal(s_there, stacks.Receive(stacks.ProgramB));

        Policy policy = stacks.A.AddPolicy(Protect.Transport(PolicyDirection.Out, Stacks.Alice, Stacks.Bob));
        Assert.True(policy.Id >= Spd.FirstOwnId);
        stacks.Send(stacks.ProgramA, s_there);
        Stacks.Until(() => stacks.A.Dropped(Drop.NoSa) == 1, "the packet without SA was dropped");

        stacks.A.RemovePolicy(policy);
        stacks.Send(stacks.ProgramA, s_there);
        Assert.Equal(s_there, stacks.Receive(stacks.ProgramB));
        Assert.Equal(1, stacks.A.Dropped(Drop.NoSa));
    }

    [Fact]
    public async Task A_tunnel_between_networks_is_one_policy_each()
    {
        await using var stacks = new Stacks();
        Prefix left = Prefix.Parse("192.168.1.0/24"), right = Prefix.Parse("192.168.2.0/24");
        foreach ((IpsecStack stack, PolicyDirection direction) in ((IpsecStack, PolicyDirection)[])[(stacks.A, PolicyDirection.Out), (stacks.B, PolicyDirection.In)])
        {
            stack.AddSa(Stacks.Sa(0x3001, Stacks.Alice, Stacks.Bob) with { Mode = IpsecMode.Tunnel });
            stack.AddPolicy(Protect.Tunnel(direction, left, right, Stacks.Alice, Stacks.Bob) with { Priority = 7 });
        }

        stacks.Started();
        byte[] packet = Build.Ipv4("192.168.1.5", "192.168.2.6").Udp(1, 2, "inside"u8);
        stacks.Send(stacks.ProgramA, packet);
        Assert.Equal(packet, stacks.Receive(stacks.ProgramB));
    }

    [Fact]
    public async Task What_is_refused_is_refused_in_words()
    {
        await using var stacks = new Stacks();
        Sa sa = stacks.A.AddSa(Stacks.Sa(0x1001, Stacks.Alice, Stacks.Bob));
        AssertRefused(PfKeyError.Exists, "SPI 0x00001001 exists already", () => stacks.A.AddSa(Stacks.Sa(0x1001, Stacks.Alice, Stacks.Bob)));
        AssertRefused(PfKeyError.Invalid, "SPI", () => stacks.A.AddSa(Stacks.Sa(255, Stacks.Alice, Stacks.Bob)));
        AssertRefused(PfKeyError.Invalid, "key", () => stacks.A.AddSa(Stacks.Sa(0x1002, Stacks.Alice, Stacks.Bob) with { CipherKey = new byte[7] }));

        Policy policy = Protect.Transport(PolicyDirection.Out, Stacks.Alice, Stacks.Bob);
        stacks.A.AddPolicy(policy);
        AssertRefused(PfKeyError.Exists, "same direction and selector", () => stacks.A.AddPolicy(policy));
        AssertRefused(PfKeyError.Invalid, "at least one request", () => stacks.A.AddPolicy(policy with { Direction = PolicyDirection.In, Requests = [] }));
        Assert.Equal((1, 1), stacks.A.Count());

        Assert.True(stacks.A.RemoveSa(sa));
        Assert.False(stacks.A.RemoveSa(sa));
        Assert.Equal((0, 1), stacks.A.Count());
    }

    [Fact]
    public async Task One_key_for_two_SAs_is_a_warning()
    {
        await using var stacks = new Stacks();
        SaParameters one = Stacks.Sa(0x1001, Stacks.Alice, Stacks.Bob);
        stacks.A.AddSa(one, out string? warning);
        Assert.Null(warning);
        stacks.A.AddSa(one with { Spi = 0x1002 }, out warning);
        Assert.Contains("key", warning);
    }

    [Fact]
    public async Task Expiry_and_wanted_SAs_are_events()
    {
        await using var stacks = new Stacks();
        var events = new List<EngineEvent>();
        stacks.A.Happened += happened =>
        {
            lock (events)
            {
                events.Add(happened);
            }
        };
        Sa sa = stacks.A.AddSa(Stacks.Sa(0x1001, Stacks.Alice, Stacks.Bob) with { Soft = new Lifetime(0, 0, 1, 0), Hard = new Lifetime(0, 0, 2, 0) });
        Policy policy = stacks.A.AddPolicy(Protect.Transport(PolicyDirection.Out, Stacks.Alice, Address.Parse("10.0.0.3")));
        stacks.Started();
        stacks.Send(stacks.ProgramA, Build.Ipv4("10.0.0.1", "10.0.0.3").Udp(1, 2));

        Stacks.Until(() => Has(EngineEventKind.SaWanted) && Has(EngineEventKind.SaSoftExpired) && Has(EngineEventKind.SaHardExpired), "all events");
        lock (events)
        {
            Assert.Same(policy, Assert.Single(events, static e => e.Kind == EngineEventKind.SaWanted).Policy);
            Assert.All(events.Where(static e => e.Kind != EngineEventKind.SaWanted), e => Assert.Same(sa, e.Sa));
        }

        Assert.Equal(0, stacks.A.Count().Sas);

        bool Has(EngineEventKind kind)
        {
            lock (events)
            {
                return events.Any(e => e.Kind == kind);
            }
        }
    }

    [Fact]
    public async Task A_peer_behind_a_NAT_that_heard_nothing_hears_a_keepalive()
    {
        await using var stacks = new Stacks(a: new IpsecStackOptions { Engine = new EngineOptions { KeepaliveSeconds = 1 } });
        stacks.A.Engine.SetLocalAddresses([Stacks.Alice]);
        stacks.A.AddSa(Stacks.Sa(0x1001, Stacks.Alice, Stacks.Bob) with { Encapsulation = new UdpEncapsulation(4500, 4500) });
        stacks.Started();
        Stacks.Until(() => stacks.B.Dropped(Drop.Keepalive) > 0, "a keepalive");
    }

    [Fact]
    public async Task The_capture_has_both_sides_and_the_drops()
    {
        var file = new MemoryStream();
        var tap = new PacketTap(file, "bob");
        await using (Stacks stacks = new Stacks(b: new IpsecStackOptions { Capture = tap }).Protected())
        {
            stacks.Send(stacks.ProgramA, s_there);
            Assert.Equal(s_there, stacks.Receive(stacks.ProgramB));
            stacks.B.RemoveSa(stacks.B.Engine.Sad.All.Single(static sa => sa.Spi == 0x1002));
            stacks.Send(stacks.ProgramB, s_back);
            Stacks.Until(() => stacks.B.Dropped(Drop.NoSa) == 1, "the packet without SA was dropped");
        } // its threads are gone

        tap.Dispose();
        byte[] bytes = file.ToArray();
        using CaptureReader reader = CaptureReader.Open(new MemoryStream(bytes));
        var seen = new List<(string? Interface, byte[] Bytes)>();
        while (reader.TryRead(out CaptureFrame frame))
        {
            Assert.True(frame.TryGetIp(out ReadOnlyMemory<byte> packet));
            seen.Add((frame.Interface.Name, packet.ToArray()));
        }

        Assert.Equal(["bob-wire", "bob-clear", "bob-clear"], seen.Select(static frame => frame.Interface));
        Assert.Equal((byte)IpProtocol.Esp, seen[0].Bytes[9]);
        Assert.Equal(s_there, seen[1].Bytes);
        Assert.Equal(s_back, seen[2].Bytes);
        Assert.True(bytes.AsSpan().IndexOf("no-sa"u8) > 0);
    }

    [Fact]
    public void Faulty_options_are_all_named_at_once()
    {
        ArgumentException fault = Assert.Throws<ArgumentException>(() => new IpsecStack(new IpsecStackOptions
        {
            Engine = new EngineOptions { Mtu = 5, ReassemblyBytes = 1, DefaultLevel = PolicyLevel.Unique },
        }));
        Assert.All((string[])["Engine.Mtu is 5", "Engine.ReassemblyBytes is 1", "Engine.DefaultLevel is Unique"], word => Assert.Contains(word, fault.Message));
    }

    [Fact]
    public async Task Links_are_attached_before_the_start()
    {
        await using Stacks stacks = new Stacks().Started();
        Assert.Contains("before Start", Assert.Throws<InvalidOperationException>(() => stacks.A.AttachWire(stacks.ProgramA)).Message);
        Assert.Throws<InvalidOperationException>(() => stacks.A.AttachClear(stacks.ProgramA));
        Assert.Throws<InvalidOperationException>(stacks.A.Start);
    }

    private static void AssertRefused(PfKeyError error, string words, Action action)
    {
        IpsecException refused = Assert.Throws<IpsecException>(action);
        Assert.Equal(error, refused.Error);
        Assert.Contains(words, refused.Message);
    }
}
