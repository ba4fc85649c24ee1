// The sections "replay", "input errors", "ecn" and "tunnel input": b gets packets made by hand.

using System.Globalization;
using System.Text.RegularExpressions;
using Testudo.Tests.Checker;
using Testudo.Wire;
using Xunit;

namespace Testudo.Tests.Behaviours;

internal static partial class PacketReplay
{
    /// <summary>
    /// NetBSD takes what comes out of a tunnel without a policy. Here a policy with the tunnel's ends must let it in (RFC
    /// 4301, 5.2 step 4), so b gets one for the inner source that these observations use. It changes nothing for others.
    /// </summary>
    private const string TunnelPolicy = "b# spdadd 10.66.0.1 0.0.0.0/0 any -P in ipsec esp/tunnel/10.0.0.1-10.0.0.2/require;";

    /// <summary>Does what the line says; the same line as it is here comes back, and the observed one in a form that can be compared.</summary>
    public static IEnumerable<(string Observed, string Here)> Run(Observation observation, bool hasTunnelPolicy = true)
    {
        using var pair = new Pair(observation);
        if (hasTunnelPolicy)
        {
            Assert.Equal(TunnelPolicy, pair.SetUp(TunnelPolicy));
        }

        pair.Begin();
        uint sequence = 0;
        foreach (string line in observation.Lines)
        {
            yield return pair.SetUp(line) is { } done
                ? (Pair.Normal(line), done)
                : observation.Section.Split(' ')[0] switch
                {
                    "input" => (Pair.Normal(WireAfter().Replace(line, "")), Error(pair, observation.Name)),
                    "tunnel" => (Pair.Normal(line.Split("; inner TTL")[0]), Tunnel(pair, line, ++sequence)),
                    "replay" => (Pair.Normal(line.StartsWith("seq=", StringComparison.Ordinal) ? line.Split(' ')[1] : line), Window(pair, line)),
                    _ => (Pair.Normal(line), Marks(pair, line)),
                };
        }
    }

    // "3-": a packet with that number, which was dropped there.
    private static string Window(Pair pair, string line)
    {
        if (line.StartsWith("counters", StringComparison.Ordinal))
        {
            return $"counters b {Counters.Of(pair.Trace, "b")}";
        }

        if (line.StartsWith("seq=", StringComparison.Ordinal))
        {
            return $"replay={pair.B.Engine.Sad.All.Single().Window.Packets / 8}";
        }

        bool isAh = pair.B.Engine.Sad.All.Single().Protocol == IpProtocol.Ah;
        return Numbered().Replace(line, match =>
        {
            uint sequence = uint.Parse(match.Groups[1].Value, CultureInfo.InvariantCulture);
            int before = pair.At(Crafted.Port).Count();
            pair.Inject(isAh ? Crafted.Ah(sequence) : Crafted.Esp(sequence, Crafted.Udp(), isAuthentic: match.Groups[2].Length == 0));
            return $"{match.Groups[1].Value}{match.Groups[2].Value}{(pair.At(Crafted.Port).Count() > before ? '+' : '-')}";
        });
    }

