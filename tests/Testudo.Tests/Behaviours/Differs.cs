// Where Testudo does otherwise than NetBSD 10 did, and why. Here are the lines as they are here; lines that are not
// listed are the same. Both is checked: what is listed must differ, in these words.

namespace Testudo.Tests.Behaviours;

/// <summary>A behaviour that differs.</summary>
/// <param name="IsOpen">False where it is meant so; true where something is not here that NetBSD has.</param>
/// <param name="Why">The reason, with its section where it is meant so.</param>
/// <param name="Here">The lines that differ, as they are here.</param>
internal sealed record Difference(bool IsOpen, string Why, params string[] Here);

internal static class Differs
{
    private const string Esp92 = "wire: 10.0.0.1>10.0.0.2 ESP len=92 spi=1001 seq=1", Refused = "counters a {} b {policy violations (input): 1}";
    private const string Sas = "add 10.0.0.1 10.0.0.2 esp 1001  -E rijndael-cbc KEY -A hmac-sha256 KEY; / add 10.0.0.2 10.0.0.1 esp 1002  -E rijndael-cbc KEY -A hmac-sha256 KEY;";
    private const string Answer = "10.0.0.2>10.0.0.1 icmp len=36 type=0 code=0; counters a {} b {}";
    private const string Pieces = "wire: 10.0.0.1>10.0.0.2 udp len=1500 fragment off=0 MF 7001>7777; 10.0.0.1>10.0.0.2 udp len=1500 fragment off=1480 MF; 10.0.0.1>10.0.0.2 udp len=68 fragment off=2960";
    private const string NoProtocols = "the setkey of that machine had no list of protocols and refused 'udp', so nothing was protected there; ports and protocols select (RFC 4301, 4.4.1.1)";

