// Joins this host to the stack: a TUN device, the routes into it, and the rules that lead marked packets there. Which packets
// are marked, and the guard, is an nft table that the caller applies after Join and deletes before Leave.
//
//   pref 5150   iif testudo0 goto 5152            what came out of the TUN is not routed into it again
//   pref 5151   fwmark 0x54000000/0xfe000000 lookup 5150    default dev testudo0; prohibit default behind it
//   pref 5152   nop                               the landing place
//   pref 33150  lookup 5151                       last resort: protected prefixes without a route, before ENETUNREACH
//
// The mark 0x55 (out of the TUN) is matched too: the reverse path filter asks with that mark and another input device, and must
// find that the way back leads into the TUN.
// Failing closed: when the TUN vanishes, its routes vanish, and the prohibiting routes answer what is marked.

using Testudo.Wire;

namespace Testudo.Links;

/// <summary>A joined host. Made in the network namespace that is to be joined; for one thread at a time.</summary>
public sealed class HostJoin : IDisposable
{
    // The kernel's greatest metric but one step: behind everything that anybody adds.
    private const uint LastMetric = 4278198272;
    private readonly HostJoinOptions _options;
    private readonly InstanceLock _lock;
    private readonly Netlink _netlink;
    private readonly List<Route> _lastResort = [];
    private readonly List<IpFamily> _families;
    private bool _left;

    private HostJoin(HostJoinOptions options, InstanceLock heldLock)
    {
        _options = options;
        _lock = heldLock;
        _netlink = new Netlink();
        bool fresh = !LeftoversExist(options);
        TunLink? tun = null;
        try
        {
            tun = new TunLink(new TunOptions(options.Device, options.Mtu));
            Tun = tun;
            _netlink.SetSourceValidMark(tun.Device);
            bool hasV6 = _netlink.TrySetNoGeneratedAddress(tun.Device);
            _families = hasV6 ? [IpFamily.V4, IpFamily.V6] : [IpFamily.V4];
            // The prohibiting routes and the rules of a killed predecessor stay as they are: at no time is the way open.
            AddProhibitions(options, _netlink, _families);
            _netlink.SetUp(tun.Device);
            if (hasV6 && !TryRouteV6())
            {
                // Marked packets of IPv6 then meet the prohibiting route.
                _ = _families.Remove(IpFamily.V6);
            }

            _ = Restore();
            // For IPv6 also where it is off: packets marked for us must meet the prohibiting route.
            Rule[] wanted = [.. Rules(options, hasV6 ? [IpFamily.V4, IpFamily.V6] : [IpFamily.V4])];
            foreach (Rule rule in wanted)
            {
                _ = _netlink.AddRule(rule);
            }

            Adopted = _netlink.FlushRules(options.Protocol, rule => options.Owns(rule) && !wanted.Contains(rule));
        }
        catch
        {
            tun?.Dispose();
            if (fresh)
            {
                _ = Remove(options, _netlink);
            }

            _netlink.Dispose();
            throw;
        }
    }

    /// <summary>The link to the host's IP stack. Closed by <see cref="Leave"/>.</summary>
    public TunLink Tun { get; }

    /// <summary>The families that are joined. IPv6 is missing where the kernel has none, or where it is off and cannot be turned on for the device.</summary>
    public IReadOnlyList<IpFamily> Families => _families;

    /// <summary>Rules that a predecessor with other options had left and that were removed.</summary>
    public IReadOnlyList<Rule> Adopted { get; }

    /// <summary>
    /// Joins the host: TUN, prohibiting routes, routes, rules. What a killed instance of this number has left is taken over.
    /// The caller then opens its sockets with <see cref="HostJoinOptions.OwnMark"/> and applies the nft table last.
    /// </summary>
    /// <param name="options">Names and numbers.</param>
    /// <param name="lockPath">A file that is locked while the instance lives; it must be another one in each network namespace.</param>
    /// <exception cref="IOException">A live instance has the number, or the system refused a step; then all is as before.</exception>
    public static HostJoin Join(HostJoinOptions options, string lockPath) => Join(options, InstanceLock.Take(options, lockPath));

    /// <summary>The same where the instance's number is held already; the lock is the join's from now on.</summary>
    public static HostJoin Join(HostJoinOptions options, InstanceLock held)
    {
        try
        {
            return new HostJoin(options, held);
        }
        catch
        {
            held.Dispose();
            throw;
        }
    }

    /// <summary>Adds the routes again that went when the device was down for a while. Call it when routes or devices have changed.</summary>
    /// <returns>How many had been missing.</returns>
    public int Restore()
    {
        int added = 0;
        foreach (IpFamily family in _families)
        {
            added += _netlink.AddRoute(DefaultRoute(family)) ? 1 : 0;
        }

        return added + _lastResort.Count(_netlink.AddRoute);
    }

    /// <summary>
    /// Gives local senders a route to a protected prefix that no other table leads to: without one they fail before they are
    /// marked. The source is one of this host's addresses within the policy's source; none lets the kernel choose.
    /// </summary>
    public void AddLastResort(Prefix destination, Address source)
    {
        Route route = LastResort(destination, source);
        _ = _netlink.AddRoute(route);
        _lastResort.Add(route);
    }

