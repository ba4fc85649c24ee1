// What a request comes to, before it is turned into messages for those who are to hear it.

using System.Collections.Immutable;
using Testudo.Engine;
using Testudo.Wire.PfKey;

namespace Testudo.Control.PfKey;

/// <summary>Who hears a success (RFC 2367, 3.1; KAME's KEY_SENDUP_*). The sender always does.</summary>
internal enum Audience : byte
{
    Sender,
    Registered,
    All,

    /// <summary>The sender now, all when the changes that it is one of come into force.</summary>
    AllLater,
}

/// <summary>The outcome of one request. A refusal goes to the sender alone.</summary>
internal sealed record Answer(Audience Audience, params ImmutableArray<PfKeyExtension> Extensions)
{
    /// <summary>Why not.</summary>
    public Refusal? Refusal { get; init; }

    /// <summary>What the sender should know although it was done; in words, for clients that can read them.</summary>
    public string? Warning { get; init; }

    /// <summary>What only the private extension can say.</summary>
    public TestudoExtension Own { get; init; } = new();

    /// <summary>The records of a dump, made while they are taken; the answer has no other message then.</summary>
    public IEnumerator<PfKeyMessage>? Dump { get; init; }

    /// <summary>Answers that the others hear before this one: changes that came into force together with it.</summary>
    public IReadOnlyList<PfKeyMessage> Before { get; init; } = [];

    /// <summary>True where there is nothing to say (the error form of SADB_ACQUIRE).</summary>
    public bool IsSilent { get; init; }

    internal static Answer Refuse(Refusal refusal) => new(Audience.Sender) { Refusal = refusal };

    internal static Answer Refuse(PfKeyError error, string sentence) => Refuse(new Refusal(error, sentence));
}