    /// <summary>By the name of the observation.</summary>
    public static IReadOnlyDictionary<string, Difference> List { get; } = new Dictionary<string, Difference>
    {
        // Open: NetBSD has more.
        ["no policy, def_policy=0 (v4) on a"] = Open(
            "per-family def_policy: Spd.DefaultAction is one for both families",
            "ping6 fd00::1→fd00::2: send ok; reply NOT received; wire: nothing; counters a {policy violations (output): 1} b {}"),
        ["two mature SAs, prefered_oldsa=1"] = Open(
            "net.key.prefered_oldsa: the newest SA is always taken, which is NetBSD's own default",
            "a sysctl net.key.prefered_oldsa=1 → refused",
            $"ping 10.0.0.1→10.0.0.2: send ok; reply received; wire: 10.0.0.1>10.0.0.2 ESP len=92 spi=1101 seq=1; {Answer}",
            $"third SA 1 s later 10.0.0.1→10.0.0.2: send ok; reply received; wire: 10.0.0.1>10.0.0.2 ESP len=92 spi=1102 seq=1; {Answer}"),
        ["net.inet.ipsec.ipip_spoofcheck=0, inner source is a local address of the receiver"] = Open(
            "net.inet.ipsec.ipip_spoofcheck: the check cannot be turned off",
            "b sysctl net.inet.ipsec.ipip_spoofcheck=0 → refused",
            "delivered False; counters b {ipip IP spoofing attempts: 1}"),

        // Meant so.
        ["no policy, def_policy=0 on b (inbound)"] = Meant(
            "every packet is checked (RFC 4301, 5.2); NetBSD skips inbound IPsec while it has no policy at all",
            $"ping 10.0.0.1→10.0.0.2: send ok; reply NOT received; wire: 10.0.0.1>10.0.0.2 icmp len=36 type=8 code=0; {Refused}",
            $"udp 7001→7777 size 8: send ok; delivered False; wire: 10.0.0.1>10.0.0.2 udp len=36 7001>7777; {Refused}"),
        ["deflev bad values"] = Meant(
            "a value without a meaning is refused; NetBSD takes any number",
            "a sysctl net.inet.ipsec.ecn=-2 → refused",
            "a sysctl net.inet.ipsec.dfbit=-1 → refused",
            "a sysctl net.inet.ipsec.dfbit=3 → refused",
            "a sysctl net.inet.ipsec.ah_offsetmask=-1 → refused",
            "a sysctl net.inet.ipsec.ah_offsetmask=65536 → refused",
            "a sysctl net.inet.ipsec.ah_cleartos=-1 → refused",
            "a sysctl net.inet.ipsec.ah_cleartos=2 → refused"),
        ["in unique, plain then ESP arrives"] = Meant(
            "the SA must be the one that the policy names (RFC 4301, 5.2 step 4): reqid 7; NetBSD asks for any ESP",
            $"esp, SA reqid 0 10.0.0.1→10.0.0.2: send ok; reply NOT received; {Esp92}; {Refused}"),
        ["in require transport, tunnel-mode ESP arrives"] = Meant(
            "the mode must be the policy's (RFC 4301, 5.2 step 4); NetBSD asks for any ESP",
            $"ping 10.0.0.1→10.0.0.2: send ok; reply NOT received; wire: 10.0.0.1>10.0.0.2 ESP len=108 spi=1001 seq=1; {Refused}"),
        ["in require tunnel, transport-mode ESP arrives"] = Meant(
            "the mode must be the policy's (RFC 4301, 5.2 step 4); NetBSD asks for any ESP",
            $"ping 10.0.0.1→10.0.0.2: send ok; reply NOT received; {Esp92}; {Refused}"),
        ["ports: udp dst 7777 require, other ports plain"] = Meant(
            NoProtocols,
            $"a# {Sas} / spdadd 10.0.0.1 10.0.0.2[7777] udp -P out ipsec esp/transport//require;",
            $"udp 7001→7777 size 8: send ok; delivered True; {Esp92}; counters a {{}} b {{}}"),
        ["ports: selector with port and upper any"] = Meant(
            "a port belongs to a protocol that has ports (RFC 4301, 4.4.1.1): the policy is refused with words",
            $"a# {Sas} / spdadd 10.0.0.1 10.0.0.2[7777] any -P out ipsec esp/transport//require; → a:3:1: Invalid argument: ports need an upper-layer protocol that has them: name tcp, udp or another one (Parameter 'script')",
            "udp 7001→7777 size 8: send ok; delivered True; wire: 10.0.0.1>10.0.0.2 udp len=36 7001>7777; counters a {} b {}"),
        ["ports: fragmented UDP (3000) with port selector, out and in"] = Meant(
            NoProtocols + "; a datagram is protected whole (RFC 4303, 3.3.4) and judged whole",
            $"a# {Sas} / spdadd 10.0.0.1 10.0.0.2[7777] udp -P out ipsec esp/transport//require;",
            $"b# {Sas} / spdadd 10.0.0.1 10.0.0.2[7777] udp -P in ipsec esp/transport//require;",
            "udp 7001→7777 size 3000: send ok; delivered True; wire: 10.0.0.1>10.0.0.2 ESP len=1500 fragment off=0 MF spi=1001 seq=1; 10.0.0.1>10.0.0.2 ESP len=1500 fragment off=1480 MF; 10.0.0.1>10.0.0.2 ESP len=124 fragment off=2960; counters a {} b {}",
            $"plain fragments to in-require 7001→7777 size 3000: send ok; delivered False; {Pieces}; {Refused}"),
        ["hard lifetime in bytes reached"] = Meant(
            "the payload that is protected counts, and no header (RFC 4301, 4.4.2.1): three pings are no 150 bytes; for NetBSD, which counts whole packets, they are",
            "states after 2 s mature"),
        ["pad length larger than payload"] = Meant(
            "both drop it; here all padding that is wrong has one name, bad-padding (RFC 4303, 2.4)",
            "good packet delivered True; test packet delivered False; counters b {esp packets with bad encryption: 1}"),
        ["ESP as two IP fragments, first only 24 octets"] = Meant(
            "a fragment may be as short as 8 bytes of data (RFC 791, 3.2); what is whole is authenticated",
            "good packet delivered True; test packet delivered True; counters b {}"),
        ["tunnel decapsulation, net.inet.ipsec.ecn=0: inner ECN seen by the receiver for (outer,inner)"] = Meant(
            "KAME's rule for 0: no congestion was to be marked outside, so a packet with a mark is dropped (RFC 6040, 4.2); NetBSD ignores it",
            "(0,0)→0 (0,1)→1 (0,2)→2 (0,3)→3 (1,0)→0 (1,1)→1 (1,2)→2 (1,3)→3 (2,0)→0 (2,1)→1 (2,2)→2 (2,3)→3 (3,0)→dropped (3,1)→dropped (3,2)→dropped (3,3)→dropped",
            "counters b {ecn-corrupted: 4}"),
        ["tunnel decapsulation, net.inet.ipsec.ecn=1: inner ECN seen by the receiver for (outer,inner)"] = Meant(
            "CE is handed on and ECT is not CE (RFC 3168, 9.1.1; RFC 6040, 4.2); NetBSD takes every mark for CE and leaves the inner header's checksum as it was, so that what it changed is lost: as these results show",
            "(0,0)→0 (0,1)→1 (0,2)→2 (0,3)→3 (1,0)→0 (1,1)→1 (1,2)→2 (1,3)→3 (2,0)→0 (2,1)→1 (2,2)→2 (2,3)→3 (3,0)→dropped (3,1)→3 (3,2)→3 (3,3)→3",
            "counters b {ecn-corrupted: 1}"),
        ["UDP 4500 input on a UDP_ENCAP socket, an unrelated SP installed (net.inet.ipsec.used=1)"] = Meant(
            "an SA is in UDP or it is not (RFC 3948, 2.1): wrong-encapsulation",
            "the same SA reached by bare ESP (protocol 50): delivered False; {esp packets with no SA: 1}"),
    };

    private static Difference Open(string why, params string[] here) => new(true, why, here);

    private static Difference Meant(string why, params string[] here) => new(false, why, here);
}
