// The guard's scripts against the kernel that has to run them: nft takes every one, forged packets in clear reach neither a
// UDP nor a raw socket nor the network behind, and replacing policies under a flood lets nothing through.

using System.Collections.Immutable;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text.RegularExpressions;
using Testudo.Engine.Guard;
using Testudo.Engine.Policies;
using Testudo.SystemTests.Netns;
using Testudo.Wire;
using Testudo.Wire.PfKey;
using Xunit;

namespace Testudo.SystemTests.Guard;

public sealed partial class GuardTests
{
    private static readonly GuardNames s_names = new();

    [Fact]
    public void Nft_takes_the_scripts_of_500_random_databases()
    {
        using var host = new NetworkNamespace();
        var random = new Random(4301);
        string[] scripts = [.. Enumerable.Range(0, 500).Select(i => Script(random, i))];

        // One process checks many: a script is a transaction, and twenty of them are a script.
        foreach (string[] some in scripts.Chunk(20))
        {
            (int status, string output) = host.TryRun("nft -c -f -", string.Concat(some));
            Assert.True(status == 0, output + "\n" + string.Concat(some));
        }
    }

    [Fact]
    public void Nft_shows_what_was_installed_and_nothing_when_it_was_removed()
    {
        using var host = new NetworkNamespace();
        host.Run("nft -f -", Install(Policy(PolicyDirection.In, "10.9.0.1/32", "10.9.0.2/32")));
        host.Run("nft -f -", Install(Policy(PolicyDirection.In, "10.9.0.1/32", "10.9.0.2/32"))); // again, over the first
        string listed = host.Run("nft list ruleset");
        Assert.Contains("ip saddr 10.9.0.1 ip daddr 10.9.0.2 counter name \"guard_in\" drop", listed, StringComparison.Ordinal);
        host.Run("nft -f -", GuardScript.Remove(s_names));
        host.Run("nft -f -", GuardScript.Remove(s_names)); // nothing there: no error
        Assert.Equal("", host.Run("nft list ruleset"));
    }

    [Fact]
    public void Forged_packets_in_clear_reach_neither_a_UDP_nor_a_raw_socket()
    {
        using var peer = new NetworkNamespace();
        using var host = new NetworkNamespace();
        Connect(peer, host);
        host.Run("nft -f -", Install(
            Policy(PolicyDirection.In, "10.9.0.1/32", "10.9.0.2/32"),
            Policy(PolicyDirection.In, "fd09::1/128", "fd09::2/128"),
            Policy(PolicyDirection.In, "10.9.0.4/32", "0.0.0.0/0", IpProtocol.Udp, 5000, level: PolicyLevel.Require),
            Policy(PolicyDirection.In, "10.9.0.5/32", "0.0.0.0/0", level: PolicyLevel.Use),
            Policy(PolicyDirection.In, "fd09::6/128", "::/0", IpProtocol.Udp, 5000, PolicyAction.None), // needs defragmentation
            Policy(PolicyDirection.In, "fd09::6/128", "::/0")));
        using Socket udp = host.Do(() => Bound(AddressFamily.InterNetworkV6, SocketType.Dgram, ProtocolType.Udp, 5000));
        using Socket other = host.Do(() => Bound(AddressFamily.InterNetworkV6, SocketType.Dgram, ProtocolType.Udp, 5001));
        using Socket raw = host.Do(() => Bound(AddressFamily.InterNetwork, SocketType.Raw, ProtocolType.Udp, 0));

        // Each text says in its payload who sent it; "good" ones come last, so that what was sent before has arrived.
        peer.Run("/usr/bin/python3 -", """
            import logging; logging.getLogger("scapy").setLevel(logging.ERROR)
            from scapy.all import *
            conf.verb = 0
            def out(p): sendp(Ether(src=get_if_hwaddr("eth0"), dst=getmacbyip("10.9.0.2")) / p, iface="eth0")
            u = lambda text, port=5000: UDP(sport=7, dport=port) / text
            out(IP(src="10.9.0.1", dst="10.9.0.2") / u("bad plain"))
            out(IP(src="10.9.0.1", dst="10.9.0.2", options=[IPOption_NOP()]*4) / u("bad options"))
            for f in fragment(IP(src="10.9.0.1", dst="10.9.0.2", id=9) / u("bad fragments" + "x"*2000), 500): out(f)
            for f in fragment(IP(src="10.9.0.4", dst="10.9.0.2", id=10) / u("bad fragments with ports" + "x"*2000), 500): out(f)
            out(IPv6(src="fd09::1", dst="fd09::2") / u("bad v6"))
            out(IPv6(src="fd09::1", dst="fd09::2") / IPv6ExtHdrDestOpt() / u("bad v6 options"))
            for f in fragment6(IPv6(src="fd09::1", dst="fd09::2") / IPv6ExtHdrFragment(id=11) / u("bad v6 fragments" + "x"*2000), 600): out(f)
            out(IP(src="10.9.0.4", dst="10.9.0.2") / u("bad port"))
            out(IP(src="10.9.0.4", dst="10.9.0.2") / u("good other port", 5001))
            out(IP(src="10.9.0.5", dst="10.9.0.2") / u("good level use"))
            out(IPv6(src="fd09::3", dst="fd09::2") / u("good v6"))
            out(IPv6(src="fd09::6", dst="fd09::2") / u("bad v6 port", 5001))
            for f in fragment6(IPv6(src="fd09::6", dst="fd09::2") / IPv6ExtHdrFragment(id=13) / u("good v6 fragments with ports" + "x"*2000), 600): out(f)
            for f in fragment(IP(src="10.9.0.3", dst="10.9.0.2", id=12) / u("good fragments" + "x"*2000), 500): out(f)
            out(IP(src="10.9.0.3", dst="10.9.0.2") / u("good last"))
            """);

        List<string> received = ReadUntil(udp, "good last");
        Assert.Equal(["good fragments", "good last", "good level use", "good v6", "good v6 fragments with ports"], received.Select(static t => t.TrimEnd('x')).Order(StringComparer.Ordinal));
        Assert.Equal(["good other port"], ReadUntil(other, "good other port"));
        Assert.DoesNotContain(ReadUntil(raw, "good last"), static text => text.Contains("bad", StringComparison.Ordinal));

        // Every forged datagram is counted: v4 fragments as the one datagram that defragmentation made of them.
        Assert.True(Counter(host, Drop.GuardIn) >= 8, host.Run("nft list counters"));
        Assert.Equal(0, Counter(host, Drop.GuardForward));
    }

