// One extension from a value to bytes; the figures stand in ExtensionReader.cs. Reserved bytes and padding are zero.

namespace Testudo.Wire.PfKey;

internal static class ExtensionWriter
{
    internal static void Write(Dialect dialect, ExtensionRule rule, PfKeyExtension extension, ref Output to)
    {
        int start = to.Begin(rule.Number);
        switch (extension)
        {
            case SaExtension sa:
                to.Net32(sa.Spi);
                to.U8((byte)Math.Min((sa.ReplayPackets + (ulong)dialect.ReplayUnit - 1) / (ulong)dialect.ReplayUnit, byte.MaxValue));
                to.U8((byte)sa.State);
                to.U8(sa.Auth);
                to.U8(dialect.Exchange(sa.Encrypt));
                to.U32((uint)sa.Flags);
                break;
            case LifetimeExtension lifetime:
                to.U32(lifetime.Allocations);
                to.U64(lifetime.Bytes);
                to.U64(lifetime.AddTime);
                to.U64(lifetime.UseTime);
                break;
            case AddressExtension address:
                to.U8(address.Protocol);
                to.U8(address.PrefixLength);
                to.Zero(2);
                new Sockaddr(address.Address, address.Port, address.Scope).Write(dialect, ref to);
                break;
            case KeyExtension key:
                if (key.Bits != key.Key.Length * 8 || key.Bits > ushort.MaxValue)
                {
                    throw new ArgumentException($"{rule.Name} has {key.Bits} bits in {key.Key.Length} bytes; keys are whole bytes, at most 8191");
                }

                to.U16((ushort)key.Bits);
                to.Zero(2);
                to.Bytes(key.Key);
                break;
            case IdentityExtension identity:
                to.U16(identity.IdentityType);
                to.Zero(2);
                to.U64(identity.Id);
                to.Bytes(identity.Data.AsSpan());
                break;
            case ProposalExtension proposal:
                to.U8(proposal.Replay);
                to.Zero(3);
                foreach (Combination combination in proposal.Combinations)
                {
                    WriteCombination(dialect, combination, ref to);
                }

                break;
            case SupportedExtension supported:
                to.Zero(4);
                foreach (SupportedAlgorithm algorithm in supported.Algorithms)
                {
                    to.U8(supported.Role == KeyRole.Encrypt ? dialect.Exchange(algorithm.Id) : algorithm.Id);
                    to.U8(algorithm.IvLength);
                    to.U16(algorithm.MinBits);
                    to.U16(algorithm.MaxBits);
                    to.Zero(2);
                }

                break;
            case SpiRangeExtension range:
                to.U32(range.Min);
                to.U32(range.Max);
                to.Zero(4);
                break;
            case PolicyExtension policy:
                PolicyCodec.Write(dialect, policy, ref to);
                break;
            case Sa2Extension sa2:
                to.U8((byte)sa2.Mode);
                to.Zero(3);
                to.U32(sa2.Sequence);
                to.U32(sa2.Reqid);
                break;
            case NatTTypeExtension type:
                to.U8(type.Encapsulation);
                to.Zero(3);
                break;
            case NatTPortExtension port:
                to.Net16(port.Port);
                to.Zero(2);
                break;
            case ReplayExtension replay:
                to.U32(replay.Packets);
                break;
            case TestudoExtension testudo:
                TestudoCodec.Write(testudo, ref to);
                break;
            case OpaqueExtension opaque:
                to.Bytes(opaque.Body.AsSpan());
                break;
        }

        to.End(start);
    }

    private static void WriteCombination(Dialect dialect, Combination combination, ref Output to)
    {
        to.U8(combination.Auth);
        to.U8(dialect.Exchange(combination.Encrypt));
        to.U16(combination.Flags);
        to.U16(combination.AuthMinBits);
        to.U16(combination.AuthMaxBits);
        to.U16(combination.EncryptMinBits);
        to.U16(combination.EncryptMaxBits);
        to.Zero(4);
        to.U32(combination.Soft.Allocations);
        to.U32(combination.Hard.Allocations);
        to.U64(combination.Soft.Bytes);
        to.U64(combination.Hard.Bytes);
        to.U64(combination.Soft.AddTime);
        to.U64(combination.Hard.AddTime);
        to.U64(combination.Soft.UseTime);
        to.U64(combination.Hard.UseTime);
    }
}
