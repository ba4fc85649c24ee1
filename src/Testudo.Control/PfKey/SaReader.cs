// An SA out of a request: SADB_ADD and SADB_UPDATE in the engine's words.

using Testudo.Crypto;
using Testudo.Engine;
using Testudo.Engine.Keys;
using Testudo.Wire;
using Testudo.Wire.PfKey;
using static Testudo.Control.PfKey.SaTypes;

namespace Testudo.Control.PfKey;

internal static class SaReader
{
    // SADB_AALG_NULL: how some clients say "none" beside a cipher that authenticates by itself.
    private const byte AuthNull = 251;

    /// <summary>The two ends; or why they cannot be.</summary>
    internal static Refusal? ReadEnds(PfKeyMessage message, out Address source, out Address destination)
    {
        source = destination = default;
        if (message.Find(AddressRole.Source) is not { } from)
        {
            return Invalid($"{Name(message.Type)} has no SADB_EXT_ADDRESS_SRC");
        }

        if (message.Find(AddressRole.Destination) is not { } to)
        {
            return Invalid($"{Name(message.Type)} has no SADB_EXT_ADDRESS_DST");
        }

        (source, destination) = (from.Address, to.Address);
        return source.Family == destination.Family && source.Family != IpFamily.None
            ? null
            : Invalid("the two ends of an SA are addresses of one family");
    }

    /// <summary>
    /// What the SA is to be made of, its keys still those of the message. What only widens it is done with a warning.
    /// </summary>
    internal static Refusal? Read(PfKeyMessage message, out SaParameters? parameters, out string? warning)
    {
        parameters = null;
        warning = null;
        if (CheckMade(message.SaType) is { } unsupported)
        {
            return unsupported;
        }

        if (message.Find<SaExtension>() is not { } sa)
        {
            return Invalid($"{Name(message.Type)} has no SADB_EXT_SA");
        }

        Refusal? ends = ReadEnds(message, out Address source, out Address destination);
        Refusal? ports = ReadEncapsulation(message, out UdpEncapsulation? encapsulation);
        if ((ends ?? ports ?? CheckMode(message) ?? CheckIdentities(message)) is { } fault)
        {
            return fault;
        }

        TestudoExtension? own = message.Find<TestudoExtension>();
        uint window = own?.ReplayPackets ?? message.Find<ReplayExtension>()?.Packets ?? sa.ReplayPackets;
        if (window is > 0 and < ReplayWindow.MinPackets)
        {
            warning = $"the replay window of {window} packets was widened to {ReplayWindow.MinPackets}, the least there is (RFC 4303, 3.4.3)";
            window = ReplayWindow.MinPackets;
        }

        bool extended = own?.ExtendedSequence is true || (sa.Flags & SaFlags.ExtendedSequence) != 0;
        if (extended && window == 0)
        {
            warning = $"extended sequence numbers need a replay window (RFC 4303, 3.4.3): one of {ReplayWindow.MinPackets} packets was turned on";
            window = ReplayWindow.MinPackets;
        }

        Sa2Extension? sa2 = message.Find<Sa2Extension>();
        parameters = new SaParameters
        {
            Protocol = ProtocolOf(message.SaType),
            Spi = sa.Spi,
            Source = source,
            Destination = destination,
            Mode = sa2?.Mode ?? IpsecMode.Any,
            Reqid = sa2?.Reqid ?? 0,
            Cipher = message.SaType == SaType.IpComp ? Cipher.None
                : sa.Encrypt == (byte)Cipher.DesCbc && (sa.Flags & SaFlags.Iv4b) != 0 ? Cipher.Des32Iv : (Cipher)sa.Encrypt,
            Compression = message.SaType == SaType.IpComp ? (Compression)sa.Encrypt : Compression.None,
            Integrity = sa.Auth == AuthNull && own?.IcvBits is null or 0 ? Integrity.None : (Integrity)sa.Auth,
            CipherKey = message.Find(KeyRole.Encrypt)?.Key,
            IntegrityKey = message.Find(KeyRole.Auth)?.Key,
            IcvBits = (int)Math.Min(own?.IcvBits ?? 0, int.MaxValue),
            ReplayWindow = (int)Math.Min(window, int.MaxValue),
            ExtendedSequence = extended,
            LastSequence = own?.LastSequence ?? 0,
            Flags = sa.Flags & ~SaFlags.ExtendedSequence,
            Encapsulation = encapsulation,
            Soft = ReadLifetime(message, LifetimeRole.Soft) ?? default,
            Hard = ReadLifetime(message, LifetimeRole.Hard) ?? default,
        };
        return null;
    }

    /// <summary>A limit, null where the message sets none.</summary>
    internal static Lifetime? ReadLifetime(PfKeyMessage message, LifetimeRole role) =>
        message.Find(role) is { } limit ? new Lifetime(limit.Allocations, limit.Bytes, limit.AddTime, limit.UseTime) : null;

    /// <summary>Null, or why this mode cannot be.</summary>
    internal static Refusal? CheckMode(PfKeyMessage message) =>
        message.Find<Sa2Extension>() is { Mode: > IpsecMode.Tunnel } sa2
            ? Invalid($"sadb_x_sa2_mode is {(byte)sa2.Mode}; it is any 0, transport 1 or tunnel 2")
            : null;

    /// <summary>The UDP ports; null without encapsulation.</summary>
    internal static Refusal? ReadEncapsulation(PfKeyMessage message, out UdpEncapsulation? encapsulation)
    {
        encapsulation = null;
        switch (message.Find<NatTTypeExtension>()?.Encapsulation ?? 0)
        {
            case 0:
                return null;
            case (byte)UdpForm.Rfc3948 or (byte)UdpForm.NonIkeMarker:
                ushort? source = null, destination = null;
                foreach (PfKeyExtension extension in message.Extensions)
                {
                    if (extension is NatTPortExtension port)
                    {
                        source = port.IsDestination ? source : port.Port;
                        destination = port.IsDestination ? port.Port : destination;
                    }
                }

                if (source is not > 0 || destination is not > 0)
                {
                    return Invalid("ESP in UDP needs both SADB_X_EXT_NAT_T_SPORT and SADB_X_EXT_NAT_T_DPORT, above 0");
                }

                encapsulation = new UdpEncapsulation(source.Value, destination.Value)
                {
                    Form = (UdpForm)message.Find<NatTTypeExtension>()!.Encapsulation,
                    OriginalSource = message.Find(AddressRole.NatOriginalInitiator)?.Address ?? default,
                    OriginalDestination = message.Find(AddressRole.NatOriginalResponder)?.Address ?? default,
                };
                return null;
            case byte other:
                return new Refusal(
                    PfKeyError.NotSupported, $"UDP encapsulation type {other} is not supported: ESP in UDP is 2 (RFC 3948), or 1 behind a non-IKE marker");
        }
    }

    // KAME's key_setident: both or none, of one type. They are answered but not kept.
    private static Refusal? CheckIdentities(PfKeyMessage message)
    {
        IdentityExtension[] identities = [.. message.Extensions.OfType<IdentityExtension>()];
        return identities.Length switch
        {
            0 => null,
            2 when identities[0].IdentityType == identities[1].IdentityType => null,
            2 => Invalid($"the source identity has type {identities[0].IdentityType} and the destination's {identities[1].IdentityType}; both have one"),
            _ => Invalid("an SA has a source and a destination identity, or none"),
        };
    }
}
