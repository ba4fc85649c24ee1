// How long a packet towards an address may be (RFC 4301, 8.2): what the device takes, or less where a router on the way said
// so. What a router said is forgotten after some minutes (RFC 1191, 6.3; RFC 8201, 5.3), so that a longer path is found.

using System.Collections.Concurrent;
using Testudo.Wire;

namespace Testudo.Engine.PathMtu;

/// <summary>Where a path MTU comes from.</summary>
public enum PathMtuSource : byte
{
    /// <summary>Nothing better is known: <see cref="EngineOptions.Mtu"/>.</summary>
    Option,

    /// <summary>The device that packets to this address leave by.</summary>
    Device,

    /// <summary>An ICMP error from a router on the way.</summary>
    Icmp,
}

/// <summary>A path MTU and why it is so.</summary>
/// <param name="Bytes">The longest packet that reaches the address whole.</param>
/// <param name="Source">Where that comes from.</param>
/// <param name="By">The router that said so; no address for other sources.</param>
/// <param name="UnixSeconds">When it last said so; 0 for other sources.</param>
public readonly record struct KnownMtu(int Bytes, PathMtuSource Source, Address By, long UnixSeconds);

/// <summary>The longest packet for a path and the longest that the device takes; they differ where a router said so.</summary>
internal readonly record struct PathLimit(int Mtu, int Device)
{
    public bool IsLearned => Mtu < Device;
}

/// <summary>Path MTUs by destination. Written by the host and by packet threads, read by packet threads.</summary>
public sealed class PathMtus
{
    private readonly ConcurrentDictionary<Address, Path> _known = new();
    private readonly EngineOptions _options;

    internal PathMtus(EngineOptions options) => _options = options;

    /// <summary>Bytes of the longest packet that reaches the address whole.</summary>
    public int Of(in Address destination, in Now now) => Find(destination, now).Mtu;

    /// <summary>The path MTU of an address with its reason, to be shown.</summary>
    public KnownMtu Explain(in Address destination, in Now now) => !_known.TryGetValue(destination, out Path? path)
        ? new KnownMtu(_options.Mtu, PathMtuSource.Option, default, 0)
        : path.IsLearned(now)
            ? new KnownMtu(path.Learned, PathMtuSource.Icmp, path.By, Volatile.Read(ref path.UnixSeconds))
            : new KnownMtu(path.Device > 0 ? path.Device : _options.Mtu, path.Device > 0 ? PathMtuSource.Device : PathMtuSource.Option, default, 0);

    /// <summary>Notes what the device takes: at least 576 bytes for IPv4 and 1280 for IPv6, so that nobody can choke a path.</summary>
    public void Set(in Address destination, int mtu)
    {
        int bytes = Math.Max(mtu, Least(destination));
        while (true)
        {
            if (!_known.TryGetValue(destination, out Path? path))
            {
                if (_known.TryAdd(destination, new Path(bytes, 0, default)))
                {
                    return;
                }
            }
            else if (path.Device == bytes
                || _known.TryUpdate(destination, new Path(bytes, path.Learned, path.By) { Until = Volatile.Read(ref path.Until), UnixSeconds = Volatile.Read(ref path.UnixSeconds) }, path))
            {
                return;
            }
        }
    }

    /// <summary>The path MTU of an address, and what the device takes.</summary>
    internal PathLimit Find(in Address destination, in Now now)
    {
        if (!_known.TryGetValue(destination, out Path? path))
        {
            return new PathLimit(_options.Mtu, _options.Mtu);
        }

        int device = path.Device > 0 ? path.Device : _options.Mtu;
        return new PathLimit(path.IsLearned(now) ? Math.Min(path.Learned, device) : device, device);
    }

    /// <summary>
    /// Notes what a router said, if it is less than what is known; the same again only lives longer. False where it is no
    /// news that can be true: more than is known, or less than every link takes (RFC 8201, 4).
    /// </summary>
    internal bool Learn(in Address destination, int mtu, in Address by, in Now now)
    {
        if (mtu < (destination.Family == IpFamily.V4 ? 68 : 1280))
        {
            return false;
        }

        int bytes = Math.Max(mtu, Least(destination));
        PathLimit limit = Find(destination, now);
        (int known, bool isLearned) = (limit.Mtu, limit.IsLearned);
        _ = _known.TryGetValue(destination, out Path? path);
        if (bytes > known || (bytes == known && !isLearned))
        {
            return false;
        }

        if (!isLearned || bytes < known)
        {
            path = new Path(path?.Device ?? 0, bytes, by);
        }

        path!.UnixSeconds = now.UnixSeconds;
        Volatile.Write(ref path.Until, now.Nanoseconds + (_options.PathMtuSeconds * 1_000_000_000L));
        _known[destination] = path;
        return true;
    }

    private int Least(in Address destination) => destination.Family == IpFamily.V4 ? _options.MinPathMtu : 1280;

    private sealed class Path(int device, int learned, Address by)
    {
        public long Until;
        public long UnixSeconds;

        public int Device { get; } = device;

        public int Learned { get; } = learned;

        public Address By { get; } = by;

        // A device that takes less since then knows better.
        public bool IsLearned(in Now now) =>
            Learned > 0 && now.Nanoseconds < Volatile.Read(ref Until) && (Device == 0 || Learned < Device);
    }
}
