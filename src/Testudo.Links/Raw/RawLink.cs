// Raw sockets for one protocol (ESP, AH, IPComp, ICMP) of one family. The kernel reassembles what is received and fragments what is
// sent, so that whole packets pass here.
//
// Receiving: an IPv4 socket gives the header too. An IPv6 socket gives only what follows the last extension header: the
// fixed header is rebuilt from ancillary data, extension headers are lost.
// Sending: the header becomes sendmsg's address and ancillary data, and the kernel writes its own. What the kernel cannot be
// told that way (fragments, DF, IPv4 options, IPv6 extension headers, AH's identification) goes out by a second socket
// with its header as it is; that one does not fragment. What is too long for it and may be fragmented is (IPv4) cut here.

using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using Testudo.Wire;

namespace Testudo.Links;

/// <summary>How to open a raw link.</summary>
/// <param name="Family">IPv4 or IPv6.</param>
/// <param name="Protocol">What is received, and what may be sent.</param>
/// <param name="Mark">SO_MARK of both sockets, so that rules let our own packets pass; 0 for none.</param>
/// <param name="BufferBytes">Bytes of the socket's buffers; 0 keeps the system's.</param>
public sealed record RawOptions(IpFamily Family, IpProtocol Protocol = IpProtocol.Esp, uint Mark = 0, int BufferBytes = 4 * 1024 * 1024);

/// <summary>A link to the network by raw sockets. A peer with a link-local address cannot be sent to: packets carry no interface.</summary>
public sealed unsafe class RawLink : DescriptorLink
{
    private readonly RawOptions _options;
    private readonly int _socket;
    private readonly int _whole = -1; // sends packets with the header they have
    private readonly ControlBlock? _received;
    private readonly SendControl _send;
    private readonly byte* _address;
    private readonly ControlBlock _addressMemory;
    private PathSocket? _path; // made for the first packet that is too long

    /// <summary>Opens the sockets in the calling thread's network namespace. <see cref="IOException"/> where that fails.</summary>
    public RawLink(RawOptions options)
    {
        _options = options;
        int family = Native.FamilyNumber(options.Family);
        _socket = Native.OpenSocket(family, Native.RawSocket, (int)options.Protocol, $"open a raw socket for IP protocol {(int)options.Protocol}");
        try
        {
            IpHeaders.Configure(_socket, options.Family, options.Mark, options.BufferBytes);
            if (options.Family == IpFamily.V6)
            {
                IpHeaders.RequestControl(_socket, options.Family);
                _received = new ControlBlock(512);
            }

            // IPPROTO_RAW takes the header from us and receives nothing.
            _whole = Native.OpenSocket(family, Native.RawSocket, Native.ProtocolRaw, "open a raw socket for whole packets");
            IpHeaders.Configure(_whole, options.Family, options.Mark, options.BufferBytes);
        }
        catch
        {
            _received?.Dispose();
            CloseSockets();
            throw;
        }

        _send = new SendControl(options.Family);
        _addressMemory = new ControlBlock(0);
        _address = _addressMemory.Address;
        *(ushort*)_address = (ushort)family;
    }

    /// <inheritdoc/>
    public override string Name => $"raw{(int)_options.Family}{(_options.Protocol == IpProtocol.Esp ? "" : $" protocol {(int)_options.Protocol}")}";

    internal override int Descriptor => _socket;

    internal override int ReadOne(Batch into)
    {
        Span<byte> room = into.Reserve();
        fixed (byte* bytes = room)
        {
            if (_received is null)
            {
                int read = (int)Native.Receive(_socket, bytes, (nuint)room.Length, 0);
                if (read <= 0)
                {
                    return read == 0 ? 1 : ReadFailure(Native.Errno);
                }

                into.Commit(read);
                return read;
            }

            int length = _received.Receive(_socket, bytes + IpInfo.V6HeaderLength, room.Length - IpInfo.V6HeaderLength);
            if (length < 0)
            {
                return ReadFailure(Native.Errno);
            }

            if ((_received.Message->Flags & Native.MessageTruncated) != 0
                || !IpHeaders.WriteV6(bytes, IpInfo.V6HeaderLength + length, _options.Protocol, _received))
            {
                Ignore();
                return 1;
            }

            into.Commit(IpInfo.V6HeaderLength + length);
            return 1;
        }
    }

