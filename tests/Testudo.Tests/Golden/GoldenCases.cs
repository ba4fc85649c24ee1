// The golden data as one list of cases: Vectors/linux/keys.json (Linux 6.1) and Vectors/netbsd/index.json (NetBSD 10).

using System.Security.Cryptography;
using System.Text.Json;

namespace Testudo.Tests.Golden;

/// <summary>All cases of the golden data, read once.</summary>
internal static class GoldenCases
{
    private static readonly Lazy<IReadOnlyList<GoldenCase>> s_linux = new(ReadLinux);
    private static readonly Lazy<IReadOnlyList<GoldenCase>> s_netbsd = new(ReadNetbsd);

    /// <summary>Two Linux kernels under manual keys; the plain packets are there byte for byte.</summary>
    public static IReadOnlyList<GoldenCase> Linux => s_linux.Value;

    /// <summary>Two NetBSD kernels; the plain packets are there as SHA-256.</summary>
    public static IReadOnlyList<GoldenCase> Netbsd => s_netbsd.Value;

    /// <summary>Both.</summary>
    public static IEnumerable<GoldenCase> All => Linux.Concat(Netbsd);

    private static GoldenCase[] ReadLinux()
    {
        using JsonDocument document = JsonDocument.Parse(File.ReadAllText(Repository.Vectors("linux", "keys.json")));
        JsonElement[] cases = [.. document.RootElement.GetProperty("cases").EnumerateArray()];
        GoldenSa[][] sas = [.. cases.Select(one => one.GetProperty("sas").EnumerateArray().Select(LinuxSa).ToArray())];

        // Many cases share a capture: each frame belongs to the case that has its SA.
        List<GoldenPacket>[] packets = [.. cases.Select(_ => new List<GoldenPacket>())];
        foreach (IGrouping<string, int> group in Enumerable.Range(0, cases.Length).GroupBy(i => Text(cases[i], "pcap")!))
        {
            foreach ((GoldenOuter outer, GoldenPacket packet) in LinuxPackets(group.Key))
            {
                int of = group.Single(i => sas[i].Any(sa => Sent(sa, outer)));
                packets[of].Add(Delivered(packet, sas[of]));
            }
        }

        return [.. cases.Select((one, i) => new GoldenCase(
            "linux/" + Text(one, "name") + (cases.Take(i).Any(earlier => Text(earlier, "name") == Text(one, "name")) ? "#2" : ""),
            Repository.Vectors("linux", Text(one, "pcap")!), Text(one, "note")!,
            one.GetProperty("ok").GetBoolean(), sas[i], packets[i]))];
    }

    // What IPComp's tunnel did not make shorter stands in the plain file as it was inside of ESP: IP in IP. The host got what is in it.
    private static GoldenPacket Delivered(GoldenPacket packet, GoldenSa[] sas) =>
        packet.Plain is [0x45, ..] plain && plain[9] == 4 && sas.Any(static sa => sa is { Protocol: "ipcomp", Mode: "tunnel" })
            ? packet with { Plain = plain[20..], Sha256 = SHA256.HashData(plain.AsSpan(20)), Listed = packet.Sha256 } : packet;

    // Two IPComp cases of one capture have the same CPI: the mode tells them apart.
    private static bool Sent(GoldenSa sa, GoldenOuter outer) =>
        sa.Spi == outer.Spi && sa.Destination == outer.Destination
        && outer.Protocol == sa.Protocol switch { "esp" => 50, "ah" => 51, _ => 108 }
        && (outer.Protocol != 108 || sa.Mode == (outer.Inner is 4 or 41 ? "tunnel" : "transport"));

    // The plain packet has the time stamp of one of the frames that carried it.
    private static IEnumerable<(GoldenOuter Outer, GoldenPacket Packet)> LinuxPackets(string pcap)
    {
        IReadOnlyList<GoldenFrame> frames = GoldenCapture.Read(Repository.Vectors("linux", pcap)).Frames;
        var plain = GoldenCapture.Read(Repository.Vectors("linux", "plain", pcap)).Frames.ToDictionary(frame => frame.Stamp, frame => frame.Bytes);
        ILookup<string, int> fragments = Enumerable.Range(0, frames.Count).Where(i => GoldenCapture.IsFragment(frames[i].Bytes))
            .ToLookup(i => GoldenCapture.FragmentKey(frames[i].Bytes));
        for (int i = 0; i < frames.Count; i++)
        {
            if (GoldenCapture.Outer(frames[i].Bytes) is { } outer)
            {
                int[] whole = GoldenCapture.IsFragment(frames[i].Bytes) ? [.. fragments[GoldenCapture.FragmentKey(frames[i].Bytes)]] : [i];
                byte[] inner = plain[frames[whole.First(j => plain.ContainsKey(frames[j].Stamp))].Stamp];
                yield return (outer, new([.. whole.Select(j => j + 1)], SHA256.HashData(inner), inner));
            }
        }
    }

