// SAs as extensions, in the order of KAME's messages.

using System.Collections.Immutable;
using Testudo.Crypto;
using Testudo.Engine.Keys;
using Testudo.Wire;
using Testudo.Wire.PfKey;

namespace Testudo.Control.PfKey;

internal static class SaWriter
{
    // Above it the byte of SADB_EXT_SA cannot say the window where it counts bytes of the bitmap.
    private const int MaxWindowInSa = byte.MaxValue * 8;

    private const int Places = 14;

    /// <summary>What SADB_GET and SADB_DUMP say of an SA: with its keys, while it lives.</summary>
    internal static ImmutableArray<PfKeyExtension> Describe(Sa sa, bool knowsUs)
    {
        ImmutableArray<PfKeyExtension>.Builder to = ImmutableArray.CreateBuilder<PfKeyExtension>();
        AddHead(sa, to);
        AddLifetime(sa, LifetimeRole.Hard, to);
        AddLifetime(sa, LifetimeRole.Soft, to);
        if (sa.State != SaState.Larval)
        {
            to.Add(Current(sa));
        }

        AddEnds(sa, to);
        if (sa.State != SaState.Dead)
        {
            AddKey(KeyRole.Auth, sa.IntegrityKey, to);
            AddKey(KeyRole.Encrypt, sa.CipherKey, to);
        }

        AddEncapsulation(sa, to);
        if (knowsUs)
        {
            // NetBSD does not tell them, Linux not under these names: only to clients that can bear them.
            AddOriginal(AddressRole.NatOriginalInitiator, sa.Encapsulation?.OriginalSource ?? default, to);
            AddOriginal(AddressRole.NatOriginalResponder, sa.Encapsulation?.OriginalDestination ?? default, to);
        }

        return to.ToImmutable();
    }

    /// <summary>What only the private extension can say of an SA.</summary>
    internal static TestudoExtension Own(Sa sa) => new()
    {
        IcvBits = (uint)sa.Transform.IcvLength * 8,
        LastSequence = LastSequence(sa),
        ReplayPackets = (uint)sa.Window.Packets,
        ExtendedSequence = sa.ExtendedSequence,
        NotAscending = sa.Window.NotAscending is > 0 and ulong count ? count : null,
    };

    /// <summary>SADB_EXPIRE: with the limit that was passed.</summary>
    internal static ImmutableArray<PfKeyExtension> Expire(Sa sa, LifetimeRole passed)
    {
        ImmutableArray<PfKeyExtension>.Builder to = ImmutableArray.CreateBuilder<PfKeyExtension>();
        AddHead(sa, to);
        to.Add(Current(sa));
        AddLifetime(sa, passed, to);
        AddEnds(sa, to);
        AddEncapsulation(sa, to);
        return to.ToImmutable();
    }

    /// <summary>The extensions that an answer to SADB_ADD, SADB_UPDATE or SADB_DELETE repeats of its request, in the order of answers: no keys.</summary>
    internal static ImmutableArray<PfKeyExtension> Repeat(PfKeyMessage request)
    {
        var places = new PfKeyExtension?[Places];
        foreach (PfKeyExtension extension in request.Extensions)
        {
            int place = extension switch
            {
                SaExtension => 0,
                Sa2Extension when request.Type != PfKeyType.Delete => 1,
                AddressExtension { Role: AddressRole.Source } => 2,
                AddressExtension { Role: AddressRole.Destination } => 3,
                _ when request.Type == PfKeyType.Delete => -1,
                LifetimeExtension { Role: LifetimeRole.Hard } => 4,
                LifetimeExtension { Role: LifetimeRole.Soft } => 5,
                IdentityExtension { Role: IdentityRole.Source } => 6,
                IdentityExtension { Role: IdentityRole.Destination } => 7,
                ReplayExtension => 8,
                NatTTypeExtension => 9,
                NatTPortExtension { IsDestination: false } => 10,
                NatTPortExtension { IsDestination: true } => 11,
                AddressExtension { Role: AddressRole.NatOriginalInitiator } => 12,
                AddressExtension { Role: AddressRole.NatOriginalResponder } => 13,
                _ => -1,
            };
            if (place >= 0)
            {
                places[place] = extension;
            }
        }

        return [.. places.OfType<PfKeyExtension>()];
    }

