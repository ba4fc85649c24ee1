// Changes of policy that are to happen at once: worked out on a set of their own until the last of them has come, so that
// no packet finds the policies half changed, or none at all between spdflush and the next spdadd.

using Testudo.Engine.Policies;
using Testudo.Wire.PfKey;

namespace Testudo.Control.PfKey;

/// <summary>What one session has changed and not yet put into force.</summary>
internal sealed class PolicyDraft(PolicySet start)
{
    private readonly List<PfKeyMessage> _told = [];

    /// <summary>The policies that it started from.</summary>
    internal PolicySet Start { get; } = start;

    /// <summary>The policies as they will be.</summary>
    internal PolicySet Next { get; set; } = start;

    /// <summary>True where one of the changes was refused: none will be made.</summary>
    internal bool HasFailed { get; private set; }

    /// <summary>What the others will hear once it is in force.</summary>
    internal IReadOnlyList<PfKeyMessage> Told => _told;

    /// <summary>Takes note of what one change came to.</summary>
    internal void Note(Answer answer)
    {
        // A policy that is there already, or one to be deleted that is not there, is what the file asks for.
        HasFailed |= answer.Refusal is { Error: not (PfKeyError.Exists or PfKeyError.NoEntry) };
    }

    /// <summary>Keeps an answer for those who hear of it later.</summary>
    internal void Tell(PfKeyMessage answer) => _told.Add(answer);
}