    private static GoldenSa LinuxSa(JsonElement sa)
    {
        int icv = Number(sa, "icv_bits");
        string? aead = Text(sa, "aead"), auth = Text(sa, "auth");
        return new()
        {
            Protocol = Text(sa, "proto") == "comp" ? "ipcomp" : Text(sa, "proto")!,
            Mode = Text(sa, "mode")!,
            Spi = sa.GetProperty("spi").GetUInt32(),
            Source = Text(sa, "src")!,
            Destination = Text(sa, "dst")!,
            RequestId = (uint)Number(sa, "reqid"),
            Cipher = (aead ?? Text(sa, "enc") ?? Text(sa, "comp")) switch
            {
                null => null,
                string name when name.StartsWith("aes-gmac", StringComparison.Ordinal) => "aes-gmac",
                string name when name.StartsWith("aes-gcm", StringComparison.Ordinal) => $"aes-gcm-{icv / 8}",
                string name when name.StartsWith("aes-ccm", StringComparison.Ordinal) => $"aes-ccm-{icv / 8}",
                "cast5-cbc" => "cast128-cbc",
                string name => WithoutNumber(name, '-', 128, 192, 256, 448),
            },
            CipherKey = Key(sa, aead is null ? "enc_key" : "key"),
            Auth = auth switch
            {
                null or "none" => null,
                _ => WithoutNumber(auth, '-', 96, 128, 160, 192, 256) switch
                {
                    "hmac-rmd160" => "hmac-ripemd160",
                    "aes-xcbc" => "aes-xcbc-mac",
                    string name => name.Replace("hmac-sha256", "hmac-sha2-256", StringComparison.Ordinal)
                        .Replace("hmac-sha384", "hmac-sha2-384", StringComparison.Ordinal)
                        .Replace("hmac-sha512", "hmac-sha2-512", StringComparison.Ordinal),
                },
            },
            AuthKey = Key(sa, "auth_key"),
            IcvBits = icv,
            Esn = sa.TryGetProperty("esn", out JsonElement esn) && esn.GetBoolean(),
            LastSequence = ((ulong)Number(sa, "seq_hi") << 32) + (sa.TryGetProperty("last_seq", out JsonElement last) ? last.GetUInt32() : 0),
            Encapsulation = sa.TryGetProperty("encap", out JsonElement udp)
                ? new(Text(udp, "type")!, (ushort)Number(udp, "sport"), (ushort)Number(udp, "dport")) : null,
            Align4 = sa.TryGetProperty("flags", out JsonElement flags) && flags.EnumerateArray().Any(flag => flag.GetString() == "align4"),
        };
    }

    private static GoldenCase[] ReadNetbsd()
    {
        using JsonDocument document = JsonDocument.Parse(File.ReadAllText(Repository.Vectors("netbsd", "index.json")));
        return [.. document.RootElement.EnumerateArray().Select(one => new GoldenCase(
            "netbsd/" + Text(one, "file")!["pcap/".Length..^".pcap".Length],
            Repository.Vectors(["netbsd", .. Text(one, "file")!.Split('/')]),
            Text(one, "description") + (one.TryGetProperty("not_standard", out JsonElement odd) ? "; " + string.Join("; ", odd.EnumerateArray()) : ""),
            !one.TryGetProperty("not_standard", out _),
            [.. one.GetProperty("sas").EnumerateArray().Select(NetbsdSa)],
            [.. one.GetProperty("packets_list").EnumerateArray().Select(packet => new GoldenPacket(
                [.. packet.GetProperty("frames").EnumerateArray().Select(frame => frame.GetInt32())],
                packet.TryGetProperty("inner", out JsonElement inner) && IsProtected(packet) ? Key(inner, "sha256") : null,
                null))]))];
    }

    // What IPComp could not make shorter is listed too, and stands there as it was sent.
    private static bool IsProtected(JsonElement packet) =>
        !packet.TryGetProperty("decapsulated", out JsonElement layers) || layers.GetArrayLength() > 0;

    private static GoldenSa NetbsdSa(JsonElement sa)
    {
        string protocol = Text(sa, "proto")!;
        string? cipher = Text(sa, "ealg") ?? Text(sa, "calg"), auth = Text(sa, "aalg");
        return new()
        {
            Protocol = protocol == "esp-udp" ? "esp" : protocol,
            Mode = Text(sa, "mode")!,
            Spi = sa.GetProperty("spi").GetUInt32(),
            Source = Text(sa, "src")!,
            Destination = Text(sa, "dst")!,
            RequestId = (uint)Number(sa, "reqid"),
            Cipher = cipher == "rijndael-cbc" ? "aes-cbc" : cipher,
            CipherKey = Key(sa, "ekey"),
            Auth = auth is "hmac-sha256" or "hmac-sha384" or "hmac-sha512" ? "hmac-sha2-" + auth[^3..] : auth,
            AuthKey = Key(sa, "akey"),
            IcvBits = (auth, cipher) switch
            {
                ("hmac-sha256" or "keyed-md5", _) or (null, "aes-gcm-16" or "aes-gmac") => 128,
                ("hmac-sha384", _) => 192,
                ("hmac-sha512", _) => 256,
                ("keyed-sha1", _) => 160, // NetBSD does not truncate it
                (null, _) => 0,
                _ => 96,
            },
            Encapsulation = protocol == "esp-udp" ? new("espinudp", (ushort)Number(sa, "sport"), (ushort)Number(sa, "dport")) : null,
            Padding = Text(sa, "pad"),
        };
    }

    private static string? Text(JsonElement of, string name) => of.TryGetProperty(name, out JsonElement value) ? value.GetString() : null;

    private static int Number(JsonElement of, string name) => of.TryGetProperty(name, out JsonElement value) ? value.GetInt32() : 0;

    private static byte[] Key(JsonElement of, string name) => Convert.FromHexString(Text(of, name) ?? "");

    private static string WithoutNumber(string name, char before, params int[] numbers)
    {
        string? ending = numbers.Select(number => $"{before}{number}").FirstOrDefault(end => name.EndsWith(end, StringComparison.Ordinal));
        return ending is null ? name : name[..^ending.Length];
    }
}
