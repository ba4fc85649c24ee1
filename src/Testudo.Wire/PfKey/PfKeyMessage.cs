// PF_KEY messages as values, free of any system's numbers and layouts (RFC 2367 with KAME's extensions). The codec reads
// and writes them in a dialect; the order of the extensions is kept, so that a message can be written back to the same bytes.

using System.Collections.Immutable;
using System.Security.Cryptography;

namespace Testudo.Wire.PfKey;

/// <summary>Message types (RFC 2367, 3.1; KAME's and Linux's further ones). The numbers are those of KAME and Linux.</summary>
public enum PfKeyType : byte
{
    Reserved = 0,
    GetSpi = 1,
    Update = 2,
    Add = 3,
    Delete = 4,
    Get = 5,
    Acquire = 6,
    Register = 7,
    Expire = 8,
    Flush = 9,
    Dump = 10,
    Promisc = 11,
    PChange = 12,
    SpdUpdate = 13,
    SpdAdd = 14,
    SpdDelete = 15,
    SpdGet = 16,
    SpdAcquire = 17,
    SpdDump = 18,
    SpdFlush = 19,
    SpdSetIdx = 20,
    SpdExpire = 21,
    SpdDelete2 = 22,
    NatTNewMapping = 23,
    Migrate = 24,
}

/// <summary>SA types (RFC 2367, 3.1.2).</summary>
public enum SaType : byte
{
    Unspec = 0,
    Ah = 2,
    Esp = 3,
    Rsvp = 5,
    OspfV2 = 6,
    RipV2 = 7,
    Mip = 8,
    IpComp = 9,
    TcpSignature = 11,
}

/// <summary>States of an SA (RFC 2367, 2.3.1).</summary>
public enum SaState : byte
{
    Larval = 0,
    Mature = 1,
    Dying = 2,
    Dead = 3,
}

/// <summary>Modes of an SA or of a policy's request (KAME's IPSEC_MODE_*).</summary>
public enum IpsecMode : byte
{
    Any = 0,
    Transport = 1,
    Tunnel = 2,
}

/// <summary>What a policy says (KAME's IPSEC_POLICY_*).</summary>
public enum PolicyAction : byte
{
    Discard = 0,
    None = 1,
    Ipsec = 2,
    Entrust = 3,
    Bypass = 4,
}

/// <summary>The direction of a policy (KAME's IPSEC_DIR_*, with Linux's fwd).</summary>
public enum PolicyDirection : byte
{
    Any = 0,
    In = 1,
    Out = 2,
    Fwd = 3,
}

/// <summary>How much a policy's request is wanted (KAME's IPSEC_LEVEL_*).</summary>
public enum PolicyLevel : byte
{
    Default = 0,
    Use = 1,
    Require = 2,
    Unique = 3,
}

/// <summary>Errors of PF_KEY by name; a dialect has their numbers. <see cref="None"/> is success.</summary>
public enum PfKeyError : byte
{
    None,
    Perm,
    NoEntry,
    NoSuchProcess,
    Io,
    NoMemory,
    Access,
    Exists,
    Invalid,
    NoBuffers,
    NotSupported,
    ProtocolNotSupported,
    AddressFamilyNotSupported,
    NetDown,
    TooBig,
}

/// <summary>Flags of an SA (KAME's SADB_X_EXT_*).</summary>
[Flags]
public enum SaFlags : uint
{
    None = 0,
    Old = 0x0001,
    Iv4b = 0x0010,
    Derivation = 0x0020,
    CyclicSequence = 0x0040,
    RawCpi = 0x0080,
    RandomPad = 0x0100,
    ZeroPad = 0x0200,

    /// <summary>FreeBSD's SADB_X_SAFLAGS_ESN.</summary>
    ExtendedSequence = 0x0400,

    /// <summary>Testudo's own: AH over IPv4 is sent padded to 8 bytes, as Linux has it, not to 4 as RFC 4302 has it.</summary>
    AlignTo8 = 0x0010_0000,
}

/// <summary>One PF_KEY message.</summary>
public sealed record PfKeyMessage(PfKeyType Type, SaType SaType = SaType.Unspec)
{
    /// <summary>0 in a request; the error of an answer.</summary>
    public PfKeyError Error { get; init; }

    /// <summary>The request's number, echoed by its answer.</summary>
    public uint Sequence { get; init; }

    /// <summary>The sender's process; 0 in what the stack says by itself.</summary>
    public uint Pid { get; init; }

    /// <summary>sadb_msg_reserved: the reference count in KAME's dumps.</summary>
    public ushort Reserved { get; init; }

    /// <summary>The extensions in their order.</summary>
    public ImmutableArray<PfKeyExtension> Extensions { get; init; } = [];

    /// <summary>The message that an X_PROMISC message carries behind its base header instead of extensions (RFC 2367, 3.1.11).</summary>
    public PfKeyMessage? Inner { get; init; }

