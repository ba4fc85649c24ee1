// What routers may change on the way cannot be authenticated: for the ICV it counts as zero, or as it will be at the end of
// the way where the sender can tell (RFC 4302, 3.3.3.1 and appendix A).
//
//   IPv4   TOS, flags and offset, TTL, checksum: zero. Options: kept, or zero from their type to their last byte.
//          Destination: behind a source route, the last address of the route.
//   IPv6   class, flow label, hop limit: zero. Options that say they may change: their data is zero.
//          Destination and routing header: as they arrive.
//
// KAME's ah_cleartos and ah_offsetmask keep some of what is cleared for IPv4.

using System.Buffers.Binary;
using Testudo.Wire;

namespace Testudo.Engine;

internal static partial class MutableFields
{
    private const byte EndOfOptions = 0, NoOperation = 1, LooseSourceRoute = 0x83, StrictSourceRoute = 0x89;

    /// <summary>
    /// Makes the headers before AH what they count as for the ICV. Where they cannot be read to their end, that is a drop,
    /// and some may have been changed.
    /// </summary>
    public static Drop Clear(Span<byte> headers, EngineOptions options) =>
        headers[0] >> 4 == 4 ? ClearV4(headers, options) : ClearV6(headers);

    private static Drop ClearV4(Span<byte> header, EngineOptions options)
    {
        if (options.AhClearTos)
        {
            header[1] = 0;
        }

        int fragment = BinaryPrimitives.ReadUInt16BigEndian(header[6..]) & options.AhOffsetMask;
        BinaryPrimitives.WriteUInt16BigEndian(header[6..], (ushort)fragment);
        header[8] = 0;
        header.Slice(10, 2).Clear();
        for (int at = IpInfo.V4HeaderLength; at < header.Length && header[at] != EndOfOptions;)
        {
            byte type = header[at];
            if (type == NoOperation)
            {
                at++;
                continue;
            }

            int length = at + 1 < header.Length ? header[at + 1] : 0;
            if (length < 2 || length > header.Length - at)
            {
                return Drop.BadHeaderLength;
            }

            Span<byte> option = header.Slice(at, length);
            if (type is LooseSourceRoute or StrictSourceRoute)
            {
                // The pointer counts from 1; behind the last address the packet is where it was to go.
                if (length >= 7 && option[2] <= length - 3)
                {
                    int last = 3 + (((length - 3) / 4) - 1) * 4;
                    option.Slice(last, 4).CopyTo(header[16..]);
                }
            }

            if (!IsImmutable(type))
            {
                option.Clear();
            }

            at += length;
        }

        return Drop.None;
    }

    // Security, extended and commercial security, router alert, sender directed delivery (RFC 4302, A1). What is not known
    // here counts as zero.
    private static bool IsImmutable(byte option) => option is 0x82 or 0x85 or 0x86 or 0x94 or 0x95;
}
