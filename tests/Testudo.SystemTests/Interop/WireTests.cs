// What Testudo puts on the wire, seen by tcpdump between two hosts: tshark finds every ICV good, scapy opens every packet to
// exactly the clear packet that went in, and Testudo's own capture tells the same.

using Testudo.SystemTests.Daemon;
using Testudo.SystemTests.Netns;
using Testudo.SystemTests.Witness;
using Testudo.Wire;
using Xunit;

namespace Testudo.SystemTests.Interop;

public sealed class WireTests
{
    [Theory]
    [InlineData("gcm", false, false)]
    [InlineData("cbc+sha256", false, false)]
    [InlineData("null+sha1", false, false)]
    [InlineData("gcm", true, false)]
    [InlineData("cbc+sha256", true, true)]
    [InlineData("gcm", false, true)]
    [Shows("ipsec4-description-4", "rfc4303-1-3", "rfc4303-2-1")]
    public void Tshark_and_scapy_open_what_is_sent_to_exactly_what_was_protected(string suite, bool tunnel, bool udp)
    {
        Tshark.SkipWhereMissing();
        Scapy.SkipWhereMissing();
        using var a = new NetworkNamespace();
        using var b = new NetworkNamespace();
        TwoHosts.Connect(a, b);
        Protection[] both =
        [
            new("10.9.0.1", "10.9.0.2", Suite.Named(suite), 0x4001, tunnel ? "10.9.0.1" : null, tunnel ? "10.9.0.2" : null, udp),
            new("fd09::1", "fd09::2", Suite.Named(suite), 0x4003, tunnel ? "fd09::1" : null, tunnel ? "fd09::2" : null, udp),
        ];
        WitnessSa[] sas = [.. both.SelectMany(static p => p.Witnesses)];
        using TestudoDaemon daemonA = TestudoDaemon.Start(a, string.Concat(both.Select(static p => p.Text(true))), "--capture {folder}/capture.pcapng");
        using TestudoDaemon daemonB = TestudoDaemon.Start(b, string.Concat(both.Select(static p => p.Text(false))));
        using var sniffer = new Sniffer(b, "eth0", "src 10.9.0.1 or src fd09::1");
        foreach (string to in (string[])["10.9.0.2", "fd09::2"])
        {
            Traffic.Ping(a, to);
            Traffic.Ping(a, to, 5000, 2);
            a.Run("/usr/bin/python3 -", $"""
                import socket
                s = socket.socket(socket.AF_INET6 if ':' in '{to}' else socket.AF_INET, socket.SOCK_DGRAM)
                for n in list(range(0, 40)) + [1000, 1300]: s.sendto(bytes(n), ('{to}', 9))
                """);
        }

        // 3 + 2 + 42 packets of each family came out whole on the other side.
        Wait.Until(() => daemonB.Status().Inbound.Packets >= 2 * 47, () => $"{daemonB.Status()}");
        sniffer.Stop();
        string capture = daemonA.Capture;
        byte[][] wanted;
        Assert.Equal(0, daemonA.Terminate());
        using (FileStream file = File.OpenRead(capture))
        {
            wanted = [.. ReadClear(file)];
        }

        // On the wire and in our own capture: tshark decrypts all, no ICV is bad.
        foreach (string place in (string[])[sniffer.File, capture])
        {
            IReadOnlyList<TsharkFrame> frames = [.. Tshark.ReadEsp(place, sas).Where(frame => frame.Spi % 2 == 1)];
            Assert.InRange(frames.Count, 2 * 47, int.MaxValue);
            Assert.All(frames, frame => Assert.True(frame is { Decrypted: true, Icv: TsharkIcv.Good }, $"{place}: {frame}"));
        }

        IReadOnlyList<ScapyPacket> opened = Scapy.Open(sniffer.File, sas);
        Assert.All(opened, packet => Assert.True(packet.Plain is not null, $"frame {packet.Frame}: {packet.Error}"));
        if (udp && !tunnel)
        {
            // scapy leaves the UDP header in what it opens over IPv6; tshark has judged that family alone.
            wanted = [.. wanted.Where(static packet => packet[0] >> 4 == 4)];
            opened = [.. opened.Where(static packet => packet.Plain![0] >> 4 == 4)];
        }

        Assert.Equal(wanted.Select(packet => Text(packet, tunnel)), opened.Select(packet => Text(packet.Plain!, tunnel)));

        // Nothing else from those addresses was on the wire but how IPv6 hosts find each other.
        Assert.Equal(0, sniffer.Count("not esp and not ip6 proto 50 and not ip6 proto 44 and not port 4500 and not icmp6 and ip[6:2] & 0x1fff = 0"));
    }

    // In transport mode the kernel writes the IPv4 header that leaves, with an identification of its own where DF is not set;
    // a UDP socket never sets DF. So these and the checksum over them are not compared.
    private static string Text(byte[] packet, bool tunnel)
    {
        if (packet[0] >> 4 == 4 && !tunnel)
        {
            packet.AsSpan(4, 3).Clear();
            packet.AsSpan(10, 2).Clear();
        }

        return Convert.ToHexString(packet);
    }

    // The clear side's outgoing packets that were not dropped, in their order.
    private static IEnumerable<byte[]> ReadClear(Stream file)
    {
        using CaptureReader reader = CaptureReader.Open(file);
        while (reader.TryRead(out CaptureFrame frame))
        {
            if (frame.Interface.Name == "testudo-clear" && frame.Direction == CaptureDirection.Outbound && frame.Comment is null)
            {
                yield return frame.Bytes.ToArray();
            }
        }
    }
}
