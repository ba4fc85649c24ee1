// A stack joined to this Linux host: guard, TUN, routes, sockets. The guard comes first and goes first; what a killed
// process leaves is closed: guard, marks, rules and prohibiting routes stay until the next one takes them over.

using Testudo.Engine;
using Testudo.Engine.Policies;
using Testudo.Host;
using Testudo.Links;
using Testudo.Wire;
using Testudo.Wire.PfKey;

namespace Testudo.Linux;

/// <summary>The host's side of a stack.</summary>
public sealed class LinuxHost : IDisposable
{
    private readonly LinuxHostOptions _options;
    private readonly InstanceLock _lock;
    private readonly HostGuard _guard;
    private readonly Netlink _netlink = new();
    private readonly AddressMonitor _monitor = new();
    private readonly Dictionary<Prefix, Address> _lastResort = [];
    private readonly Lock _network = new();
    private HostJoin? _join;
    private Thread? _watcher;
    private volatile bool _ending;

    /// <summary>Takes the instance's number; nothing else is touched yet.</summary>
    /// <exception cref="IOException">A live process has the number.</exception>
    public LinuxHost(LinuxHostOptions options, EngineOptions engine)
    {
        _options = options;
        _lock = InstanceLock.Take(options.Join, options.LockFile);
        _guard = new HostGuard(options.GuardNames, engine);
    }

    /// <summary>For <see cref="IpsecStackOptions.Guard"/>: the guard follows the policies.</summary>
    public string? CommitGuard(IReadOnlyList<Policy> policies)
    {
        string? fault = _guard.Commit(policies, PolicyAction.None);
        if (fault is null)
        {
            ReachTunnels(policies);
        }

        return fault;
    }

    /// <summary>What the guard stopped, by drop.</summary>
    public IReadOnlyDictionary<Drop, long> GuardCounters() => _guard.Counters();

    /// <summary>
    /// Joins the host and attaches the links to the stack, which is to be started afterwards. The guard must stand:
    /// <see cref="CommitGuard"/> comes first.
    /// </summary>
    /// <exception cref="IOException">The system refused; what was added has been removed again.</exception>
    public void Join(IpsecStack stack)
    {
        try
        {
            _join = HostJoin.Join(_options.Join, _lock);
            stack.AttachClear(_join.Tun);
            foreach (IpFamily family in _join.Families)
            {
                bool v4 = family == IpFamily.V4;
                stack.AttachErrors(new IcmpErrorLink(new IcmpErrorOptions(family, _options.Links.Contains(HostLink.Udp) ? _options.UdpPort : (ushort)0)));
                if (_options.Links.Contains(HostLink.Raw))
                {
                    stack.AttachWire(new RawLink(new RawOptions(family, Mark: _options.Join.OwnMark)), v4 ? WireKind.Esp4 | WireKind.Clear4 : WireKind.Esp6 | WireKind.Clear6);
                    stack.AttachWire(new RawLink(new RawOptions(family, IpProtocol.IpComp, _options.Join.OwnMark)), v4 ? WireKind.IpComp4 : WireKind.IpComp6);
                    stack.AttachWire(new RawLink(new RawOptions(family, IpProtocol.Ah, _options.Join.OwnMark)), v4 ? WireKind.Ah4 : WireKind.Ah6);
                }

                if (_options.Links.Contains(HostLink.Udp))
                {
                    stack.AttachWire(new UdpEncapLink(new UdpEncapOptions(family, _options.UdpPort, _options.Join.OwnMark)), v4 ? WireKind.Udp4 : WireKind.Udp6);
                }
            }

            stack.Engine.SetLocalAddresses(_netlink.Addresses().Select(static local => local.Address));
            ReachTunnels([.. stack.Engine.Spd.All]);
            _watcher = new Thread(() => Watch(stack.Engine)) { Name = "testudo network", IsBackground = true };
            _watcher.Start();
        }
        catch
        {
            Abandon();
            throw;
        }
    }

    /// <summary>
    /// Leaves the host after a start that failed: as it was, but what a killed instance had left closed stays closed.
    /// </summary>
    public void Abandon() => Leave(isFailure: true);

    /// <summary>Leaves the host as it was: guard first, then routes, rules and the TUN device.</summary>
    public void Dispose() => Leave(isFailure: false);

    private void Leave(bool isFailure)
    {
        if (_ending)
        {
            return;
        }

        _ending = true;
        _monitor.Wake();
        _watcher?.Join();
        try
        {
            _guard.Remove(keepsInherited: isFailure);
        }
        finally
        {
            _guard.Dispose();
            _join?.Dispose();
            _lock.Dispose();
            _monitor.Dispose();
            _netlink.Dispose();
        }
    }

    // Local addresses, routes that went with a device, and the MTU towards each peer: when something changed, and when
    // SAs came or went.
    private void Watch(IpsecEngine engine)
    {
        int known = -1;
        while (!_ending)
        {
            NetworkChanges changes = _monitor.Poll(250);
            if (_ending)
            {
                return;
            }

            lock (_network)
            {
                Follow(engine, changes, ref known);
            }
        }
    }

    private void Follow(IpsecEngine engine, NetworkChanges changes, ref int known)
    {
        if ((changes & NetworkChanges.Addresses) != 0)
        {
            engine.SetLocalAddresses(_netlink.Addresses().Select(static local => local.Address));
            ReachTunnels([.. engine.Spd.All]);
        }

        if ((changes & (NetworkChanges.Devices | NetworkChanges.Routes)) != 0)
        {
            _join?.Restore();
        }

        if (changes == NetworkChanges.None && engine.Sad.Generation == known)
        {
            return;
        }

        known = engine.Sad.Generation;
        foreach (Address destination in engine.Sad.Destinations())
        {
            if (_netlink.FindPath(destination, _options.Join.OwnMark) is { } path)
            {
                engine.PathMtus.Set(destination, path.DeviceMtu);
            }
        }
    }

    // A local sender without any route to a protected network fails before it is marked: give it one, behind all others.
    private void ReachTunnels(IReadOnlyList<Policy> policies)
    {
        if (_join is null)
        {
            return;
        }

        lock (_network)
        {
            var wanted = new Dictionary<Prefix, Address>();
            List<LocalAddress> local = [.. _netlink.Addresses().Where(static local => !local.Address.IsLoopback && !local.Address.IsLinkLocal)];
            foreach (Policy policy in policies)
            {
                if (policy.Direction == PolicyDirection.Out && policy.Requests.Any(static request => request.Mode == IpsecMode.Tunnel))
                {
                    Address source = local.Find(address => policy.Selector.Source.Contains(address.Address))?.Address ?? default;
                    if (source.Family != IpFamily.None)
                    {
                        wanted.TryAdd(policy.Selector.Destination.Masked(), source);
                    }
                }
            }

            foreach ((Prefix prefix, Address source) in _lastResort.Except(wanted).ToArray())
            {
                _join.RemoveLastResort(prefix, source);
                _lastResort.Remove(prefix);
            }

            foreach ((Prefix prefix, Address source) in wanted.Except(_lastResort).ToArray())
            {
                _join.AddLastResort(prefix, source);
                _lastResort.Add(prefix, source);
            }
        }
    }
}