    /// <summary>The first extension of a type, null where there is none.</summary>
    public T? Find<T>() where T : PfKeyExtension
    {
        foreach (PfKeyExtension extension in Extensions)
        {
            if (extension is T found)
            {
                return found;
            }
        }

        return null;
    }

    /// <summary>The address extension of a role, null where there is none.</summary>
    public AddressExtension? Find(AddressRole role)
    {
        foreach (PfKeyExtension extension in Extensions)
        {
            if (extension is AddressExtension found && found.Role == role)
            {
                return found;
            }
        }

        return null;
    }

    /// <summary>The key extension of a role, null where there is none.</summary>
    public KeyExtension? Find(KeyRole role)
    {
        foreach (PfKeyExtension extension in Extensions)
        {
            if (extension is KeyExtension found && found.Role == role)
            {
                return found;
            }
        }

        return null;
    }

    /// <summary>The lifetime extension of a role, null where there is none.</summary>
    public LifetimeExtension? Find(LifetimeRole role)
    {
        foreach (PfKeyExtension extension in Extensions)
        {
            if (extension is LifetimeExtension found && found.Role == role)
            {
                return found;
            }
        }

        return null;
    }

    /// <summary>Overwrites the keys that this message holds. The record it was read from is the caller's to wipe.</summary>
    public void WipeKeys()
    {
        foreach (PfKeyExtension extension in Extensions)
        {
            if (extension is KeyExtension key)
            {
                CryptographicOperations.ZeroMemory(key.Key);
            }
        }

        Inner?.WipeKeys();
    }

    /// <summary>True where all values are equal, the extensions one by one.</summary>
    public bool Equals(PfKeyMessage? other) =>
        other is not null && Type == other.Type && SaType == other.SaType && Error == other.Error && Sequence == other.Sequence
        && Pid == other.Pid && Reserved == other.Reserved && Extensions.SequenceEqual(other.Extensions) && Equals(Inner, other.Inner);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Type, SaType, Sequence, Pid, Extensions.Length);
}

/// <summary>An extension of a message.</summary>
public abstract record PfKeyExtension;

/// <summary>SADB_EXT_SA: SPI in host order, replay window in the dialect's unit turned into packets, algorithm numbers of the dialect turned into Linux's.</summary>
public sealed record SaExtension(uint Spi, uint ReplayPackets, SaState State, byte Auth, byte Encrypt, SaFlags Flags) : PfKeyExtension;

/// <summary>Which lifetime.</summary>
public enum LifetimeRole : byte { Current, Hard, Soft }

/// <summary>SADB_EXT_LIFETIME_*: counts, and seconds (limits: durations; current: Unix time of creation and of use).</summary>
public sealed record LifetimeExtension(LifetimeRole Role, uint Allocations, ulong Bytes, ulong AddTime, ulong UseTime) : PfKeyExtension;

/// <summary>Which address.</summary>
public enum AddressRole : byte { Source, Destination, Proxy, NatOriginalInitiator, NatOriginalResponder }

/// <summary>SADB_EXT_ADDRESS_*: a sockaddr with protocol and prefix length. Ports in host order.</summary>
public sealed record AddressExtension(AddressRole Role, byte Protocol, byte PrefixLength, Address Address, ushort Port = 0, uint Scope = 0) : PfKeyExtension;

/// <summary>Which key.</summary>
public enum KeyRole : byte { Auth, Encrypt }

/// <summary>SADB_EXT_KEY_*. The bytes are the caller's to wipe.</summary>
public sealed record KeyExtension(KeyRole Role, int Bits, byte[] Key) : PfKeyExtension
{
    /// <summary>Never the key itself.</summary>
    public override string ToString() => $"KeyExtension {{ Role = {Role}, Bits = {Bits} }}";

    /// <summary>Compares the keys by their bytes, in a time that does not tell where they differ.</summary>
    public bool Equals(KeyExtension? other) =>
        other is not null && Role == other.Role && Bits == other.Bits && CryptographicOperations.FixedTimeEquals(Key, other.Key);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Role, Bits);
}

/// <summary>Which identity.</summary>
public enum IdentityRole : byte { Source, Destination }

/// <summary>SADB_EXT_IDENTITY_*: type, number and the rest as bytes.</summary>
public sealed record IdentityExtension(IdentityRole Role, ushort IdentityType, ulong Id, ImmutableArray<byte> Data) : PfKeyExtension
{
    /// <summary>True where all values are equal, those of the list one by one.</summary>
    public bool Equals(IdentityExtension? other) =>
        other is not null && Role == other.Role && IdentityType == other.IdentityType && Id == other.Id && Data.SequenceEqual(other.Data);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Role, IdentityType, Id, Data.Length);
}

/// <summary>One proposed combination (struct sadb_comb).</summary>
public sealed record Combination(byte Auth, byte Encrypt, ushort Flags, ushort AuthMinBits, ushort AuthMaxBits, ushort EncryptMinBits, ushort EncryptMaxBits, LifetimeExtension Soft, LifetimeExtension Hard);

