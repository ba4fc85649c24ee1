// One case of the golden data: a capture made by real kernels, the SAs it was made under, and what came out of each
// protected packet. Names of algorithms are setkey's; `ToSetkey` gives the SAs as a file that setkey and open read.

using System.Globalization;
using System.Text;
using Testudo.Crypto;

namespace Testudo.Tests.Golden;

/// <summary>UDP encapsulation of an SA: <c>espinudp</c> (RFC 3948) or <c>espinudp-nonike</c> (its early draft).</summary>
internal sealed record GoldenEncapsulation(string Type, ushort SourcePort, ushort DestinationPort);

/// <summary>One SA as the kernels had it. Layers of a bundle are listed innermost first.</summary>
internal sealed record GoldenSa
{
    /// <summary>esp, ah, ipcomp, esp-old or ah-old.</summary>
    public required string Protocol { get; init; }

    /// <summary>transport or tunnel.</summary>
    public required string Mode { get; init; }

    /// <summary>The SPI; IPComp's CPI.</summary>
    public required uint Spi { get; init; }

    public required string Source { get; init; }

    public required string Destination { get; init; }

    public uint RequestId { get; init; }

    /// <summary>ESP's cipher (aes-cbc, aes-gcm-16, null ...) or IPComp's algorithm (deflate); null in AH.</summary>
    public string? Cipher { get; init; }

    /// <summary>Salt included, at the end.</summary>
    public byte[] CipherKey { get; init; } = [];

    /// <summary>hmac-sha1, hmac-sha2-256 ...; null where there is none.</summary>
    public string? Auth { get; init; }

    public byte[] AuthKey { get; init; } = [];

    /// <summary>Length of the ICV in bits; 0: none.</summary>
    public int IcvBits { get; init; }

    public bool Esn { get; init; }

    /// <summary>The counter before the first packet: that one has the number after it.</summary>
    public ulong LastSequence { get; init; }

    public GoldenEncapsulation? Encapsulation { get; init; }

    /// <summary>zero-pad or seq-pad, where the sender was told.</summary>
    public string? Padding { get; init; }

    /// <summary>Linux' AH flag: the header is aligned to 4 bytes for IPv4, as RFC 4302 has it.</summary>
    public bool Align4 { get; init; }

    /// <summary>The ICV length that the algorithm's RFC names, in bits; 0 for one that is not known here.</summary>
    private int UsualIcvBits => (Auth, Cipher) switch
    {
        ("hmac-sha1" or "hmac-md5" or "hmac-ripemd160" or "aes-xcbc-mac" or "aes-cmac", _) => 96,
        ("hmac-sha2-256", _) => 128,
        ("hmac-sha2-384", _) => 192,
        ("hmac-sha2-512", _) => 256,
        (null, "aes-gcm-8" or "aes-ccm-8") => 64,
        (null, "aes-gcm-12" or "aes-ccm-12") => 96,
        (null, "aes-gcm-16" or "aes-ccm-16" or "aes-gmac" or "chacha20-poly1305") => 128,
        _ => 0,
    };

    /// <summary>The SA as setkey's <c>add</c>, with Testudo's own <c>-icv BITS</c>, <c>-esn</c> and <c>-seq N</c>.</summary>
    public string ToSetkey()
    {
        var text = new StringBuilder("add ");
        _ = Encapsulation is { } udp
            ? text.Append(CultureInfo.InvariantCulture, $"{Source}[{udp.SourcePort}] {Destination}[{udp.DestinationPort}] esp-udp{(udp.Type == "espinudp-nonike" ? "-nonike" : "")}")
            : text.Append(CultureInfo.InvariantCulture, $"{Source} {Destination} {Protocol}");
        text.Append(CultureInfo.InvariantCulture, $" 0x{Spi:x} -m {(Protocol == "ipcomp" ? "any" : Mode)}"); // CPIs are few: two of the cases share one
        if (RequestId != 0)
        {
            text.Append(CultureInfo.InvariantCulture, $" -u {RequestId}");
        }

        text.Append(Padding is null ? "" : $" -f {Padding}");
        if (IcvBits != 0 && IcvBits != UsualIcvBits)
        {
            text.Append(CultureInfo.InvariantCulture, $" -icv {IcvBits}");
        }

        text.Append(Esn ? " -esn" : "");
        if (LastSequence != 0)
        {
            text.Append(CultureInfo.InvariantCulture, $" -seq {LastSequence}");
        }

        if (Protocol == "ipcomp")
        {
            return text.Append(CultureInfo.InvariantCulture, $" -C {Cipher};").ToString();
        }

        AppendAlgorithm(text, "-E", Cipher, CipherKey);
        AppendAlgorithm(text, "-A", Auth, AuthKey);
        return text.Append(';').ToString();
    }

