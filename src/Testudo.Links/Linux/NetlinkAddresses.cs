// rtnetlink: the addresses of this host (RTM_GETADDR).
//
//   ifaddrmsg: family (1) | prefix length (1) | flags (1) | scope (1) | device index (4)

using System.Runtime.InteropServices;
using Testudo.Wire;

namespace Testudo.Links;

/// <summary>An address of this host.</summary>
/// <param name="Address">The address.</param>
/// <param name="PrefixLength">Bits of its subnet.</param>
/// <param name="DeviceIndex">The device that has it.</param>
/// <param name="IsTentative">IPv6: not usable yet, duplicate address detection runs or has failed.</param>
public sealed record LocalAddress(Address Address, int PrefixLength, int DeviceIndex, bool IsTentative);

public sealed unsafe partial class Netlink
{
    private const ushort GetAddress = 22;

    /// <summary>All addresses of this host, of both families, loopback and link-local ones included.</summary>
    public IReadOnlyList<LocalAddress> Addresses()
    {
        const ushort PeerOrOwn = 1, Own = 2, LongFlags = 8;
        const uint Failed = 0x08, Tentative = 0x40;
        var addresses = new List<LocalAddress>();
        NetlinkWriter message = Message(GetAddress, Dump);
        message.Raw(0); // both families
        message.Raw(0);
        Do(message, "list the addresses", (_, body) =>
        {
            if (body.Length < 8)
            {
                return;
            }

            Address own = default, peer = default;
            uint flags = body[2];
            var reader = new NetlinkReader(body[8..]);
            while (reader.Next())
            {
                switch (reader.Type)
                {
                    case PeerOrOwn: peer = reader.Address; break;
                    case Own: own = reader.Address; break;
                    case LongFlags: flags = reader.Number; break;
                }
            }

            Address address = own.Family != IpFamily.None ? own : peer;
            if (address.Family != IpFamily.None)
            {
                addresses.Add(new LocalAddress(address, body[1], MemoryMarshal.Read<int>(body[4..]), (flags & (Tentative | Failed)) != 0));
            }
        });
        return addresses;
    }
}
