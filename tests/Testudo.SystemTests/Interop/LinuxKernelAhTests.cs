// AH, and ESP with AH over it, against a live Linux kernel: the kernel's counters say that it took every packet and found no fault,
// and scapy and tshark read what Testudo sent.

using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using Testudo.SystemTests.Daemon;
using Testudo.SystemTests.Witness;
using Xunit;

namespace Testudo.SystemTests.Interop;

public sealed partial class LinuxKernelAhTests(LinuxAndTestudo net) : IClassFixture<LinuxAndTestudo>
{
    // Requests as in a policy, the innermost first: protocol, tunnel or transport, integrity.
    private readonly record struct Layer(string Protocol, bool Tunnel, string Auth);

    public static TheoryData<string> Bundles => [.. s_bundles.Keys];

    private static readonly Dictionary<string, Layer[]> s_bundles = new()
    {
        ["AH"] = [new("ah", false, "hmac-sha2-256")],
        ["AH with SHA-1"] = [new("ah", false, "hmac-sha1")],
        ["AH with SHA-512"] = [new("ah", false, "hmac-sha2-512")],
        ["AH tunnel"] = [new("ah", true, "hmac-sha2-256")],
        ["ESP, AH"] = [new("esp", false, "hmac-sha1"), new("ah", false, "hmac-sha2-256")],
        ["ESP tunnel, AH over it"] = [new("esp", true, "hmac-sha2-256"), new("ah", false, "hmac-sha2-384")],
    };

