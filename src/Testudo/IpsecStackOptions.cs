// What a program may choose when it makes a stack.

using Testudo.Crypto;
using Testudo.Engine;
using Testudo.Host;
using Testudo.Wire.PfKey;

namespace Testudo;

/// <summary>Options of an <see cref="IpsecStack"/>, checked when it is made.</summary>
public sealed record IpsecStackOptions
{
    /// <summary>The engine's options.</summary>
    public EngineOptions Engine { get; init; } = new();

    /// <summary>Who computes, in order of preference.</summary>
    public Providers Providers { get; init; } = Providers.Default;

    /// <summary>Where passing packets are written, or null.</summary>
    public PacketTap? Capture { get; init; }

    /// <summary>
    /// Called with all policies before a change of them is acknowledged: brings the guard into line with them. Null is
    /// success; else the words why not, and the change is refused.
    /// </summary>
    public Func<IReadOnlyList<Testudo.Engine.Policies.Policy>, string?>? Guard { get; init; }

    /// <summary>Every fault of these options, empty where there is none.</summary>
    public IReadOnlyList<string> Validate()
    {
        var faults = new List<string>();
        if (Engine.Mtu is < 576 or > 65535)
        {
            faults.Add($"Engine.Mtu is {Engine.Mtu}: it must be 576 to 65535");
        }

        if (Engine.ReassemblyBytes < 65536)
        {
            faults.Add($"Engine.ReassemblyBytes is {Engine.ReassemblyBytes}: one datagram needs 65536");
        }

        if (Engine.DefaultLevel is not (PolicyLevel.Use or PolicyLevel.Require))
        {
            faults.Add($"Engine.DefaultLevel is {Engine.DefaultLevel}: it must be Use or Require");
        }

        if (Engine.MinPathMtu is < 68 or > 65535)
        {
            faults.Add($"Engine.MinPathMtu is {Engine.MinPathMtu}: it must be 68 to 65535");
        }

        if (Engine.PathMtuSeconds is < 1 or > 86400)
        {
            faults.Add($"Engine.PathMtuSeconds is {Engine.PathMtuSeconds}: it must be 1 to 86400");
        }

        if (Engine.MssClamp is not (EngineOptions.MssOff or EngineOptions.MssAuto) and (< 536 or > 65495))
        {
            faults.Add($"Engine.MssClamp is {Engine.MssClamp}: it must be MssOff, MssAuto, or 536 to 65495");
        }

        return faults;
    }
}
