// Finding the IP packet in a frame of each link type.

using Testudo.Tests.Checker;
using Testudo.Wire;
using Xunit;

namespace Testudo.Tests.Wire;

public sealed class LinkTypeTests
{
    private static readonly byte[] s_v4 = Build.Ipv4("10.0.0.1", "10.0.0.2").Udp(7, 9, "hello"u8);
    private static readonly byte[] s_v6 = Build.Ipv6("fd00::1", "fd00::2").Udp(7, 9, "hello"u8);

    public static TheoryData<int, string, int> Headers => new()
    {
        // Link type, header in hex, IP version behind it.
        { LinkType.Raw, "", 4 },
        { LinkType.Raw, "", 6 },
        { 12, "", 4 },
        { 14, "", 6 },
        { LinkType.Ipv4, "", 4 },
        { LinkType.Ipv6, "", 6 },
        { LinkType.Ethernet, "0200000000010200000000020800", 4 },
        { LinkType.Ethernet, "02000000000102000000000286DD", 6 },
        { LinkType.Ethernet, "0200000000010200000000028100000586DD", 6 },
        { LinkType.Ethernet, "02000000000102000000000288A80005810000060800", 4 },
        { LinkType.Ethernet, "0200000000010200000000029100000581000006810000070800", 4 },
        { LinkType.LinuxCooked, "00000001000602000000000100000800", 4 },
        { LinkType.LinuxCooked, "000000010006020000000001000086DD", 6 },
        { LinkType.LinuxCooked, "0000000100060200000000010000810000050800", 4 },
        { LinkType.LinuxCooked2, "0800000000000001000100060200000000010000", 4 },
        { LinkType.LinuxCooked2, "86DD000000000001000100060200000000010000", 6 },
        { LinkType.LinuxCooked2, "810000000000000100010006020000000001000000050800", 4 },
        { LinkType.LinuxCooked2, "88A800000000000100010006020000000001000000058100000686DD", 6 },
        { LinkType.Null, "02000000", 4 },
        { LinkType.Null, "00000002", 4 },
        { LinkType.Null, "1E000000", 6 },
        { LinkType.Null, "0000001C", 6 },
        { LinkType.Null, "18000000", 6 },
        { LinkType.Null, "0A000000", 6 },
        { LinkType.Loop, "00000002", 4 },
        { LinkType.Loop, "00000018", 6 },
    };

    [Theory]
    [MemberData(nameof(Headers))]
    public void The_packet_is_found_without_what_stands_around_it(int linkType, string header, int version)
    {
        byte[] packet = version == 4 ? s_v4 : s_v6;
        byte[] before = Convert.FromHexString(header);
        byte[] frame = [.. before, .. packet, 0, 0, 0]; // Ethernet's padding
        Assert.True(LinkType.IsKnown(linkType));
        Assert.True(LinkType.TryFindIp(linkType, frame, out Range range));
        Assert.Equal(packet, frame[range]);
        for (int length = 0; length < frame.Length; length++)
        {
            bool found = LinkType.TryFindIp(linkType, frame.AsSpan(0, length), out Range cut);
            Assert.Equal(length >= before.Length + (version == 4 ? 20 : 40), found);
            Assert.True(!found || frame[cut].AsSpan().SequenceEqual(frame.AsSpan()[before.Length..Math.Min(length, frame.Length - 3)]));
        }
    }

    [Theory]
    [InlineData(LinkType.Ethernet, "0200000000010200000000020806")] // ARP
    [InlineData(LinkType.Ethernet, "02000000000102000000000286DD")] // says IPv6
    [InlineData(LinkType.LinuxCooked, "00000001000602000000000100000806")]
    [InlineData(LinkType.LinuxCooked2, "86DD000000000001000100060200000000010000")]
    [InlineData(LinkType.Null, "1E000000")]
    [InlineData(LinkType.Null, "07000000")]
    [InlineData(LinkType.Ipv6, "")]
    [InlineData(LinkType.Raw, "55")]
    [InlineData(105, "")]
    public void Other_protocols_and_unknown_types_hold_no_packet(int linkType, string header)
    {
        Assert.False(LinkType.TryFindIp(linkType, [.. Convert.FromHexString(header), .. s_v4], out _));
    }

    [Fact]
    public void A_packet_before_segmentation_is_taken_as_long_as_it_is()
    {
        byte[] v4 = [.. s_v4];
        v4[2] = v4[3] = 0;
        Assert.True(LinkType.TryFindIp(LinkType.Raw, v4, out Range range));
        Assert.Equal(v4, v4[range]);
        byte[] v6 = [.. s_v6];
        v6[4] = v6[5] = 0;
        Assert.True(LinkType.TryFindIp(LinkType.Raw, v6, out range));
        Assert.Equal(v6, v6[range]);
        byte[] none = [.. Build.Ipv6("fd00::1", "fd00::2").Payload(IpProtocol.None, []), 1, 2, 3];
        Assert.True(LinkType.TryFindIp(LinkType.Raw, none, out range));
        Assert.Equal(0..40, range);
    }

    [Fact]
    public void Every_known_type_is_known_and_nothing_is_found_in_others()
    {
        for (int type = 0; type < 1000; type++)
        {
            bool found = Headers.Select(static row => row.Data).Any(row => row.Item1 == type);
            Assert.Equal(found, LinkType.IsKnown(type));
        }
    }
}
