// The two setkey files of a pair: for each direction an SA with a key of its own, and the policies that want it. What is
// out on the one host is in on the other, so the files differ in their policies only.

using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Testudo.Wire;

namespace Testudo.App.Pair;

/// <summary>An SA of a pair. The key has the salt at its end.</summary>
internal sealed record PairSa(Address Source, Address Destination, uint Spi, byte[] Key);

internal static class PairFiles
{
    /// <summary>AES-256 and the salt of four bytes (RFC 4106, 8.1).</summary>
    private const int KeyBytes = 32 + 4;

    /// <summary>Bytes of the replay window's bit map: 256 packets.</summary>
    private const int ReplayBytes = 32;

    /// <summary>The UDP port of ESP in UDP (RFC 3948).</summary>
    private const int UdpPort = 4500;

    /// <summary>Draws SPIs and keys: one SA for each pair of ends and direction.</summary>
    public static IReadOnlyList<PairSa> NewSas(PairRequest request)
    {
        var sas = new List<PairSa>();
        foreach ((Address a, Address b) in request.Families.Select(static family => (family.A.Outer, family.B.Outer)).Distinct())
        {
            sas.Add(new PairSa(a, b, NewSpi(sas), RandomNumberGenerator.GetBytes(KeyBytes)));
            sas.Add(new PairSa(b, a, NewSpi(sas), RandomNumberGenerator.GetBytes(KeyBytes)));
        }

        return sas;
    }

    /// <summary>The usual name of a host's file: pair-ADDRESS.conf, an IPv6 address with dashes for its colons.</summary>
    public static string Name(Address host) => $"pair-{host.ToString().Replace(':', '-')}.conf";

    /// <summary>One host's file.</summary>
    /// <param name="request">The pair.</param>
    /// <param name="sas">Its SAs, the same for both files.</param>
    /// <param name="isA">True for the first host's file.</param>
    /// <param name="name">What this file is called.</param>
    /// <param name="other">What the other host's file is called.</param>
    public static string Text(PairRequest request, IEnumerable<PairSa> sas, bool isA, string name, string other)
    {
        var text = new StringBuilder();
        CultureInfo c = CultureInfo.InvariantCulture;
        string mine = Join(request.Families.Select(family => (isA ? family.A : family.B).Outer));
        string peer = Join(request.Families.Select(family => (isA ? family.B : family.A).Outer));
        text.Append(c, $"""
            # {name}: keys and policies of host {mine} for its traffic with {peer}, in setkey's language.
            # {(request.IsTunnel ? "Tunnel mode between the nets named below" : "Transport mode, host to host")}, AES-GCM with 256-bit keys{(request.IsUdp ? ", in UDP" : "")}; a fresh key for each direction.
            #
            # It holds secret keys: bring it to {mine} by a safe way (scp), keep it at mode 0600, and start there
            #     testudo up -f {name}
            # (into one that runs already: testudo setkey -f {name}). The other host gets {other} in the same way.
            # Sequence numbers begin anew when a file is loaded: when one host is started again, start the other one again too.
            # These keys never expire. New ones: make the pair again and load both files, after setkey -F and setkey -FP.


            """);
        foreach (PairSa sa in sas)
        {
            text.Append(c, $"add {End(sa.Source, request.IsUdp)} {End(sa.Destination, request.IsUdp)} {(request.IsUdp ? "esp-udp" : "esp")} 0x{sa.Spi:x8}\n");
            text.Append(c, $"    -m {Mode(request)} -r {ReplayBytes} -E aes-gcm-16 0x{Convert.ToHexStringLower(sa.Key)};\n");
        }

        text.Append('\n');
        foreach ((PairSide A, PairSide B) family in request.Families)
        {
            (PairSide near, PairSide far) = isA ? family : (family.B, family.A);
            Policy(text, request, near, far, "out");
            Policy(text, request, far, near, "in");
            if (request.IsTunnel)
            {
                Policy(text, request, far, near, "fwd");
            }
        }

        return text.ToString();
    }

    private static void Policy(StringBuilder text, PairRequest request, PairSide from, PairSide to, string direction)
    {
        string ends = request.IsTunnel ? $"{from.Outer}-{to.Outer}" : "";
        text.Append(CultureInfo.InvariantCulture, $"spdadd {Selected(from.Inner)} {Selected(to.Inner)} any -P {direction} ipsec esp/{Mode(request)}/{ends}/require;\n");
    }

    private static string Mode(PairRequest request) => request.IsTunnel ? "tunnel" : "transport";

    private static string Join(IEnumerable<Address> addresses) => string.Join(" and ", addresses.Distinct());

    private static string End(Address address, bool isUdp) => isUdp ? $"{address}[{UdpPort}]" : address.ToString();

    private static string Selected(Prefix inner) => inner.Length == inner.Address.Bits ? inner.Address.ToString() : inner.ToString();

    // 1 to 255 are reserved (RFC 4303, 2.1).
    private static uint NewSpi(List<PairSa> taken)
    {
        while (true)
        {
            uint spi = BitConverter.ToUInt32(RandomNumberGenerator.GetBytes(4));
            if (spi >= 0x100 && !taken.Exists(sa => sa.Spi == spi))
            {
                return spi;
            }
        }
    }
}
