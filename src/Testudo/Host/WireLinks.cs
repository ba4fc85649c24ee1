// Which wire link takes which packet: raw sockets take ESP, AH or IPComp of their family, UDP sockets what is encapsulated. What level
// "use" lets go in clear for want of an SA goes by a link that carries clear packets.

using Testudo.Links;
using Testudo.Wire;

namespace Testudo.Host;

/// <summary>What a wire link carries.</summary>
[Flags]
public enum WireKind
{
    /// <summary>ESP over IPv4.</summary>
    Esp4 = 1,

    /// <summary>ESP over IPv6.</summary>
    Esp6 = 2,

    /// <summary>ESP in UDP over IPv4.</summary>
    Udp4 = 4,

    /// <summary>ESP in UDP over IPv6.</summary>
    Udp6 = 8,

    /// <summary>Clear packets of IPv4.</summary>
    Clear4 = 16,

    /// <summary>Clear packets of IPv6.</summary>
    Clear6 = 32,

    /// <summary>AH over IPv4.</summary>
    Ah4 = 64,

    /// <summary>AH over IPv6.</summary>
    Ah6 = 128,

    /// <summary>IPComp over IPv4.</summary>
    IpComp4 = 256,

    /// <summary>IPComp over IPv6.</summary>
    IpComp6 = 512,

    /// <summary>All of them.</summary>
    Everything = Esp4 | Esp6 | Udp4 | Udp6 | Clear4 | Clear6 | Ah4 | Ah6 | IpComp4 | IpComp6,
}

/// <summary>The wire links of a stack, each with a batch of descriptors for what it has to send. For one sending thread.</summary>
internal sealed class WireLinks(IReadOnlyList<(Link Link, WireKind Kind)> links, LinkCounters counters) : IDisposable
{
    private readonly Batch[] _batches = [.. links.Select(static _ => new Batch(0, Batch.MaxPieces))];

    /// <summary>Sends each packet by the first link that carries it; what no link carries is dropped by name.</summary>
    public void Send(Batch wire)
    {
        for (int i = 0; i < wire.Count; i++)
        {
            ref Packet packet = ref wire[i];
            int place = Find(KindOf(packet));
            if (place >= 0)
            {
                _batches[place].TryMove(packet);
            }
            else
            {
                packet.Drop = Drop.LinkRefused;
                counters.Count(packet.Drop);
            }
        }

        for (int place = 0; place < _batches.Length; place++)
        {
            if (_batches[place].Count > 0)
            {
                counters.Send(links[place].Link, _batches[place]);
                _batches[place].Clear();
            }
        }
    }

    public void Dispose() => Array.ForEach(_batches, static batch => batch.Dispose());

    private int Find(WireKind kind)
    {
        for (int i = 0; i < links.Count; i++)
        {
            if ((links[i].Kind & kind) == kind)
            {
                return i;
            }
        }

        return -1;
    }

    private static WireKind KindOf(in Packet packet)
    {
        bool v4 = packet.Span[0] >> 4 == 4;
        if (packet.Spi == 0)
        {
            return v4 ? WireKind.Clear4 : WireKind.Clear6; // no transform was applied
        }

        IpInfo.TryParse(packet.Span, out IpInfo info);
        return info.Protocol switch
        {
            IpProtocol.Udp => v4 ? WireKind.Udp4 : WireKind.Udp6,
            IpProtocol.IpComp => v4 ? WireKind.IpComp4 : WireKind.IpComp6,
            IpProtocol.Ah => v4 ? WireKind.Ah4 : WireKind.Ah6,
            _ => v4 ? WireKind.Esp4 : WireKind.Esp6,
        };
    }
}
