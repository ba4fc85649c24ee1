// The section "nat-t": what a socket for ESP in UDP keeps for itself and what it leaves to the key daemon (RFC 3948).

using System.Text.RegularExpressions;
using Testudo.Tests.Checker;
using Testudo.Wire;

namespace Testudo.Tests.Behaviours;

internal static partial class NatReplay
{
    /// <summary>Does what the line says; the same line as it is here comes back, and the observed one in a form that can be compared.</summary>
    public static IEnumerable<(string Observed, string Here)> Run(Observation observation)
    {
        using var pair = new Pair(observation);
        uint sequence = 0;
        foreach (string line in observation.Lines)
        {
            // The socket option that turns it on there: an engine needs none.
            if (line != "UDP_ENCAP=2 [0, 0]")
            {
                yield return (Pair.Normal(line), pair.SetUp(line) ?? Act(pair, line, ++sequence));
            }
        }
    }

    private static string Act(Pair pair, string line, uint sequence)
    {
        string label = Label().Match(line).Groups[1].Value;
        byte[] esp = Crafted.EspBytes(sequence, Crafted.Udp()), wrong = Crafted.Udp();
        wrong[6] ^= 0x55;
        pair.Begin();
        pair.Inject(label switch
        {
            "ESP" or "SA without NAT-T, ESP in UDP" => Crafted.InUdp(esp),
            "keepalive ff" => Crafted.InUdp([0xFF]),
            "non-ESP marker + IKE bytes" => Crafted.InUdp([0, 0, 0, 0, .. "IKEIKEIKE"u8]),
            "one octet 00" => Crafted.InUdp([0]),
            "three octets" => Crafted.InUdp([.. "abc"u8]),
            "empty datagram" => Crafted.InUdp([]),
            "4 octets zero" => Crafted.InUdp(new byte[4]),
            "ff ff" => Crafted.InUdp([0xFF, 0xFF]),
            "ESP from source port 50000 (NAT rebinding)" => Crafted.InUdp(esp, from: 50000),
            "ESP unknown SPI" => Crafted.InUdp(Crafted.EspBytes(sequence, Crafted.Udp(), spi: 4999)),
            "ESP of 8 octets" => Crafted.InUdp(esp[..8]),
            "the same SA reached by bare ESP (protocol 50)" => Build.Ipv4("10.0.0.1", "10.0.0.2").Payload(IpProtocol.Esp, esp),
            "inner UDP checksum wrong" => Crafted.InUdp(Crafted.EspBytes(sequence, wrong)),
            _ => throw new InvalidDataException($"no packet is known for '{label}'"),
        });
        bool isDelivered = pair.At(Crafted.Port).Any();
        string counters = Counters.Of(pair.Trace, "b");
        if (!line.Contains("4500 socket", StringComparison.Ordinal))
        {
            return $"{label}: delivered {isDelivered}{(line.EndsWith('}') ? $"; {counters}" : "")}";
        }

        string reaching = pair.At(4500).FirstOrDefault() is { } bytes ? Convert.ToHexStringLower(bytes) : "None";
        return $"{label}: inner UDP delivered {isDelivered}; bytes reaching the 4500 socket: {reaching}; counters {counters}";
    }

    [GeneratedRegex(@"^(.*?): (?:inner UDP )?delivered")]
    private static partial Regex Label();
}
