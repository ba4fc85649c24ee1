// rtnetlink by hand: links, routes, rules and addresses without running ip(8). This file has the socket: requests that are
// acknowledged, and dumps. It is for setting up, not for the packet path: failures are exceptions with the words of what was
// tried and the kernel's own.

using System.Runtime.InteropServices;

namespace Testudo.Links;

/// <summary>The kernel refused a request.</summary>
public sealed class NetlinkException(string message, int errno) : IOException(message)
{
    /// <summary>The error number.</summary>
    public int Errno { get; } = errno;
}

/// <summary>A NETLINK_ROUTE socket in the network namespace of the thread that made it. For one thread at a time.</summary>
public sealed unsafe partial class Netlink : IDisposable
{
    private const ushort Request = 1, Acknowledge = 4, Dump = 0x300, Replace = 0x100, Exclusive = 0x200, Create = 0x400;
    private const ushort Error = 2, Done = 3;
    private const int SolNetlink = 270, ExtendedAcknowledge = 11, StrictCheck = 12;
    private readonly byte[] _receive = GC.AllocateUninitializedArray<byte>(64 * 1024);
    private readonly int _socket;
    private uint _sequence;

    /// <summary>Opens the socket. Reading needs no privilege, changing needs CAP_NET_ADMIN.</summary>
    public Netlink()
    {
        // Blocking: the kernel answers at once.
        _socket = Native.Check(Native.Socket(Native.NetlinkFamily, Native.RawSocket | Native.CloseOnExec, 0), "open a netlink socket");
        int one = 1;
        // The kernel's words for errors (4.12), and dumps that are filtered by the kernel (4.20); not needed where they lack.
        _ = Native.SetSockOpt(_socket, SolNetlink, ExtendedAcknowledge, &one, sizeof(int));
        _ = Native.SetSockOpt(_socket, SolNetlink, StrictCheck, &one, sizeof(int));
    }

    /// <inheritdoc/>
    public void Dispose() => _ = Native.Close(_socket);

    private delegate void OnMessage(ushort type, ReadOnlySpan<byte> body);

    private static NetlinkWriter Message(ushort type, int flags) => new(type, (ushort)(Request | flags));

    // Sends a request and waits for its acknowledgement; answers 0 or the errno, with the kernel's words if it has some.
    private int Try(NetlinkWriter message, out string words, OnMessage? onMessage = null)
    {
        uint sequence = ++_sequence;
        words = "";
        ReadOnlySpan<byte> bytes = message.Finish(sequence);
        fixed (byte* at = bytes)
        {
            if (Native.Send(_socket, at, (nuint)bytes.Length, 0) < 0)
            {
                return Native.Errno;
            }
        }

        while (true)
        {
            int read;
            fixed (byte* at = _receive)
            {
                read = (int)Native.Receive(_socket, at, (nuint)_receive.Length, 0);
            }

            if (read < 0)
            {
                if (Native.Errno == Errno.Interrupted)
                {
                    continue;
                }

                return Native.Errno;
            }

            ReadOnlySpan<byte> rest = _receive.AsSpan(0, read);
            while (rest.Length >= NetlinkWriter.HeaderLength)
            {
                int length = (int)Math.Min(MemoryMarshal.Read<uint>(rest), (uint)rest.Length);
                ushort type = MemoryMarshal.Read<ushort>(rest[4..]);
                ushort flags = MemoryMarshal.Read<ushort>(rest[6..]);
                ReadOnlySpan<byte> body = rest[NetlinkWriter.HeaderLength..Math.Max(length, NetlinkWriter.HeaderLength)];
                if (MemoryMarshal.Read<uint>(rest[8..]) == sequence)
                {
                    switch (type)
                    {
                        case Error or Done:
                            int code = body.Length >= 4 ? -MemoryMarshal.Read<int>(body) : 0;
                            words = code == 0 ? "" : KernelWords(body, flags, type);
                            return code;
                        default:
                            onMessage?.Invoke(type, body);
                            break;
                    }
                }

                rest = rest[Math.Min((Math.Max(length, NetlinkWriter.HeaderLength) + 3) & ~3, rest.Length)..];
            }
        }
    }

    private void Do(NetlinkWriter message, string tried, OnMessage? onMessage = null)
    {
        int errno = Try(message, out string words, onMessage);
        if (errno != 0)
        {
            throw Refused(tried, errno, words);
        }
    }

    private static NetlinkException Refused(string tried, int errno, string words) =>
        new($"{Native.Failure(tried, errno).Message}{(words.Length > 0 ? $": {words}" : "")}", errno);

    // NLMSGERR_ATTR_MSG (1) behind the error and, unless NLM_F_CAPPED (0x100), the whole request.
    private static string KernelWords(ReadOnlySpan<byte> body, ushort flags, ushort type)
    {
        const ushort Capped = 0x100, HasAttributes = 0x200;
        if ((flags & HasAttributes) == 0)
        {
            return "";
        }

        int start = 4;
        if (type == Error)
        {
            if (body.Length < 8)
            {
                return "";
            }

            int original = MemoryMarshal.Read<int>(body[4..]);
            start += (flags & Capped) != 0 ? NetlinkWriter.HeaderLength : (original + 3) & ~3;
        }

        var reader = new NetlinkReader(start <= body.Length && start > 0 ? body[start..] : default);
        while (reader.Next())
        {
            if (reader.Type == 1)
            {
                return reader.Text;
            }
        }

        return "";
    }

}
