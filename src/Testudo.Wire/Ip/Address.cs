// An IPv4 or IPv6 address as a value of 24 bytes: no allocation, compared and hashed in a few instructions.

using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using System.Runtime.CompilerServices;

namespace Testudo.Wire;

/// <summary>The version of IP; the values are those of the version field.</summary>
public enum IpFamily : byte
{
    /// <summary>No address.</summary>
    None = 0,

    /// <summary>IPv4.</summary>
    V4 = 4,

    /// <summary>IPv6.</summary>
    V6 = 6,
}

/// <summary>An IP address. IPv4 stands in the low 32 bits of <see cref="Low"/>; both halves are in host order.</summary>
public readonly record struct Address(IpFamily Family, ulong High, ulong Low)
{
    /// <summary>The address of four bytes in network order.</summary>
    public static Address V4(ReadOnlySpan<byte> bytes) => new(IpFamily.V4, 0, BinaryPrimitives.ReadUInt32BigEndian(bytes));

    /// <summary>The address of sixteen bytes in network order.</summary>
    public static Address V6(ReadOnlySpan<byte> bytes) =>
        new(IpFamily.V6, BinaryPrimitives.ReadUInt64BigEndian(bytes), BinaryPrimitives.ReadUInt64BigEndian(bytes[8..]));

    /// <summary>The unspecified address of a family: 0.0.0.0 or ::.</summary>
    public static Address Any(IpFamily family) => new(family, 0, 0);

    /// <summary>Bits in an address of this family: 32 or 128 (0 for none).</summary>
    public int Bits => BitsOf(Family);

    /// <summary>Bytes in an address of this family: 4 or 16 (0 for none).</summary>
    public int Length => Bits / 8;

    /// <summary>True for 0.0.0.0, :: and no address at all.</summary>
    public bool IsUnspecified => (High | Low) == 0;

    /// <summary>True for 127.0.0.0/8 and ::1.</summary>
    public bool IsLoopback => Family == IpFamily.V4 ? Low >> 24 == 127 : High == 0 && Low == 1;

    /// <summary>True for 224.0.0.0/4, 255.255.255.255 and ff00::/8.</summary>
    public bool IsMulticastOrBroadcast =>
        Family == IpFamily.V4 ? Low >> 28 == 0xE || Low == 0xFFFFFFFF : High >> 56 == 0xFF;

    /// <summary>True for fe80::/10.</summary>
    public bool IsLinkLocal => Family == IpFamily.V6 && High >> 54 == 0x3FA;

    /// <summary>32 for IPv4, 128 for IPv6.</summary>
    public static int BitsOf(IpFamily family) => family switch { IpFamily.V4 => 32, IpFamily.V6 => 128, _ => 0 };

    /// <summary>Writes <see cref="Length"/> bytes in network order.</summary>
    public void CopyTo(Span<byte> bytes)
    {
        if (Family == IpFamily.V4)
        {
            BinaryPrimitives.WriteUInt32BigEndian(bytes, (uint)Low);
        }
        else if (Family == IpFamily.V6)
        {
            BinaryPrimitives.WriteUInt64BigEndian(bytes, High);
            BinaryPrimitives.WriteUInt64BigEndian(bytes[8..], Low);
        }
    }

    /// <summary>Reads four decimal parts or an IPv6 text, and nothing around them: no scope, brackets, port or prefix length.</summary>
    public static bool TryParse(string? text, out Address address)
    {
        address = default;
        if (text is null || !IsPlain(text) || !IPAddress.TryParse(text, out IPAddress? parsed))
        {
            return false;
        }

        address = From(parsed);
        return true;
    }

    /// <summary>Reads an address; throws <see cref="FormatException"/> where there is none.</summary>
    public static Address Parse(string text) =>
        TryParse(text, out Address address) ? address : throw new FormatException($"'{text}' is not an IP address");

    // The class library takes more than is meant here: inet_aton's "1", "0x7f.1" and octal "010.0.0.1", "[::1]:80" and "::/0".
    private static bool IsPlain(string text)
    {
        if (text.Contains(':', StringComparison.Ordinal))
        {
            return text.All(static c => char.IsAsciiHexDigit(c) || c is ':' or '.') && !HasLeadingZero(text[(text.LastIndexOf(':') + 1)..]);
        }

        return text.All(static c => char.IsAsciiDigit(c) || c == '.') && text.Count(static c => c == '.') == 3 && !HasLeadingZero(text);
    }

    private static bool HasLeadingZero(string dotted) =>
        dotted.Contains('.', StringComparison.Ordinal) && dotted.Split('.').Any(static part => part.Length > 1 && part[0] == '0');

    /// <summary>The same address as the class library's type has it.</summary>
    public static Address From(IPAddress address)
    {
        Span<byte> bytes = stackalloc byte[16];
        address.TryWriteBytes(bytes, out _);
        return address.AddressFamily == AddressFamily.InterNetwork ? V4(bytes) : V6(bytes);
    }

    /// <summary>The class library's form of this address.</summary>
    public IPAddress ToIPAddress()
    {
        Span<byte> bytes = stackalloc byte[16];
        CopyTo(bytes);
        return new IPAddress(bytes[..Length]);
    }

    /// <inheritdoc/>
    public override string ToString() => Family == IpFamily.None ? "none" : ToIPAddress().ToString();

    /// <summary>A hash that spreads neighbouring addresses: one multiplication for each half.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public override int GetHashCode()
    {
        ulong h = (High ^ 0x9E3779B97F4A7C15) * 0xBF58476D1CE4E5B9;
        h = (h ^ (h >> 29) ^ Low) * 0x94D049BB133111EB;
        return (int)(h >> 32);
    }
}
