// Three hosts: a road warrior, a gateway, and a host behind it that knows nothing of IPsec. And a host without keys.

using Testudo.Simulation;
using Testudo.Tests.Checker;
using Testudo.Wire;
using Xunit;

namespace Testudo.Tests.Sim;

public sealed class GatewayTests
{
    private const string Keys =
        """
        add 192.0.2.1 192.0.2.254 esp 0x2001 -m tunnel -r 64 -E aes-cbc 0x000102030405060708090a0b0c0d0e0f -A hmac-sha2-256 0x000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f;
        add 192.0.2.254 192.0.2.1 esp 0x2002 -m tunnel -r 64 -E aes-cbc 0x101112131415161718191a1b1c1d1e1f -A hmac-sha2-256 0x101112131415161718191a1b1c1d1e1f101112131415161718191a1b1c1d1e1f;
        """;

    private const string Warrior =
        """
        spdadd 192.0.2.1 10.9.0.0/24 any -P out ipsec esp/tunnel/192.0.2.1-192.0.2.254/require;
        spdadd 10.9.0.0/24 192.0.2.1 any -P in ipsec esp/tunnel/192.0.2.254-192.0.2.1/require;
        """;

    private const string Gateway =
        """
        spdadd 10.9.0.0/24 192.0.2.1 any -P out ipsec esp/tunnel/192.0.2.254-192.0.2.1/require;
        spdadd 192.0.2.1 10.9.0.0/24 any -P in ipsec esp/tunnel/192.0.2.1-192.0.2.254/require;
        """;

    [Fact]
    [Shows("ipsec4-policy-4", "rfc4301-3.1-1", "rfc4301-5.1-1", "rfc4301-5.2-2")]
    public void A_ping_goes_through_the_tunnel_and_comes_back()
    {
        using var network = new Network(11);
        (SimulatedHost warrior, SimulatedHost gateway, SimulatedHost inner) = Build3(network);
        warrior.Setkey(Keys + Warrior);
        gateway.Setkey(Keys + Gateway);

        warrior.Send(Build.Ipv4("192.0.2.1", "10.9.0.7", hopLimit: 30).IcmpEcho(payload: "hidden"u8));
        network.RunUntilQuiet();

        Assert.Equal(Build.Ipv4("192.0.2.1", "10.9.0.7", hopLimit: 29).IcmpEcho(payload: "hidden"u8), Assert.Single(inner.Received).Bytes);
        byte[] answer = Assert.Single(warrior.Received).Bytes;
        Assert.Equal(Build.Ipv4("10.9.0.7", "192.0.2.1", hopLimit: 63).IcmpEcho(payload: "hidden"u8, reply: true), answer);
        Assert.All(
            network.Trace.Entries.Where(static entry => entry is { Host: "warrior", Side: Side.Wire }),
            static entry => Assert.Equal(((byte)IpProtocol.Esp, -1), (entry.Bytes[9], entry.Bytes.AsSpan().IndexOf("hidden"u8))));
        Assert.Contains(network.Trace.Entries, static entry => entry is { Host: "inner", Side: Side.Wire } && entry.Bytes.AsSpan().IndexOf("hidden"u8) > 0);
        Assert.Equal("", string.Concat(network.Hosts.Select(static host => Networks.OtherDrops(host))));
        Assert.Empty(gateway.Received);
    }

    [Fact]
    public void What_should_come_through_the_tunnel_is_refused_in_clear()
    {
        using var network = new Network(12);
        (SimulatedHost warrior, SimulatedHost gateway, SimulatedHost inner) = Build3(network);
        gateway.Setkey(Keys + Gateway);

        warrior.Send(Build.Ipv4("192.0.2.1", "10.9.0.7").IcmpEcho());
        network.RunUntilQuiet();

        Assert.Empty(inner.Received);
        Assert.Equal(1, gateway.Dropped(Drop.ClearButRequired));
    }

    [Fact]
    [Shows("ipsec4-policy-11")]
    public void A_host_with_policies_and_no_keys_sends_nothing_and_wants_SAs()
    {
        using var network = new Network(13);
        (SimulatedHost warrior, _, SimulatedHost inner) = Build3(network);
        warrior.Setkey(Warrior);

        warrior.Send(Build.Ipv4("192.0.2.1", "10.9.0.7").IcmpEcho());
        network.Run(TimeSpan.FromSeconds(2));

        Assert.Empty(inner.Received);
        Assert.Equal(1, warrior.Dropped(Drop.NoSa));
        Assert.Equal(Testudo.Engine.EngineEventKind.SaWanted, Assert.Single(warrior.Events).Kind);
        Assert.DoesNotContain(network.Trace.Entries, static entry => entry.Side == Side.Wire);
    }

