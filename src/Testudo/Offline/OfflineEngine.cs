// An engine without host, links or time of its own, with keys and policies from setkey files.

using Testudo.Control.PfKey;
using Testudo.Crypto;
using Testudo.Engine;
using Testudo.PfKey;

namespace Testudo.Offline;

/// <summary>An engine to look at captures with.</summary>
public sealed class OfflineEngine
{
    private readonly Lock _control = new();

    /// <summary>An engine that knows nothing yet.</summary>
    /// <param name="providers">Who computes.</param>
    /// <param name="checksPolicy">Whether packets are checked against policies.</param>
    /// <param name="allowsUnauthenticated">Whether ESP may be without authentication.</param>
    public OfflineEngine(Providers providers, bool checksPolicy, bool allowsUnauthenticated = false)
    {
        Engine = new IpsecEngine(new EngineOptions { ChecksPolicy = checksPolicy, AllowsUnauthenticated = allowsUnauthenticated }, providers, hashSeed: 0);
        // It never sends and has all the time there is, so nothing has to be random; and no lifetime ends, so it needs no clock.
        Keys = new LocalKeys(new KeyServer(Engine, static bytes => bytes.Clear(), static _ => null), _control, static () => default);
    }

    /// <summary>The engine.</summary>
    public IpsecEngine Engine { get; }

    /// <summary>For keys and policies.</summary>
    public LocalKeys Keys { get; }
}
