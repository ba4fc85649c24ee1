// The server side of PF_KEY (RFC 2367 with KAME's extensions): requests in, answers into the sessions' outboxes. It owns
// no socket, clock or random source. What each message means stands in SaRequests and PolicyRequests; here is who hears it.

using Testudo.Engine;
using Testudo.Engine.Policies;
using Testudo.Wire;
using Testudo.Wire.PfKey;

namespace Testudo.Control.PfKey;

/// <summary>Fills the span with random bytes fit for keys.</summary>
public delegate void FillRandom(Span<byte> bytes);

/// <summary>
/// Makes the guard fit these policies, in the order in which they are asked. Null, or why not in words; the guard is then
/// as it was before. Never throws.
/// </summary>
public delegate string? CommitGuard(IReadOnlyList<Policy> policies);

/// <summary>The PF_KEY server of one stack. Called by one thread at a time: the host holds the engine's lock.</summary>
public sealed class KeyServer(IpsecEngine engine, FillRandom fillRandom, CommitGuard commitGuard)
{
    private readonly List<KeySession> _sessions = [];
    private readonly SaRequests _sas = new(engine, fillRandom);
    private readonly PolicyRequests _policies = new(engine, commitGuard);

    /// <summary>A new client: one connection is one PF_KEY socket.</summary>
    public KeySession Open(Dialect dialect)
    {
        var session = new KeySession(dialect);
        _sessions.Add(session);
        return session;
    }

    /// <summary>The client is gone: its registrations and what waited for it go too. Its SAs and policies stay.</summary>
    public void Close(KeySession session)
    {
        _sessions.Remove(session);
        session.Clear();
    }

    /// <summary>
    /// Takes one record from a client. Never throws for anything that stands in it. The record may hold keys: the caller
    /// wipes it. A record too short for a base header cannot be answered and is not.
    /// </summary>
    public void Receive(KeySession session, ReadOnlySpan<byte> record, in Now now)
    {
        if (Codec.Read(session.Dialect, record, out Fault fault) is { } message)
        {
            Receive(session, message, now);
        }
        else if (PfKeyHeader.TryRead(record, out PfKeyHeader header))
        {
            // A kernel's send() fails here; over a socket of ours only an answer can say so.
            Refuse(session, header.Refuse(fault.Error), fault.Sentence, session.UnderstandsWords);
        }
    }

    /// <summary>The same for a message that is a value already. Its keys are wiped.</summary>
    public void Receive(KeySession session, PfKeyMessage message, in Now now)
    {
        bool wantsWords = message.Find<TestudoExtension>() is not null;
        session.UnderstandsWords |= wantsWords;
        try
        {
            Deliver(session, message, Decide(session, message, now), wantsWords);
        }
        finally
        {
            message.WipeKeys();
        }
    }

    /// <summary>
    /// Changes the policies and the guard together, in the order that leaves nothing open: what protects goes into the
    /// guard first and into the engine second, what <paramref name="relaxes"/> the other way round.
    /// </summary>
    /// <param name="next">Worked out on the engine's <see cref="Spd.Current"/>, each new policy checked.</param>
    /// <param name="relaxes">True where a packet may pass in clear that may not now.</param>
    /// <returns>Null, or why nothing was changed.</returns>
    public Refusal? ChangePolicies(PolicySet next, bool relaxes) => _policies.Change(next, relaxes);

    /// <summary>Tells registered clients what the engine had to say: SADB_EXPIRE for a limit that an SA passed.</summary>
    public void Announce(IReadOnlyList<EngineEvent> events, in Now now)
    {
        foreach (EngineEvent happened in events)
        {
            if (happened is not { Sa: { } sa, Kind: EngineEventKind.SaSoftExpired or EngineEventKind.SaHardExpired })
            {
                continue;
            }

            LifetimeRole passed = happened.Kind == EngineEventKind.SaSoftExpired ? LifetimeRole.Soft : LifetimeRole.Hard;
            var message = new PfKeyMessage(PfKeyType.Expire, SaTypes.TypeOf(sa.Protocol)) { Extensions = SaWriter.Expire(sa, passed) };
            foreach (KeySession session in _sessions)
            {
                if (session.IsRegistered)
                {
                    session.Overhear(message);
                }
            }
        }
    }

    private Answer Decide(KeySession session, PfKeyMessage message, in Now now)
    {
        if (SaTypes.Check(message) is { } fault)
        {
            return Answer.Refuse(fault);
        }

        return message.Type switch
        {
            PfKeyType.GetSpi => _sas.GetSpi(message, now),
            PfKeyType.Add => _sas.Add(message, now),
            PfKeyType.Update => _sas.Update(message, now),
            PfKeyType.Delete => _sas.Delete(message),
            PfKeyType.Get => _sas.Get(message),
            PfKeyType.Flush => _sas.Flush(message),
            PfKeyType.Dump => _sas.Dump(message),
            PfKeyType.Register => Algorithms.Register(engine, session, message.SaType),
            PfKeyType.SpdAdd or PfKeyType.SpdUpdate or PfKeyType.SpdDelete or PfKeyType.SpdDelete2 or PfKeyType.SpdGet or PfKeyType.SpdFlush
                or PfKeyType.SpdDump => _policies.Decide(session, message, now),

            // A daemon that could not negotiate (RFC 2367, 3.1.6): a base header that nobody answers.
            PfKeyType.Acquire when message.Extensions.IsEmpty => new Answer(Audience.Sender) { IsSilent = true },
            _ => Answer.Refuse(PfKeyError.NotSupported, $"message type {(byte)message.Type} ({message.Type}) is not supported"),
        };
    }

    private void Deliver(KeySession sender, PfKeyMessage request, Answer answer, bool wantsWords)
    {
        var reply = new PfKeyMessage(request.Type, request.SaType) { Sequence = request.Sequence, Pid = request.Pid };
        foreach (PfKeyMessage before in answer.Before)
        {
            Spread(sender, before, Audience.All);
        }

        if (answer.Refusal is { } refusal)
        {
            Refuse(sender, reply with { Error = refusal.Error }, refusal.Sentence, wantsWords);
            return;
        }

        if (answer.IsSilent)
        {
            return;
        }

        if (answer.Dump is { } dump)
        {
            sender.Tell(dump);
            return;
        }

        reply = reply with { Extensions = answer.Extensions };
        if (answer.Audience == Audience.AllLater)
        {
            sender.Draft!.Tell(reply);
        }

        Spread(sender, reply, answer.Audience);
        sender.Tell(wantsWords ? reply with { Extensions = [.. answer.Extensions, answer.Own with { Text = answer.Warning }] } : reply);
    }

    private void Spread(KeySession sender, PfKeyMessage message, Audience audience)
    {
        foreach (KeySession session in _sessions)
        {
            if (session != sender && (audience == Audience.All || (audience == Audience.Registered && session.IsRegistered)) && CanHear(session, message))
            {
                session.Overhear(message);
            }
        }
    }

    // Only Linux has a word for fwd.
    private static bool CanHear(KeySession session, PfKeyMessage message) =>
        message.Find<PolicyExtension>() is not { } policy || policy.Direction <= session.Dialect.LastDirection;

    // RFC 2367, 3.1: the base header alone. BSD echoes the whole request, which no client looks at.
    private static void Refuse(KeySession session, PfKeyMessage answer, string sentence, bool wantsWords) =>
        session.Tell(wantsWords ? answer with { Extensions = [new TestudoExtension { Text = sentence }] } : answer);
}
