// How long a packet towards an address may be (RFC 4301, 8.2.1).

using System.Collections.Concurrent;
using Testudo.Wire;

namespace Testudo.Engine.PathMtu;

/// <summary>Known path MTUs by destination. Written by the host, read by packet threads.</summary>
public sealed class PathMtus(int otherwise)
{
    private readonly ConcurrentDictionary<Address, int> _known = new();

    /// <summary>Bytes of the longest packet that reaches the address whole.</summary>
    public int Of(in Address destination) => _known.TryGetValue(destination, out int mtu) ? mtu : otherwise;

    /// <summary>Notes what a route or an ICMP error said: at least 576 bytes for IPv4 and 1280 for IPv6, so that nobody can choke a path.</summary>
    public void Set(in Address destination, int mtu) =>
        _known[destination] = Math.Max(mtu, destination.Family == IpFamily.V4 ? 576 : 1280);
}
