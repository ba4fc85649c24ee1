// ESP packets that a Linux kernel sent under known keys, opened through the job interface.

using System.Buffers.Binary;
using System.Text.Json;
using Testudo.Crypto;
using Xunit;

namespace Testudo.Tests.Crypto;

public abstract class ProviderKernelPackets(CryptoProvider provider)
{
    private const int EspHead = 8;

    private sealed record KernelSa(Suite Suite, byte[] CipherKey, byte[] MacKey, uint? High, uint LastSequence);

    [Theory]
    [InlineData("esp-transport-v4", 144)]
    [InlineData("esp-tunnel-v6", 144)]
    [InlineData("esn-v4", 162)]
    [Shows("rfc2406-2.4-2")]
    public void Every_packet_of_a_known_transform_opens_to_a_right_trailer(string group, int packets)
    {
        Dictionary<uint, KernelSa> sas = ReadSas(group + ".pcap");
        int opened = 0;
        foreach (byte[] esp in EspPackets(File.ReadAllBytes(Repository.Vectors("linux", group + ".pcap"))))
        {
            if (!sas.TryGetValue(BinaryPrimitives.ReadUInt32BigEndian(esp), out KernelSa? sa))
            {
                continue;
            }

            int iv = sa.Suite.IvLength;
            int icv = sa.Suite.Transform.IcvLength;
            uint sequence = BinaryPrimitives.ReadUInt32BigEndian(esp.AsSpan(4));
            uint? high = sequence <= sa.LastSequence ? sa.High + 1 : sa.High;
            using SaKey key = sa.Suite.Bind(provider, sa.CipherKey, sa.MacKey);
            using var packet = new JobPacket(
                esp.AsSpan(0, EspHead), esp.AsSpan(EspHead, iv), esp.AsSpan((EspHead + iv)..^icv), icv);
            esp.AsSpan(^icv..).CopyTo(packet.Icv);
            Assert.True(packet.Open(key, high), $"{sa.Suite}, SPI {Convert.ToHexString(packet.Head[..4])}, sequence number {sequence}");

            // RFC 4303, 2.4: the padding is 1, 2, 3 ...; 2.5 and 2.6: its length and the next header end the text.
            int pad = packet.Text[^2];
            for (int i = 0; i < pad; i++)
            {
                Assert.Equal(i + 1, packet.Text[packet.Text.Length - 2 - pad + i]);
            }

            opened++;
        }

        Assert.Equal(packets, opened); // what the receiving kernel counted for these SAs
    }

    private static Dictionary<uint, KernelSa> ReadSas(string pcap)
    {
        var sas = new Dictionary<uint, KernelSa>();
        JsonElement keys = JsonDocument.Parse(File.ReadAllText(Repository.Vectors("linux", "keys.json"))).RootElement;
        foreach (JsonElement kase in keys.GetProperty("cases").EnumerateArray().Where(c => c.GetProperty("pcap").GetString() == pcap))
        {
            foreach (JsonElement sa in kase.GetProperty("sas").EnumerateArray())
            {
                if (sa.GetProperty("proto").GetString() == "esp" && TryReadSa(sa) is { } read)
                {
                    sas.Add(sa.GetProperty("spi").GetUInt32(), read);
                }
            }
        }

        return sas;
    }

    private static KernelSa? TryReadSa(JsonElement sa)
    {
        bool extended = sa.TryGetProperty("esn", out JsonElement esn) && esn.GetBoolean();
        uint? high = extended ? sa.GetProperty("seq_hi").GetUInt32() : null;
        uint last = extended ? sa.GetProperty("last_seq").GetUInt32() : 0;
        int icv = sa.GetProperty("icv_bits").GetInt32() / 8;
        if (sa.TryGetProperty("aead", out JsonElement aead))
        {
            byte[] material = Convert.FromHexString(sa.GetProperty("key").GetString()!);
            return aead.GetString()!.StartsWith("aes-gcm-", StringComparison.Ordinal) && icv == 16
                ? new(new(new(Cipher.AesGcm16, Integrity.None, 16), material.Length, 0), material, [], high, last)
                : null;
        }

        Cipher? cipher = sa.GetProperty("enc").GetString() switch
        {
            "null" => Cipher.Null,
            "aes-cbc-128" or "aes-cbc-192" or "aes-cbc-256" => Cipher.AesCbc,
            _ => null,
        };
        Integrity? integrity = sa.GetProperty("auth").GetString()!.Split('-') switch
        {
            ["hmac", "sha1", _] => Integrity.HmacSha1,
            ["hmac", "sha256", _] => Integrity.HmacSha256,
            ["hmac", "sha384", _] => Integrity.HmacSha384,
            ["hmac", "sha512", _] => Integrity.HmacSha512,
            _ => null,
        };
        if (cipher is null || integrity is null)
        {
            return null;
        }

        byte[] cipherKey = Convert.FromHexString(sa.GetProperty("enc_key").GetString()!);
        byte[] macKey = Convert.FromHexString(sa.GetProperty("auth_key").GetString()!);
        return new(new(new(cipher.Value, integrity.Value, icv), cipherKey.Length, macKey.Length), cipherKey, macKey, high, last);
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
