// A dialect of PF_KEY as an immutable record of tables: what differs between the systems that speak it, and nothing else.
// Everything is in the host's byte order but SPIs, ports and addresses, which are in network order on every system.

using System.Collections.Immutable;

namespace Testudo.Wire.PfKey;

/// <summary>How a sockaddr begins.</summary>
public enum SockaddrForm : byte
{
    /// <summary>Two bytes of family in host order (Linux).</summary>
    Family,

    /// <summary>One byte of length, one byte of family (BSD).</summary>
    LengthAndFamily,
}

/// <summary>The numbers and layouts of one system. The neutral side of each table is that of <see cref="PfKeyMessage"/>.</summary>
public sealed record Dialect
{
    /// <summary>The system's name, for sentences.</summary>
    public required string Name { get; init; }

    /// <summary>How a sockaddr begins.</summary>
    public required SockaddrForm Sockaddr { get; init; }

    /// <summary>AF_INET: 2 everywhere.</summary>
    public ushort Inet { get; init; } = 2;

    /// <summary>AF_INET6.</summary>
    public required ushort Inet6 { get; init; }

    /// <summary>The highest message type.</summary>
    public required PfKeyType LastType { get; init; }

    /// <summary>The highest direction of a policy: fwd on Linux, out elsewhere.</summary>
    public required PolicyDirection LastDirection { get; init; }

    /// <summary>True for Linux's sadb_x_ipsecrequest of 16 bytes with a 32-bit reqid, false for BSD's of 8 with 16 bits.</summary>
    public required bool WideRequest { get; init; }

    /// <summary>Packets a unit of sadb_sa_replay stands for: 8 where it counts bytes of the bitmap, 1 where it counts packets.</summary>
    public required int ReplayUnit { get; init; }

    /// <summary>True where the last word of sadb_x_policy is a priority and not reserved.</summary>
    public required bool HasPriority { get; init; }

    /// <summary>
    /// The priority that no priority, or 0, stands for. On Linux 0 is a number like others and comes before all; elsewhere it
    /// is what everybody sends, and means the middle, where setkey puts a policy whose text names no priority.
    /// </summary>
    public required uint NoPriority { get; init; }

    /// <summary>The extensions that are known, in any order; the private one is known in every dialect.</summary>
    public required ImmutableArray<ExtensionRule> Extensions { get; init; }

    /// <summary>errno numbers, indexed by <see cref="PfKeyError"/>.</summary>
    public required ImmutableArray<byte> Errors { get; init; }

    /// <summary>
    /// Encryption algorithms whose number is not Linux's, in pairs; each pair is an exchange, so that the map stays one to
    /// one over all 256 numbers. Integrity and compression algorithms have the same numbers everywhere.
    /// </summary>
    public ImmutableArray<(byte Here, byte Neutral)> Ciphers { get; init; } = [];

    /// <summary>True where a replay window in packets has an extension of its own (FreeBSD's SADB_X_EXT_SA_REPLAY).</summary>
    public bool HasReplayExtension => Find(ExtensionKind.Replay) is not null;

    /// <summary>Linux (linux/pfkeyv2.h, net/key/af_key.c).</summary>
    public static Dialect Linux { get; } = new()
    {
        Name = "Linux",
        Sockaddr = SockaddrForm.Family,
        Inet6 = 10,
        LastType = PfKeyType.Migrate,
        LastDirection = PolicyDirection.Fwd,
        WideRequest = true,
        ReplayUnit = 1,
        HasPriority = true,
        NoPriority = 0,
        Extensions = ExtensionRules.Linux,
        Errors = [0, 1, 2, 3, 5, 12, 13, 17, 22, 105, 95, 93, 97, 100, 90],
    };

    /// <summary>NetBSD (net/pfkeyv2.h of NetBSD 5 and later).</summary>
    public static Dialect NetBsd { get; } = new()
    {
        Name = "NetBSD",
        Sockaddr = SockaddrForm.LengthAndFamily,
        Inet6 = 24,
        LastType = PfKeyType.NatTNewMapping,
        LastDirection = PolicyDirection.Out,
        WideRequest = false,
        ReplayUnit = 8,
        HasPriority = false,
        NoPriority = 0x8000_0000,
        Extensions = ExtensionRules.NetBsd,
        Errors = [0, 1, 2, 3, 5, 12, 13, 17, 22, 55, 45, 43, 47, 50, 40],
    };

