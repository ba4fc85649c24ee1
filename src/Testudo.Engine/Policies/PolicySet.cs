// All policies at one moment, as a value: a change is worked out first, so that the guard can be made ready for it (or the
// change be taken back) before packets see anything.

using Testudo.Wire;
using Testudo.Wire.PfKey;

namespace Testudo.Engine.Policies;

/// <summary>The policies of all directions, each list in the order it is asked. Never changes.</summary>
public sealed class PolicySet
{
    internal PolicySet(Policy[][] lists, uint nextId)
    {
        Lists = lists;
        NextId = nextId;
    }

    /// <summary>All policies: in, out, fwd, each in the order they are asked.</summary>
    public IEnumerable<Policy> All => [.. Lists[(int)PolicyDirection.In], .. Lists[(int)PolicyDirection.Out], .. Lists[(int)PolicyDirection.Fwd]];

    /// <summary>The policy with exactly this selector; null where there is none.</summary>
    public Policy? Find(PolicyDirection direction, Selector selector) =>
        Array.Find(Lists[(int)direction], policy => policy.Selector == selector);

    /// <summary>True where both are the same policies in the same order: nobody changed anything between the two.</summary>
    public bool IsSameAs(PolicySet other) => Lists.Zip(other.Lists).All(static pair => pair.First.AsSpan().SequenceEqual(pair.Second));

    internal Policy[][] Lists { get; }

    internal uint NextId { get; }

    /// <summary>
    /// These and one more, behind those of its priority. Where it stands instead of another one it keeps that one's id,
    /// by which key daemons know it, but not its place (as KAME's SADB_X_SPDUPDATE).
    /// </summary>
    public PolicySet With(Policy policy, Policy? insteadOf, in Now now, out Policy added)
    {
        Policy made = policy with { Id = insteadOf?.Id ?? NextId, Created = now };
        Policy[] list = Array.FindAll(Lists[(int)made.Direction], other => !ReferenceEquals(other, insteadOf));
        int place = Array.FindLastIndex(list, other => other.Priority <= made.Priority) + 1;
        added = made;
        return Put(made.Direction, [.. list[..place], made, .. list[place..]], insteadOf is null ? NextId + 1 : NextId);
    }

    /// <summary>These without one.</summary>
    public PolicySet Without(Policy policy) =>
        Put(policy.Direction, Array.FindAll(Lists[(int)policy.Direction], other => !ReferenceEquals(other, policy)), NextId);

    /// <summary>None; ids go on from where these are.</summary>
    public PolicySet Cleared() => Empty(NextId);

    internal static PolicySet Empty(uint nextId) => new([[], [], [], []], nextId);

    private PolicySet Put(PolicyDirection direction, Policy[] list, uint nextId)
    {
        Policy[][] lists = [.. Lists];
        lists[(int)direction] = list;
        return new PolicySet(lists, nextId);
    }
}
