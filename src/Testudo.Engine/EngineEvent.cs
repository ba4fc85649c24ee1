// What the engine has to say beside packets and drops.

using Testudo.Engine.Keys;
using Testudo.Engine.Policies;
using Testudo.Wire.PfKey;

namespace Testudo.Engine;

/// <summary>Kinds of events.</summary>
public enum EngineEventKind
{
    /// <summary>An SA passed its soft limit: a new one should be made.</summary>
    SaSoftExpired,

    /// <summary>An SA passed its hard limit and is gone.</summary>
    SaHardExpired,

    /// <summary>A packet wanted an SA that is not there.</summary>
    SaWanted,

    /// <summary>The far end of an SA was heard at another address or port: <see cref="Sa.Peer"/>.</summary>
    PeerMoved,

    /// <summary>An SA has sent its last sequence number and sends no more (RFC 4303, 3.3.3).</summary>
    SaSequenceExhausted,
}

/// <summary>One event, with the SA or the policy that it is about.</summary>
public sealed record EngineEvent(EngineEventKind Kind, Sa? Sa, Policy? Policy);

/// <summary>Why something was refused: an error for programs and a sentence for people. <see cref="PfKeyError.None"/> is a warning.</summary>
public sealed record Refusal(PfKeyError Error, string Sentence);
