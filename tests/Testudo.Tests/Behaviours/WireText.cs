// Packets on the wire in the words of the observations.

using System.Buffers.Binary;
using Testudo.Simulation;
using Testudo.Wire;

namespace Testudo.Tests.Behaviours;

internal static class WireText
{
    /// <summary>"10.0.0.1>10.0.0.2 ESP len=92 spi=1001 seq=1" and the like, for what was put on the wire.</summary>
    public static IEnumerable<string> Of(IEnumerable<TraceEntry> trace) => trace
        .Where(static entry => entry is { Side: Side.Wire, Direction: CaptureDirection.Outbound, Drop: Drop.None, Fate: null })
        .Select(static entry => Of(entry.Bytes));

    private static string Of(byte[] packet)
    {
        if (IpInfo.TryParse(packet, out IpInfo info) != Drop.None)
        {
            return $"no packet, {packet.Length} bytes";
        }

        string name = info.Protocol switch
        {
            IpProtocol.Icmp => "icmp",
            IpProtocol.Icmpv6 => "icmp6",
            IpProtocol.Udp => "udp",
            IpProtocol.Esp => "ESP",
            _ => info.Protocol.ToString(),
        };
        string fragment = info.IsFragment ? $" fragment off={info.FragmentOffset}{(info.MoreFragments ? " MF" : "")}" : "";
        ReadOnlySpan<byte> upper = packet.AsSpan(info.UpperOffset);
        string rest = info.FragmentOffset != 0 || upper.Length < 8 ? "" : info.Protocol switch
        {
            IpProtocol.Icmp => $" type={upper[0]} code={upper[1]}",
            IpProtocol.Icmpv6 => $" type={upper[0]}",
            IpProtocol.Udp => $" {BinaryPrimitives.ReadUInt16BigEndian(upper)}>{BinaryPrimitives.ReadUInt16BigEndian(upper[2..])}",
            IpProtocol.Esp => $" spi={BinaryPrimitives.ReadUInt32BigEndian(upper)} seq={BinaryPrimitives.ReadUInt32BigEndian(upper[4..])}",
            _ => "",
        };
        return $"{info.Source}>{info.Destination} {name} len={packet.Length}{fragment}{rest}";
    }
}
