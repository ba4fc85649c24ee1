// An engine without host, links or time of its own, with keys and policies from setkey files.

using System.Collections.Immutable;
using Testudo.Control.PfKey;
using Testudo.Crypto;
using Testudo.Engine;
using Testudo.Engine.Keys;
using Testudo.Engine.Policies;
using Testudo.PfKey;
using Testudo.Wire;
using Testudo.Wire.PfKey;

namespace Testudo.Offline;

/// <summary>An engine to look at captures with.</summary>
public sealed class OfflineEngine
{
    private readonly Lock _control = new();

    /// <summary>An engine that knows nothing yet.</summary>
    /// <param name="providers">Who computes.</param>
    /// <param name="checksPolicy">Whether packets are checked against policies.</param>
    public OfflineEngine(Providers providers, bool checksPolicy)
        : this(providers, new EngineOptions { ChecksPolicy = checksPolicy }, static bytes => bytes.Clear()) // never sends: nothing has to be random
    {
    }

    /// <summary>An engine that knows nothing yet, and may seal.</summary>
    /// <param name="providers">Who computes.</param>
    /// <param name="options">The engine's options.</param>
    /// <param name="fillRandom">Where the IVs come from: each SA draws the mask of its own.</param>
    public OfflineEngine(Providers providers, EngineOptions options, FillRandom fillRandom)
    {
        Engine = new IpsecEngine(options, providers, hashSeed: 0); // its files are its owner's: nobody floods its tables
        // No lifetime ends here, so keys need no clock.
        Keys = new LocalKeys(new KeyServer(Engine, fillRandom, static _ => null), _control, static () => default);
    }

    /// <summary>The engine.</summary>
    public IpsecEngine Engine { get; }

    /// <summary>For keys and policies.</summary>
    public LocalKeys Keys { get; }

    /// <summary>
    /// Makes out policies of the SAs where there are none: an SA protects what runs between its own two addresses, the first
    /// added before the others, and the first tunnel-mode SA whatever no other one fits.
    /// </summary>
    /// <returns>False where nothing will be protected: there is neither an out policy nor an SA.</returns>
    public bool ProtectBySas()
    {
        if (!Engine.Spd.List(PolicyDirection.Out).IsEmpty)
        {
            return true;
        }

        Engine.Sad.PreferOld = true; // the first of several between the same two addresses
        foreach (Sa sa in Engine.Sad.All)
        {
            Add(new Selector(Prefix.Host(sa.Source), Prefix.Host(sa.Destination)), sa);
        }

        if (Engine.Sad.All.FirstOrDefault(static sa => sa.Mode == IpsecMode.Tunnel) is { } tunnel)
        {
            Add(new Selector(Prefix.All(IpFamily.V4), Prefix.All(IpFamily.V4)), tunnel);
            Add(new Selector(Prefix.All(IpFamily.V6), Prefix.All(IpFamily.V6)), tunnel);
        }

        return Engine.Sad.All.Count > 0;
    }

    // A second SA between the same addresses has a policy already; it is refused, as meant.
    private void Add(in Selector selector, Sa sa)
    {
        bool tunnel = sa.Mode == IpsecMode.Tunnel;
        var request = new PolicyRequest(sa.Protocol, tunnel ? IpsecMode.Tunnel : IpsecMode.Transport, PolicyLevel.Require, 0, tunnel ? sa.Source : null, tunnel ? sa.Destination : null);
        ImmutableArray<PolicyRequest> requests = [request];
        Engine.AddPolicy(new Policy { Direction = PolicyDirection.Out, Selector = selector, Action = PolicyAction.Ipsec, Requests = requests }, default, out _);
    }
}
