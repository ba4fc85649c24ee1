// The Internet checksum against RFC 1071's example, the plain computation, and what kernels sent.

using CsCheck;
using Testudo.Tests.Checker;
using Testudo.Wire;
using Xunit;

namespace Testudo.Tests.Wire;

public sealed class ChecksumTests
{
    [Fact]
    public void The_example_of_RFC_1071()
    {
        byte[] bytes = [0x00, 0x01, 0xF2, 0x03, 0xF4, 0xF5, 0xF6, 0xF7];
        Assert.Equal(0x220D, Checksum.Of(bytes)); // not DDF2
        Assert.Equal(0x0000, Checksum.Of([.. bytes, 0x22, 0x0D]));
    }

    [Fact]
    public void Any_bytes_have_the_plain_sum_whole_or_in_pieces()
    {
        Gen.Select(Gen.Byte.Array[0, 300], Gen.Int[0, 300]).Sample(
            static (bytes, cut) =>
            {
                ushort expected = Sum.Of(bytes);
                Assert.Equal(expected, Checksum.Of(bytes));
                int at = Math.Min(cut & ~1, bytes.Length & ~1);
                Assert.Equal(expected, Checksum.Finish(Checksum.Add(Checksum.Add(0, bytes.AsSpan(0, at)), bytes.AsSpan(at))));
            },
            iter: 20_000, threads: 1);
    }

    [Fact]
    public void No_carry_is_lost_in_the_longest_packet()
    {
        byte[] bytes = new byte[65535];
        Array.Fill(bytes, (byte)0xFF);
        Assert.Equal(Sum.Of(bytes), Checksum.Of(bytes));
        Assert.Equal(0, Checksum.Finish(ulong.MaxValue));
        Assert.Equal(0xFFFF, Checksum.Finish(0));
        Assert.Equal(0xFFFE, Checksum.Finish(1ul << 32));
        Assert.Equal(0xFFFE, Checksum.Finish(0xFFFFFFFF00000001)); // the sum of the halves carries
    }

    [Fact]
    public void The_pseudo_header_is_that_of_both_families()
    {
        Gen.Select(Gen.OneOf(Gen.Byte.Array[4], Gen.Byte.Array[16]), Gen.Int[0, 65535], Gen.Byte).Sample(
            static (bytes, length, protocol) =>
            {
                var from = new System.Net.IPAddress(bytes);
                var to = new System.Net.IPAddress([.. bytes.Reverse()]);
                Assert.Equal(
                    Sum.Of(Sum.PseudoHeader(from, to, length, protocol)),
                    Checksum.Finish(Checksum.PseudoHeader(Address.From(from), Address.From(to), length, (IpProtocol)protocol)));
            },
            iter: 10_000, threads: 1);
    }

    [Fact]
    public void What_kernels_sent_inside_has_right_checksums()
    {
        Dictionary<IpProtocol, int> counts = [];
        foreach (string file in Golden.Files.Where(static f => f.Contains("/plain/", StringComparison.Ordinal)))
        {
            foreach (CaptureFrame frame in Golden.Frames(file))
            {
                ReadOnlySpan<byte> packet = frame.Bytes.Span;
                Assert.Equal(Drop.None, IpInfo.TryParse(packet, out IpInfo info));
                if (info.IsFragment || info.Protocol is not (IpProtocol.Icmp or IpProtocol.Icmpv6 or IpProtocol.Tcp or IpProtocol.Udp))
                {
                    continue;
                }

                ReadOnlySpan<byte> upper = packet[info.UpperOffset..info.TotalLength];
                ulong pseudo = info.Protocol == IpProtocol.Icmp ? 0 : Checksum.PseudoHeader(info.Source, info.Destination, upper.Length, info.Protocol);
                Assert.Equal(0, Checksum.Finish(Checksum.Add(pseudo, upper)));
                counts[info.Protocol] = counts.GetValueOrDefault(info.Protocol) + 1;
            }
        }

        Assert.All(
            [IpProtocol.Icmp, IpProtocol.Icmpv6, IpProtocol.Tcp],
            protocol => Assert.True(counts.GetValueOrDefault(protocol) > 20, $"{protocol}: {counts.GetValueOrDefault(protocol)}"));
    }
}