    private static string Error(Pair pair, string name)
    {
        pair.Inject(Crafted.Esp(1, Crafted.Udp()));
        bool isGood = pair.At(Crafted.Port).Any();
        pair.Begin();
        byte[] udp = Crafted.Udp(), inner = Crafted.Inner("10.66.0.1", "10.0.0.2");
        byte[] Bare(byte[] esp) => Build.Ipv4("10.0.0.1", "10.0.0.2").Payload(IpProtocol.Esp, esp);
        pair.Inject(name switch
        {
            "payload not aligned to 4" => [Bare(Crafted.EspBytes(2, udp, padding: [1, 2]))],
            "pad length larger than payload" => [Bare(Crafted.EspBytes(2, udp, padLength: 255))],
            "pad bytes 1 2 wrong order" => [Bare(Crafted.EspBytes(2, Crafted.Udp(8), padding: [2, 1]))],
            "next header 59 (dummy packet, RFC 4303)" => [Crafted.Esp(2, udp, 59)],
            "next header 255" => [Crafted.Esp(2, udp, 255)],
            "inner IPv4 tunnel packet, inner source = own address 10.0.0.2 (spoof)" => [Crafted.Esp(2, Crafted.Inner("10.0.0.2", "10.0.0.2"), 4)],
            "inner IPv4 packet with bad version 6 under nh 4" => [Crafted.Esp(2, [0x65, .. inner[1..]], 4)],
            "inner IPv4 packet truncated (10 octets) under nh 4" => [Crafted.Esp(2, inner[..10], 4)],
            "TFC padding: inner IPv4 packet followed by 40 extra octets" => [Crafted.Esp(2, [.. inner, .. new byte[40]], 4)],
            "ESP as two IP fragments of 200 octets and rest" => Crafted.Pieces(2, 200),
            "ESP as two IP fragments in reverse order" => [.. Crafted.Pieces(2, 200).Reverse()],
            "ESP as two IP fragments, first only 24 octets" => Crafted.Pieces(2, 24),
            "TTL 1 outer" => [Crafted.Esp(2, udp, hopLimit: 1)],
            _ => throw new InvalidDataException($"no packet is known for '{name}'"),
        });
        return $"good packet delivered {isGood}; test packet delivered {pair.At(Crafted.Port).Any()}; counters b {Counters.Of(pair.Trace, "b")}";
    }

    // "(3,0)→0": what came out with an inner mark 0 behind an outer mark 3; "b8→b8": a whole TOS byte in transport mode.
    private static string Marks(Pair pair, string line)
    {
        if (line.StartsWith("counters", StringComparison.Ordinal))
        {
            return $"counters b {Counters.Of(pair.Trace, "b")}";
        }

        uint sequence = 0;
        string Received(byte outer, byte[] payload, byte next, Func<byte, string> shown)
        {
            int before = pair.Delivered.Count();
            pair.Inject(Crafted.Esp(++sequence, payload, next, outer));
            return pair.Delivered.Skip(before).SingleOrDefault() is { } packet ? shown(packet[1]) : "dropped";
        }

        return Marked().Replace(line, match => match.Groups[1].Success
            ? $"({match.Groups[1].Value},{match.Groups[2].Value})→{Received(Number(match.Groups[1]), Crafted.Inner("10.66.0.1", "10.0.0.2", tos: Number(match.Groups[2])), 4, static tos => $"{tos}")}"
            : $"{match.Groups[3].Value}→{Received(Number(match.Groups[3]), Crafted.Udp(), 17, static tos => $"{tos:x2}")}");
    }

    private static string Tunnel(Pair pair, string line, uint sequence)
    {
        pair.Begin();
        if (line.StartsWith("delivered", StringComparison.Ordinal))
        {
            pair.Inject(Crafted.Esp(sequence, Crafted.Inner("10.0.0.2", "10.0.0.2"), 4));
            return $"delivered {pair.At(Crafted.Port).Any()}; counters b {Counters.Of(pair.Trace, "b")}";
        }

        pair.Inject(Crafted.Esp(sequence, Crafted.Inner("10.66.0.1", "10.0.0.1"), 4));
        return $"{line.Split(':')[0]}: wire ['{string.Join("', '", WireText.Of(pair.Trace))}']; {Counters.Of(pair.Trace, "b")}";
    }

    private static byte Number(Group group) => byte.Parse(group.Value, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);

    [GeneratedRegex(@"wire after: .*?; (?=counters)")]
    private static partial Regex WireAfter();

    [GeneratedRegex(@"(\d+)((?:\(bad ICV\))?)[+-]")]
    private static partial Regex Numbered();

    [GeneratedRegex(@"\((\d),(\d)\)→(?:\d|dropped)|\b([0-9a-f]{2})→[0-9a-f]{2}")]
    private static partial Regex Marked();
}
