// SADB_REGISTER: the algorithms that an SA may have (RFC 2367, 3.1.7).
//
// Listed is what a provider of this engine computes. The key lengths of a cipher with a salt differ between systems: Linux does not list such ciphers at all, NetBSD counts
// the salt (160-288 for AES-GCM), FreeBSD does not (128-256) and its setkey subtracts it before it compares. The range
// given here, 128-288, lets both kinds of setkey pass the right lengths on; the engine judges them exactly.

using Testudo.Crypto;
using Testudo.Engine;
using Testudo.Wire.PfKey;

namespace Testudo.Control.PfKey;

internal static class Algorithms
{
    internal static Answer Register(IpsecEngine engine, KeySession session, SaType saType)
    {
        // Without an SA type it only asks for the lists (KAME).
        if (saType != SaType.Unspec && !session.TryRegister(saType))
        {
            return Answer.Refuse(PfKeyError.Exists, $"this socket is registered for SA type {(byte)saType} already");
        }

        return new Answer(
            Audience.Registered,
            new SupportedExtension(KeyRole.Auth, [.. Transforms.Integrities.Where(i => IsOffered(engine, i)).Select(static i =>
                new SupportedAlgorithm((byte)i.Integrity, 0, (ushort)i.KeyBits, (ushort)i.KeyBits))]),
            new SupportedExtension(KeyRole.Encrypt, [.. Transforms.Ciphers.Where(c => c.Cipher != Cipher.Des32Iv && engine.Providers.Computes(c)).Select(static c =>
                new SupportedAlgorithm((byte)c.Cipher, (byte)c.IvLength, (ushort)(c.KeyBits.Min() - (c.SaltLength * 8)), (ushort)c.KeyBits.Max()))]));
    }

    // Null is for who may go without.
    private static bool IsOffered(IpsecEngine engine, IntegrityInfo info) =>
        engine.Providers.Computes(info) && (info.Integrity != Integrity.Null || engine.Options.AllowsUnauthenticated);
}