    /// <summary>Null where today's Testudo opens this SA's packets; otherwise why not, in a few words.</summary>
    public string? Unsupported() => this switch
    {
        { Protocol: "esp" or "esp-old", Auth: "keyed-md5" } => "keyed-md5 with NetBSD's own fault",
        _ => null,
    };

    /// <summary>The cipher's number. NetBSD takes no notice of the derived IV that des-deriv asks for: it is its des-cbc.</summary>
    public global::Testudo.Crypto.Cipher CipherNumber => Cipher switch
    {
        null or "deflate" => global::Testudo.Crypto.Cipher.None,
        "des-deriv" => global::Testudo.Crypto.Cipher.DesCbc,
        _ => Transforms.Ciphers.Single(info => info.Name == Cipher).Cipher,
    };

    /// <summary>The integrity algorithm's number.</summary>
    public Integrity IntegrityNumber => Auth is null ? Integrity.None : Transforms.Integrities.Single(info => info.Name == Auth).Integrity;

    private static void AppendAlgorithm(StringBuilder text, string option, string? name, byte[] key)
    {
        if (name is not null)
        {
            text.Append(CultureInfo.InvariantCulture, $" {option} {name}{(key.Length > 0 ? " 0x" : "")}{Convert.ToHexStringLower(key)}");
        }
    }
}

/// <summary>One protected packet: its frames in the capture (more than one: IP fragments) and what was in it.</summary>
/// <param name="Frames">Frame numbers, the first is 1.</param>
/// <param name="Sha256">Of the plain IP packet; null where the data's makers could not open it either.</param>
/// <param name="Plain">The plain IP packet itself, where the data has it (Linux).</param>
/// <param name="Listed">SHA-256 of what the data lists, where that is not the plain packet yet.</param>
internal sealed record GoldenPacket(int[] Frames, byte[]? Sha256, byte[]? Plain, byte[]? Listed = null);

/// <summary>A capture, or the part of one, that was made under one set of SAs.</summary>
/// <param name="Name">linux/... or netbsd/...</param>
/// <param name="Capture">Path of the pcap file (Ethernet); other cases' frames may be in it.</param>
/// <param name="Note">What the data's makers said of it; may be empty.</param>
/// <param name="Accepted">False where the receiving kernel refused what the sending one sent, or the format is not standard.</param>
/// <param name="Sas">Both directions; of a bundle the innermost layer first.</param>
/// <param name="Packets">The protected packets in the order of the capture.</param>
internal sealed record GoldenCase(
    string Name, string Capture, string Note, bool Accepted, IReadOnlyList<GoldenSa> Sas, IReadOnlyList<GoldenPacket> Packets)
{
    /// <summary>All SAs as a file in setkey's language.</summary>
    public string ToSetkey() => string.Concat(Sas.Select(sa => sa.ToSetkey() + "\n"));

    /// <summary>False where the data's makers could not open it.</summary>
    public bool IsKnown => Packets.Any(static packet => packet.Sha256 is not null);

    /// <summary>Null where today's Testudo opens every packet of the case; otherwise why not, in a few words.</summary>
    public string? Unsupported() =>
        Sas.Select(sa => sa.Unsupported()).FirstOrDefault(why => why is not null)
        // NetBSD zeroes their type and length too; RFC 4302, 3.3.3.1.2.2: "The Option Type and Opt Data Len are included".
        ?? (Note.Contains("zeroes the WHOLE mutable option", StringComparison.Ordinal) ? "AH over mutable IPv6 options as NetBSD has it"
            : Note.Contains("reference bug: keyed-md5", StringComparison.Ordinal) ? "keyed-md5 with NetBSD's own fault"
            : KeepsTos && !Sas[0].Source.Contains(':', StringComparison.Ordinal) ? "AH over the TOS byte: only with AhClearTos off" : null);

    /// <summary>True where AH's ICV covers the TOS byte (ah_cleartos was 0).</summary>
    public bool KeepsTos => Note.Contains("ah_cleartos=0", StringComparison.Ordinal);

    /// <summary>A pcap file with this case's frames only, in their order.</summary>
    public byte[] CaptureOfThis()
    {
        HashSet<int> mine = [.. Packets.SelectMany(packet => packet.Frames)];
        return GoldenCapture.Read(Capture).Select(mine.Contains);
    }

    /// <inheritdoc/>
    public override string ToString() => Name;
}
