// The words of setkey's language: commands, protocols, algorithms with their key lengths.

using Testudo.Wire.PfKey;

namespace Testudo.Control.Setkey;

/// <summary>What a command does.</summary>
public enum SetkeyVerb : byte
{
    Add,
    Update,
    Get,
    Delete,
    DeleteAll,
    GetSpi,
    Flush,
    Dump,
    SpdAdd,
    SpdUpdate,
    SpdDelete,
    SpdDump,
    SpdFlush,

    /// <summary>exit, quit or bye: nothing behind it is read.</summary>
    Exit,
}

/// <summary>An algorithm by its name in a script: its number (Linux's, KAME's where Linux has none) and the key lengths a kernel takes, in bits.</summary>
/// <param name="Name">The word in a script.</param>
/// <param name="Number">The number in an SA.</param>
/// <param name="MinBits">The shortest key.</param>
/// <param name="MaxBits">The longest key.</param>
/// <param name="StepBits">From one length to the next.</param>
/// <param name="Flags">Flags of the SA that the name stands for.</param>
/// <param name="Note">What is odd in its key.</param>
internal sealed record AlgorithmWord(string Name, byte Number, int MinBits, int MaxBits, int StepBits = 64, SaFlags Flags = SaFlags.None, string? Note = null)
{
    public bool Takes(int bits) => bits >= MinBits && bits <= MaxBits && (bits - MinBits) % StepBits == 0;

    public string Lengths => MinBits == MaxBits ? $"{MinBits}"
        : StepBits < 64 ? $"{MinBits} to {MaxBits}"
        : string.Join(" or ", Enumerable.Range(0, ((MaxBits - MinBits) / StepBits) + 1).Select(step => MinBits + (step * StepBits)));
}

internal static partial class SetkeyWords
{
    private const string CcmNote = "the last 24 bits are the salt";
    private const string SaltNote = "the last 32 bits are the salt";

    public static IReadOnlyList<(string Name, SetkeyVerb Verb)> Verbs { get; } =
    [
        ("add", SetkeyVerb.Add), ("update", SetkeyVerb.Update), ("get", SetkeyVerb.Get), ("delete", SetkeyVerb.Delete),
        ("deleteall", SetkeyVerb.DeleteAll), ("getspi", SetkeyVerb.GetSpi), ("flush", SetkeyVerb.Flush), ("dump", SetkeyVerb.Dump),
        ("spdadd", SetkeyVerb.SpdAdd), ("spdupdate", SetkeyVerb.SpdUpdate), ("spddelete", SetkeyVerb.SpdDelete),
        ("spddump", SetkeyVerb.SpdDump), ("spdflush", SetkeyVerb.SpdFlush), ("exit", SetkeyVerb.Exit), ("quit", SetkeyVerb.Exit), ("bye", SetkeyVerb.Exit),
    ];

    /// <summary>Key lengths are those that KAME's kernels enforce; a server may compute fewer algorithms, and says so itself.</summary>
    public static IReadOnlyList<AlgorithmWord> Encryption { get; } =
    [
        new("aes-cbc", 12, 128, 256), new("rijndael-cbc", 12, 128, 256), new("aes-gcm-16", 20, 160, 288, Note: SaltNote),
        new("null", 11, 0, 2048, 8), new("aes-ctr", 13, 160, 288, Note: SaltNote), new("aes-gmac", 23, 160, 288, Note: SaltNote),
        new("aes-gcm-8", 18, 160, 288, Note: SaltNote), new("aes-gcm-12", 19, 160, 288, Note: SaltNote),
        new("camellia-cbc", 22, 128, 256), new("3des-cbc", 3, 192, 192), new("des-cbc", 2, 64, 64),
        new("blowfish-cbc", 7, 40, 448, 8), new("cast128-cbc", 6, 40, 128, 8), new("twofish-cbc", 253, 128, 256), new("serpent-cbc", 252, 128, 256), new("skipjack", 250, 80, 80),

        // RFC 4309, 4: three bytes of salt.
        new("aes-ccm-8", 14, 152, 280, Note: CcmNote), new("aes-ccm-12", 15, 152, 280, Note: CcmNote), new("aes-ccm-16", 16, 152, 280, Note: CcmNote),
        new("des-deriv", 2, 64, 64, Flags: SaFlags.Derivation), new("des-32iv", 2, 64, 64, Flags: SaFlags.Iv4b),
        new("simple", 11, 0, 2048, 8),

        // Linux has no number for it; the dialects translate FreeBSD's to IKEv2's (RFC 7634, 4).
        new("chacha20-poly1305", 28, 288, 288, Note: SaltNote),
    ];

