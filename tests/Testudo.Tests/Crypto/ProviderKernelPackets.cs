// ESP packets that a Linux kernel sent under known keys, opened through the job interface.

using System.Buffers.Binary;
using Testudo.Crypto;
using Testudo.Tests.Golden;
using Xunit;

namespace Testudo.Tests.Crypto;

public abstract class ProviderKernelPackets(CryptoProvider provider)
{
    private const int EspHead = 8;

    [Theory]
    [InlineData("esp-transport-v4", 300)]
    [InlineData("esp-tunnel-v6", 300)]
    [InlineData("esn-v4", 378)]
    [Shows("rfc2406-2.4-2")]
    public void Every_packet_of_a_known_transform_opens_to_a_right_trailer(string group, int atLeast)
    {
        GoldenSa[] sas = [.. GoldenCases.Linux.Where(one => one.Capture == Repository.Vectors("linux", group + ".pcap")).SelectMany(one => one.Sas)
            .Where(sa => sa is { Protocol: "esp", Encapsulation: null })];
        int opened = 0;
        foreach (byte[] esp in EspPackets(File.ReadAllBytes(Repository.Vectors("linux", group + ".pcap"))))
        {
            GoldenSa sa = sas.Single(sa => sa.Spi == BinaryPrimitives.ReadUInt32BigEndian(esp));
            var suite = new Suite(new(sa.CipherNumber, sa.IntegrityNumber, sa.IcvBits / 8), sa.CipherKey.Length, sa.AuthKey.Length);
            if (!provider.Supports(suite.Transform))
            {
                continue;
            }

            int iv = suite.IvLength, icv = suite.Transform.IcvLength;
            uint sequence = BinaryPrimitives.ReadUInt32BigEndian(esp.AsSpan(4));
            uint? high = sa.Esn ? (uint)(sa.LastSequence >> 32) + (sequence <= (uint)sa.LastSequence ? 1u : 0) : null;
            using SaKey key = suite.Bind(provider, sa.CipherKey, sa.AuthKey);
            using var packet = new JobPacket(
                esp.AsSpan(0, EspHead), esp.AsSpan(EspHead, iv), esp.AsSpan((EspHead + iv)..^icv), icv);
            esp.AsSpan(^icv..).CopyTo(packet.Icv);
            Assert.True(packet.Open(key, high), $"{suite}, SPI {Convert.ToHexString(packet.Head[..4])}, sequence number {sequence}");

            // RFC 4303, 2.4: the padding is 1, 2, 3 ...; 2.5 and 2.6: its length and the next header end the text.
            int pad = packet.Text[^2];
            for (int i = 0; i < pad; i++)
            {
                Assert.Equal(i + 1, packet.Text[packet.Text.Length - 2 - pad + i]);
            }

            opened++;
        }

        Assert.True(opened >= atLeast, $"only {opened} packets opened");
    }

    // The ESP payloads of whole (not fragmented) IPv4 and IPv6 packets in an Ethernet capture of host byte order.
    private static IEnumerable<byte[]> EspPackets(byte[] pcap)
    {
        const byte Esp = 50;
        for (int at = 24; at < pcap.Length;)
        {
            int captured = BinaryPrimitives.ReadInt32LittleEndian(pcap.AsSpan(at + 8));
            byte[] frame = pcap[(at + 16)..(at + 16 + captured)];
            at += 16 + captured;
            byte[] ip = frame[14..];
            switch (BinaryPrimitives.ReadUInt16BigEndian(frame.AsSpan(12)))
            {
                case 0x0800 when ip[9] == Esp && (BinaryPrimitives.ReadUInt16BigEndian(ip.AsSpan(6)) & 0x3FFF) == 0:
                    yield return ip[((ip[0] & 15) * 4)..BinaryPrimitives.ReadUInt16BigEndian(ip.AsSpan(2))];
                    break;
                case 0x86DD when ip[6] == Esp:
                    yield return ip[40..(40 + BinaryPrimitives.ReadUInt16BigEndian(ip.AsSpan(4)))];
                    break;
                default:
                    break;
            }
        }
    }
}
