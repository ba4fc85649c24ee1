// One extension from bytes to a value. Its size is already known to be what the dialect's table allows; here stand the
// figures of the fixed extensions, those of policies and of the private one stand with their own readers.
//
// All begin with u16 len (words of 8 bytes), u16 exttype. Offsets : sizes, host order but where "net" is said:
//   SA        4:4 SPI (net)  8:1 replay  9:1 state  10:1 auth  11:1 encrypt  12:4 flags
//   LIFETIME  4:4 allocations  8:8 bytes  16:8 addtime  24:8 usetime
//   ADDRESS   4:1 proto  5:1 prefixlen  6:2 reserved  8: sockaddr, padded to 8
//   KEY       4:2 bits  6:2 reserved  8: key, padded to 8
//   IDENTITY  4:2 type  6:2 reserved  8:8 id  16: text or sockaddr, padded to 8
//   PROPOSAL  4:1 replay  5:3 reserved  8: combinations of 72 bytes
//     comb    0:1 auth  1:1 encrypt  2:2 flags  4:2 8 auth min, max  8:2 10:2 encrypt min, max  12:4 reserved
//             16:4 20:4 allocations soft, hard  24:8 32:8 bytes  40:8 48:8 addtime  56:8 64:8 usetime
//   SUPPORTED 4:4 reserved  8: algorithms of 8 bytes: 0:1 id  1:1 IV bytes  2:2 min bits  4:2 max bits  6:2 reserved
//   SPIRANGE  4:4 min  8:4 max  12:4 reserved
//   SA2       4:1 mode  5:3 reserved  8:4 sequence  12:4 reqid
//   NAT_T     TYPE 4:1 type, *PORT 4:2 port (net)      SA_REPLAY  4:4 packets

using System.Buffers.Binary;
using System.Collections.Immutable;

namespace Testudo.Wire.PfKey;

internal static class ExtensionReader
{
    internal static PfKeyExtension? Read(Dialect dialect, ExtensionRule rule, ReadOnlySpan<byte> e, int offset, out Fault fault)
    {
        fault = Fault.None;
        switch (rule.Kind)
        {
            case ExtensionKind.Sa:
                return new SaExtension(
                    BinaryPrimitives.ReadUInt32BigEndian(e[4..]), (uint)(e[8] * dialect.ReplayUnit), (SaState)e[9], e[10],
                    dialect.Exchange(e[11]), (SaFlags)U32(e, 12));
            case >= ExtensionKind.LifetimeCurrent and <= ExtensionKind.LifetimeSoft:
                return new LifetimeExtension(
                    (LifetimeRole)(rule.Kind - ExtensionKind.LifetimeCurrent), U32(e, 4), U64(e, 8), U64(e, 16), U64(e, 24));
            case >= ExtensionKind.AddressSource and <= ExtensionKind.NatOriginalResponder:
                return ReadAddress(dialect, rule, e, offset, out fault);
            case ExtensionKind.KeyAuth or ExtensionKind.KeyEncrypt:
                return ReadKey(rule, e, offset, out fault);
            case ExtensionKind.IdentitySource or ExtensionKind.IdentityDestination:
                return ReadIdentity(dialect, rule, e, offset, out fault);
            case ExtensionKind.Proposal:
                return ReadProposal(dialect, rule, e, offset, out fault);
            case ExtensionKind.SupportedAuth or ExtensionKind.SupportedEncrypt:
                return ReadSupported(dialect, rule, e);
            case ExtensionKind.SpiRange:
                return new SpiRangeExtension(U32(e, 4), U32(e, 8));
            case ExtensionKind.Policy:
                return PolicyCodec.Read(dialect, rule, e, offset, out fault);
            case ExtensionKind.Sa2:
                return new Sa2Extension((IpsecMode)e[4], U32(e, 8), U32(e, 12));
            case ExtensionKind.NatTType:
                return new NatTTypeExtension(e[4]);
            case ExtensionKind.NatTSourcePort or ExtensionKind.NatTDestinationPort:
                return new NatTPortExtension(rule.Kind == ExtensionKind.NatTDestinationPort, BinaryPrimitives.ReadUInt16BigEndian(e[4..]));
            case ExtensionKind.Replay:
                return new ReplayExtension(U32(e, 4));
            case ExtensionKind.Testudo:
                return TestudoCodec.Read(e, offset, out fault);
            default:
                return new OpaqueExtension(rule.Number, [.. e[4..]]);
        }
    }

    /// <summary>A fault of an extension: what, where, and what is wrong.</summary>
    internal static Fault Fail(ExtensionRule rule, int offset, int at, string trouble, PfKeyError error = PfKeyError.Invalid) =>
        new(offset + at, error, $"{rule.Name} at byte {offset}: {trouble}");

