// The extension numbers of each dialect, with the sizes that its kernel accepts: one table a system, as its header has it.

using System.Collections.Immutable;

namespace Testudo.Wire.PfKey;

/// <summary>What an extension is, whatever its number. Roles follow each other as in their enums.</summary>
public enum ExtensionKind : byte
{
    /// <summary>Known by name and size, carried as bytes (<see cref="OpaqueExtension"/>).</summary>
    Opaque,
    Sa,
    LifetimeCurrent,
    LifetimeHard,
    LifetimeSoft,
    AddressSource,
    AddressDestination,
    AddressProxy,
    NatOriginalInitiator,
    NatOriginalResponder,
    KeyAuth,
    KeyEncrypt,
    IdentitySource,
    IdentityDestination,
    Proposal,
    SupportedAuth,
    SupportedEncrypt,
    SpiRange,
    Policy,
    Sa2,
    NatTType,
    NatTSourcePort,
    NatTDestinationPort,
    Replay,
    Testudo,
}

/// <summary>One extension of a dialect. Sizes are in bytes with the header.</summary>
/// <param name="Number">sadb_ext_type.</param>
/// <param name="Kind">What it is read into.</param>
/// <param name="Name">The name in the system's header.</param>
/// <param name="Size">The least size; the only one where <paramref name="Fixed"/>.</param>
/// <param name="Fixed">True where no other size is accepted.</param>
public sealed record ExtensionRule(ushort Number, ExtensionKind Kind, string Name, int Size, bool Fixed = false);

internal static class ExtensionRules
{
    /// <summary>The private extension, far above every system's numbers: "tu".</summary>
    internal static ExtensionRule Testudo { get; } = new(0x7475, ExtensionKind.Testudo, "TESTUDO_X_EXT", 8);

    // RFC 2367, 2.3 and 3; and what all of KAME's heirs have in common. 17, KMPRIVATE, is defined and refused by all.
    private static readonly ImmutableArray<ExtensionRule> s_common =
    [
        new(1, ExtensionKind.Sa, "SADB_EXT_SA", 16, true),
        new(2, ExtensionKind.LifetimeCurrent, "SADB_EXT_LIFETIME_CURRENT", 32, true),
        new(3, ExtensionKind.LifetimeHard, "SADB_EXT_LIFETIME_HARD", 32, true),
        new(4, ExtensionKind.LifetimeSoft, "SADB_EXT_LIFETIME_SOFT", 32, true),
        new(5, ExtensionKind.AddressSource, "SADB_EXT_ADDRESS_SRC", 24),
        new(6, ExtensionKind.AddressDestination, "SADB_EXT_ADDRESS_DST", 24),
        new(7, ExtensionKind.AddressProxy, "SADB_EXT_ADDRESS_PROXY", 24),
        new(8, ExtensionKind.KeyAuth, "SADB_EXT_KEY_AUTH", 8),
        new(9, ExtensionKind.KeyEncrypt, "SADB_EXT_KEY_ENCRYPT", 8),
        new(10, ExtensionKind.IdentitySource, "SADB_EXT_IDENTITY_SRC", 16),
        new(11, ExtensionKind.IdentityDestination, "SADB_EXT_IDENTITY_DST", 16),
        new(12, ExtensionKind.Opaque, "SADB_EXT_SENSITIVITY", 16),
        new(13, ExtensionKind.Proposal, "SADB_EXT_PROPOSAL", 8),
        new(14, ExtensionKind.SupportedAuth, "SADB_EXT_SUPPORTED_AUTH", 8),
        new(15, ExtensionKind.SupportedEncrypt, "SADB_EXT_SUPPORTED_ENCRYPT", 8),
        new(16, ExtensionKind.SpiRange, "SADB_EXT_SPIRANGE", 16, true),
        new(18, ExtensionKind.Policy, "SADB_X_EXT_POLICY", 16),
        new(19, ExtensionKind.Sa2, "SADB_X_EXT_SA2", 16, true),
    ];

    private static readonly ImmutableArray<ExtensionRule> s_natTraversal =
    [
        new(20, ExtensionKind.NatTType, "SADB_X_EXT_NAT_T_TYPE", 8, true),
        new(21, ExtensionKind.NatTSourcePort, "SADB_X_EXT_NAT_T_SPORT", 8, true),
        new(22, ExtensionKind.NatTDestinationPort, "SADB_X_EXT_NAT_T_DPORT", 8, true),
    ];

    internal static ImmutableArray<ExtensionRule> Linux { get; } =
    [
        .. s_common,
        .. s_natTraversal,
        new(23, ExtensionKind.NatOriginalInitiator, "SADB_X_EXT_NAT_T_OA", 24),
        new(24, ExtensionKind.Opaque, "SADB_X_EXT_SEC_CTX", 8),
        new(25, ExtensionKind.Opaque, "SADB_X_EXT_KMADDRESS", 8),
        new(26, ExtensionKind.Opaque, "SADB_X_EXT_FILTER", 40, true),
    ];

    internal static ImmutableArray<ExtensionRule> NetBsd { get; } =
    [
        .. s_common,
        .. s_natTraversal,
        new(23, ExtensionKind.NatOriginalInitiator, "SADB_X_EXT_NAT_T_OAI", 24),
        new(24, ExtensionKind.NatOriginalResponder, "SADB_X_EXT_NAT_T_OAR", 24),
        new(25, ExtensionKind.Opaque, "SADB_X_EXT_NAT_T_FRAG", 8, true),
    ];

    // 29 to 31 speak of offload to hardware, of which there is none here: refused.
    internal static ImmutableArray<ExtensionRule> FreeBsd { get; } =
    [
        .. NetBsd,
        new(26, ExtensionKind.Replay, "SADB_X_EXT_SA_REPLAY", 8, true),
        new(27, ExtensionKind.Opaque, "SADB_X_EXT_NEW_ADDRESS_SRC", 24),
        new(28, ExtensionKind.Opaque, "SADB_X_EXT_NEW_ADDRESS_DST", 24),
    ];

    internal static ImmutableArray<ExtensionRule> Kame { get; } =
    [
        .. s_common,
        new(25, ExtensionKind.Opaque, "SADB_X_EXT_TAG", 24, true),
        new(27, ExtensionKind.Opaque, "SADB_X_EXT_PACKET", 8),
    ];
}
