// The messages about policies (KAME's SADB_X_SPD*). What protects goes into the guard first and into the engine second,
// what relaxes the other way round; only then it is answered. Changes that belong together are collected in a draft.

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
    private PolicyDraft? _draft;

    // What a request sees: the policies, or what the changes that came before it will make of them.
    private PolicySet Seen => _draft?.Next ?? engine.Spd.Current;

    /// <summary>
    /// Decides a message about policies. One that says that more follows, and those after it, change a draft; the first
    /// that does not say so puts all into force.
    /// </summary>
    internal Answer Decide(KeySession session, PfKeyMessage message, in Now now)
    {
        bool isChange = message.Type is not (PfKeyType.SpdGet or PfKeyType.SpdDump);
        bool moreFollows = isChange && message.Find<TestudoExtension>() is { MoreFollows: true };
        if (moreFollows)
        {
            session.Draft ??= new PolicyDraft(engine.Spd.Current);
        }

        _draft = session.Draft;
        Answer answer = message.Type switch
        {
            PfKeyType.SpdAdd or PfKeyType.SpdUpdate => Add(message, now),
            PfKeyType.SpdDelete => Delete(message),
            PfKeyType.SpdDelete2 => DeleteById(message),
            PfKeyType.SpdGet => Get(message),
            PfKeyType.SpdFlush => Flush(message),
            _ => Dump(message, session.Dialect.LastDirection),
        };
        if (_draft is { } draft && isChange)
        {
            draft.Note(answer);
            if (!moreFollows)
            {
                session.Draft = _draft = null;
                answer = Finish(draft, answer);
            }
            else if (answer.Refusal is null)
            {
                answer = answer with { Audience = Audience.AllLater };
            }
        }

        _draft = null;
        return answer;
    }

    // The last change has come: all of them, or none.
    private Answer Finish(PolicyDraft draft, Answer last)
    {
        const string AsTheyWere = "all policies stay as they were";
        if (draft.HasFailed)
        {
            return last.Refusal is { Error: not (PfKeyError.Exists or PfKeyError.NoEntry) } own
                ? Answer.Refuse(own.Error, $"{own.Sentence}; {AsTheyWere}")
                : Answer.Refuse(PfKeyError.Invalid, $"a change before this one was refused: {AsTheyWere}");
        }

        if (!engine.Spd.Current.IsSameAs(draft.Start))
        {
            return Answer.Refuse(PfKeyError.NoBuffers, $"somebody else changed policies meanwhile: {AsTheyWere}; do it again");
        }

        return Change(draft.Next, relaxes: false) is { } refusal ? Answer.Refuse(refusal) : last with { Before = draft.Told };
    }

    private Answer Add(PfKeyMessage message, in Now now)
    {
        if (PolicyReader.Read(message, NewReqid, out Policy? policy, out string? warning) is { } fault)
        {
            return Answer.Refuse(fault);
        }

        Policy? old = message.Type == PfKeyType.SpdUpdate ? Seen.Find(policy!.Direction, policy.Selector) : null;
        PolicySet next = Seen.With(policy!, old, now, out Policy added);
        if ((engine.CheckPolicy(policy!, old, Seen) ?? Change(next, relaxes: policy!.Action == PolicyAction.None)) is { } refusal)
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

    private Answer Delete(PfKeyMessage message)
    {
        if (PolicyReader.ReadSelector(message, out PolicyExtension? named, out Selector selector, out string? warning) is { } fault)
        {
            return Answer.Refuse(fault);
        }

        return Seen.Find(named!.Direction, selector) is { } policy
            ? Remove(policy, [named with { Id = policy.Id }, PolicyWriter.Source(policy), PolicyWriter.Destination(policy)], warning)
            : Answer.Refuse(PfKeyError.NoEntry, $"there is no policy {named.Direction.ToString().ToLowerInvariant()} for {selector}");
    }

    private Answer DeleteById(PfKeyMessage message) =>
        FindById(message, out Refusal? fault) is { } policy
            ? Remove(policy, [PolicyWriter.Policy(policy) with { Requests = [] }], null)
            : Answer.Refuse(fault!);

    private Answer Get(PfKeyMessage message) =>
        FindById(message, out Refusal? fault) is { } policy
            ? new Answer(Audience.Sender, PolicyWriter.Describe(policy))
            : Answer.Refuse(fault!);

    private Answer Flush(PfKeyMessage message)
    {
        if (message.Extensions.Any(static extension => extension is not TestudoExtension))
        {
            return Answer.Refuse(Invalid("SADB_X_SPDFLUSH is a base header alone: it takes all policies away, and nothing can say which"));
        }

        return Change(Seen.Cleared(), relaxes: true) is { } refusal ? Answer.Refuse(refusal) : new Answer(Audience.All);
    }

    private Answer Dump(PfKeyMessage message, PolicyDirection last)
    {
        Policy[] policies = [.. Seen.All.Where(policy => policy.Direction <= last)];
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
        Change(Seen.Without(policy), relaxes: policy.Action != PolicyAction.None) is { } refusal
            ? Answer.Refuse(refusal)
            : new Answer(Audience.All, answer) { Warning = warning };

    /// <summary>Null, or why nothing was changed.</summary>
    internal Refusal? Change(PolicySet next, bool relaxes)
    {
        if (_draft is { } draft)
        {
            draft.Next = next;
            return null;
        }

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

        Policy? policy = Seen.All.FirstOrDefault(policy => policy.Id == named.Id);
        fault = policy is null ? new Refusal(PfKeyError.NoEntry, $"there is no policy with id {named.Id}") : null;
        return policy;
    }

    // KAME's key_newreqid, but not one that is in use.
    private uint NewReqid()
    {
        HashSet<uint> taken = [.. Seen.All.SelectMany(static policy => policy.Requests).Select(static request => request.Reqid)];
        do
        {
            _lastReqid = _lastReqid == ushort.MaxValue ? FirstOwnReqid : (ushort)(_lastReqid + 1);
        }
        while (taken.Contains(_lastReqid) && taken.Count < ushort.MaxValue - FirstOwnReqid);
        return _lastReqid;
    }
}