    private static void AddHead(Sa sa, ImmutableArray<PfKeyExtension>.Builder to)
    {
        byte encrypt = sa.Protocol == IpProtocol.IpComp ? (byte)sa.Compression
            : (byte)(sa.Transform.Cipher == Cipher.Des32Iv ? Cipher.DesCbc : sa.Transform.Cipher);
        SaFlags flags = sa.ExtendedSequence ? sa.Flags | SaFlags.ExtendedSequence : sa.Flags;
        to.Add(new SaExtension(
            sa.Spi, (uint)sa.Window.Packets, sa.State, (byte)sa.Transform.Integrity, encrypt, flags));
        to.Add(new Sa2Extension(sa.Mode, (uint)LastSequence(sa), sa.Reqid));
        if (sa.Window.Packets > MaxWindowInSa)
        {
            to.Add(new ReplayExtension((uint)sa.Window.Packets)); // only FreeBSD's dialect has it
        }
    }

    // An SA is for one way: either it sent, or its window moved.
    private static ulong LastSequence(Sa sa) => Math.Max(sa.LastSequence, sa.Window.Highest);

    private static void AddLifetime(Sa sa, LifetimeRole role, ImmutableArray<PfKeyExtension>.Builder to)
    {
        Lifetime limit = role == LifetimeRole.Hard ? sa.Hard : sa.Soft;
        if (limit != default)
        {
            to.Add(new LifetimeExtension(role, limit.Allocations, limit.Bytes, limit.AddSeconds, limit.UseSeconds));
        }
    }

    // usetime is the last use as in KAME, not the first as in RFC 2367: daemons take it for a sign of life.
    private static LifetimeExtension Current(Sa sa) =>
        new(LifetimeRole.Current, (uint)sa.Packets, sa.Bytes, (ulong)sa.Created.UnixSeconds, (ulong)sa.LastUse);

    private static void AddEnds(Sa sa, ImmutableArray<PfKeyExtension>.Builder to)
    {
        to.Add(new AddressExtension(AddressRole.Source, (byte)IpProtocol.Any, (byte)sa.Source.Bits, sa.Source));
        to.Add(new AddressExtension(AddressRole.Destination, (byte)IpProtocol.Any, (byte)sa.Destination.Bits, sa.Destination));
    }

    private static void AddKey(KeyRole role, ReadOnlySpan<byte> key, ImmutableArray<PfKeyExtension>.Builder to)
    {
        if (!key.IsEmpty)
        {
            // Pinned, so that the collector leaves no second copy; wiped by the session once it is written.
            byte[] copy = GC.AllocateUninitializedArray<byte>(key.Length, pinned: true);
            key.CopyTo(copy);
            to.Add(new KeyExtension(role, key.Length * 8, copy));
        }
    }

    private static void AddOriginal(AddressRole role, in Address address, ImmutableArray<PfKeyExtension>.Builder to)
    {
        if (address.Family != IpFamily.None)
        {
            to.Add(new AddressExtension(role, (byte)IpProtocol.Any, (byte)address.Bits, address));
        }
    }

    private static void AddEncapsulation(Sa sa, ImmutableArray<PfKeyExtension>.Builder to)
    {
        if (sa.Encapsulation is { } udp)
        {
            to.Add(new NatTTypeExtension((byte)udp.Form));
            to.Add(new NatTPortExtension(IsDestination: false, udp.SourcePort));
            to.Add(new NatTPortExtension(IsDestination: true, udp.DestinationPort));
        }
    }
}