    [Fact]
    public void Forged_packets_in_clear_are_not_forwarded()
    {
        using var peer = new NetworkNamespace();
        using var gateway = new NetworkNamespace();
        using var inside = new NetworkNamespace();
        Connect(peer, gateway);
        NetworkNamespace.Connect(gateway, "eth1", "10.1.0.1/24 fd01::1/64", inside, "eth0", "10.1.0.2/24 fd01::2/64");
        gateway.Run("sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1");
        inside.Run("ip route add default via 10.1.0.1; ip -6 route add default via fd01::1");
        peer.Run("ip route add 10.1.0.0/24 via 10.9.0.2; ip -6 route add fd01::/64 via fd09::2; ip addr add 10.2.0.1/32 dev lo; ip addr add fd02::1/128 dev lo nodad");
        gateway.Run("ip route add 10.2.0.0/24 via 10.9.0.1; ip -6 route add fd02::/64 via fd09::1");
        using Socket udp = inside.Do(() => Bound(AddressFamily.InterNetworkV6, SocketType.Dgram, ProtocolType.Udp, 5000));
        Policy[] tunnels = [Tunnel(PolicyDirection.In, "10.2.0.0/24", "10.1.0.0/24"), Tunnel(PolicyDirection.In, "fd02::/64", "fd01::/64")];
        gateway.Run("nft -f -", Install(tunnels));
        SendEach(peer, "first");
        Assert.Equal(["first 10.9.0.1", "first fd09::1"], Sorted(udp, 2));
        Assert.Equal(2, Counter(gateway, Drop.GuardForward));

        // A policy of direction fwd is there: in policies are no longer asked about what is forwarded.
        gateway.Run("nft -f -", Replace([.. tunnels, Tunnel(PolicyDirection.Fwd, "fd02::/64", "fd01::/64")]));
        SendEach(peer, "second");
        Assert.Equal(["second 10.2.0.1", "second 10.9.0.1", "second fd09::1"], Sorted(udp, 3));
        Assert.Equal(3, Counter(gateway, Drop.GuardForward));

        static void SendEach(NetworkNamespace peer, string text) => peer.Do(() =>
        {
            foreach (string source in (string[])["10.2.0.1", "10.9.0.1", "fd02::1", "fd09::1"])
            {
                var from = new IPEndPoint(IPAddress.Parse(source), 0);
                using var socket = new Socket(from.AddressFamily, SocketType.Dgram, ProtocolType.Udp);
                socket.Bind(from);
                socket.SendTo(System.Text.Encoding.ASCII.GetBytes($"{text} {source}"), new IPEndPoint(IPAddress.Parse(from.AddressFamily == AddressFamily.InterNetwork ? "10.1.0.2" : "fd01::2"), 5000));
            }
        });
    }

