// A network by chance, but from one seed: two gateways with hosts behind them and a lossy path of routers between, a
// travelling host behind a NAT, SAs of both modes and families, and traffic of many sizes, some of it plain and some
// that policy discards. Keys are replaced while it runs, and the NAT forgets its mappings.
//
//   left1, left2 ── east gateway ── core1 ──(small MTU)── core2 ── west gateway ── right1, right2
//                                                           │
//                                               traveller ─ nat

using System.Globalization;
using Testudo.Engine;
using Testudo.Wire;

namespace Testudo.Simulation;

/// <summary>A random scenario. The same seed and duration give the same one.</summary>
public sealed class Scenario : IDisposable
{
    private static readonly int[] s_sizes = [0, 1, 7, 64, 100, 512, 900, 1200, 1300, 1400, 1472, 2000, 4000, 9000];
    private readonly SeededRandom _random;
    private readonly SimulatedHost _left1, _left2, _right1, _right2, _east, _west, _traveller;
    private readonly SimulatedNat _nat;
    private readonly bool _outerV6;
    private readonly string _core;
    private uint _spi = 0x1000;

    /// <summary>Makes the network with its keys and policies; nothing is sent yet.</summary>
    public Scenario(ulong seed)
    {
        Network = new Network(seed);
        Network.Trace.Keeps = false;
        _random = new SeededRandom(seed ^ 0x7E57_0D00_0000_0000);
        _outerV6 = _random.Chance(0.5);
        LinkProfile good = new() { Latency = TimeSpan.FromMilliseconds(1 + _random.Next(5)) }, bad = Bad(1500), narrow = Bad(_random.Chance(0.5) ? 1400 : 1500);
        _core = string.Create(CultureInfo.InvariantCulture, $"core: loss {narrow.Loss:P1}, duplication {narrow.Duplication:P1}, reordering {narrow.Reordering:P1}, corruption {narrow.Corruption:P2}, MTU {narrow.Mtu}");

        _left1 = Inner("left1", "10.1.0.11", "fd01::11");
        _left2 = Inner("left2", "10.1.0.12", "fd01::12");
        _right1 = Inner("right1", "10.2.0.11", "fd02::11");
        _right2 = Inner("right2", "10.2.0.12", "fd02::12");
        _east = Inner("east", "10.1.0.1", "fd01::1", "198.51.100.1", "2001:db8:1::1");
        _west = Inner("west", "10.2.0.1", "fd02::1", "203.0.113.1", "2001:db8:2::1");
        _traveller = Inner("traveller", "192.168.7.7");
        SimulatedRouter core1 = Network.AddRouter("core1", "198.51.100.254", "2001:db8:1::fe"), core2 = Network.AddRouter("core2", "203.0.113.254", "2001:db8:2::fe");
        _nat = Network.AddNat("nat", "192.168.7.0/24", "192.168.7.1", "203.0.113.77");
        _nat.Timeout = TimeSpan.FromSeconds(5 + _random.Next(20));

        foreach ((SimulatedHost host, SimulatedHost gateway) in ((SimulatedHost, SimulatedHost)[])[(_left1, _east), (_left2, _east), (_right1, _west), (_right2, _west)])
        {
            SimulatedLink link = Network.Connect(host, gateway, good);
            ToAll(host, link);
        }

        ToAll(_east, Network.Connect(_east, core1, bad));
        SimulatedLink middle = Network.Connect(core1, core2, narrow);
        ToAll(core1, middle);
        SimulatedLink last = Network.Connect(core2, _west, bad), home = Network.Connect(core2, _nat, bad), inside = Network.Connect(_traveller, _nat, good);
        ToAll(core2, middle);
        core1.AddRoute("10.1.0.0/16", Network.Links[4]);
        core1.AddRoute("fd01::/16", Network.Links[4]);
        core2.AddRoute("10.2.0.0/16", last);
        core2.AddRoute("fd02::/16", last);
        ToAll(_west, last);
        ToAll(_nat, home);
        ToAll(_traveller, inside);

        Tunnel();
        Travel();
        Transport(_left2, "10.1.0.12", _right2, "10.2.0.12");
        Transport(_left2, "fd01::12", _right2, "fd02::12");
    }

