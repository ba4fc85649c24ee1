// Bytes from outside: nothing is read behind the end, nothing throws, and what is accepted keeps its promises.

using Testudo.Tests.Checker;
using Testudo.Wire;
using Xunit;

namespace Testudo.Tests.Wire;

public sealed class HostileBytesTests
{
    private static readonly int[] s_linkTypes = [0, 1, 12, 14, 101, 108, 113, 228, 229, 276];

    [Fact]
    public void Nothing_is_read_behind_the_end_at_any_length()
    {
        using var page = new GuardPage(70_000);
        byte[] error = new byte[IcmpError.MaxLength];
        foreach (byte[] packet in Shapes())
        {
            for (int length = 0; length <= packet.Length; length++)
            {
                Look(page.Last(packet.AsSpan(0, length)), error);
            }
        }
    }

    [Fact]
    public void Two_hundred_thousand_changed_packets_are_read_or_refused()
    {
        using var page = new GuardPage(70_000);
        byte[][] golden = [.. Golden.Packets().Where(static p => p.Length <= 400), .. Shapes()];
        byte[] error = new byte[IcmpError.MaxLength];
        var random = new Random(7);
        int accepted = 0;
        for (int round = 0; round < 200_000; round++)
        {
            byte[] packet = golden[random.Next(golden.Length)];
            Span<byte> bytes = page.Last(packet.AsSpan(0, random.Next(8) == 0 ? random.Next(packet.Length) : packet.Length));
            for (int changes = random.Next(1, 5); changes > 0 && bytes.Length > 0; changes--)
            {
                // Mostly in the headers, mostly to what is a header too.
                int at = random.Next(4) == 0 ? random.Next(bytes.Length) : random.Next(Math.Min(bytes.Length, 80));
                bytes[at] = random.Next(4) switch { 0 => 0, 1 => 255, 2 => (byte)(random.Next(3) switch { 0 => 43, 1 => 44, _ => 60 }), _ => (byte)random.Next(256) };
            }

            accepted += Look(bytes, error) ? 1 : 0;
        }

        Assert.InRange(accepted, 40_000, 180_000); // else the changes were too weak or too strong to test anything
    }

    // All that reads a packet, and what it promises of one that it accepts.
    private static bool Look(Span<byte> bytes, byte[] error)
    {
        Checksum.Of(bytes);
        foreach (int type in s_linkTypes)
        {
            if (LinkType.TryFindIp(type, bytes, out Range range))
            {
                Assert.True(bytes[range].Length >= 20);
            }
        }

        Assert.InRange(IcmpError.TooBig(bytes, 1400, error), 0, IcmpError.MaxLength);
        if (IpInfo.TryParse(bytes, out IpInfo info) != Drop.None)
        {
            return false;
        }

        int fixedHeader = info.Family == IpFamily.V4 ? 20 : 40;
        Assert.True(info.TotalLength <= bytes.Length);
        Assert.True(fixedHeader <= info.TransportOffset && info.TransportOffset <= info.UpperOffset && info.UpperOffset <= info.TotalLength);
        Assert.True(info.TransportProtocolOffset <= info.ProtocolOffset && info.ProtocolOffset < info.UpperOffset);
        Assert.Equal(info.Protocol, (IpProtocol)bytes[info.ProtocolOffset]);
        Assert.Equal(info.IsFragment, info.MoreFragments || info.FragmentOffset > 0);
        Assert.True(info.FragmentOffset is >= 0 and <= 65528 && info.FragmentOffset % 8 == 0);
        Assert.True(!info.HasPorts || (info.FragmentOffset == 0 && info.UpperOffset + 4 <= info.TotalLength));
        Assert.True(info.FragmentHeaderOffset == 0 || info.FragmentHeaderOffset + 8 <= info.TransportOffset);
        return true;
    }

    // A packet of each shape, short enough to be cut everywhere.
    private static IEnumerable<byte[]> Shapes() =>
    [
        Build.Ipv4("10.0.0.1", "10.0.0.2").Udp(7, 9, Build.Pattern(9)),
        Build.Ipv4("10.0.0.1", "10.0.0.2", options: [7, 39, .. new byte[37]]).Tcp(7, 9, options: [2, 4, 5, 0xB4]),
        Build.Ipv4("10.0.0.1", "10.0.0.2").Fragment(9, 16, true).Payload(IpProtocol.Udp, new byte[16]),
        Build.Ipv6("fd00::1", "fd00::2").HopByHop().DestinationOptions().Routing().Fragment(5, 0, true).DestinationOptions().IcmpEcho(),
        Build.Ipv6("fd00::1", "fd00::2").Routing(0, 2, new byte[36]).Fragment(5, 8, false).Payload(IpProtocol.Tcp, new byte[20]),
        Build.Ipv6("fd00::1", "fd00::2").Payload(IpProtocol.Mobility, new byte[8]),
        [.. Convert.FromHexString("0200000000010200000000028100000586DD"), .. Build.Ipv6("fd00::1", "fd00::2").Udp(7, 9)],
    ];
}
