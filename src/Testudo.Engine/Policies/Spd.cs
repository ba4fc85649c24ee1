// The security policy database (RFC 4301, 4.4.1): three ordered lists, the first match decides. Written by the control
// thread; packet threads read a published array, so that a change is seen whole or not at all.

using Testudo.Wire;
using Testudo.Wire.PfKey;

namespace Testudo.Engine.Policies;

/// <summary>All policies of an engine.</summary>
public sealed class Spd
{
    /// <summary>Ids below this may be chosen by the caller; the database counts from here (KAME's IPSEC_MANUAL_POLICYID_MAX).</summary>
    public const uint FirstOwnId = 0x4000;

    private readonly Policy[][] _lists = PolicySet.Empty(FirstOwnId).Lists;
    private uint _nextId = FirstOwnId;

    /// <summary>What happens to packets that no policy selects: <see cref="PolicyAction.None"/> or <see cref="PolicyAction.Discard"/>.</summary>
    public PolicyAction DefaultAction { get; set; } = PolicyAction.None;

    /// <summary>The policies of a direction in the order they are asked.</summary>
    public ReadOnlySpan<Policy> List(PolicyDirection direction) => Volatile.Read(ref _lists[(int)direction]);

    /// <summary>All policies: in, out, fwd, each in the order they are asked.</summary>
    public IEnumerable<Policy> All => [.. _lists[(int)PolicyDirection.In], .. _lists[(int)PolicyDirection.Out], .. _lists[(int)PolicyDirection.Fwd]];

    /// <summary>
    /// The first policy that selects the packet; null where none does. A fragment without ports that a policy with ports
    /// might have selected is not let past it (RFC 4301, 7.2): that is a drop.
    /// </summary>
    public Policy? Lookup(PolicyDirection direction, in IpInfo packet, out Drop drop)
    {
        drop = Drop.None;
        foreach (Policy policy in List(direction))
        {
            if (policy.Selector.Matches(packet))
            {
                return policy;
            }

            if (policy.Selector.MightMatch(packet))
            {
                drop = Drop.FragmentWithoutPorts;
                return null;
            }
        }

        return null;
    }

    /// <summary>The policy with exactly this selector; null where there is none.</summary>
    public Policy? Find(PolicyDirection direction, in Selector selector) => Current.Find(direction, selector);

    /// <summary>The policies as they are now: where a change starts from, and what it is taken back to.</summary>
    public PolicySet Current => new([.. _lists], _nextId);

    internal void Set(PolicySet set)
    {
        for (int direction = 0; direction < _lists.Length; direction++)
        {
            Volatile.Write(ref _lists[direction], set.Lists[direction]);
        }

        _nextId = set.NextId;
    }
}
