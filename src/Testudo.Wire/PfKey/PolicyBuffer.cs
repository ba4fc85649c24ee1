// A policy alone: the buffer of setsockopt(IP_IPSEC_POLICY) and of ipsec_set_policy(3).

using System.Diagnostics.CodeAnalysis;

namespace Testudo.Wire.PfKey;

/// <summary>A lone sadb_x_policy between bytes and a value.</summary>
public static class PolicyBuffer
{
    // OpenIKED on Linux puts SADB_EXT_SENSITIVITY's number here, where only a policy can be: it is taken for one.
    private const ushort Mistyped = 12;

    /// <summary>Reads a buffer that is one whole sadb_x_policy. Never throws.</summary>
    /// <returns>True and the policy, or false and the fault.</returns>
    public static bool TryRead(Dialect dialect, ReadOnlySpan<byte> buffer, [NotNullWhen(true)] out PolicyExtension? policy, out Fault fault)
    {
        policy = null;
        if (dialect.Find(ExtensionKind.Policy) is not { } rule || buffer.Length < rule.Size)
        {
            fault = new Fault(0, PfKeyError.Invalid, $"the buffer has {buffer.Length} bytes; a sadb_x_policy has 16 or more");
            return false;
        }

        int size = BitConverter.ToUInt16(buffer) * 8;
        ushort number = BitConverter.ToUInt16(buffer[2..]);
        if (number != rule.Number && number != Mistyped)
        {
            fault = new Fault(2, PfKeyError.Invalid, $"the extension type is {number}; a policy's is {rule.Number} ({rule.Name})");
            return false;
        }

        if (size != buffer.Length)
        {
            fault = new Fault(0, PfKeyError.Invalid, $"{rule.Name} says {size} bytes; the buffer has {buffer.Length}");
            return false;
        }

        policy = PolicyCodec.Read(dialect, rule, buffer, 0, out fault);
        if (policy is null)
        {
            return false;
        }

        policy = policy with { MistypedAsSensitivity = number == Mistyped };
        return true;
    }

    /// <summary>Writes the buffer, with the wrong type where <see cref="PolicyExtension.MistypedAsSensitivity"/>.</summary>
    /// <exception cref="ArgumentException">A request with one endpoint, or endpoints of two families; or too many requests.</exception>
    public static byte[] Write(Dialect dialect, PolicyExtension policy)
    {
        ExtensionRule rule = dialect.Find(ExtensionKind.Policy)
            ?? throw new ArgumentException($"{dialect.Name} has no policies", nameof(dialect));
        if (policy.MistypedAsSensitivity)
        {
            rule = rule with { Number = Mistyped };
        }

        var count = new Output(default, counts: true);
        ExtensionWriter.Write(dialect, rule, policy, ref count);
        byte[] buffer = new byte[count.Length];
        var output = new Output(buffer, counts: false);
        ExtensionWriter.Write(dialect, rule, policy, ref output);
        return buffer;
    }
}
