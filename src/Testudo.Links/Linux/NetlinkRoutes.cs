// rtnetlink: routes (RTM_NEWROUTE, RTM_DELROUTE, RTM_GETROUTE), and which way and MTU an address has.
//
//   rtmsg: family (1) | destination length (1) | source length (1) | tos (1) | table (1) | protocol (1) | scope (1) | type (1) | flags (4)

using Testudo.Wire;

namespace Testudo.Links;

/// <summary>What a route does with a packet; the values are the kernel's.</summary>
public enum RouteType : byte
{
    /// <summary>Sends it.</summary>
    Unicast = 1,

    /// <summary>Refuses it: EACCES for a local sender, ICMP prohibited for a forwarded packet.</summary>
    Prohibit = 8,
}

/// <summary>A route of a table of its own.</summary>
public sealed record Route
{
    /// <summary>Where it leads; <see cref="Prefix.All"/> for a default route.</summary>
    public required Prefix Destination { get; init; }

    /// <summary>The table.</summary>
    public required uint Table { get; init; }

    /// <summary>What it does.</summary>
    public RouteType Type { get; init; } = RouteType.Unicast;

    /// <summary>The device's name; empty for none.</summary>
    public string Device { get; init; } = "";

    /// <summary>The lowest metric wins. IPv6 turns 0 into 1024.</summary>
    public uint Metric { get; init; }

    /// <summary>Who made it: a tag to find it again.</summary>
    public byte Protocol { get; init; }

    /// <summary>The TCP MSS to announce; 0 for the device's.</summary>
    public int AdvertisedMss { get; init; }

    /// <summary>The source address of local senders; none lets the kernel choose.</summary>
    public Address Source { get; init; }

    /// <inheritdoc/>
    public override string ToString() =>
        $"{(Type == RouteType.Prohibit ? "prohibit " : "")}{Destination}{(Device.Length > 0 ? $" dev {Device}" : "")}"
        + $"{(Source.Family != IpFamily.None ? $" src {Source}" : "")} table {Table}{(Metric != 0 ? $" metric {Metric}" : "")}"
        + $"{(Protocol != 0 ? $" proto {Protocol}" : "")}{(AdvertisedMss != 0 ? $" advmss {AdvertisedMss}" : "")}";
}

/// <summary>The way to an address.</summary>
/// <param name="Device">The device it leaves by.</param>
/// <param name="Source">The source address that the kernel would take.</param>
/// <param name="Gateway">The next hop; none where it is on the link.</param>
/// <param name="DeviceMtu">The device's MTU in bytes.</param>
/// <param name="PathMtu">The route's MTU or what path MTU discovery learned, else the device's.</param>
public sealed record PathTo(NetworkDevice Device, Address Source, Address Gateway, int DeviceMtu, int PathMtu);

public sealed unsafe partial class Netlink
{
    private const ushort NewRoute = 24, DeleteRouteMessage = 25, GetRoute = 26;
    private const ushort RouteDestination = 1, RouteDevice = 4, RouteGateway = 5, RoutePriority = 6, RouteSource = 7, RouteMetrics = 8,
        RouteTable = 15, RouteMark = 16;
    private const ushort MetricMtu = 2, MetricAdvertisedMss = 8;

    /// <summary>Adds a route; false where the same one is there already.</summary>
    public bool AddRoute(Route route)
    {
        NetlinkWriter message = Message(NewRoute, Acknowledge | Create | Exclusive);
        WriteRoute(message, route);
        int errno = Try(message, out string words);
        return errno is 0 or Errno.Exists ? errno == 0 : throw Refused($"add the route {route}", errno, words);
    }

    /// <summary>Deletes a route; false where there is none.</summary>
    public bool DeleteRoute(Route route)
    {
        NetlinkWriter message = Message(DeleteRouteMessage, Acknowledge);
        WriteRoute(message, route);
        int errno = Try(message, out string words);
        return errno is 0 or Errno.NoProcess or Errno.NoEntry or Errno.NoDevice
            ? errno == 0 : throw Refused($"delete the route {route}", errno, words);
    }

    /// <summary>The routes of one table that carry a protocol's tag, of both families.</summary>
    public IReadOnlyList<Route> Routes(uint table, byte protocol)
    {
        var routes = new List<Route>();
        Dictionary<uint, string> names = Devices().ToDictionary(static d => (uint)d.Index, static d => d.Name);
        foreach (IpFamily family in (ReadOnlySpan<IpFamily>)[IpFamily.V4, IpFamily.V6])
        {
            NetlinkWriter message = Message(GetRoute, Dump);
            message.Raw([(byte)Native.FamilyNumber(family), 0, 0, 0, 0, protocol, 0, 0]);
            message.Raw(0);
            message.Attribute(RouteTable, table);
            int errno = Try(message, out string words, (_, body) =>
            {
                // Once more here: a kernel without strict checking gives everything.
                if (ReadRoute(body, family, names) is { } route && route.Table == table && route.Protocol == protocol)
                {
                    routes.Add(route);
                }
            });
            // No such table: nothing in it. No such family: likewise.
            if (errno is not (0 or Errno.NoEntry or Errno.FamilyNotSupported or Errno.OperationNotSupported))
            {
                throw Refused($"list the routes of table {table}", errno, words);
            }
        }

        return routes;
    }

