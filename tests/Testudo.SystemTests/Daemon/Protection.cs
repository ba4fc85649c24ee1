// What two hosts agree on: a connection between two addresses (or two networks behind them) under some algorithms, written
// as setkey's text for each side, as ip-xfrm's for a Linux kernel, and as SAs for the witnesses. Keys follow from the SPI.

using Testudo.SystemTests.Witness;

namespace Testudo.SystemTests.Daemon;

/// <summary>Algorithms, by setkey's and by Linux's names; lengths in bytes.</summary>
internal sealed record Suite(string Cipher, int CipherKey, string? Auth, int AuthKey, string LinuxCipher, string? LinuxAuth, int IcvBits)
{
    public static Suite Gcm { get; } = new("aes-gcm-16", 20, null, 0, "aead 'rfc4106(gcm(aes))'", null, 128);

    public static Suite CbcSha256 { get; } = new("aes-cbc", 16, "hmac-sha2-256", 32, "enc 'cbc(aes)'", "hmac(sha256)", 128);

    public static Suite NullSha1 { get; } = new("null", 0, "hmac-sha1", 20, "enc 'ecb(cipher_null)'", "hmac(sha1)", 96);

    public static Suite Named(string name) => name switch
    {
        "gcm" => Gcm,
        "cbc+sha256" => CbcSha256,
        "null+sha1" => NullSha1,
        _ => throw new ArgumentException(name, nameof(name)),
    };
}

/// <summary>Protection of all that runs between A and B: transport mode, or tunnel mode between the networks behind them.</summary>
internal sealed record Protection(string A, string B, Suite Suite, uint Spi, string? NetA = null, string? NetB = null, bool Udp = false, string Level = "require")
{
    private bool Tunnel => NetA is not null;

    private string SourceA => NetA ?? A;

    private string SourceB => NetB ?? B;

    /// <summary>setkey: the two SAs, the same for both sides.</summary>
    public string Sas => Sa(A, B, Spi) + Sa(B, A, Spi + 1);

    /// <summary>The SAs for tshark and scapy.</summary>
    public WitnessSa[] Witnesses => [Witness(A, B, Spi), Witness(B, A, Spi + 1)];

    /// <summary>The lengths of an SPI's key.</summary>
    public static byte[] Key(uint spi, int length, byte salt) => [.. Enumerable.Range(0, length).Select(i => (byte)((spi * 31) + (uint)(i * 7) + salt))];

    /// <summary>setkey: the policies of side A, or those of side B.</summary>
    public string Policies(bool sideA) =>
        Policy(SourceA, SourceB, sideA ? "out" : "in", A, B) + Policy(SourceB, SourceA, sideA ? "in" : "out", B, A);

    /// <summary>setkey: all of a side.</summary>
    public string Text(bool sideA) => Sas + Policies(sideA);

    /// <summary>A shell script for a Linux kernel as side B.</summary>
    public string LinuxTextB => $"""
        {LinuxState(A, B, Spi)}
        {LinuxState(B, A, Spi + 1)}
        {LinuxBypass}
        ip xfrm policy add src {SourceB} dst {SourceA} dir out priority 10 tmpl {LinuxTemplate(B, A)}
        ip xfrm policy add src {SourceA} dst {SourceB} dir in priority 10 tmpl {LinuxTemplate(A, B)}
        ip xfrm policy add src {SourceA} dst {SourceB} dir fwd priority 10 tmpl {LinuxTemplate(A, B)}

        """;

    // Linux asks its policies about the encapsulating datagram too, before it is opened; key daemons let it pass on their sockets.
    private string LinuxBypass => Udp && !Tunnel ? $"ip xfrm policy add src {A} dst {B} proto udp sport 4500 dport 4500 dir in priority 5 action allow" : "";

    private static string Hex(byte[] key) => key.Length == 0 ? "\"\"" : "0x" + Convert.ToHexStringLower(key);

    private string Sa(string from, string to, uint spi)
    {
        string port = Udp ? "[4500]" : "";
        string cipher = Suite.CipherKey == 0 ? "" : " " + Hex(Key(spi, Suite.CipherKey, 0));
        string auth = Suite.Auth is null ? "" : $" -A {Suite.Auth} {Hex(Key(spi, Suite.AuthKey, 100))}";
        return $"add {from}{port} {to}{port} {(Udp ? "esp-udp" : "esp")} 0x{spi:x} -m {(Tunnel ? "tunnel" : "transport")} -r 32 -E {Suite.Cipher}{cipher}{auth};\n";
    }

    private string Policy(string from, string to, string direction, string outerFrom, string outerTo) =>
        $"spdadd {from} {to} any -P {direction} ipsec esp/{(Tunnel ? $"tunnel/{outerFrom}-{outerTo}" : "transport/")}/{Level};\n";

    private string LinuxState(string from, string to, uint spi)
    {
        string cipher = $"{Suite.LinuxCipher} {Hex(Key(spi, Suite.CipherKey, 0))}";
        string auth = Suite.LinuxAuth is null ? $" {Suite.IcvBits}" : $" auth-trunc '{Suite.LinuxAuth}' {Hex(Key(spi, Suite.AuthKey, 100))} {Suite.IcvBits}";
        string udp = Udp ? " encap espinudp 4500 4500 0.0.0.0" : "";
        string family = Tunnel ? " flag af-unspec" : "";
        return $"ip xfrm state add src {from} dst {to} proto esp spi 0x{spi:x} mode {(Tunnel ? "tunnel" : "transport")} replay-window 32{family} {cipher}{auth}{udp}";
    }

    private string LinuxTemplate(string from, string to) => $"src {from} dst {to} proto esp mode {(Tunnel ? "tunnel" : "transport")}";

    private WitnessSa Witness(string from, string to, uint spi) =>
        new("esp", from, to, spi, Suite.Cipher, Key(spi, Suite.CipherKey, 0), Suite.Auth, Key(spi, Suite.AuthKey, 100), 0, Tunnel);
}
