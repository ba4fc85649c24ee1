// Tells that the host's addresses, devices or routes have changed: a netlink socket that listens to their groups. What has
// changed is then read anew by Netlink: simpler than following, and right also when messages were lost.

using System.Runtime.InteropServices;

namespace Testudo.Links;

/// <summary>What has changed.</summary>
[Flags]
public enum NetworkChanges
{
    /// <summary>Nothing.</summary>
    None = 0,

    /// <summary>An address came or went.</summary>
    Addresses = 1,

    /// <summary>A device came, went or changed (up, MTU).</summary>
    Devices = 2,

    /// <summary>A route came or went.</summary>
    Routes = 4,

    /// <summary>A rule came or went.</summary>
    Rules = 8,

    /// <summary>Everything may have changed: messages were lost.</summary>
    All = Addresses | Devices | Routes | Rules,
}

/// <summary>Watches the network namespace of the thread that made it. One thread polls; any thread may wake it.</summary>
public sealed unsafe class AddressMonitor : IDisposable
{
    private readonly Waker _waker = new();
    private readonly byte[] _buffer = new byte[32 * 1024];
    private readonly int _socket;

    /// <summary>Begins to watch. Needs no privilege.</summary>
    public AddressMonitor()
    {
        const uint Devices = 0x1, V4Addresses = 0x10, V4Routes = 0x40, V4Rules = 0x80, V6Addresses = 0x100, V6Routes = 0x400;
        const uint V6Rules = 1u << 18; // RTNLGRP_IPV6_RULE is group 19
        _socket = Native.OpenSocket(Native.NetlinkFamily, Native.RawSocket, 0, "open a netlink socket");
        // sockaddr_nl: family (2), 0 (2), port (4), groups (4)
        uint* address = stackalloc uint[3] { 0, 0, Devices | V4Addresses | V4Routes | V4Rules | V6Addresses | V6Routes | V6Rules };
        *(ushort*)address = Native.NetlinkFamily;
        if (Native.Bind(_socket, address, 12) != 0)
        {
            int errno = Native.Errno;
            Dispose();
            throw Native.Failure("watch the network by netlink", errno);
        }
    }

    /// <summary>The descriptor, for those who wait for many: readable means that <see cref="Poll"/> has something to tell.</summary>
    public int Descriptor => _socket;

    /// <summary>Waits for changes (milliseconds; 0 does not wait, -1 waits for ever) and tells their kinds; none after the time or a wake.</summary>
    public NetworkChanges Poll(int timeoutMilliseconds)
    {
        NetworkChanges changes = ReadAll();
        if (changes == NetworkChanges.None && timeoutMilliseconds != 0 && _waker.Wait(_socket, timeoutMilliseconds) == Waited.Ready)
        {
            changes = ReadAll();
        }

        return changes;
    }

    /// <summary>Ends a <see cref="Poll"/> that waits, now or the next time.</summary>
    public void Wake() => _waker.Wake();

    /// <inheritdoc/>
    /// <remarks>Not while another thread polls.</remarks>
    public void Dispose()
    {
        _ = Native.Close(_socket);
        _waker.Dispose();
    }

    private NetworkChanges ReadAll()
    {
        NetworkChanges changes = NetworkChanges.None;
        fixed (byte* buffer = _buffer)
        {
            while (true)
            {
                int read = (int)Native.Receive(_socket, buffer, (nuint)_buffer.Length, 0);
                if (read < 0)
                {
                    if (Native.Errno == Errno.NoBuffers)
                    {
                        changes = NetworkChanges.All;
                        continue;
                    }

                    return changes;
                }

                changes |= Kinds(_buffer.AsSpan(0, read));
            }
        }
    }

    private static NetworkChanges Kinds(ReadOnlySpan<byte> messages)
    {
        NetworkChanges changes = NetworkChanges.None;
        while (messages.Length >= NetlinkWriter.HeaderLength)
        {
            changes |= MemoryMarshal.Read<ushort>(messages[4..]) switch
            {
                16 or 17 => NetworkChanges.Devices,
                20 or 21 => NetworkChanges.Addresses,
                24 or 25 => NetworkChanges.Routes,
                32 or 33 => NetworkChanges.Rules,
                _ => NetworkChanges.None,
            };
            int length = (int)Math.Clamp(MemoryMarshal.Read<uint>(messages), NetlinkWriter.HeaderLength, (uint)messages.Length);
            messages = messages[Math.Min((length + 3) & ~3, messages.Length)..];
        }

        return changes;
    }
}
