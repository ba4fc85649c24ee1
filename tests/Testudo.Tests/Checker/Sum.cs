// The Internet checksum once more, as slow and plain as RFC 1071 says it: what the product computes is judged by this.

using System.Net;

namespace Testudo.Tests.Checker;

internal static class Sum
{
    /// <summary>The checksum over the bytes, as if they were one piece.</summary>
    public static ushort Of(params byte[][] pieces)
    {
        byte[] all = [.. pieces.SelectMany(static p => p)];
        int sum = 0;
        for (int i = 0; i < all.Length; i++)
        {
            sum += i % 2 == 0 ? all[i] << 8 : all[i];
            sum = (sum & 0xFFFF) + (sum >> 16);
        }

        return (ushort)~sum;
    }

    /// <summary>The pseudo header of TCP, UDP and ICMPv6 (RFC 793 3.1, RFC 8200 8.1).</summary>
    public static byte[] PseudoHeader(IPAddress from, IPAddress to, int length, byte protocol) =>
        from.GetAddressBytes().Length == 4
            ? [.. from.GetAddressBytes(), .. to.GetAddressBytes(), 0, protocol, (byte)(length >> 8), (byte)length]
            : [.. from.GetAddressBytes(), .. to.GetAddressBytes(), 0, 0, (byte)(length >> 8), (byte)length, 0, 0, 0, protocol];
}
