// tshark as a witness: it decrypts ESP with keys that it is given and checks the ICVs. What 4.0 (Debian 12) can do:
// - "AES-GCM with 16 octet ICV [RFC4106]" beside NULL authentication decrypts and checks; the key has the salt at its end. The
//   older name "AES-GCM [RFC4106]" shows nothing of the packet, and any authentication beside it is refused as a "dissector bug";
// - AES-CBC, NULL and the old ciphers with HMAC-MD5-96, SHA-1-96, SHA-256-96 and -128, SHA-384-192, SHA-512-256 decrypt and check;
// - a packet whose HMAC is bad is decrypted all the same: look at the ICV, not at the inner fields;
// - no ESN (packets decrypt, every ICV is bad), no ChaCha20-Poly1305, no GMAC, no AES-CCM, no check of AES-XCBC or AES-CMAC; AH is not checked at all.

using System.Diagnostics;
using System.Globalization;
using Testudo.Tests;
using Xunit;

namespace Testudo.SystemTests.Witness;

/// <summary>What tshark said of an ICV.</summary>
internal enum TsharkIcv
{
    Unchecked,
    Good,
    Bad,
}

/// <summary>An ESP packet as tshark saw it.</summary>
/// <param name="Number">Of the frame, from 1.</param>
/// <param name="Spi">The SPI of the (outermost) ESP header.</param>
/// <param name="Sequence">Its 32-bit sequence number.</param>
/// <param name="Decrypted">It had a key that made sense: it shows a next header.</param>
/// <param name="Icv">The ICV's state.</param>
/// <param name="NextHeader">The trailer's protocol number; -1 where it is not decrypted.</param>
/// <param name="PadLength">The trailer's pad length in bytes; -1 where it is not decrypted.</param>
/// <param name="Protocols">The layers, as "eth:ethertype:ip:esp:icmp:data".</param>
/// <param name="Fields">The fields asked for; several occurrences are joined by commas, the outermost first.</param>
internal sealed record TsharkFrame(
    int Number, uint Spi, uint Sequence, bool Decrypted, TsharkIcv Icv, int NextHeader, int PadLength, string Protocols,
    IReadOnlyDictionary<string, string> Fields)
{
    /// <summary>tshark found the frame malformed somewhere.</summary>
    public bool Malformed => Protocols.Contains("_ws.malformed", StringComparison.Ordinal);
}

/// <summary>Runs tshark.</summary>
internal static class Tshark
{
    private static readonly string[] s_fields =
        ["frame.number", "esp.spi", "esp.sequence", "esp.icv_good", "esp.icv_bad", "esp.protocol", "esp.pad_len", "frame.protocols"];

    /// <summary>Skips the test where tshark is missing.</summary>
    public static void SkipWhereMissing() => Assert.SkipUnless(File.Exists("/usr/bin/tshark"), "needs tshark");

    /// <summary>The line of tshark's table esp_sa for an SA; null for algorithms that it does not know or check.</summary>
    public static string? SaLine(WitnessSa sa)
    {
        string? cipher = sa.Cipher switch
        {
            "aes-gcm-16" => "AES-GCM with 16 octet ICV [RFC4106]",
            "aes-gcm-12" => "AES-GCM with 12 octet ICV [RFC4106]",
            "aes-gcm-8" => "AES-GCM with 8 octet ICV [RFC4106]",
            "aes-cbc" => "AES-CBC [RFC3602]",
            "aes-ctr" => "AES-CTR [RFC3686]",
            "null" => "NULL",
            "3des-cbc" => "TripleDES-CBC [RFC2451]",
            "des-cbc" => "DES-CBC [RFC2405]",
            "blowfish-cbc" when sa.CipherKey.Length == 16 => "BLOWFISH-CBC [RFC2451]",
            "cast128-cbc" => "CAST5-CBC [RFC2144]",
            _ => null,
        };
        string? auth = (sa.Auth, sa.IcvBits) switch
        {
            (null, _) => "NULL",
            ("hmac-md5", 0 or 96) => "HMAC-MD5-96 [RFC2403]",
            ("hmac-sha1", 0 or 96) => "HMAC-SHA-1-96 [RFC2404]",
            ("hmac-sha2-256", 96) => "HMAC-SHA-256-96 [draft-ietf-ipsec-ciph-sha-256-00]",
            ("hmac-sha2-256", 0 or 128) => "HMAC-SHA-256-128 [RFC4868]",
            ("hmac-sha2-384", 0 or 192) => "HMAC-SHA-384-192 [RFC4868]",
            ("hmac-sha2-512", 0 or 256) => "HMAC-SHA-512-256 [RFC4868]",
            ("hmac-ripemd160", 0 or 96) => "MAC-RIPEMD-160-96 [RFC2857]",
            _ => null,
        };
        return sa.Protocol != "esp" || cipher is null || auth is null ? null : string.Join(',',
            Quote(sa.Source.Contains(':', StringComparison.Ordinal) ? "IPv6" : "IPv4"), Quote(sa.Source), Quote(sa.Destination),
            Quote($"0x{sa.Spi:x8}"), Quote(cipher), Key(sa.CipherKey), Quote(auth), Key(sa.AuthKey));
    }

