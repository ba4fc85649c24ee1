// A policy out of a request: SADB_X_SPDADD, SPDUPDATE and SPDDELETE in the engine's words.

using Testudo.Engine;
using Testudo.Engine.Policies;
using Testudo.Wire;
using Testudo.Wire.PfKey;
using static Testudo.Control.PfKey.SaTypes;

namespace Testudo.Control.PfKey;

internal static class PolicyReader
{
    /// <summary>The selector; bits behind a prefix are cleared, with a warning.</summary>
    internal static Refusal? ReadSelector(PfKeyMessage message, out PolicyExtension? policy, out Selector selector, out string? warning)
    {
        selector = default;
        warning = null;
        policy = message.Find<PolicyExtension>();
        if (policy is null)
        {
            return Invalid($"{Name(message.Type)} has no SADB_X_EXT_POLICY");
        }

        if (SaReader.ReadEnds(message, out _, out _) is not null
            || message.Find(AddressRole.Source) is not { } from || message.Find(AddressRole.Destination) is not { } to)
        {
            return Invalid($"{Name(message.Type)} has a source and a destination address, of one family");
        }

        if (from.Protocol != to.Protocol)
        {
            return Invalid($"source and destination name the protocols {from.Protocol} and {to.Protocol}; both name the same");
        }

        if (from.PrefixLength > from.Address.Bits || to.PrefixLength > to.Address.Bits)
        {
            return Invalid($"a prefix is longer than its address of {from.Address.Bits} bits");
        }

        if (policy.Direction is not (PolicyDirection.In or PolicyDirection.Out or PolicyDirection.Fwd))
        {
            return Invalid("a policy is for direction in, out or fwd");
        }

        Prefix source = new(from.Address, from.PrefixLength), destination = new(to.Address, to.PrefixLength);
        selector = new Selector(source.Masked(), destination.Masked(), (IpProtocol)from.Protocol, PortOf(from), PortOf(to));
        if (selector.Source != source || selector.Destination != destination)
        {
            warning = $"bits behind a prefix were cleared: the policy is for {selector.Source} and {selector.Destination}";
        }
        else if (from.Protocol == 0)
        {
            warning = "protocol 0 is IPv6's hop-by-hop options and selects nothing else: any protocol is 255";
        }

        return null;
    }

    /// <summary>The policy itself; requests of level unique without a reqid get one.</summary>
    internal static Refusal? Read(PfKeyMessage message, Func<uint> newReqid, out Policy? policy, out string? warning)
    {
        policy = null;
        if (ReadSelector(message, out PolicyExtension? extension, out Selector selector, out warning) is { } fault)
        {
            return fault;
        }

        if (message.Find(LifetimeRole.Hard) is { } limit && (limit.AddTime | limit.UseTime) != 0)
        {
            return new Refusal(PfKeyError.NotSupported, "policies with a lifetime are not supported yet: leave it 0 and delete the policy");
        }

        policy = new Policy
        {
            Direction = extension!.Direction,
            Selector = selector,
            Action = extension.Action,
            Priority = extension.Priority,
            Requests = [.. extension.Requests.Select(request =>
                request is { Level: PolicyLevel.Unique, Reqid: 0 } ? request with { Reqid = newReqid() } : request)],
        };
        return null;
    }

    // KAME: 0 is any, so that ICMP type 0 (or code 0) cannot be told from it.
    private static ushort? PortOf(AddressExtension address) => address.Port == 0 ? null : address.Port;
}