/// <summary>SADB_EXT_PROPOSAL.</summary>
public sealed record ProposalExtension(byte Replay, ImmutableArray<Combination> Combinations) : PfKeyExtension
{
    /// <summary>True where all values are equal, those of the list one by one.</summary>
    public bool Equals(ProposalExtension? other) =>
        other is not null && Replay == other.Replay && Combinations.SequenceEqual(other.Combinations);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Replay, Combinations.Length);
}

/// <summary>One algorithm of a SUPPORTED list (struct sadb_alg); lengths in bits, IV in bytes.</summary>
public readonly record struct SupportedAlgorithm(byte Id, byte IvLength, ushort MinBits, ushort MaxBits);

/// <summary>SADB_EXT_SUPPORTED_*.</summary>
public sealed record SupportedExtension(KeyRole Role, ImmutableArray<SupportedAlgorithm> Algorithms) : PfKeyExtension
{
    /// <summary>True where all values are equal, those of the list one by one.</summary>
    public bool Equals(SupportedExtension? other) =>
        other is not null && Role == other.Role && Algorithms.SequenceEqual(other.Algorithms);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Role, Algorithms.Length);
}

/// <summary>SADB_EXT_SPIRANGE, host order.</summary>
public sealed record SpiRangeExtension(uint Min, uint Max) : PfKeyExtension;

/// <summary>SADB_X_EXT_SA2.</summary>
public sealed record Sa2Extension(IpsecMode Mode, uint Sequence, uint Reqid) : PfKeyExtension;

/// <summary>One request of a policy (struct sadb_x_ipsecrequest). Endpoints are null where it names none.</summary>
public sealed record PolicyRequest(IpProtocol Protocol, IpsecMode Mode, PolicyLevel Level, uint Reqid, Address? Source, Address? Destination);

/// <summary>SADB_X_EXT_POLICY. Priority in the kernel's form: lower comes first, 0 where the dialect has none.</summary>
public sealed record PolicyExtension(PolicyAction Action, PolicyDirection Direction, uint Id, uint Priority, ImmutableArray<PolicyRequest> Requests) : PfKeyExtension
{
    /// <summary>True for OpenIKED's buffers, which say extension type 12 instead of 18.</summary>
    public bool MistypedAsSensitivity { get; init; }

    /// <summary>True where all values are equal, those of the list one by one.</summary>
    public bool Equals(PolicyExtension? other) =>
        other is not null && Action == other.Action && Direction == other.Direction && Id == other.Id && Priority == other.Priority
        && MistypedAsSensitivity == other.MistypedAsSensitivity && Requests.SequenceEqual(other.Requests);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Action, Direction, Id, Priority, Requests.Length);
}

/// <summary>SADB_X_EXT_NAT_T_TYPE: 2 is ESP in UDP (RFC 3948).</summary>
public sealed record NatTTypeExtension(byte Encapsulation) : PfKeyExtension;

/// <summary>SADB_X_EXT_NAT_T_SPORT or _DPORT, host order.</summary>
public sealed record NatTPortExtension(bool IsDestination, ushort Port) : PfKeyExtension;

/// <summary>SADB_X_EXT_SA_REPLAY (FreeBSD): the replay window in packets, above what <see cref="SaExtension.ReplayPackets"/> could say.</summary>
public sealed record ReplayExtension(uint Packets) : PfKeyExtension;

/// <summary>
/// Testudo's own extension, for what PF_KEY has no words for. It is sent only to a client that sent one; a client that
/// sends one, even empty, gets errors in words.
/// </summary>
public sealed record TestudoExtension : PfKeyExtension
{
    /// <summary>Why a message was refused, or a warning.</summary>
    public string? Text { get; init; }

    /// <summary>ICV length in bits.</summary>
    public uint? IcvBits { get; init; }

    /// <summary>The last sequence number sent or seen, 64 bits.</summary>
    public ulong? LastSequence { get; init; }

    /// <summary>True for extended sequence numbers.</summary>
    public bool? ExtendedSequence { get; init; }

    /// <summary>Replay window in packets where SADB_EXT_SA's byte cannot hold it.</summary>
    public uint? ReplayPackets { get; init; }

    /// <summary>
    /// True in a change of policy that is not the last of several: all of them happen at once, with the first change of
    /// policy that does not say so, or not at all where one of them is refused.
    /// </summary>
    public bool MoreFollows { get; init; }

    /// <summary>Packets received without a replay window whose number was not above the highest before them.</summary>
    public ulong? NotAscending { get; init; }
}

/// <summary>An extension that is carried but not understood: its number in its own dialect, and all behind the four bytes of its header.</summary>
public sealed record OpaqueExtension(ushort ExtensionType, ImmutableArray<byte> Body) : PfKeyExtension
{
    /// <summary>True where all values are equal, those of the list one by one.</summary>
    public bool Equals(OpaqueExtension? other) =>
        other is not null && ExtensionType == other.ExtensionType && Body.SequenceEqual(other.Body);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(ExtensionType, Body.Length);
}