    private static AddressExtension? ReadAddress(Dialect dialect, ExtensionRule rule, ReadOnlySpan<byte> e, int offset, out Fault fault)
    {
        (Sockaddr sockaddr, int size, PfKeyError error, string trouble) = Sockaddr.Read(dialect, e[8..]);
        if (error == PfKeyError.None && e.Length != 8 + Align(size))
        {
            (error, trouble) = (PfKeyError.Invalid, $"it has {e.Length} bytes; {8 + Align(size)} with a sockaddr of {size}");
        }

        if (error != PfKeyError.None)
        {
            fault = Fail(rule, offset, 8, trouble, error);
            return null;
        }

        if (e[5] > sockaddr.Address.Bits)
        {
            fault = Fail(rule, offset, 5, $"sadb_address_prefixlen is {e[5]}; it is at most {sockaddr.Address.Bits} for this family");
            return null;
        }

        fault = Fault.None;
        return new AddressExtension(
            (AddressRole)(rule.Kind - ExtensionKind.AddressSource), e[4], e[5], sockaddr.Address, sockaddr.Port, sockaddr.Scope);
    }

    // RFC 2367, 2.3.4 forbids a key of 0 bits; NetBSD wants one for the NULL cipher, so it is read.
    private static KeyExtension? ReadKey(ExtensionRule rule, ReadOnlySpan<byte> e, int offset, out Fault fault)
    {
        int bits = BitConverter.ToUInt16(e[4..]);
        if (bits % 8 != 0)
        {
            fault = Fail(rule, offset, 4, $"sadb_key_bits is {bits}; keys are whole bytes");
            return null;
        }

        if (e.Length != 8 + Align(bits / 8))
        {
            fault = Fail(rule, offset, 4, $"it has {e.Length} bytes; {8 + Align(bits / 8)} with a key of {bits} bits");
            return null;
        }

        // Pinned, so that the collector leaves no second copy of a key behind.
        byte[] key = GC.AllocateUninitializedArray<byte>(bits / 8, pinned: true);
        e.Slice(8, key.Length).CopyTo(key);
        fault = Fault.None;
        return new KeyExtension(rule.Kind == ExtensionKind.KeyAuth ? KeyRole.Auth : KeyRole.Encrypt, bits, key);
    }

    private static IdentityExtension? ReadIdentity(Dialect dialect, ExtensionRule rule, ReadOnlySpan<byte> e, int offset, out Fault fault)
    {
        const ushort TypeAddress = 4; // KAME's SADB_X_IDENTTYPE_ADDR
        ushort type = BitConverter.ToUInt16(e[4..]);
        if (type == TypeAddress)
        {
            (_, int size, PfKeyError error, string trouble) = Sockaddr.Read(dialect, e[16..]);
            if (error == PfKeyError.None && e.Length != 16 + Align(size))
            {
                (error, trouble) = (PfKeyError.Invalid, $"it has {e.Length} bytes; {16 + Align(size)} with a sockaddr of {size}");
            }

            if (error != PfKeyError.None)
            {
                fault = Fail(rule, offset, 16, trouble, error);
                return null;
            }
        }

        fault = Fault.None;
        return new IdentityExtension(
            rule.Kind == ExtensionKind.IdentitySource ? IdentityRole.Source : IdentityRole.Destination, type, U64(e, 8), [.. e[16..]]);
    }

    private static ProposalExtension? ReadProposal(Dialect dialect, ExtensionRule rule, ReadOnlySpan<byte> e, int offset, out Fault fault)
    {
        const int Size = 72;
        if ((e.Length - 8) % Size != 0)
        {
            fault = Fail(rule, offset, 0, $"it has {e.Length} bytes; 8 and {Size} for each combination");
            return null;
        }

        ImmutableArray<Combination>.Builder combinations = ImmutableArray.CreateBuilder<Combination>((e.Length - 8) / Size);
        for (ReadOnlySpan<byte> c = e[8..]; c.Length > 0; c = c[Size..])
        {
            combinations.Add(new Combination(
                c[0], dialect.Exchange(c[1]), U16(c, 2), U16(c, 4), U16(c, 6), U16(c, 8), U16(c, 10),
                Soft: new LifetimeExtension(LifetimeRole.Soft, U32(c, 16), U64(c, 24), U64(c, 40), U64(c, 56)),
                Hard: new LifetimeExtension(LifetimeRole.Hard, U32(c, 20), U64(c, 32), U64(c, 48), U64(c, 64))));
        }

        fault = Fault.None;
        return new ProposalExtension(e[4], combinations.MoveToImmutable());
    }

    private static SupportedExtension ReadSupported(Dialect dialect, ExtensionRule rule, ReadOnlySpan<byte> e)
    {
        bool isCipher = rule.Kind == ExtensionKind.SupportedEncrypt;
        ImmutableArray<SupportedAlgorithm>.Builder algorithms = ImmutableArray.CreateBuilder<SupportedAlgorithm>((e.Length - 8) / 8);
        for (ReadOnlySpan<byte> a = e[8..]; a.Length > 0; a = a[8..])
        {
            algorithms.Add(new SupportedAlgorithm(isCipher ? dialect.Exchange(a[0]) : a[0], a[1], U16(a, 2), U16(a, 4)));
        }

        return new SupportedExtension(isCipher ? KeyRole.Encrypt : KeyRole.Auth, algorithms.MoveToImmutable());
    }

    private static int Align(int bytes) => (bytes + 7) & ~7;

    private static ushort U16(ReadOnlySpan<byte> from, int at) => BitConverter.ToUInt16(from[at..]);

    private static uint U32(ReadOnlySpan<byte> from, int at) => BitConverter.ToUInt32(from[at..]);

    private static ulong U64(ReadOnlySpan<byte> from, int at) => BitConverter.ToUInt64(from[at..]);
}
