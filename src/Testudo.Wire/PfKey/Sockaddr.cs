// The sockaddr of IPv4 and IPv6 in both forms.
//
//   BSD:    u8 len, u8 family,   Linux: u16 family,  then in network order
//   IPv4    u16 port, 4 bytes address, 8 bytes zero                             16 bytes
//   IPv6    u16 port, u32 flow info, 16 bytes address, u32 scope (host order)   28 bytes
//
// Flow info is not carried: no system looks at it in PF_KEY.

using System.Buffers.Binary;

namespace Testudo.Wire.PfKey;

internal readonly record struct Sockaddr(Address Address, ushort Port, uint Scope)
{
    internal const int SizeV4 = 16, SizeV6 = 28;

    internal static int SizeOf(IpFamily family) => family == IpFamily.V4 ? SizeV4 : SizeV6;

    /// <summary>Reads the sockaddr at the beginning of some bytes. A trouble names what is wrong with it, and the errno.</summary>
    internal static (Sockaddr Value, int Size, PfKeyError Error, string Trouble) Read(Dialect dialect, ReadOnlySpan<byte> from)
    {
        if (from.Length < 2)
        {
            return (default, 0, PfKeyError.Invalid, "it has no sockaddr");
        }

        bool hasLength = dialect.Sockaddr == SockaddrForm.LengthAndFamily;
        ushort family = hasLength ? from[1] : BitConverter.ToUInt16(from);
        int size = family == dialect.Inet ? SizeV4 : family == dialect.Inet6 ? SizeV6 : 0;
        if (hasLength && from[0] != size && (size != 0 || from[0] is not (SizeV4 or SizeV6)))
        {
            // Before the family, as BSD does it: bytes in Linux's form then get EINVAL and not EAFNOSUPPORT.
            return (default, 0, PfKeyError.Invalid, size == 0
                ? $"sa_len is {from[0]}; a sockaddr of {dialect.Name} begins with its length, {SizeV4} or {SizeV6}"
                : $"sa_len is {from[0]}; it is {size} for address family {family}");
        }

        if (size == 0)
        {
            return (default, 0, PfKeyError.AddressFamilyNotSupported,
                $"address family {family} is neither AF_INET ({dialect.Inet}) nor AF_INET6 ({dialect.Inet6}) of {dialect.Name}");
        }

        if (from.Length < size)
        {
            return (default, 0, PfKeyError.Invalid, $"{from.Length} bytes are left for a sockaddr of {size}");
        }

        ushort port = BinaryPrimitives.ReadUInt16BigEndian(from[2..]);
        return size == SizeV4
            ? (new Sockaddr(Address.V4(from[4..]), port, 0), size, PfKeyError.None, "")
            : (new Sockaddr(Address.V6(from[8..]), port, BitConverter.ToUInt32(from[24..])), size, PfKeyError.None, "");
    }

    internal void Write(Dialect dialect, ref Output to)
    {
        if (Address.Family == IpFamily.None)
        {
            throw new ArgumentException("a PF_KEY address must be IPv4 or IPv6, and this one is none");
        }

        bool isV4 = Address.Family == IpFamily.V4;
        ushort family = isV4 ? dialect.Inet : dialect.Inet6;
        if (dialect.Sockaddr == SockaddrForm.LengthAndFamily)
        {
            to.U8((byte)SizeOf(Address.Family));
            to.U8((byte)family);
        }
        else
        {
            to.U16(family);
        }

        Span<byte> bytes = stackalloc byte[16];
        Address.CopyTo(bytes);
        to.Net16(Port);
        to.Zero(isV4 ? 0 : 4);
        to.Bytes(bytes[..Address.Length]);
        if (isV4)
        {
            to.Zero(8);
        }
        else
        {
            to.U32(Scope);
        }
    }
}
