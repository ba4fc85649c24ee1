// The SAs between two addresses, in the order they came. The control thread adds and removes; packet threads read without
// a lock. It grows in place, and dead SAs stay in it until they are half of it: thousands of SAs between the same two
// gateways come and go in a time that grows as their number, not as its square.

using Testudo.Wire.PfKey;

namespace Testudo.Engine.Keys;

/// <summary>A list that only grows; one of another size takes its place.</summary>
internal sealed class SaGroup
{
    private readonly Sa[] _sas;
    private int _count;
    private int _dead;

    private SaGroup(int room) => _sas = new Sa[room];

    /// <summary>The SAs there are now, the newest last; dead ones may be among them. To be read by any thread.</summary>
    public ReadOnlySpan<Sa> Sas => _sas.AsSpan(0, Volatile.Read(ref _count));

    /// <summary>The group with one more: this one, or a larger one in its place.</summary>
    public static SaGroup With(SaGroup? group, Sa sa)
    {
        SaGroup room = group is null ? new SaGroup(1) : group._count < group._sas.Length ? group : group.Living(1);
        room._sas[room._count] = sa;
        Volatile.Write(ref room._count, room._count + 1); // after the SA itself: a reader sees both or neither
        return room;
    }

    /// <summary>The group after one of it has died: this one, a smaller one in its place, or null where none lives.</summary>
    public SaGroup? WithoutDead()
    {
        _dead++;
        return _dead == _count ? null : _dead * 2 > _count ? Living(0) : this;
    }

    private SaGroup Living(int more)
    {
        int living = _count - _dead;
        var group = new SaGroup(more == 0 ? living : (living + more) * 2);
        foreach (Sa sa in Sas)
        {
            if (sa.State != SaState.Dead)
            {
                group._sas[group._count++] = sa;
            }
        }

        return group;
    }
}
