// The same for IPv6 (RFC 4302, 3.3.3.1.2 and A2). What stands behind AH does not change and is no matter here.

using Testudo.Wire;

namespace Testudo.Engine;

internal static partial class MutableFields
{
    private const byte MayChange = 0x20; // RFC 8200, 4.2: the third bit of an option's type

    private static Drop ClearV6(Span<byte> headers)
    {
        headers[0] = 0x60;
        headers[1..4].Clear();
        headers[7] = 0;
        byte next = headers[6];
        for (int at = IpInfo.V6HeaderLength; at < headers.Length;)
        {
            int length = headers.Length - at < 8 ? 0 : (headers[at + 1] + 1) * 8;
            if (length == 0 || length > headers.Length - at)
            {
                return Drop.BadExtensionHeader;
            }

            Span<byte> header = headers.Slice(at, length);
            Drop drop = (IpProtocol)next switch
            {
                IpProtocol.HopByHop or IpProtocol.DestinationOptions => ClearOptions(header[2..]),
                IpProtocol.Routing => Arrive(headers.Slice(24, 16), header),
                _ => Drop.None,
            };
            if (drop != Drop.None)
            {
                return drop;
            }

            next = header[0];
            at += length;
        }

        return Drop.None;
    }

    private static Drop ClearOptions(Span<byte> options)
    {
        for (int at = 0; at < options.Length;)
        {
            if (options[at] == 0) // one byte of padding
            {
                at++;
                continue;
            }

            int length = at + 1 < options.Length ? 2 + options[at + 1] : int.MaxValue;
            if (length > options.Length - at)
            {
                return Drop.BadExtensionHeader;
            }

            if ((options[at] & MayChange) != 0)
            {
                options[(at + 2)..(at + length)].Clear();
            }

            at += length;
        }

        return Drop.None;
    }

    // Types 0 and 2 (RFC 2460, 4.4; RFC 6275, 6.4): each node on the way changes places with the next address. What other
    // types do on the way is not known here.
    private static Drop Arrive(Span<byte> destination, Span<byte> routing)
    {
        int left = routing[3], count = routing.Length / 16;
        if (routing[2] is not (0 or 2) || left == 0)
        {
            return Drop.None;
        }

        if (routing.Length % 16 != 8 || left > count)
        {
            return Drop.BadExtensionHeader;
        }

        Span<byte> addresses = routing[8..], way = addresses[((count - left) * 16)..];
        Span<byte> here = stackalloc byte[16];
        destination.CopyTo(here);
        way[^16..].CopyTo(destination);
        way[..^16].CopyTo(way[16..]);
        here.CopyTo(way);
        routing[3] = 0;
        return Drop.None;
    }
}
