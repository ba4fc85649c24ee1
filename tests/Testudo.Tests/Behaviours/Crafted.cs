// Protected packets from 10.0.0.1 to 10.0.0.2 made by hand, since no engine sends what a test of errors needs: ESP with
// the null cipher and AH, both under HMAC-SHA1-96 (RFC 4303, 2; RFC 4302, 2; RFC 2404).

using System.Buffers.Binary;
using System.Security.Cryptography;
using Testudo.Tests.Checker;
using Testudo.Wire;

namespace Testudo.Tests.Behaviours;

internal static class Crafted
{
    /// <summary>Where the datagrams inside go to.</summary>
    public const ushort Port = 7777;

    private static readonly byte[] s_key = Convert.FromHexString("6c89a6c3e0fd1a3754718eabc8e5021f3c597693");

    /// <summary>A datagram as it is behind the IP header.</summary>
    public static byte[] Udp(int size = 5) => Inner("10.0.0.1", "10.0.0.2", size)[20..];

    /// <summary>A datagram to <see cref="Port"/> with its IP header.</summary>
    public static byte[] Inner(string from, string to, int size = 5, byte tos = 0, byte hopLimit = 64) =>
        Build.Ipv4(from, to, hopLimit, tos, dontFragment: false).Udp(7001, Port, Build.Pattern(size));

    /// <summary>ESP of SA 1001, from its SPI to its ICV; the padding is as short as it can be unless it is given.</summary>
    public static byte[] EspBytes(uint sequence, byte[] payload, byte next = 17, byte[]? padding = null, byte? padLength = null, bool isAuthentic = true, uint spi = 1001)
    {
        padding ??= Build.Pattern(-(payload.Length + 2) & 3, 1);
        byte[] text = [.. new byte[8], .. payload, .. padding, padLength ?? (byte)padding.Length, next];
        BinaryPrimitives.WriteUInt32BigEndian(text, spi);
        BinaryPrimitives.WriteUInt32BigEndian(text.AsSpan(4), sequence);
        byte[] icv = Icv(text);
        icv[0] ^= (byte)(isAuthentic ? 0 : 1);
        return [.. text, .. icv];
    }

    /// <summary>The same in an IP packet.</summary>
    public static byte[] Esp(uint sequence, byte[] payload, byte next = 17, byte tos = 0, byte hopLimit = 64, bool isAuthentic = true) =>
        Outer(tos, hopLimit).Payload(IpProtocol.Esp, EspBytes(sequence, payload, next, isAuthentic: isAuthentic));

    /// <summary>A datagram under AH of SA 2001.</summary>
    public static byte[] Ah(uint sequence)
    {
        byte[] payload = Udp(), ah = [17, 4, .. new byte[22]];
        BinaryPrimitives.WriteUInt32BigEndian(ah.AsSpan(4), 2001);
        BinaryPrimitives.WriteUInt32BigEndian(ah.AsSpan(8), sequence);

        // RFC 4302, 3.3.3.1.1: the hop limit and the checksum count as zero.
        byte[] covered = Outer(0, 0).Payload(IpProtocol.Ah, [.. ah, .. payload]);
        covered.AsSpan(10, 2).Clear();
        Icv(covered).CopyTo(ah, 12);
        return Outer(0, 64).Payload(IpProtocol.Ah, [.. ah, .. payload]);
    }

    /// <summary>An ESP packet in two fragments, the first with so many bytes of it.</summary>
    public static byte[][] Pieces(uint sequence, int first)
    {
        byte[] esp = EspBytes(sequence, Udp(400));
        IpHeader outer = Outer(0, 64);
        return [outer.Fragment(77, 0, true).Payload(IpProtocol.Esp, esp.AsSpan(0, first)), outer.Fragment(77, first, false).Payload(IpProtocol.Esp, esp.AsSpan(first))];
    }

    /// <summary>Bytes in UDP to port 4500 (RFC 3948, 2).</summary>
    public static byte[] InUdp(byte[] bytes, ushort from = 4500) => Outer(0, 64).Udp(from, 4500, bytes, checksum: false);

    private static IpHeader Outer(byte tos, byte hopLimit) => Build.Ipv4("10.0.0.1", "10.0.0.2", hopLimit, tos, dontFragment: false);

#pragma warning disable CA5350 // SHA-1 in HMAC is what the observations used
    private static byte[] Icv(byte[] bytes) => HMACSHA1.HashData(s_key, bytes)[..12];
#pragma warning restore CA5350
}