    [Fact]
    public void What_policy_protects_does_not_leave_without_the_device()
    {
        using var peer = new NetworkNamespace();
        using var host = new NetworkNamespace();
        Connect(peer, host);
        host.Run("nft -f -", Install(
            Policy(PolicyDirection.Out, "10.9.0.2/32", "10.9.0.1/32", IpProtocol.Udp, 5001, action: PolicyAction.None),
            Policy(PolicyDirection.Out, "10.9.0.2/32", "10.9.0.1/32", IpProtocol.Udp, 5002, action: PolicyAction.Discard),
            Policy(PolicyDirection.Out, "10.9.0.2/32", "10.9.0.1/32")));
        using Socket wanted = peer.Do(() => Bound(AddressFamily.InterNetworkV6, SocketType.Dgram, ProtocolType.Udp, 5001));
        using Socket unwanted = peer.Do(() => Bound(AddressFamily.InterNetworkV6, SocketType.Dgram, ProtocolType.Udp, 5000));
        host.Do(() =>
        {
            using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
            foreach (int port in (int[])[5000, 5002, 5001])
            {
                try
                {
                    socket.SendTo("text"u8, new IPEndPoint(IPAddress.Parse("10.9.0.1"), port));
                }
                catch (SocketException e) when (e.SocketErrorCode == SocketError.AccessDenied)
                {
                    Assert.NotEqual(5001, port); // EPERM is how a drop on the way out shows
                }
            }
        });
        Assert.Equal(["text"], ReadUntil(wanted, "text"));
        Assert.Equal(0, unwanted.Available);
        Assert.Equal(1, Counter(host, Drop.GuardOut));
        Assert.Equal(1, Counter(host, Drop.PolicyDiscard));
    }

    [Fact]
    public void Replacing_policies_under_a_flood_leaks_nothing()
    {
        using var peer = new NetworkNamespace();
        using var host = new NetworkNamespace();
        Connect(peer, host);
        Policy[] kept = [Policy(PolicyDirection.In, "10.9.0.1/32", "10.9.0.2/32"), Policy(PolicyDirection.Out, "10.9.0.2/32", "10.9.0.1/32")];
        host.Run("nft -f -", Install(kept));
        using Socket atHost = host.Do(() => Bound(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp, 5000));
        using Socket atPeer = peer.Do(() => Bound(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp, 5000));
        bool stop = false;
        Thread inward = Flood(peer, "10.9.0.2"), outward = Flood(host, "10.9.0.1");
        var random = new Random(33);
        for (int i = 0; i < 150; i++)
        {
            Policy[] others = [.. Enumerable.Range(0, random.Next(20)).Select(_ => RandomPolicy(random, "172.16.0.0"))];
            host.Run("nft -f -", Replace([.. kept, .. others]));
        }

        Volatile.Write(ref stop, true);
        inward.Join();
        outward.Join();
        long counted = Counter(host, Drop.GuardIn);
        Assert.True(counted > 1000 && Counter(host, Drop.GuardOut) > 1000, host.Run("nft list counters"));
        Assert.Equal(0, atHost.Available);
        Assert.Equal(0, atPeer.Available);

        // The sockets would have shown a leak: without the guard the flood arrives.
        host.Run("nft -f -", GuardScript.Remove(s_names));
        peer.Do(() => Send("10.9.0.2"));
        Assert.Equal(["flood"], ReadUntil(atHost, "flood"));

        Thread Flood(NetworkNamespace from, string to) => from.StartThread(() =>
        {
            while (!Volatile.Read(ref stop))
            {
                Send(to);
            }
        });

        static void Send(string to)
        {
            using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
            for (int i = 0; i < 100; i++)
            {
                try
                {
                    socket.SendTo("flood"u8, new IPEndPoint(IPAddress.Parse(to), 5000));
                }
                catch (SocketException e) when (e.SocketErrorCode == SocketError.AccessDenied)
                {
                    // dropped on the way out, as wanted
                }
            }
        }
    }

    private static void Connect(NetworkNamespace peer, NetworkNamespace host) => NetworkNamespace.Connect(
        peer, "eth0", "10.9.0.1/24 10.9.0.3/24 10.9.0.4/24 10.9.0.5/24 fd09::1/64 fd09::3/64", host, "eth0", "10.9.0.2/24 fd09::2/64");

    private static string Install(params Policy[] policies) => GuardScript.Install(s_names, policies, PolicyLevel.Use);

    private static string Replace(params Policy[] policies) => GuardScript.Replace(s_names, policies, PolicyLevel.Use);

