// rtnetlink: devices (RTM_GETLINK, RTM_SETLINK).
//
//   ifinfomsg: family (1) | 0 (1) | type (2) | index (4) | flags (4) | change (4)

using System.Runtime.InteropServices;

namespace Testudo.Links;

/// <summary>A network device.</summary>
/// <param name="Index">Its number.</param>
/// <param name="Name">Its name.</param>
/// <param name="Mtu">Bytes of the longest packet.</param>
/// <param name="IsUp">Whether it is administratively up.</param>
public sealed record NetworkDevice(int Index, string Name, int Mtu, bool IsUp);

public sealed unsafe partial class Netlink
{
    private const ushort GetLink = 18, SetLink = 19;
    private const ushort LinkName = 3, LinkMtu = 4, LinkQueueLength = 13, LinkFamilies = 26;
    private const uint FlagUp = 1;

    /// <summary>All devices of the namespace.</summary>
    public IReadOnlyList<NetworkDevice> Devices()
    {
        var devices = new List<NetworkDevice>();
        NetlinkWriter message = Message(GetLink, Dump);
        WriteDevice(message, 0, 0);
        Do(message, "list the devices", (_, body) => devices.Add(ReadDevice(body)));
        return devices;
    }

    /// <summary>A device by its name, or null.</summary>
    public NetworkDevice? FindDevice(string name)
    {
        NetworkDevice? found = null;
        NetlinkWriter message = Message(GetLink, Acknowledge);
        WriteDevice(message, 0, 0);
        message.Attribute(LinkName, name);
        int errno = Try(message, out string words, (_, body) => found = ReadDevice(body));
        return errno is 0 or Errno.NoDevice ? found : throw Refused($"look for the device {name}", errno, words);
    }

    /// <summary>Sets a device's MTU in bytes.</summary>
    public void SetMtu(string device, int mtu)
    {
        NetlinkWriter message = Message(SetLink, Acknowledge);
        WriteDevice(message, IndexOf(device), 0);
        message.Attribute(LinkMtu, (uint)mtu);
        Do(message, $"set the MTU of {device} to {mtu}");
    }

    /// <summary>Sets how many packets may wait in a device (ip link set DEVICE txqueuelen PACKETS).</summary>
    public void SetQueueLength(string device, int packets)
    {
        NetlinkWriter message = Message(SetLink, Acknowledge);
        WriteDevice(message, IndexOf(device), 0);
        message.Attribute(LinkQueueLength, (uint)packets);
        Do(message, $"set the queue of {device} to {packets} packets");
    }

    /// <summary>Brings a device up or down.</summary>
    public void SetUp(string device, bool up = true)
    {
        NetlinkWriter message = Message(SetLink, Acknowledge);
        WriteDevice(message, IndexOf(device), up ? FlagUp : 0, FlagUp);
        Do(message, $"bring {device} {(up ? "up" : "down")}");
    }

    /// <summary>
    /// Keeps a device from making an IPv6 link-local address of its own, so that it sends no router solicitations and no
    /// multicast reports (ip link set DEVICE addrgenmode none). False where the system has no IPv6.
    /// </summary>
    public bool TrySetNoGeneratedAddress(string device)
    {
        const ushort AddressGeneration = 8;
        const byte None = 1;
        NetlinkWriter message = Message(SetLink, Acknowledge);
        WriteDevice(message, IndexOf(device), 0);
        int families = message.Begin(LinkFamilies);
        int inet6 = message.Begin(Native.Inet6);
        message.Attribute(AddressGeneration, None);
        message.End(inet6);
        message.End(families);
        int errno = Try(message, out string words);
        return errno switch
        {
            0 => true,
            Errno.FamilyNotSupported or Errno.OperationNotSupported => false,
            _ => throw Refused($"set addrgenmode none on {device}", errno, words),
        };
    }

    /// <summary>
    /// Lets the reverse path filter look at a packet's mark on this device alone (net.ipv4.conf.DEVICE.src_valid_mark = 1). By
    /// netlink, since /proc/sys is read-only in containers.
    /// </summary>
    public void SetSourceValidMark(string device)
    {
        const ushort Configuration = 1, SourceValidMark = 24;
        NetlinkWriter message = Message(SetLink, Acknowledge);
        WriteDevice(message, IndexOf(device), 0);
        int families = message.Begin(LinkFamilies);
        int inet = message.Begin(Native.Inet);
        int configuration = message.Begin(Configuration);
        message.Attribute(SourceValidMark, 1u);
        message.End(configuration);
        message.End(inet);
        message.End(families);
        Do(message, $"set src_valid_mark on {device}");
    }

    private int IndexOf(string device) =>
        FindDevice(device)?.Index ?? throw new NetlinkException($"there is no device {device}", Errno.NoDevice);

    private static void WriteDevice(NetlinkWriter message, int index, uint flags, uint change = 0)
    {
        message.Raw(0);
        message.Raw((uint)index);
        message.Raw(flags);
        message.Raw(change);
    }

    private static NetworkDevice ReadDevice(ReadOnlySpan<byte> body)
    {
        if (body.Length < 16)
        {
            return new NetworkDevice(0, "", 0, false);
        }

        string name = "";
        int mtu = 0;
        var reader = new NetlinkReader(body[16..]);
        while (reader.Next())
        {
            switch (reader.Type)
            {
                case LinkName: name = reader.Text; break;
                case LinkMtu: mtu = (int)reader.Number; break;
            }
        }

        return new NetworkDevice(MemoryMarshal.Read<int>(body[4..]), name, mtu, (MemoryMarshal.Read<uint>(body[8..]) & FlagUp) != 0);
    }
}