    internal override Drop SendOne(in Packet packet)
    {
        byte* data = packet.Data;
        if (IpInfo.TryParse(packet.Span, out IpInfo info) != Drop.None || info.Family != _options.Family)
        {
            return Drop.LinkRefused;
        }

        bool v4 = info.Family == IpFamily.V4;
        int header = v4 ? IpInfo.V4HeaderLength : IpInfo.V6HeaderLength;
        bool plain = info.UpperOffset == header && info.Protocol == _options.Protocol && (!v4 || _options.Protocol != IpProtocol.Ah)
            && !info.DontFragment && !info.IsFragment && info.FragmentHeaderOffset == 0;
        int sent = plain
            ? _send.Send(_socket, data, data + header, info.TotalLength - header, 0)
            : SendWhole(data, info.TotalLength, v4);
        if (sent >= 0)
        {
            return Drop.None;
        }

        int errno = Native.Errno;
        return errno == Errno.MessageTooLong && v4 && !plain && !info.DontFragment && !info.IsFragment
            ? SendFragments(data, info)
            : SendFailure(errno);
    }

    internal override void Close()
    {
        CloseSockets();
        _received?.Dispose();
        _send.Dispose();
        _addressMemory.Dispose();
        _path?.Dispose();
    }

    // The header stands before each fragment's data where it is in the packet, over data that has been sent.
    private Drop SendFragments(byte* data, in IpInfo info)
    {
        _path ??= new PathSocket(_options);
        int header = info.UpperOffset, end = info.TotalLength;
        int step = (_path.Mtu(info.Destination) - header) & ~7;
        if (step <= 0)
        {
            return Drop.LinkRefused;
        }

        byte* first = stackalloc byte[60];
        var ip = new Span<byte>(first, header);
        new ReadOnlySpan<byte>(data, header).CopyTo(ip);
        for (int at = header; at < end; at += step)
        {
            int length = Math.Min(step, end - at), place = (at - header) / 8;
            BinaryPrimitives.WriteUInt16BigEndian(ip[6..], (ushort)(place | (at + length < end ? 0x2000 : 0)));
            if (place > 0)
            {
                DropOptionsOfTheFirst(ip);
            }

            IpWrite.SetLength(ip, header + length, header);
            ip.CopyTo(new Span<byte>(data + at - header, header));
            if (SendWhole(data + at - header, header + length, true) < 0)
            {
                return SendFailure(Native.Errno);
            }
        }

        return Drop.None;
    }

    // RFC 791, 3.1: an option without the copied flag is in the first fragment only.
    private static void DropOptionsOfTheFirst(Span<byte> header)
    {
        for (int at = IpInfo.V4HeaderLength; at < header.Length && header[at] != 0;)
        {
            int length = header[at] == 1 ? 1 : at + 1 < header.Length ? header[at + 1] : 0;
            if (length == 0 || length > header.Length - at)
            {
                return;
            }

            if ((header[at] & 0x80) == 0)
            {
                header.Slice(at, length).Fill(1);
            }

            at += length;
        }
    }

    private int SendWhole(byte* data, int length, bool v4)
    {
        if (v4)
        {
            *(uint*)(_address + 4) = *(uint*)(data + 16);
            return (int)Native.SendTo(_whole, data, (nuint)length, 0, _address, 16);
        }

        Unsafe.CopyBlockUnaligned(_address + 8, data + 24, 16);
        return (int)Native.SendTo(_whole, data, (nuint)length, 0, _address, 28);
    }

    private void CloseSockets()
    {
        _ = Native.Close(_socket);
        if (_whole >= 0)
        {
            _ = Native.Close(_whole);
        }
    }
}
