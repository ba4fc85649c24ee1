// A selector as the matching part of an nftables rule: family, prefixes, protocol, ports or ICMP type and code.

using System.Text;
using Testudo.Engine.Policies;
using Testudo.Wire;

namespace Testudo.Engine.Guard;

internal static class GuardMatch
{
    /// <summary>The expressions; null where the selector names ports of a protocol in which the engine finds none.</summary>
    public static string? Of(in Selector selector)
    {
        bool v4 = selector.Source.Address.Family == IpFamily.V4;
        var text = new StringBuilder();
        AddPrefix(text, v4 ? "ip saddr" : "ip6 saddr", selector.Source);
        AddPrefix(text, v4 ? "ip daddr" : "ip6 daddr", selector.Destination);
        if (text.Length == 0)
        {
            text.Append(v4 ? "meta nfproto ipv4" : "meta nfproto ipv6");
        }

        if (selector.Protocol != IpProtocol.Any)
        {
            text.Append($" meta l4proto {(byte)selector.Protocol}");
        }

        return !selector.HasPorts || TryAddPorts(text, selector) ? text.ToString() : null;
    }

    // The same places that IpInfo reads, given as bits of the transport header (@th,offset,length) so that ICMP's type and
    // code need no dependency on the family.
    private static bool TryAddPorts(StringBuilder text, in Selector selector)
    {
        switch (selector.Protocol)
        {
            case IpProtocol.Tcp or IpProtocol.Udp or IpProtocol.UdpLite or IpProtocol.Sctp:
                Add(text, "th sport", selector.SourcePort);
                Add(text, "th dport", selector.DestinationPort);
                return true;
            case IpProtocol.Icmp or IpProtocol.Icmpv6:
                Add(text, "@th,0,8", selector.SourcePort);
                Add(text, "@th,8,8", selector.DestinationPort);
                return selector is { SourcePort: null or <= 255, DestinationPort: null or <= 255 };
            case IpProtocol.Mobility:
                Add(text, "@th,16,8", selector.SourcePort);
                return selector is { SourcePort: null or <= 255, DestinationPort: null or 0 };
            default:
                return false;
        }
    }

    private static void AddPrefix(StringBuilder text, string field, in Prefix prefix)
    {
        if (prefix.Length > 0)
        {
            text.Append(text.Length > 0 ? " " : "").Append($"{field} {prefix.Masked()}");
        }
    }

    private static void Add(StringBuilder text, string field, ushort? value)
    {
        if (value is { } number)
        {
            text.Append($" {field} {number}");
        }
    }
}
