// The packet that an ICMP error speaks of, as the return traffic would look (RFC 4301, 6.2): addresses and ports reversed. By
// it the error finds the policy that its own header does not.

using Testudo.Engine.Policies;
using Testudo.Wire;
using Testudo.Wire.PfKey;

namespace Testudo.Engine;

internal static class IcmpRule
{
    /// <summary>The policy for the return traffic of the packet that an error quotes; null where there is none, or no error.</summary>
    public static Policy? Find(Spd spd, PolicyDirection direction, in Packet packet, in IpInfo info)
    {
        if (!IcmpQuote.IsError(info) || !IcmpQuote.TryParse(packet.Span, info, out IcmpQuote quote))
        {
            return null;
        }

        IpInfo answer = quote.Packet;
        (answer.Source, answer.Destination) = (answer.Destination, answer.Source);
        if (answer.Protocol is not (IpProtocol.Icmp or IpProtocol.Icmpv6 or IpProtocol.Mobility))
        {
            (answer.SourcePort, answer.DestinationPort) = (answer.DestinationPort, answer.SourcePort);
        }

        Policy? policy = spd.Lookup(direction, answer, out Drop drop);
        return drop == Drop.None ? policy : null;
    }
}
