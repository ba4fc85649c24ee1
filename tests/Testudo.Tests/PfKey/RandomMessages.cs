// Random messages that a dialect has all the words for, so that reading back must give the same values.

using System.Collections.Immutable;
using Testudo.Wire;
using Testudo.Wire.PfKey;

namespace Testudo.Tests.PfKey;

internal sealed class RandomMessages(Dialect dialect, int seed)
{
    private readonly Random _random = new(seed);
    private readonly bool _isV6 = seed % 2 == 0;
    private readonly byte _protocol = (byte)(seed >> 8);

    public PfKeyMessage Next()
    {
        PfKeyMessage message = Base();
        if (message.Type == PfKeyType.Promisc)
        {
            PfKeyMessage inner = Base();
            return message with { Inner = inner.Type == PfKeyType.Promisc ? inner : inner with { Extensions = Extensions() } };
        }

        return message with { Extensions = Extensions() };
    }

    private PfKeyMessage Base() => new((PfKeyType)_random.Next(1, (int)dialect.LastType + 1), (SaType)_random.Next(12))
    {
        Error = (PfKeyError)_random.Next((int)PfKeyError.TooBig + 1),
        Sequence = U32(),
        Pid = U32(),
        Reserved = U16(),
    };

    private ImmutableArray<PfKeyExtension> Extensions()
    {
        ExtensionRule[] rules = [.. dialect.Extensions, dialect.Find(ExtensionKind.Testudo)!];
        _random.Shuffle(rules);
        return [.. rules.Take(_random.Next(rules.Length + 1)).Select(Extension)];
    }

    private PfKeyExtension Extension(ExtensionRule rule) => rule.Kind switch
    {
        ExtensionKind.Sa => new SaExtension(
            U32(), (uint)(_random.Next(256) * dialect.ReplayUnit), (SaState)_random.Next(4), U8(), U8(), (SaFlags)U32()),
        ExtensionKind.LifetimeCurrent => Lifetime(LifetimeRole.Current),
        ExtensionKind.LifetimeHard => Lifetime(LifetimeRole.Hard),
        ExtensionKind.LifetimeSoft => Lifetime(LifetimeRole.Soft),
        ExtensionKind.AddressSource => AddressOf(AddressRole.Source),
        ExtensionKind.AddressDestination => AddressOf(AddressRole.Destination),
        ExtensionKind.AddressProxy => AddressOf(AddressRole.Proxy),
        ExtensionKind.NatOriginalInitiator => AddressOf(AddressRole.NatOriginalInitiator),
        ExtensionKind.NatOriginalResponder => AddressOf(AddressRole.NatOriginalResponder),
        ExtensionKind.KeyAuth => Key(KeyRole.Auth),
        ExtensionKind.KeyEncrypt => Key(KeyRole.Encrypt),
        ExtensionKind.IdentitySource => Identity(IdentityRole.Source),
        ExtensionKind.IdentityDestination => Identity(IdentityRole.Destination),
        ExtensionKind.Proposal => new ProposalExtension(U8(), Many(3, () => new Combination(
            U8(), U8(), U16(), U16(), U16(), U16(), U16(), Lifetime(LifetimeRole.Soft), Lifetime(LifetimeRole.Hard)))),
        ExtensionKind.SupportedAuth => new SupportedExtension(KeyRole.Auth, Many(9, () => new SupportedAlgorithm(U8(), U8(), U16(), U16()))),
        ExtensionKind.SupportedEncrypt => new SupportedExtension(KeyRole.Encrypt, Many(9, () => new SupportedAlgorithm(U8(), U8(), U16(), U16()))),
        ExtensionKind.SpiRange => new SpiRangeExtension(U32(), U32()),
        ExtensionKind.Policy => Policy(),
        ExtensionKind.Sa2 => new Sa2Extension((IpsecMode)_random.Next(3), U32(), U32()),
        ExtensionKind.NatTType => new NatTTypeExtension(U8()),
        ExtensionKind.NatTSourcePort => new NatTPortExtension(false, U16()),
        ExtensionKind.NatTDestinationPort => new NatTPortExtension(true, U16()),
        ExtensionKind.Replay => new ReplayExtension(U32()),
        ExtensionKind.Testudo => new TestudoExtension
        {
            Text = _random.Next(2) == 0 ? null : new string('é', _random.Next(40)),
            IcvBits = _random.Next(2) == 0 ? null : U32(),
            LastSequence = _random.Next(2) == 0 ? null : (ulong)_random.NextInt64(),
            ExtendedSequence = _random.Next(3) switch { 0 => null, 1 => true, _ => false },
            ReplayPackets = _random.Next(2) == 0 ? null : U32(),
            MoreFollows = _random.Next(2) == 0,
            NotAscending = _random.Next(2) == 0 ? null : (ulong)_random.NextInt64(),
        },
        _ => new OpaqueExtension(rule.Number, Bytes(rule.Size - 4 + (rule.Fixed ? 0 : 8 * _random.Next(4)))),
    };

    public PolicyExtension Policy() => new(
        (PolicyAction)_random.Next(5), (PolicyDirection)_random.Next((int)dialect.LastDirection + 1), U32(), dialect.HasPriority && _random.Next(4) != 0 ? U32() | 1 : dialect.NoPriority,
        Many(5, Request));

    private PolicyRequest Request()
    {
        bool hasEndpoints = _random.Next(2) == 0;
        bool isV6 = _random.Next(2) == 0;
        return new PolicyRequest(
            _random.Next(3) switch { 0 => IpProtocol.Esp, 1 => IpProtocol.Ah, _ => IpProtocol.IpComp },
            (IpsecMode)_random.Next(3), (PolicyLevel)_random.Next(4), dialect.WideRequest ? U32() : U16(),
            hasEndpoints ? Endpoint(isV6) : null, hasEndpoints ? Endpoint(isV6) : null);
    }

    private LifetimeExtension Lifetime(LifetimeRole role) =>
        new(role, U32(), (ulong)_random.NextInt64(), (ulong)_random.NextInt64(), (ulong)_random.NextInt64());

    private AddressExtension AddressOf(AddressRole role)
    {
        // Source and destination are one flow's; the others are free.
        bool isEnd = role is AddressRole.Source or AddressRole.Destination;
        bool isV6 = isEnd ? _isV6 : _random.Next(2) == 0;
        return new AddressExtension(
            role, isEnd ? _protocol : U8(), (byte)_random.Next(isV6 ? 129 : 33), Endpoint(isV6), U16(), isV6 ? U32() : 0);
    }

    private Address Endpoint(bool isV6) =>
        isV6 ? Address.V6(Bytes(16).AsSpan()) : Address.V4(Bytes(4).AsSpan());

    private KeyExtension Key(KeyRole role)
    {
        byte[] key = [.. Bytes(_random.Next(70))];
        return new KeyExtension(role, key.Length * 8, key);
    }

    // Type 4 is an address, which has to be one.
    private IdentityExtension Identity(IdentityRole role) => new(role, (ushort)_random.Next(4), (ulong)_random.NextInt64(), Bytes(8 * _random.Next(6)));

    private ImmutableArray<T> Many<T>(int atMost, Func<T> one) => [.. Enumerable.Range(0, _random.Next(atMost + 1)).Select(_ => one())];

    private ImmutableArray<byte> Bytes(int count)
    {
        byte[] bytes = new byte[count];
        _random.NextBytes(bytes);
        return [.. bytes];
    }

    private byte U8() => (byte)_random.Next();

    private ushort U16() => (ushort)_random.Next();

    private uint U32() => (uint)_random.NextInt64();
}
