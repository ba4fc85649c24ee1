// What an SA must be like, checked before anything is kept.

using Testudo.Crypto;
using Testudo.Wire;
using Testudo.Wire.PfKey;

namespace Testudo.Engine.Keys;

/// <summary>The rules for a new SA.</summary>
public static class SaRules
{
    /// <summary>The lowest SPI that may be used (RFC 4303, 2.1: 0 is local, 1 to 255 are reserved).</summary>
    public const uint MinSpi = 256;

    /// <summary>Null and the transform, or why this SA cannot be.</summary>
    public static Refusal? Check(SaParameters sa, bool allowsUnauthenticated, out Transform transform)
    {
        transform = default;
        if (sa.Protocol is not (IpProtocol.Esp or IpProtocol.Ah or IpProtocol.IpComp))
        {
            return new Refusal(PfKeyError.ProtocolNotSupported, $"protocol {(byte)sa.Protocol} is not supported: esp, ah and ipcomp are");
        }

        if (CheckIndex(sa.Spi, sa.Source, sa.Destination, sa.Protocol) is { } fault)
        {
            return fault;
        }

        if (sa.Protocol == IpProtocol.IpComp)
        {
            return CheckIpComp(sa);
        }

        if (sa.ReplayWindow != 0 && sa.ReplayWindow is < ReplayWindow.MinPackets or > ReplayWindow.MaxPackets)
        {
            return Invalid($"a replay window holds {ReplayWindow.MinPackets} to {ReplayWindow.MaxPackets} packets, not {sa.ReplayWindow} (0 turns it off)");
        }

        if (sa.LastSequence > uint.MaxValue && !sa.ExtendedSequence)
        {
            return Invalid("a sequence number above 4294967295 needs extended sequence numbers (-esn)");
        }

        if (sa.ExtendedSequence && sa.ReplayWindow == 0)
        {
            return Invalid("extended sequence numbers need a replay window, by which the half that is not sent is told (RFC 4303, 3.4.3): add one (-r)");
        }

        // Derivation asks for an IV that is not sent; like NetBSD we send one all the same.
        SaFlags known = SaFlags.CyclicSequence | SaFlags.RandomPad | SaFlags.ZeroPad | SaFlags.Old;
        SaFlags ofDes = sa.Cipher is Cipher.DesCbc or Cipher.Des32Iv ? SaFlags.Derivation | SaFlags.Iv4b : SaFlags.None;
        SaFlags ofAh = sa.Protocol == IpProtocol.Ah ? SaFlags.AlignTo8 : SaFlags.None;
        SaFlags unknown = sa.Flags & ~(known | ofDes | ofAh);
        if (unknown != 0)
        {
            return Invalid($"SA flag {unknown} is not supported");
        }

        if (sa.Protocol == IpProtocol.Ah)
        {
            return CheckAh(sa, allowsUnauthenticated, out transform);
        }

        if ((sa.Flags & SaFlags.Old) != 0 && CheckOld(sa) is { } old)
        {
            return Invalid(old);
        }

        string? words = Transforms.TryMake(
            sa.Cipher, sa.Integrity, sa.CipherKey.Length * 8, sa.IntegrityKey.Length * 8, sa.IcvBits, out transform, allowsUnauthenticated);
        return words is null ? null : Invalid(words);
    }

    // RFC 1827 has the SPI alone before what its transforms define.
    private static string? CheckOld(SaParameters sa) =>
        sa.ReplayWindow != 0 || sa.ExtendedSequence || sa.LastSequence != 0
            ? "esp-old has no sequence numbers (RFC 1827): give no replay window and no number, or use esp"
            : sa.Encapsulation is not null
                ? "esp-old does not go through UDP: use esp (RFC 3948)"
                : Transforms.Find(sa.Cipher) is { IsCombined: true } cipher
                    ? $"{cipher.Name} authenticates the sequence number, which esp-old has not: use esp"
                    : null;

    private static Refusal? CheckIpComp(SaParameters sa) =>
        sa.Compression != Compression.Deflate
            ? Invalid($"compression algorithm {(byte)sa.Compression} is not known here: ipcomp has deflate (2)")
            : sa.Cipher != Cipher.None || sa.Integrity != Integrity.None || !sa.CipherKey.IsEmpty || !sa.IntegrityKey.IsEmpty
                ? Invalid("ipcomp compresses and has no keys: put esp behind it to protect")
                : sa.Encapsulation is not null || sa.ExtendedSequence || (sa.Flags & SaFlags.Old) != 0
                    ? Invalid("ipcomp has no UDP encapsulation, no sequence numbers and no old format: those are for esp")
                    : null;

    private static Refusal? CheckAh(SaParameters sa, bool allowsUnauthenticated, out Transform transform)
    {
        transform = default;
        if (sa.Cipher != Cipher.None || !sa.CipherKey.IsEmpty)
        {
            return Invalid("ah does not encrypt: give no cipher and no cipher key, or use esp");
        }

        if (sa.Encapsulation is not null)
        {
            return Invalid("ah does not pass NATs: UDP encapsulation is for esp (RFC 3948)");
        }

        if ((sa.Flags & SaFlags.Old) != 0 && (sa.ReplayWindow != 0 || sa.ExtendedSequence || sa.LastSequence != 0))
        {
            return Invalid("ah in the old format has no sequence numbers: its replay window is 0 (RFC 1826)");
        }

        string? words = Transforms.TryMakeAh(sa.Integrity, sa.IntegrityKey.Length * 8, sa.IcvBits, out transform, allowsUnauthenticated);
        return words is null ? null : Invalid(words);
    }

    /// <summary>What holds for a larval SA too: its SPI and its two ends.</summary>
    public static Refusal? CheckIndex(uint spi, in Address source, in Address destination, IpProtocol protocol = IpProtocol.Esp)
    {
        if (protocol == IpProtocol.IpComp && spi is > ushort.MaxValue or (< MinSpi and not IpComp.WellKnownDeflate))
        {
            return Invalid($"CPI {spi} cannot be: it is 256 to 65535, or 2 for deflate's own (RFC 3173, 3.3)");
        }

        if (protocol != IpProtocol.IpComp && spi < MinSpi)
        {
            return Invalid($"SPI {spi} is reserved: use {MinSpi} or above");
        }

        if (source.Family != destination.Family || source.Family == IpFamily.None)
        {
            return Invalid("the two ends of an SA are addresses of one family");
        }

        return destination.IsUnspecified || destination.IsMulticastOrBroadcast
            ? Invalid($"an SA cannot end at {destination}")
            : null;
    }

    private static Refusal Invalid(string sentence) => new(PfKeyError.Invalid, sentence);
}