    /// <summary>
    /// Reads the ESP packets of a capture under these SAs; throws for an SA without a line, and with tshark's words when it
    /// fails or calls something its own bug.
    /// </summary>
    /// <param name="capture">A pcap or pcapng file.</param>
    /// <param name="sas">The SAs.</param>
    /// <param name="fields">More fields to read, such as icmp.type, ip.dst, ip.checksum.status (1 is good).</param>
    public static IReadOnlyList<TsharkFrame> ReadEsp(string capture, IEnumerable<WitnessSa> sas, params string[] fields)
    {
        List<string> arguments = ["-n", "-r", capture, "-Y", "esp", "-T", "fields", "-E", "occurrence=a", "-E", "aggregator=,"];
        foreach (string option in (string[])[
            "esp.enable_encryption_decode:TRUE", "esp.enable_authentication_check:TRUE", "ip.check_checksum:TRUE",
            "udp.check_checksum:TRUE", "tcp.check_checksum:TRUE",
            .. sas.Select(sa => "uat:esp_sa:" + (SaLine(sa) ?? throw new ArgumentException($"tshark knows no line for {sa}", nameof(sas))))])
        {
            arguments.AddRange(["-o", option]);
        }

        string[] all = [.. s_fields, .. fields];
        foreach (string field in all)
        {
            arguments.AddRange(["-e", field]);
        }

        return [.. Run(arguments).Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => Frame(all, line.Split('\t')))];
    }

    /// <summary>Runs tshark without the user's settings and gives what it wrote.</summary>
    public static string Run(IEnumerable<string> arguments)
    {
        var start = new ProcessStartInfo("/usr/bin/tshark", arguments) { RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment["WIRESHARK_CONFIG_DIR"] = Path.Combine(Repository.Root, "artifacts", "no-wireshark-settings");
        using Process process = Process.Start(start)!;
        Task<string> errors = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        string said = errors.GetAwaiter().GetResult();
        return process.ExitCode == 0 && !said.Contains("WARNING", StringComparison.Ordinal) && !said.Contains("ESP Preferences", StringComparison.Ordinal)
            ? output : throw new InvalidOperationException($"tshark ended with status {process.ExitCode}: {said}");
    }

    private static TsharkFrame Frame(string[] names, string[] values)
    {
        // Nested ESP gives several values: the header facts are the outermost's, one bad ICV is bad for all.
        string First(int i) => values[i].Split(',')[0];
        TsharkIcv icv = values[4].Contains('1', StringComparison.Ordinal) ? TsharkIcv.Bad
            : values[3].Contains('1', StringComparison.Ordinal) ? TsharkIcv.Good : TsharkIcv.Unchecked;
        return new(
            int.Parse(First(0), CultureInfo.InvariantCulture),
            Convert.ToUInt32(First(1), 16),
            uint.Parse(First(2), CultureInfo.InvariantCulture),
            values[5].Length > 0,
            icv,
            values[5].Length > 0 ? Convert.ToInt32(First(5), 16) : -1,
            values[6].Length > 0 ? int.Parse(First(6), CultureInfo.InvariantCulture) : -1,
            values[7],
            names.Skip(s_fields.Length).Select((name, i) => (name, values[s_fields.Length + i])).ToDictionary(pair => pair.name, pair => pair.Item2));
    }

    private static string Key(byte[] key) => Quote(key.Length == 0 ? "" : "0x" + Convert.ToHexStringLower(key));

    private static string Quote(string text) => $"\"{text}\"";
}
