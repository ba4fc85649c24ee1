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
        if (sa.Protocol != IpProtocol.Esp)
        {
            return new Refusal(PfKeyError.ProtocolNotSupported, $"protocol {(byte)sa.Protocol} is not supported: only esp is");
        }

        if (CheckIndex(sa.Spi, sa.Source, sa.Destination) is { } fault)
        {
            return fault;
        }

        if (sa.ReplayWindow != 0 && sa.ReplayWindow is < ReplayWindow.MinPackets or > ReplayWindow.MaxPackets)
        {
            return Invalid($"a replay window holds {ReplayWindow.MinPackets} to {ReplayWindow.MaxPackets} packets, not {sa.ReplayWindow} (0 turns it off)");
        }

        if (sa.LastSequence > uint.MaxValue)
        {
            return Invalid("a sequence number above 4294967295 needs extended sequence numbers, which are not supported");
        }

        // Derivation asks for an IV that is not sent; like NetBSD we send one all the same.
        SaFlags ofDes = sa.Cipher is Cipher.DesCbc or Cipher.Des32Iv ? SaFlags.Derivation | SaFlags.Iv4b : SaFlags.None;
        SaFlags unknown = sa.Flags & ~(SaFlags.CyclicSequence | SaFlags.RandomPad | SaFlags.ZeroPad | ofDes);
        if (unknown != 0)
        {
            return Invalid($"SA flag {unknown} is not supported");
        }

        string? words = Transforms.TryMake(
            sa.Cipher, sa.Integrity, sa.CipherKey.Length * 8, sa.IntegrityKey.Length * 8, sa.IcvBits, out transform, allowsUnauthenticated);
        return words is null ? null : Invalid(words);
    }

    /// <summary>What holds for a larval SA too: its SPI and its two ends.</summary>
    public static Refusal? CheckIndex(uint spi, in Address source, in Address destination)
    {
        if (spi < MinSpi)
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