    /// <summary>The network.</summary>
    public Network Network { get; }

    /// <summary>Packets that programs sent.</summary>
    public long Sent { get; private set; }

    /// <summary>In a line: what chance made of it.</summary>
    public string Description =>
        $"two gateways, IPv4 and IPv6 in IPv{(_outerV6 ? 6 : 4)}; transport SAs of both families through the tunnel; a traveller behind a NAT with ESP in UDP; {_core}";

    /// <summary>Sends for so long, then lets everything come to rest.</summary>
    /// <exception cref="SimulationException">An invariant did not hold, and <see cref="Invariants.Throws"/> is set.</exception>
    public void Run(TimeSpan duration, int packetsPerSecond = 400)
    {
        int packets = (int)Math.Min(duration.TotalSeconds * packetsPerSecond, 10_000_000);
        for (int i = 0; i < packets; i++)
        {
            Network.After(_random.Next(duration), SendOne);
        }

        Network.After(duration / 3, () => Tunnel(isFirst: false));
        Network.After(duration / 2, _nat.Rebind);
        Network.Run(duration);
        Network.Run(TimeSpan.FromSeconds(31)); // until no fragment waits any more, but for those that nothing asks about
        Network.RunUntilQuiet();
    }

    /// <inheritdoc/>
    public void Dispose() => Network.Dispose();

    private LinkProfile Bad(int mtu) => new()
    {
        Latency = TimeSpan.FromMilliseconds(5 + _random.Next(30)),
        Loss = _random.Next(60) / 1000.0,
        Duplication = _random.Next(50) / 1000.0,
        Reordering = _random.Next(150) / 1000.0,
        Corruption = _random.Next(20) / 1000.0,
        Mtu = mtu,
    };

    private SimulatedHost Inner(string name, params string[] addresses)
    {
        SimulatedHost host = Network.AddHost(name, new EngineOptions { DfBit = (DfBit)_random.Next(3) }, addresses);
        host.KeepsReceived = false;
        host.AnswersPings = true;
        return host;
    }

    private static void ToAll(SimulatedNode node, SimulatedLink link)
    {
        node.AddRoute("0.0.0.0/0", link);
        node.AddRoute("::/0", link);
    }

    private string Hex(int bytes)
    {
        byte[] key = new byte[bytes];
        _random.Fill(key);
        return "0x" + Convert.ToHexStringLower(key);
    }

    private string Algorithms() => _random.Next(4) switch
    {
        0 => $"-E aes-cbc {Hex(16)} -A hmac-sha2-256 {Hex(32)}",
        1 => $"-E null -A hmac-sha1 {Hex(20)}",
        2 => $"-E aes-gcm-16 {Hex(36)}",
        _ => $"-E aes-gcm-16 {Hex(20)}",
    };

    // An SA each way, for both ends at once.
    private string Pair(string a, string b, string type, string options) =>
        $"""
        add {a} {b} {type} {_spi++} {options} -r {32 << _random.Next(4)} {Algorithms()};
        add {b} {a} {type} {_spi++} {options} -r {32 << _random.Next(4)} {Algorithms()};

        """;

    private void Tunnel(bool isFirst = true)
    {
        (string a, string b) = _outerV6 ? ("2001:db8:1::1", "2001:db8:2::1") : ("198.51.100.1", "203.0.113.1");
        string keys = Pair(a, b, "esp", "-m tunnel");
        _east.Setkey(keys);
        _west.Setkey(keys);
        if (!isFirst)
        {
            return; // the old ones stay for what is on its way
        }

        foreach ((SimulatedHost gateway, string mine, string other, string here, string there) in ((SimulatedHost, string, string, string, string)[])
            [(_east, "1", "2", a, b), (_west, "2", "1", b, a)])
        {
            // Between the first hosts port 9 is discarded and port 7 plain; everything else is protected.
            gateway.Setkey($"""
                spdadd 10.{mine}.0.11 10.{other}.0.11[9] udp -P out discard;
                spdadd 10.{mine}.0.11 10.{other}.0.11[7] udp -P out none;
                spdadd 10.{other}.0.11 10.{mine}.0.11[7] udp -P in none;
                spdadd 10.{mine}.0.0/16 10.{other}.0.0/16 any -P out ipsec esp/tunnel/{here}-{there}/require;
                spdadd 10.{other}.0.0/16 10.{mine}.0.0/16 any -P in ipsec esp/tunnel/{there}-{here}/require;
                spdadd fd0{mine}::/16 fd0{other}::/16 any -P out ipsec esp/tunnel/{here}-{there}/require;
                spdadd fd0{other}::/16 fd0{mine}::/16 any -P in ipsec esp/tunnel/{there}-{here}/require;
                """);
        }
    }

