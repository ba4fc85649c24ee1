// An address and how many of its leading bits count.

namespace Testudo.Wire;

/// <summary>A prefix. Bits behind the length are kept as given but never compared.</summary>
public readonly record struct Prefix(Address Address, int Length)
{
    /// <summary>The prefix of the whole address.</summary>
    public static Prefix Host(Address address) => new(address, address.Bits);

    /// <summary>0.0.0.0/0 or ::/0.</summary>
    public static Prefix All(IpFamily family) => new(Address.Any(family), 0);

    /// <summary>True where the leading bits are equal; always false across families.</summary>
    public bool Contains(in Address other)
    {
        if (other.Family != Address.Family)
        {
            return false;
        }

        if (Address.Family == IpFamily.V4)
        {
            return Length == 0 || ((uint)(other.Low ^ Address.Low) >> (32 - Length)) == 0;
        }

        if (Length <= 64)
        {
            return Length == 0 || ((other.High ^ Address.High) >> (64 - Length)) == 0;
        }

        return other.High == Address.High && ((other.Low ^ Address.Low) >> (128 - Length)) == 0;
    }

    /// <summary>True where every address of the other prefix is in this one.</summary>
    public bool Contains(in Prefix other) => other.Length >= Length && Contains(other.Address);

    /// <summary>True where the two have an address in common.</summary>
    public bool Overlaps(in Prefix other) => Contains(other) || other.Contains(this);

    /// <summary>The same prefix with the bits behind its length cleared.</summary>
    public Prefix Masked()
    {
        if (Address.Family == IpFamily.V4)
        {
            return this with { Address = Address with { Low = Length == 0 ? 0 : Address.Low & (0xFFFFFFFFUL << (32 - Length)) & 0xFFFFFFFF } };
        }

        ulong high = Length == 0 ? 0 : Length >= 64 ? Address.High : Address.High & (ulong.MaxValue << (64 - Length));
        ulong low = Length <= 64 ? 0 : Length == 128 ? Address.Low : Address.Low & (ulong.MaxValue << (128 - Length));
        return this with { Address = new Address(Address.Family, high, low) };
    }

    /// <summary>Reads ADDRESS or ADDRESS/LENGTH.</summary>
    public static bool TryParse(string text, out Prefix prefix)
    {
        prefix = default;
        int slash = text.IndexOf('/', StringComparison.Ordinal);
        if (!Address.TryParse(slash < 0 ? text : text[..slash], out Address address))
        {
            return false;
        }

        int length = address.Bits;
        if (slash >= 0 && (!int.TryParse(text.AsSpan(slash + 1), System.Globalization.NumberStyles.None, null, out length) || length > address.Bits))
        {
            return false;
        }

        prefix = new Prefix(address, length);
        return true;
    }

    /// <summary>Reads a prefix; throws <see cref="FormatException"/> where there is none.</summary>
    public static Prefix Parse(string text) =>
        TryParse(text, out Prefix prefix) ? prefix : throw new FormatException($"'{text}' is not ADDRESS or ADDRESS/LENGTH");

    /// <inheritdoc/>
    public override string ToString() => $"{Address}/{Length}";
}