    /// <summary>FreeBSD (net/pfkeyv2.h of FreeBSD 13 and later). Its 15 is ChaCha20-Poly1305, which has no number on Linux: 28 stands for it, IKEv2's (RFC 7634, 4).</summary>
    public static Dialect FreeBsd { get; } = NetBsd with
    {
        Name = "FreeBSD",
        Inet6 = 28,
        LastType = PfKeyType.SpdDelete2,
        HasPriority = true,
        Extensions = ExtensionRules.FreeBsd,
        Ciphers = [(15, 28)],
    };

    /// <summary>KAME as its last snapshot was, on FreeBSD's address families.</summary>
    public static Dialect Kame { get; } = FreeBsd with
    {
        Name = "KAME",
        HasPriority = false,
        Extensions = ExtensionRules.Kame,
        Ciphers = [],
    };

    /// <summary>The rule of an extension number, null where this dialect knows none.</summary>
    public ExtensionRule? Find(ushort number)
    {
        foreach (ExtensionRule rule in Extensions)
        {
            if (rule.Number == number)
            {
                return rule;
            }
        }

        return number == ExtensionRules.Testudo.Number ? ExtensionRules.Testudo : null;
    }

    /// <summary>The rule of a kind of extension (the first one, for <see cref="ExtensionKind.Opaque"/>), null where this dialect has no word for it.</summary>
    public ExtensionRule? Find(ExtensionKind kind)
    {
        foreach (ExtensionRule rule in Extensions)
        {
            if (rule.Kind == kind)
            {
                return rule;
            }
        }

        return kind == ExtensionKind.Testudo ? ExtensionRules.Testudo : null;
    }

    /// <summary>The rule by which this dialect writes an extension, null where it has no word for it: the codec leaves such a one out.</summary>
    public ExtensionRule? Find(PfKeyExtension extension) => extension switch
    {
        SaExtension => Find(ExtensionKind.Sa),
        LifetimeExtension lifetime => Find(ExtensionKind.LifetimeCurrent + (byte)lifetime.Role),
        AddressExtension address => Find(ExtensionKind.AddressSource + (byte)address.Role),
        KeyExtension key => Find(ExtensionKind.KeyAuth + (byte)key.Role),
        IdentityExtension identity => Find(ExtensionKind.IdentitySource + (byte)identity.Role),
        ProposalExtension => Find(ExtensionKind.Proposal),
        SupportedExtension supported => Find(ExtensionKind.SupportedAuth + (byte)supported.Role),
        SpiRangeExtension => Find(ExtensionKind.SpiRange),
        PolicyExtension => Find(ExtensionKind.Policy),
        Sa2Extension => Find(ExtensionKind.Sa2),
        NatTTypeExtension => Find(ExtensionKind.NatTType),
        NatTPortExtension port => Find(port.IsDestination ? ExtensionKind.NatTDestinationPort : ExtensionKind.NatTSourcePort),
        ReplayExtension => Find(ExtensionKind.Replay),
        TestudoExtension => ExtensionRules.Testudo,
        OpaqueExtension opaque when Find(opaque.ExtensionType) is { Kind: ExtensionKind.Opaque } rule => rule,
        _ => null,
    };

    /// <summary>An error's number on this system.</summary>
    public byte NumberOf(PfKeyError error) => Errors[(int)error];

    /// <summary>The error of a number; <see cref="PfKeyError.Io"/> for one that has no name here.</summary>
    public PfKeyError ErrorOf(byte number)
    {
        int index = Errors.IndexOf(number);
        return index < 0 ? PfKeyError.Io : (PfKeyError)index;
    }

    // An exchange is its own inverse, so one function serves both directions.
    internal byte Exchange(byte cipher)
    {
        foreach ((byte here, byte neutral) in Ciphers)
        {
            if (cipher == here || cipher == neutral)
            {
                return cipher == here ? neutral : here;
            }
        }

        return cipher;
    }
}