    public static IReadOnlyList<AlgorithmWord> Authentication { get; } =
    [
        new("hmac-sha2-256", 5, 256, 256), new("hmac-sha256", 5, 256, 256), new("hmac-sha2-384", 6, 384, 384), new("hmac-sha384", 6, 384, 384),
        new("hmac-sha2-512", 7, 512, 512), new("hmac-sha512", 7, 512, 512), new("hmac-sha1", 3, 160, 160), new("hmac-md5", 2, 128, 128),
        new("keyed-md5", 249, 128, 128), new("keyed-sha1", 250, 160, 160), new("hmac-ripemd160", 8, 160, 160), new("aes-xcbc-mac", 9, 128, 128),
        new("tcp-md5", TcpMd5, 8, 640, 8), new("null", 251, 0, 2048, 8), new("chacha20-poly1305", 14, 288, 288, Note: SaltNote),

        // In AH only (RFC 4543, 4); and CMAC, which has no number in any PF_KEY: Testudo's own.
        new("aes128-gmac", 11, 160, 160, Note: SaltNote), new("aes192-gmac", 12, 224, 224, Note: SaltNote), new("aes256-gmac", 13, 288, 288, Note: SaltNote),
        new("aes-cmac", 248, 128, 128),
    ];

    public const byte TcpMd5 = 252;

    public static IReadOnlyList<(string Name, byte Number)> Compression { get; } = [("deflate", 2), ("oui", 1), ("lzs", 3)];

    /// <summary>Upper-layer protocols by the names that scripts use; the first name of a number is the one printed.</summary>
    public static IReadOnlyList<(string Name, byte Number)> Protocols { get; } =
    [
        ("any", 255), ("tcp", 6), ("udp", 17), ("icmp", 1), ("icmp6", 58), ("ipv6-icmp", 58), ("ip4", 4), ("ipencap", 4), ("ipv4", 4),
        ("ipv6", 41), ("esp", 50), ("ah", 51), ("ipcomp", 108), ("ip", 0), ("igmp", 2), ("egp", 8), ("dccp", 33), ("rsvp", 46), ("gre", 47),
        ("ospf", 89), ("ipip", 94), ("etherip", 97), ("pim", 103), ("vrrp", 112), ("l2tp", 115), ("sctp", 132), ("mh", 135), ("mobility-header", 135), ("udplite", 136),
    ];

    /// <summary>True for a word of the language that begins with '-', known here or in another setkey.</summary>
    public static bool IsOption(ReadOnlySpan<char> word) => word is "-E" or "-A" or "-C" or "-R" or "-P" or "-m" or "-r" or "-u" or "-f" or "-lh" or "-ls"
        or "-bh" or "-bs" or "-esn" or "-seq" or "-icv" or "-natt" or "-natt_mtu" or "-hwif" or "-ctx" or "-o" or "-esp_frag";

    /// <summary>True where only blanks stand between the line's start and a word.</summary>
    public static bool BeginsLine(string text, int offset)
    {
        while (offset > 0 && text[offset - 1] is (' ' or '\t' or '\uFEFF'))
        {
            offset--;
        }

        return offset == 0 || text[offset - 1] == '\n';
    }

    public static SetkeyVerb? FindVerb(ReadOnlySpan<char> word)
    {
        foreach ((string name, SetkeyVerb verb) in Verbs)
        {
            if (word.SequenceEqual(name))
            {
                return verb;
            }
        }

        return null;
    }

    public static byte? FindNumber(IReadOnlyList<(string Name, byte Number)> table, ReadOnlySpan<char> word)
    {
        foreach ((string name, byte number) in table)
        {
            if (word.SequenceEqual(name))
            {
                return number;
            }
        }

        return null;
    }

    public static AlgorithmWord? Find(IReadOnlyList<AlgorithmWord> table, ReadOnlySpan<char> word)
    {
        foreach (AlgorithmWord algorithm in table)
        {
            if (word.SequenceEqual(algorithm.Name))
            {
                return algorithm;
            }
        }

        return null;
    }
}