    /// <summary>Deletes the routes of one table that carry a protocol's tag; answers those.</summary>
    public IReadOnlyList<Route> FlushRoutes(uint table, byte protocol)
    {
        IReadOnlyList<Route> routes = Routes(table, protocol);
        foreach (Route route in routes)
        {
            _ = DeleteRoute(route);
        }

        return routes;
    }

    /// <summary>The way to an address for packets with a mark, or null where there is none (or a prohibiting route).</summary>
    public PathTo? FindPath(in Address destination, uint mark = 0)
    {
        int device = 0, mtu = 0;
        Address source = default, gateway = default;
        NetlinkWriter message = Message(GetRoute, Acknowledge);
        message.Raw([(byte)Native.FamilyNumber(destination.Family), (byte)destination.Bits, 0, 0, 0, 0, 0, 0]);
        message.Raw(0);
        message.Attribute(RouteDestination, destination);
        if (mark != 0)
        {
            message.Attribute(RouteMark, mark);
        }

        int errno = Try(message, out _, (_, body) =>
        {
            var reader = new NetlinkReader(body.Length >= 12 ? body[12..] : default);
            while (reader.Next())
            {
                switch (reader.Type)
                {
                    case RouteDevice: device = (int)reader.Number; break;
                    case RouteGateway: gateway = reader.Address; break;
                    case RouteSource: source = reader.Address; break;
                    case RouteMetrics: mtu = (int)Metric(reader.Data, MetricMtu); break;
                }
            }
        });
        NetworkDevice? found = errno == 0 && device != 0 ? Devices().FirstOrDefault(d => d.Index == device) : null;
        return found is null ? null : new PathTo(found, source, gateway, found.Mtu, mtu > 0 ? Math.Min(mtu, found.Mtu) : found.Mtu);
    }

    private void WriteRoute(NetlinkWriter message, Route route)
    {
        const byte Universe = 0, Link = 253;
        IpFamily family = route.Destination.Address.Family;
        uint device = route.Device.Length > 0 ? (uint)IndexOf(route.Device) : 0;
        byte scope = family == IpFamily.V4 && device != 0 ? Link : Universe;
        message.Raw([(byte)Native.FamilyNumber(family), (byte)route.Destination.Length, 0, 0, 0, route.Protocol, scope, (byte)route.Type]);
        message.Raw(0);
        message.Attribute(RouteTable, route.Table);
        if (route.Destination.Length > 0)
        {
            message.Attribute(RouteDestination, route.Destination.Masked().Address);
        }

        if (device != 0)
        {
            message.Attribute(RouteDevice, device);
        }

        if (route.Metric != 0)
        {
            message.Attribute(RoutePriority, route.Metric);
        }

        if (route.Source.Family != IpFamily.None)
        {
            message.Attribute(RouteSource, route.Source);
        }

        if (route.AdvertisedMss != 0)
        {
            int metrics = message.Begin(RouteMetrics);
            message.Attribute(MetricAdvertisedMss, (uint)route.AdvertisedMss);
            message.End(metrics);
        }
    }

    private static Route? ReadRoute(ReadOnlySpan<byte> body, IpFamily family, Dictionary<uint, string> names)
    {
        // A kernel without the family answers for all that it has.
        if (body.Length < 12 || body[0] != Native.FamilyNumber(family))
        {
            return null;
        }

        uint table = body[4], metric = 0, mss = 0;
        string device = "";
        Address destination = Address.Any(family), source = default;
        var reader = new NetlinkReader(body[12..]);
        while (reader.Next())
        {
            switch (reader.Type)
            {
                case RouteDestination: destination = reader.Address; break;
                case RouteDevice: device = names.GetValueOrDefault(reader.Number, ""); break;
                case RoutePriority: metric = reader.Number; break;
                case RouteSource: source = reader.Address; break;
                case RouteTable: table = reader.Number; break;
                case RouteMetrics: mss = Metric(reader.Data, MetricAdvertisedMss); break;
            }
        }

        return new Route
        {
            Destination = new Prefix(destination, body[1]),
            Table = table,
            Type = (RouteType)body[7],
            Device = device,
            Metric = metric,
            Protocol = body[5],
            AdvertisedMss = (int)mss,
            Source = source,
        };
    }

    private static uint Metric(ReadOnlySpan<byte> metrics, ushort type)
    {
        var reader = new NetlinkReader(metrics);
        while (reader.Next())
        {
            if (reader.Type == type)
            {
                return reader.Number;
            }
        }

        return 0;
    }
}