    [Theory]
    [MemberData(nameof(Bundles))]
    [Shows("ipsec4-description-5", "rfc2401-4.4.3-9")]
    public void A_Linux_kernel_and_Testudo_exchange_pings_UDP_and_TCP(string name)
    {
        Scapy.SkipWhereMissing();
        Tshark.SkipWhereMissing();
        Layer[] layers = s_bundles[name];
        bool tunnel = layers[0].Tunnel;
        var (linux, setkey, sas) = (new StringBuilder("ip xfrm state flush; ip xfrm policy flush\nset -e\n"), new StringBuilder("flush; spdflush;\n"), new List<WitnessSa>());
        Write("10.9.0.1", "10.9.0.2", tunnel ? "10.1.0.0/24" : "10.9.0.1", tunnel ? "10.2.0.0/24" : "10.9.0.2", 0x5000);
        Write("fd09::1", "fd09::2", tunnel ? "fd01::/64" : "fd09::1", tunnel ? "fd02::/64" : "fd09::2", 0x5100);
        net.Kernel.Run(linux.ToString());
        net.Testudo.Setkey(setkey.ToString());
        string faults = net.XfrmFaults();
        using (var sniffer = new Sniffer(net.A, "tap0", "src 10.9.0.1 or src fd09::1"))
        {
            try
            {
                net.Exchange(tunnel);
            }
            catch (Exception e)
            {
                throw new InvalidOperationException(
                    $"{e.Message}\nLinux: {net.XfrmFaults()}{net.Kernel.TryRun("ip -s xfrm state; ip xfrm policy").Output}\nTestudo: {string.Join(", ", net.Testudo.Status().Drops.Select(static drop => drop))}", e);
            }

            sniffer.Stop();
            Read(sniffer, layers, sas);
        }

        Assert.Equal(faults, net.XfrmFaults());
        MatchCollection packets = PacketCounters().Matches(net.Kernel.Run("ip -s xfrm state"));
        Assert.Equal(4 * layers.Length, packets.Count);
        Assert.All(packets, match => Assert.InRange(int.Parse(match.Groups[1].Value, CultureInfo.InvariantCulture), 200, int.MaxValue));
        DaemonStatus status = net.Testudo.Status();
        Assert.Equal(0, status.Dropped("bad-icv") + status.Dropped("replayed") + status.Dropped("guard-in") + status.Dropped("guard-out"));

        void Write(string a, string b, string netA, string netB, uint spi)
        {
            foreach ((string from, string to, string source, string destination, bool isOut) in ((string, string, string, string, bool)[])[(a, b, netA, netB, true), (b, a, netB, netA, false)])
            {
                string templates = "", requests = "";
                foreach (Layer layer in layers)
                {
                    spi++;
                    string mode = layer.Tunnel ? "tunnel" : "transport";
                    WitnessSa sa = new(layer.Protocol, from, to, spi, layer.Protocol == "ah" ? null : "aes-cbc", layer.Protocol == "ah" ? [] : Protection.Key(spi, 16, 0),
                        layer.Auth, Protection.Key(spi, KeyLength(layer.Auth), 100), 0, layer.Tunnel);
                    sas.Add(sa);
                    string auth = $"0x{Convert.ToHexStringLower(sa.AuthKey)}", cipher = $"0x{Convert.ToHexStringLower(sa.CipherKey)}";
                    setkey.Append(CultureInfo.InvariantCulture, $"add {from} {to} {layer.Protocol} 0x{spi:x} -m {mode} -r 32{(layer.Protocol == "ah" ? " -f align8" : $" -E aes-cbc {cipher}")} -A {layer.Auth} {auth};\n");
                    linux.Append(CultureInfo.InvariantCulture, $"ip xfrm state add src {from} dst {to} proto {layer.Protocol} spi 0x{spi:x} mode {mode} replay-window 32 ")
                        .Append(layer.Tunnel ? "flag af-unspec " : "").Append(layer.Protocol == "ah" ? "" : $"enc 'cbc(aes)' {cipher} ")
                        .Append(CultureInfo.InvariantCulture, $"auth-trunc '{LinuxName(layer.Auth)}' {auth} {(layer.Auth == "hmac-sha1" ? 96 : KeyLength(layer.Auth) * 4)}\n");
                    templates += $" tmpl src {from} dst {to} proto {layer.Protocol} mode {mode}";
                    requests += $" {layer.Protocol}/{mode}/{(layer.Tunnel ? $"{from}-{to}" : "")}/require";
                }

                setkey.Append(CultureInfo.InvariantCulture, $"spdadd {source} {destination} any -P {(isOut ? "out" : "in")} ipsec{requests};\n");
                foreach (string direction in isOut ? (string[])["in", "fwd"] : ["out"])
                {
                    linux.Append(CultureInfo.InvariantCulture, $"ip xfrm policy add src {source} dst {destination} dir {direction} priority 10{templates}\n");
                }
            }
        }
    }

    // Whole packets: scapy finds AH's ICV right; tshark finds nothing malformed and the numbers in their order.
    private static void Read(Sniffer sniffer, Layer[] layers, List<WitnessSa> sas)
    {
        IReadOnlyList<ScapyPacket> opened = Scapy.Open(sniffer.File, layers.Length == 1 ? sas : sas.Where(static sa => sa.Protocol == "ah"));
        Assert.InRange(opened.Count, 200, int.MaxValue);
        Assert.All(opened, packet => Assert.True(packet.Plain is not null, $"frame {packet.Frame}: {packet.Error}"));
        string[] lines = Tshark.Run(["-n", "-r", sniffer.File, "-Y", "ah", "-T", "fields", "-e", "ah.spi", "-e", "ah.sequence", "-e", "frame.protocols"])
            .Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.InRange(lines.Length, 200, int.MaxValue);
        Assert.DoesNotContain(lines, static line => line.Contains("malformed", StringComparison.Ordinal));
    }

    private static int KeyLength(string auth) => auth switch { "hmac-sha1" => 20, "hmac-sha2-256" => 32, "hmac-sha2-384" => 48, _ => 64 };

    private static string LinuxName(string auth) => auth == "hmac-sha1" ? "hmac(sha1)" : $"hmac(sha{auth[^3..]})";

    [GeneratedRegex(@"(\d+)\(packets\)\s+add")]
    private static partial Regex PacketCounters();
}