    // ESP in UDP: the traveller knows its own address, the gateway the NAT's, and learns the port.
    private void Travel()
    {
        uint there = _spi++, back = _spi++;
        string first = $"-m tunnel -r 64 {Algorithms()};", second = $"-m tunnel -r 64 {Algorithms()};";
        _traveller.Setkey($"""
            add 192.168.7.7[4500] 203.0.113.1[4500] esp-udp {there} {first}
            add 203.0.113.1[4500] 192.168.7.7[4500] esp-udp {back} {second}
            spdadd 192.168.7.7 10.2.0.0/16 any -P out ipsec esp/tunnel/192.168.7.7-203.0.113.1/require;
            spdadd 10.2.0.0/16 192.168.7.7 any -P in ipsec esp/tunnel/203.0.113.1-192.168.7.7/require;
            """);
        _west.Setkey($"""
            add 203.0.113.77[4500] 203.0.113.1[4500] esp-udp {there} {first}
            add 203.0.113.1[4500] 203.0.113.77[4500] esp-udp {back} {second}
            spdadd 10.2.0.0/16 192.168.7.7 any -P out ipsec esp/tunnel/203.0.113.1-203.0.113.77/require;
            spdadd 192.168.7.7 10.2.0.0/16 any -P in ipsec esp/tunnel/203.0.113.77-203.0.113.1/require;
            """);
    }

    private void Transport(SimulatedHost one, string a, SimulatedHost other, string b)
    {
        string keys = Pair(a, b, "esp", "-m transport");
        foreach ((SimulatedHost host, string mine, string peer) in ((SimulatedHost, string, string)[])[(one, a, b), (other, b, a)])
        {
            host.Setkey($"""
                {keys}
                spdadd {mine} {peer} any -P out ipsec esp/transport//require;
                spdadd {peer} {mine} any -P in ipsec esp/transport//require;
                """);
        }
    }

    private void SendOne()
    {
        Sent++;
        (SimulatedHost from, SimulatedHost to) = _random.Next(8) switch
        {
            0 => (_left1, _right1),
            1 => (_right1, _left1),
            2 => (_left2, _right2),
            3 => (_right2, _left2),
            4 => (_left1, _right2),
            5 => (_traveller, _right1),
            6 => (_right2, _left1),
            _ => (_traveller, _right2),
        };
        bool v6 = !ReferenceEquals(from, _traveller) && _random.Chance(0.5);
        Address destination = to.Addresses[v6 ? 1 : 0];
        byte[] payload = new byte[s_sizes[_random.Next(s_sizes.Length)]];
        _random.Fill(payload);
        ushort port = (ushort)(1024 + _random.Next(60_000));
        switch (_random.Next(8))
        {
            case 0 or 1:
                from.Ping(destination, port, (ushort)Sent, payload);
                break;
            case 2:
                Sent += Math.Max(0, from.SendSegments(destination, port, 443, (uint)_random.Next(), payload) - 1);
                break;
            case 3:
                from.SendUdp(destination, port, 7, payload, dontFragment: payload.Length > 1400 && _random.Chance(0.5));
                break;
            case 4 when _random.Chance(0.2):
                from.SendUdp(destination, port, 9, payload);
                break;
            default:
                from.SendUdp(destination, port, 5000, payload, dontFragment: payload.Length < 1500 && _random.Chance(0.3));
                break;
        }
    }
}
