// scapy as a witness: an implementation of ESP and AH that gives the inner packets byte for byte. It knows AES-GCM with a 16-byte
// ICV (shorter ones it refuses), AES-CCM, AES-CBC, NULL and more, with HMAC-SHA1-96 and HMAC-SHA2 of RFC 4868's lengths only.

using System.Diagnostics;
using System.Text.Json;
using System.Text.Json.Nodes;
using Testudo.Tests;
using Xunit;

namespace Testudo.SystemTests.Witness;

/// <summary>A packet as scapy opened it.</summary>
/// <param name="Frame">Its frame, from 1; of fragments the last.</param>
/// <param name="Plain">The inner IP packet, or null.</param>
/// <param name="Error">Why it was not opened; null where it was.</param>
internal sealed record ScapyPacket(int Frame, byte[]? Plain, string? Error);

/// <summary>Runs open_packets.py with Debian's python3-scapy.</summary>
internal static class Scapy
{
    private const string Python = "/usr/bin/python3";

    /// <summary>Skips the test where scapy is missing.</summary>
    public static void SkipWhereMissing() => Assert.SkipUnless(
        File.Exists(Python) && Directory.Exists("/usr/lib/python3/dist-packages/scapy"), "needs python3-scapy");

    /// <summary>True for an SA whose algorithms scapy has.</summary>
    public static bool Knows(WitnessSa sa) => Cipher(sa) is not null && Auth(sa) is not null;

    /// <summary>Opens the packets of a capture that belong to these SAs; others are passed over.</summary>
    public static IReadOnlyList<ScapyPacket> Open(string capture, IEnumerable<WitnessSa> sas)
    {
        JsonNode[] list = [.. sas.Select(sa => new JsonObject
        {
            ["protocol"] = sa.Protocol,
            ["source"] = sa.Source,
            ["destination"] = sa.Destination,
            ["spi"] = sa.Spi,
            ["cipher"] = Cipher(sa) ?? throw new ArgumentException($"scapy has no {sa.Cipher}", nameof(sas)),
            ["cipherIcv"] = sa.Cipher?[^2..] switch { "-8" => 8, "12" => 12, "16" => 16, _ => null },
            ["cipherKey"] = Convert.ToHexStringLower(sa.CipherKey),
            ["auth"] = Auth(sa) ?? throw new ArgumentException($"scapy has no {sa.Auth} of {sa.IcvBits} bits", nameof(sas)),
            ["authKey"] = Convert.ToHexStringLower(sa.AuthKey),
            ["tunnel"] = sa.Tunnel,
        })];
        string script = Path.Combine(Repository.Root, "tests", "Testudo.SystemTests", "Witness", "open_packets.py");
        // -I: nothing of the user's own Python; -B: no __pycache__.
        var start = new ProcessStartInfo(Python, ["-I", "-B", script])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment["XDG_CONFIG_HOME"] = start.Environment["XDG_CACHE_HOME"] = Path.Combine(Repository.Root, "artifacts", "no-scapy-settings");
        using Process process = Process.Start(start)!;
        Task<string> errors = process.StandardError.ReadToEndAsync();
        process.StandardInput.Write(new JsonObject { ["capture"] = capture, ["sas"] = new JsonArray(list) }.ToJsonString());
        process.StandardInput.Close();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        if (process.ExitCode != 0)
        {
            throw new InvalidOperationException($"scapy ended with status {process.ExitCode}: {errors.GetAwaiter().GetResult()}");
        }

        using JsonDocument answer = JsonDocument.Parse(output);
        return [.. answer.RootElement.EnumerateArray().Select(one => new ScapyPacket(
            one.GetProperty("frame").GetInt32(),
            one.TryGetProperty("plain", out JsonElement plain) ? Convert.FromHexString(plain.GetString()!) : null,
            one.TryGetProperty("error", out JsonElement error) ? error.GetString() : null))];
    }

    private static string? Cipher(WitnessSa sa) => sa.Cipher switch
    {
        null or "null" => "NULL",
        "aes-gcm-16" => "AES-GCM",
        "aes-cbc" => "AES-CBC",
        "aes-ctr" => "AES-CTR",
        "aes-ccm-8" or "aes-ccm-12" or "aes-ccm-16" => "AES-CCM",
        "chacha20-poly1305" => "CHACHA20-POLY1305",
        "3des-cbc" => "3DES",
        _ => null,
    };

    private static string? Auth(WitnessSa sa) => (sa.Auth, sa.IcvBits) switch
    {
        (null, _) => "NULL",
        ("hmac-sha1", 0 or 96) => "HMAC-SHA1-96",
        ("hmac-sha2-256", 0 or 128) => "SHA2-256-128",
        ("hmac-sha2-384", 0 or 192) => "SHA2-384-192",
        ("hmac-sha2-512", 0 or 256) => "SHA2-512-256",
        ("hmac-md5", 0 or 96) => "HMAC-MD5-96",
        ("aes-cmac", 0 or 96) => "AES-CMAC-96",
        _ => null,
    };
}