    [Fact]
    public void A_host_without_keys_gets_ESP_and_reads_nothing()
    {
        using var network = new Network(14);
        (SimulatedHost warrior, SimulatedHost gateway, SimulatedHost inner) = Build3(network);
        warrior.Setkey(Keys + Warrior);

        warrior.Send(Build.Ipv4("192.0.2.1", "10.9.0.7").IcmpEcho());
        network.RunUntilQuiet();

        Assert.Equal(1, gateway.Dropped(Drop.UnknownSpi));
        Assert.Empty(inner.Received);
        Assert.Empty(gateway.Received);
    }

    [Fact]
    [Shows("ipsec4-policy-16")]
    public void Without_keys_and_policies_everything_flows_in_clear()
    {
        using var network = new Network(15);
        (SimulatedHost warrior, _, _) = Build3(network);
        warrior.Send(Build.Ipv4("192.0.2.1", "10.9.0.7").IcmpEcho());
        network.RunUntilQuiet();
        Assert.Single(warrior.Received);
        Assert.DoesNotContain(network.Trace.Entries, static entry => entry.Bytes[9] == (byte)IpProtocol.Esp);
    }

    [Fact]
    public void A_packet_in_a_circle_ends_with_its_hop_limit()
    {
        using var network = new Network(16);
        SimulatedHost a = network.AddHost("a", "10.0.0.1"), b = network.AddHost("b", "10.0.0.2");
        SimulatedLink link = network.Connect(a, b);
        a.AddRoute("0.0.0.0/0", link);
        b.AddRoute("0.0.0.0/0", link);
        a.Send(Build.Ipv4("10.0.0.1", "8.8.8.8", hopLimit: 5).IcmpEcho());
        network.RunUntilQuiet();
        Assert.Single(network.Trace.Entries, static entry => entry.Fate == "hop limit");
    }

    [Fact]
    public void The_trace_as_a_capture_names_hosts_sides_and_drops()
    {
        using var network = new Network(17);
        (SimulatedHost warrior, SimulatedHost gateway, _) = Build3(network, new LinkProfile { Duplication = 1 });
        warrior.Setkey(Keys + Warrior);
        gateway.Setkey(Keys + Gateway);
        warrior.Send(Build.Ipv4("192.0.2.1", "10.9.0.7").Udp(1, 2, "x"u8));
        network.RunUntilQuiet();

        using var stream = new MemoryStream();
        network.Trace.WritePcapng(stream);
        stream.Position = 0;
        using CaptureReader reader = CaptureReader.Open(stream);
        int frames = 0;
        for (; reader.TryRead(out CaptureFrame frame); frames++)
        {
            Assert.True(frame.TryGetIp(out ReadOnlyMemory<byte> packet));
            Assert.Equal(network.Trace.Entries[frames].Bytes, packet.ToArray());
        }

        Assert.Equal(network.Trace.Entries.Count, frames);
        ReadOnlySpan<byte> bytes = stream.ToArray();
        foreach (string text in (string[])["warrior-clear", "warrior-wire", "gateway-wire", "inner-clear", "replayed", "twice"])
        {
            Assert.True(bytes.IndexOf(System.Text.Encoding.ASCII.GetBytes(text)) > 0, text);
        }
    }

    private static (SimulatedHost Warrior, SimulatedHost Gateway, SimulatedHost Inner) Build3(Network network, LinkProfile? profile = null)
    {
        SimulatedHost warrior = network.AddHost("warrior", "192.0.2.1");
        SimulatedHost gateway = network.AddHost("gateway", "192.0.2.254", "10.9.0.1");
        SimulatedHost inner = network.AddHost("inner", "10.9.0.7");
        SimulatedLink outside = network.Connect(warrior, gateway, profile), inside = network.Connect(gateway, inner);
        warrior.AddRoute("0.0.0.0/0", outside);
        inner.AddRoute("0.0.0.0/0", inside);
        inner.AnswersPings = true;
        return (warrior, gateway, inner);
    }
}
