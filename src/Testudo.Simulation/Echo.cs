// Answers pings, for simulated hosts that should say something (RFC 792; RFC 4443, 4).

using System.Buffers.Binary;
using Testudo.Wire;

namespace Testudo.Simulation;

internal static class Echo
{
    /// <summary>The answer to an echo request; null for any other packet.</summary>
    public static byte[]? Answer(ReadOnlySpan<byte> packet)
    {
        if (IpInfo.TryParse(packet, out IpInfo info) != Drop.None || info.IsFragment
            || (info.Protocol, info.SourcePort) is not ((IpProtocol.Icmp, 8) or (IpProtocol.Icmpv6, 128)))
        {
            return null;
        }

        bool v4 = info.Family == IpFamily.V4;
        int header = v4 ? IpInfo.V4HeaderLength : IpInfo.V6HeaderLength;
        byte[] answer = [.. new byte[header], .. packet[info.UpperOffset..info.TotalLength]];
        Span<byte> icmp = answer.AsSpan(header);
        icmp[0] = (byte)(v4 ? 0 : 129);
        BinaryPrimitives.WriteUInt16BigEndian(icmp[2..], 0);
        ulong sum = v4 ? 0 : Checksum.PseudoHeader(info.Destination, info.Source, icmp.Length, IpProtocol.Icmpv6);
        BinaryPrimitives.WriteUInt16BigEndian(icmp[2..], Checksum.Finish(Checksum.Add(sum, icmp)));
        if (v4)
        {
            IpWrite.V4(answer, answer.Length, info.TrafficClass, (ushort)info.Identification, info.DontFragment, 64, IpProtocol.Icmp, info.Destination, info.Source);
        }
        else
        {
            IpWrite.V6(answer, answer.Length, info.TrafficClass, 0, 64, IpProtocol.Icmpv6, info.Destination, info.Source);
        }

        return answer;
    }
}
