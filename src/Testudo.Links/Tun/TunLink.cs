// A TUN device: the host's own IP stack on the other side. What the kernel routes into the device is received here, and
// what is sent here arrives in the kernel as if the device had received it. The device lives as long as the descriptor.

using System.Runtime.InteropServices;
using System.Text;
using Testudo.Wire;

namespace Testudo.Links;

/// <summary>How to make a TUN device.</summary>
/// <param name="Name">The device's name, up to 15 bytes; "testudo%d" lets the kernel choose the number.</param>
/// <param name="Mtu">Bytes of the longest packet, 68 to 65535. At 65535 the kernel never fragments before the device.</param>
/// <param name="Queue">
/// Packets that may wait to be read; what comes then is lost. A sender in this host hears of no queue before it overflows,
/// so that TCP fills it with its window: the kernel's 500 packets are less than Linux's usual greatest window (4 MiB).
/// </param>
public sealed record TunOptions(string Name, int Mtu = 65535, int Queue = 4096);

/// <summary>A link to this host's IP stack by a TUN device of one queue. It is neither persistent nor brought up here.</summary>
public sealed unsafe class TunLink : DescriptorLink
{
    private readonly int _descriptor;

    /// <summary>Makes the device in the calling thread's network namespace. <see cref="IOException"/> where that fails.</summary>
    public TunLink(TunOptions options)
    {
        if (Encoding.UTF8.GetByteCount(options.Name) is 0 or > 15)
        {
            throw new ArgumentException($"the device name '{options.Name}' must have 1 to 15 bytes", nameof(options));
        }

        _descriptor = Native.Check(
            Native.Open("/dev/net/tun", Native.ReadWrite | Native.NonBlocking | Native.CloseOnExec), "open /dev/net/tun");
        try
        {
            InterfaceRequest request = default;
            Encoding.UTF8.GetBytes(options.Name, new Span<byte>(request.Name, 15));
            *(ushort*)request.Value = Native.IffTun | Native.IffNoPi;
            Native.Check(Native.Ioctl(_descriptor, Native.TunSetIff, &request), $"make the TUN device {options.Name}");
            Device = Marshal.PtrToStringUTF8((nint)request.Name)!;
            using var netlink = new Netlink();
            netlink.SetMtu(Device, options.Mtu);
            netlink.SetQueueLength(Device, options.Queue);
        }
        catch
        {
            _ = Native.Close(_descriptor);
            throw;
        }
    }

    /// <summary>Takes over the descriptor of a TUN device that somebody else has made without packet information; it is closed here.</summary>
    public TunLink(int descriptor)
    {
        InterfaceRequest request = default;
        Native.Check(Native.Ioctl(descriptor, Native.TunGetIff, &request), $"ask descriptor {descriptor} for its TUN device");
        if ((*(ushort*)request.Value & (Native.IffTun | Native.IffNoPi)) != (Native.IffTun | Native.IffNoPi))
        {
            throw new ArgumentException("the descriptor must be a TUN device made with IFF_TUN | IFF_NO_PI", nameof(descriptor));
        }

        const int GetFlags = 3, SetFlags = 4;
        int flags = Native.Check(Native.Fcntl(descriptor, GetFlags, 0), "read the descriptor's flags");
        Native.Check(Native.Fcntl(descriptor, SetFlags, flags | Native.NonBlocking), "make the descriptor non-blocking");
        _descriptor = descriptor;
        Device = Marshal.PtrToStringUTF8((nint)request.Name)!;
    }

    /// <summary>The name of the device.</summary>
    public string Device { get; }

    /// <inheritdoc/>
    public override string Name => $"tun {Device}";

    internal override int Descriptor => _descriptor;

    internal override int ReadOne(Batch into)
    {
        Span<byte> room = into.Reserve();
        fixed (byte* bytes = room)
        {
            int length = (int)Native.Read(_descriptor, bytes, (nuint)room.Length);
            if (length <= 0)
            {
                return ReadFailure(Native.Errno);
            }

            into.Commit(length);
            return length;
        }
    }

    internal override Drop SendOne(in Packet packet) =>
        Native.Write(_descriptor, packet.Data, (nuint)packet.Length) >= 0 ? Drop.None : SendFailure(Native.Errno);

    internal override void Close() => _ = Native.Close(_descriptor);
}
