// The messages about policies (KAME's SADB_X_SPD*). What protects goes into the guard first and into the engine second,
// what relaxes the other way round; only then it is answered.

using System.Collections.Immutable;
using Testudo.Engine;
using Testudo.Engine.Policies;
using Testudo.Wire;
using Testudo.Wire.PfKey;
using static Testudo.Control.PfKey.SaTypes;

namespace Testudo.Control.PfKey;

internal sealed class PolicyRequests(IpsecEngine engine, CommitGuard commitGuard)
{
    // Above the reqids that people give (KAME's IPSEC_MANUAL_REQID_MAX); 16 bits is what BSD's requests can say.
    private const ushort FirstOwnReqid = 0x4000;

    private ushort _lastReqid = FirstOwnReqid;

    internal Answer Add(PfKeyMessage message, in Now now)
    {
        if (PolicyReader.Read(message, NewReqid, out Policy? policy, out string? warning) is { } fault)
        {
            return Answer.Refuse(fault);
        }

        Policy? old = message.Type == PfKeyType.SpdUpdate ? engine.Spd.Find(policy!.Direction, policy.Selector) : null;
        PolicySet next = engine.Spd.Current.With(policy!, old, now, out Policy added);
        if ((engine.CheckPolicy(policy!, old) ?? Change(next, relaxes: policy!.Action == PolicyAction.None)) is { } refusal)
        {
            return Answer.Refuse(refusal);
        }

        return new Answer(Audience.All,
            [PolicyWriter.Policy(added), .. message.Find(LifetimeRole.Hard) is { } limit ? [limit] : ImmutableArray<PfKeyExtension>.Empty,
                PolicyWriter.Source(added), PolicyWriter.Destination(added)])
        {
            Warning = warning,
        };
    }

    internal Answer Delete(PfKeyMessage message)
    {
        if (PolicyReader.ReadSelector(message, out PolicyExtension? named, out Selector selector, out string? warning) is { } fault)
        {
            return Answer.Refuse(fault);
        }

        return engine.Spd.Find(named!.Direction, selector) is { } policy
            ? Remove(policy, [named with { Id = policy.Id }, PolicyWriter.Source(policy), PolicyWriter.Destination(policy)], warning)
            : Answer.Refuse(PfKeyError.NoEntry, $"there is no policy {named.Direction.ToString().ToLowerInvariant()} for {selector}");
    }

    internal Answer DeleteById(PfKeyMessage message) =>
        FindById(message, out Refusal? fault) is { } policy
            ? Remove(policy, [PolicyWriter.Policy(policy) with { Requests = [] }], null)
            : Answer.Refuse(fault!);

    internal Answer Get(PfKeyMessage message) =>
        FindById(message, out Refusal? fault) is { } policy
            ? new Answer(Audience.Sender, PolicyWriter.Describe(policy))
            : Answer.Refuse(fault!);

    internal Answer Flush(PfKeyMessage message)
    {
        if (message.Extensions.Any(static extension => extension is not TestudoExtension))
        {
            return Answer.Refuse(Invalid("SADB_X_SPDFLUSH is a base header alone: it takes all policies away, and nothing can say which"));
        }

        return Change(engine.Spd.Current.Cleared(), relaxes: true) is { } refusal ? Answer.Refuse(refusal) : new Answer(Audience.All);
    }

    internal Answer Dump(PfKeyMessage message, PolicyDirection last)
    {
        Policy[] policies = [.. engine.Spd.All.Where(policy => policy.Direction <= last)];
        return policies.Length == 0
            ? Answer.Refuse(PfKeyError.NoEntry, "there are no policies")
            : new Answer(Audience.Sender) { Dump = Describe(message, policies) };
    }

    private static IEnumerator<PfKeyMessage> Describe(PfKeyMessage request, Policy[] policies)
    {
        for (int i = 0; i < policies.Length; i++)
        {
            yield return new PfKeyMessage(PfKeyType.SpdDump)
            {
                Sequence = (uint)(policies.Length - 1 - i),
                Pid = request.Pid,
                Extensions = PolicyWriter.Describe(policies[i]),
            };
        }
    }

    private Answer Remove(Policy policy, ImmutableArray<PfKeyExtension> answer, string? warning) =>
        Change(engine.Spd.Current.Without(policy), relaxes: policy.Action != PolicyAction.None) is { } refusal
            ? Answer.Refuse(refusal)
            : new Answer(Audience.All, answer) { Warning = warning };

    /// <summary>Null, or why nothing was changed.</summary>
    internal Refusal? Change(PolicySet next, bool relaxes)
    {
        PolicySet before = engine.Spd.Current;
        if (relaxes)
        {
            engine.SetPolicies(next);
        }

        if (commitGuard([.. next.All]) is { } words)
        {
            engine.SetPolicies(before);
            return new Refusal(PfKeyError.Io, $"the guard could not be changed, so the policies stay as they were: {words}");
        }

        engine.SetPolicies(next);
        return null;
    }

    private Policy? FindById(PfKeyMessage message, out Refusal? fault)
    {
        fault = null;
        if (message.Find<PolicyExtension>() is not { } named)
        {
            fault = Invalid($"{Name(message.Type)} has no SADB_X_EXT_POLICY");
            return null;
        }

        Policy? policy = engine.Spd.All.FirstOrDefault(policy => policy.Id == named.Id);
        fault = policy is null ? new Refusal(PfKeyError.NoEntry, $"there is no policy with id {named.Id}") : null;
        return policy;
    }

    // KAME's key_newreqid, but not one that is in use.
    private uint NewReqid()
    {
        HashSet<uint> taken = [.. engine.Spd.All.SelectMany(static policy => policy.Requests).Select(static request => request.Reqid)];
        do
        {
            _lastReqid = _lastReqid == ushort.MaxValue ? FirstOwnReqid : (ushort)(_lastReqid + 1);
        }
        while (taken.Contains(_lastReqid) && taken.Count < ushort.MaxValue - FirstOwnReqid);
        return _lastReqid;
    }
}