    /// <summary>Takes a last-resort route away; nothing happens where there is none.</summary>
    public void RemoveLastResort(Prefix destination, Address source)
    {
        Route route = LastResort(destination, source);
        if (_lastResort.Remove(route))
        {
            _ = _netlink.DeleteRoute(route);
        }
    }

    /// <summary>Removes rules and routes and closes the TUN. The nft table must be gone before.</summary>
    public void Leave()
    {
        if (!_left)
        {
            _left = true;
            try
            {
                _ = Remove(_options, _netlink);
            }
            finally
            {
                Tun.Dispose();
                _netlink.Dispose();
                _lock.Dispose();
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose() => Leave();

    /// <summary>True where rules or routes of this instance are there, of a live one or of a killed one.</summary>
    public static bool LeftoversExist(HostJoinOptions options)
    {
        using var netlink = new Netlink();
        return netlink.Rules(options.Protocol).Any(options.Owns)
            || netlink.Routes(options.Table, options.Protocol).Count > 0
            || netlink.Routes(options.LastResortTable, options.Protocol).Count > 0;
    }

    /// <summary>Removes what a killed instance of this number has left, and says what that was, a line for each thing.</summary>
    /// <param name="options">Names and numbers.</param>
    /// <param name="lockPath">The instance's lock file.</param>
    /// <param name="nft">Deletes the nft table as well, first; null leaves it to the caller.</param>
    /// <exception cref="IOException">The instance lives, or the system refused a step.</exception>
    public static IReadOnlyList<string> CleanUp(HostJoinOptions options, string lockPath, Nftables? nft = null)
    {
        using InstanceLock held = InstanceLock.Take(options, lockPath);
        using var netlink = new Netlink();
        var found = new List<string>();
        if (nft is not null && nft.TableExists(options.NftTable))
        {
            nft.DeleteTable(options.NftTable);
            found.Add($"nft table inet {options.NftTable}");
        }

        found.AddRange(Remove(options, netlink));
        return found;
    }

    private static List<string> Remove(HostJoinOptions options, Netlink netlink)
    {
        var found = new List<string>();
        // Rules first: without them nothing leads to the routes.
        found.AddRange(netlink.FlushRules(options.Protocol, options.Owns).Select(static rule => $"rule {rule}"));
        found.AddRange(netlink.FlushRoutes(options.Table, options.Protocol).Select(static route => $"route {route}"));
        found.AddRange(netlink.FlushRoutes(options.LastResortTable, options.Protocol).Select(static route => $"route {route}"));
        return found;
    }

    private static void AddProhibitions(HostJoinOptions options, Netlink netlink, List<IpFamily> families)
    {
        foreach (IpFamily family in families)
        {
            _ = netlink.AddRoute(new Route
            {
                Destination = Prefix.All(family),
                Table = options.Table,
                Type = RouteType.Prohibit,
                Metric = LastMetric,
                Protocol = options.Protocol,
            });
        }
    }

    // In the order in which they are added: the landing place, then the rule that keeps loops away, then the one that leads in.
    private static IEnumerable<Rule> Rules(HostJoinOptions options, IEnumerable<IpFamily> families) => families.SelectMany(family => (Rule[])
    [
        new Rule { Family = family, Priority = options.Priority + 2, Action = RuleAction.Nop, Protocol = options.Protocol },
        new Rule
        {
            Family = family,
            Priority = options.Priority,
            Action = RuleAction.GoTo,
            Target = options.Priority + 2,
            InputDevice = options.Device,
            Protocol = options.Protocol,
        },
        new Rule
        {
            Family = family,
            Priority = options.Priority + 1,
            Action = RuleAction.Lookup,
            Table = options.Table,
            Mark = options.ToTunMark,
            Mask = HostJoinOptions.RuleMask,
            Protocol = options.Protocol,
        },
        new Rule
        {
            Family = family,
            Priority = options.LastResortPriority,
            Action = RuleAction.Lookup,
            Table = options.LastResortTable,
            Protocol = options.Protocol,
        },
    ]);

    // Where IPv6 is off by default (containers) it is off for our device too, and the kernel refuses routes over it.
    private bool TryRouteV6()
    {
        try
        {
            _ = _netlink.AddRoute(DefaultRoute(IpFamily.V6));
            return true;
        }
        catch (NetlinkException e) when (e.Errno == Errno.AccessDenied)
        {
        }

        try
        {
            File.WriteAllText($"/proc/sys/net/ipv6/conf/{Tun.Device}/disable_ipv6", "0");
            _ = _netlink.AddRoute(DefaultRoute(IpFamily.V6));
            return true;
        }
        catch (Exception e) when (e is UnauthorizedAccessException or IOException)
        {
            return false;
        }
    }

    private Route DefaultRoute(IpFamily family) => new()
    {
        Destination = Prefix.All(family),
        Table = _options.Table,
        Device = Tun.Device,
        Protocol = _options.Protocol,
        AdvertisedMss = _options.AdvertisedMss,
    };

    private Route LastResort(Prefix destination, Address source) => new()
    {
        Destination = destination.Masked(),
        Table = _options.LastResortTable,
        Device = Tun.Device,
        Source = source,
        Protocol = _options.Protocol,
    };
}
