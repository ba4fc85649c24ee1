// The guard as it stands in the kernel: scripts of the pure guard, applied by nftables, and its counters.

using Testudo.Engine;
using Testudo.Engine.Guard;
using Testudo.Engine.Policies;
using Testudo.Links;
using Testudo.Wire;

namespace Testudo.Linux;

/// <summary>Keeps the kernel's rules in line with the policies. Used under the control lock.</summary>
internal sealed class HostGuard(GuardNames names, EngineOptions engine) : IDisposable
{
    private readonly Nftables _nft = new();
    private bool _installed;
    private bool _inherited;

    /// <summary>Brings the rules into line, in one transaction.</summary>
    /// <returns>Null, or why not in words; then the rules are as before.</returns>
    public string? Commit(IReadOnlyList<Policy> policies, Testudo.Wire.PfKey.PolicyAction defaultAction)
    {
        try
        {
            _inherited |= !_installed && _nft.TableExists(names.Table);
            _nft.Apply(_installed
                ? GuardScript.Replace(names, policies, engine.DefaultLevel, defaultAction)
                : GuardScript.Install(names, policies, engine.DefaultLevel, defaultAction));
            _installed = true;
            return null;
        }
        catch (IOException e)
        {
            return $"the guard could not be brought into line, so nothing was changed: {e.Message}";
        }
    }

    /// <summary>What the guard stopped, by drop.</summary>
    public IReadOnlyDictionary<Drop, long> Counters()
    {
        var counts = new Dictionary<Drop, long>();
        IReadOnlyDictionary<string, NftCounter> all = _nft.Counters(names.Table);
        foreach (Drop drop in GuardScript.Counted)
        {
            if (all.TryGetValue(GuardScript.Counter(drop), out NftCounter counter))
            {
                counts[drop] = (long)counter.Packets;
            }
        }

        return counts;
    }

    /// <summary>Takes the rules away, unless they took the place of a killed instance's and are to stay closed.</summary>
    public void Remove(bool keepsInherited)
    {
        if (_installed && !(keepsInherited && _inherited))
        {
            _nft.Apply(GuardScript.Remove(names));
            _installed = false;
        }
    }

    public void Dispose() => _nft.Dispose();
}