    private static Policy Policy(
        PolicyDirection direction, string source, string destination, IpProtocol protocol = IpProtocol.Any, ushort? port = null,
        PolicyAction action = PolicyAction.Ipsec, PolicyLevel level = PolicyLevel.Require) => new()
        {
            Direction = direction,
            Selector = new Selector(Prefix.Parse(source), Prefix.Parse(destination), protocol, null, port),
            Action = action,
            Requests = action == PolicyAction.Ipsec ? [new PolicyRequest(IpProtocol.Esp, IpsecMode.Transport, level, 0, null, null)] : [],
        };

    private static Policy Tunnel(PolicyDirection direction, string source, string destination) => Policy(direction, source, destination) with
    {
        Requests = [new PolicyRequest(IpProtocol.Esp, IpsecMode.Tunnel, PolicyLevel.Require, 0, Address.Parse("10.9.0.1"), Address.Parse("10.9.0.2"))],
    };

    private static string Script(Random random, int number)
    {
        Policy[] policies = [.. Enumerable.Range(0, random.Next(12)).Select(_ => RandomPolicy(random, "10.0.0.0"))];
        var names = new GuardNames
        {
            Table = $"t-{number}_x",
            Device = $"tun-{number}",
            EncapsulationPorts = ImmutableArray.Create<ushort>([4500, 10000]).RemoveRange(0, random.Next(3)),
        };
        PolicyAction otherwise = random.Next(2) == 0 ? PolicyAction.None : PolicyAction.Discard;
        return GuardScript.Install(names, policies, PolicyLevel.Use, otherwise)
            + GuardScript.Replace(names, policies.Reverse(), PolicyLevel.Require, otherwise) + GuardScript.Remove(names);
    }

    private static Policy RandomPolicy(Random random, string v4)
    {
        ReadOnlySpan<byte> usual = [255, 6, 17, 132, 136, 1, 58, 135];
        IpProtocol protocol = (IpProtocol)(random.Next(3) == 0 ? (byte)random.Next(256) : usual[random.Next(usual.Length)]);
        bool ports = protocol != IpProtocol.Any && random.Next(2) == 0;
        PolicyAction action = (PolicyAction)random.Next(3);
        var policy = new Policy
        {
            Direction = (PolicyDirection)random.Next(1, 4),
            Selector = random.Next(2) == 0
                ? new Selector(Prefix(v4, 32), Prefix("10.5.6.7", 32), protocol, Port(), Port())
                : new Selector(Prefix("fd00::1", 128), Prefix("2001:db8:1:2:3:4:5:6", 128), protocol, Port(), Port()),
            Action = action,
            Requests = action == PolicyAction.Ipsec
                ? [new PolicyRequest(IpProtocol.Esp, IpsecMode.Transport, (PolicyLevel)random.Next(3), 0, null, null)]
                : [],
        };
        Assert.Null(PolicyRules.Check(policy));
        return policy;

        ushort? Port() => ports && random.Next(2) == 0 ? (ushort)random.Next(random.Next(2) == 0 ? 256 : 65536) : null;

        Prefix Prefix(string address, int longest) =>
            new(Address.Parse(address), random.Next(4) switch { 0 => 0, 1 => longest, _ => random.Next(longest + 1) });
    }

    private static Socket Bound(AddressFamily family, SocketType type, ProtocolType protocol, int port)
    {
        var socket = new Socket(family, type, protocol) { ReceiveTimeout = 20_000 };
        if (family == AddressFamily.InterNetworkV6)
        {
            socket.DualMode = true;
        }

        socket.Bind(new IPEndPoint(family == AddressFamily.InterNetworkV6 ? IPAddress.IPv6Any : IPAddress.Any, port));
        return socket;
    }

    // All texts up to the last one, which must come.
    private static List<string> ReadUntil(Socket socket, string last)
    {
        var texts = new List<string>();
        byte[] bytes = new byte[65536];
        int skip = socket.SocketType == SocketType.Raw ? 28 : 0;
        do
        {
            texts.Add(System.Text.Encoding.ASCII.GetString(bytes.AsSpan(skip, socket.Receive(bytes) - skip)));
        }
        while (texts[^1] != last);
        return texts;
    }

    private static string[] Sorted(Socket socket, int count)
    {
        byte[] bytes = new byte[65536];
        string[] texts = new string[count];
        for (int i = 0; i < count; i++)
        {
            texts[i] = System.Text.Encoding.ASCII.GetString(bytes.AsSpan(0, socket.Receive(bytes)));
        }

        Assert.Equal(0, socket.Available);
        Array.Sort(texts, StringComparer.Ordinal);
        return texts;
    }

    private static long Counter(NetworkNamespace host, Drop drop) => long.Parse(
        Packets().Match(host.Run($"nft list counter inet {s_names.Table} {GuardScript.Counter(drop)}")).Groups[1].Value, CultureInfo.InvariantCulture);

    [GeneratedRegex("packets ([0-9]+)")]
    private static partial Regex Packets();
}
