// A security policy (RFC 4301, 4.4.1): a selector, what to do, and how to protect.

using System.Collections.Immutable;
using Testudo.Wire;
using Testudo.Wire.PfKey;

namespace Testudo.Engine.Policies;

/// <summary>A policy. All but its id, creation and counters is given by whoever adds it.</summary>
public sealed record Policy
{
    /// <summary>Requests in a policy at the most.</summary>
    public const int MaxRequests = 6;

    private long _packets;
    private int _wanted;

    /// <summary>Which way.</summary>
    public required PolicyDirection Direction { get; init; }

    /// <summary>What it selects.</summary>
    public required Selector Selector { get; init; }

    /// <summary>Discard, none, or ipsec.</summary>
    public required PolicyAction Action { get; init; }

    /// <summary>How to protect, the innermost transform first. Empty unless the action is ipsec.</summary>
    public ImmutableArray<PolicyRequest> Requests { get; init; } = [];

    /// <summary>Lower comes first; equal ones in the order they were added.</summary>
    public uint Priority { get; init; }

    /// <summary>The number by which the control plane names it; given by the database.</summary>
    public uint Id { get; internal init; }

    /// <summary>When it was added.</summary>
    public Now Created { get; internal init; }

    /// <summary>Packets it selected.</summary>
    public ulong Packets => (ulong)Volatile.Read(ref _packets);

    internal void Count() => Volatile.Write(ref _packets, _packets + 1);

    /// <summary>Marks that a packet wanted an SA and found none; the control thread turns the mark into an event.</summary>
    internal void Want() => Volatile.Write(ref _wanted, 1);

    internal bool TakeWanted() => Volatile.Read(ref _wanted) != 0 && Interlocked.Exchange(ref _wanted, 0) != 0;
}
