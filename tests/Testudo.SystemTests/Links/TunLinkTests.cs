// The TUN link against the kernel: its ping goes out through the device, and we answer it.

using System.Buffers.Binary;
using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Testudo.Links;
using Testudo.SystemTests.Netns;
using Testudo.Wire;
using Xunit;

namespace Testudo.SystemTests.Links;

public sealed class TunLinkTests
{
    [Theory]
    [InlineData("10.7.0.1/24", "10.7.0.2")]
    [InlineData("fd07::1/64", "fd07::2")]
    public void The_kernels_ping_comes_out_of_the_device_and_our_answer_goes_in(string own, string peer)
    {
        using var ns = new NetworkNamespace();
        using TunLink tun = ns.Do(() => new TunLink(new TunOptions("tt0", 4000)));
        Assert.Equal("tun tt0", tun.Name);
        ns.Run($"ip link set tt0 addrgenmode none up && ip addr add {own} dev tt0 {(own.Contains(':', StringComparison.Ordinal) ? "nodad" : "")}");
        Assert.Contains("mtu 4000", ns.Run("ip link show tt0"), StringComparison.Ordinal);

        Process ping = ns.Start($"ping -c3 -i0.2 -W5 -s 3000 {peer}");
        using var batch = new Batch();
        int answered = 0;
        while (answered < 3)
        {
            batch.Clear();
            Assert.True(tun.Receive(batch, 5000) > 0, "no echo request came within five seconds");
            foreach (ref Packet packet in batch.Packets)
            {
                answered += TryAnswer(packet.Span) ? 1 : 0;
            }

            tun.Send(batch);
            Assert.All(batch.Packets.ToArray(), static p => Assert.Equal(Drop.None, p.Drop));
        }

        string output = ping.StandardOutput.ReadToEnd();
        ping.WaitForExit();
        Assert.Contains("3 received", output, StringComparison.Ordinal);
    }

    [Fact]
    public void A_burst_as_long_as_a_TCP_window_waits_to_be_read()
    {
        const int Burst = 4 * 1024 * 1024 / 1448;
        using var ns = new NetworkNamespace();
        using TunLink tun = ns.Do(() => new TunLink(new TunOptions("tt0")));
        ns.Run("ip link set tt0 addrgenmode none up && ip addr add 10.7.0.1/24 dev tt0");
        ns.Do(() =>
        {
            using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
            for (int i = 0; i < Burst; i++)
            {
                socket.SendTo(new byte[1448], new IPEndPoint(IPAddress.Parse("10.7.0.2"), 9));
            }
        });

        using var batch = new Batch();
        int read = 0;
        while (tun.Receive(batch, 0) > 0)
        {
            read += batch.Packets.ToArray().Count(static packet => packet.Span[9] == (byte)IpProtocol.Udp);
            batch.Clear();
        }

        Assert.Equal(Burst, read);
    }

    [Fact]
    public void Waiting_ends_by_time_by_waking_and_by_closing()
    {
        using var ns = new NetworkNamespace();
        TunLink tun = ns.Do(() => new TunLink(new TunOptions("tt%d")));
        Assert.Equal("tt0", tun.Device);
        using var batch = new Batch();
        Assert.Equal(0, tun.Receive(batch, 0));
        Assert.Equal(0, tun.Receive(batch, 1));
        tun.Wake();
        Assert.Equal(0, tun.Receive(batch, -1));

        int answer = 99;
        var waiting = new Thread(() => answer = tun.Receive(batch, -1));
        waiting.Start();
        tun.Dispose();
        waiting.Join();
        Assert.Equal(-1, answer);
        Assert.Equal(-1, tun.Receive(batch, -1));
        Assert.True(batch.TryAdd(new byte[20]));
        tun.Send(batch);
        Assert.Equal(Drop.LinkRefused, batch[0].Drop);
        Assert.NotEqual(0, ns.TryRun("ip link show tt0").Status);
    }

    [Fact]
    public void A_device_that_vanishes_ends_the_link_and_bad_packets_are_refused_by_name()
    {
        using var ns = new NetworkNamespace();
        using TunLink tun = ns.Do(() => new TunLink(new TunOptions("tt0")));
        using var batch = new Batch();
        Assert.True(batch.TryAdd(new byte[40])); // no IP version
        tun.Send(batch);
        Assert.Equal(Drop.LinkRefused, batch[0].Drop);
        ns.Run("ip link del tt0");
        Assert.Equal(-1, tun.Receive(batch, -1));
    }

    [Fact]
    public void What_cannot_be_made_is_told_with_its_reason()
    {
        using var ns = new NetworkNamespace();
        using TunLink tun = ns.Do(() => new TunLink(new TunOptions("tt0")));
        IOException e = Assert.Throws<IOException>(() => ns.Do(() => new TunLink(new TunOptions("tt0"))));
        Assert.Contains("tt0", e.Message, StringComparison.Ordinal);
        Assert.Contains("busy", e.Message, StringComparison.OrdinalIgnoreCase);
        Assert.Throws<ArgumentException>(() => new TunLink(new TunOptions("a-name-that-is-too-long")));
    }

    [Fact]
    public void Nothing_is_allocated_per_packet()
    {
        using var ns = new NetworkNamespace();
        using TunLink tun = ns.Do(() => new TunLink(new TunOptions("tt0")));
        ns.Run("ip link set tt0 addrgenmode none up && ip addr add 10.7.0.1/24 dev tt0");
        using var socket = ns.Do(() => new System.Net.Sockets.Socket(System.Net.Sockets.AddressFamily.InterNetwork,
            System.Net.Sockets.SocketType.Dgram, System.Net.Sockets.ProtocolType.Udp));
        socket.Connect(System.Net.IPAddress.Parse("10.7.0.2"), 9);
        using var batch = new Batch();
        long least = long.MaxValue;
        for (int round = 0; round < 10; round++)
        {
            for (int i = 0; i < 100; i++)
            {
                socket.Send(new byte[1000]);
            }

            batch.Clear();
            long before = GC.GetAllocatedBytesForCurrentThread();
            int read = tun.Receive(batch, 1000);
            tun.Send(batch); // back into the kernel, which drops them: not its address
            least = Math.Min(least, GC.GetAllocatedBytesForCurrentThread() - before);
            Assert.InRange(read, 100, 110); // and what the kernel says by itself (IGMP)
        }

        Assert.Equal(0, least);
    }

    // Turns an echo request into its reply; packets of another kind die.
    private static bool TryAnswer(Span<byte> packet)
    {
        if (IpInfo.TryParse(packet, out IpInfo info) != Drop.None)
        {
            return false;
        }

        Span<byte> icmp = packet[info.UpperOffset..];
        bool v4 = info.Family == IpFamily.V4;
        if (icmp[0] != (v4 ? 8 : 128))
        {
            return false;
        }

        icmp[0] = v4 ? (byte)0 : (byte)129;
        info.Destination.CopyTo(packet[(v4 ? 12 : 8)..]);
        info.Source.CopyTo(packet[(v4 ? 16 : 24)..]);
        icmp[2..4].Clear();
        ulong pseudo = v4 ? 0 : Checksum.PseudoHeader(info.Source, info.Destination, icmp.Length, IpProtocol.Icmpv6);
        BinaryPrimitives.WriteUInt16BigEndian(icmp[2..], Checksum.Finish(Checksum.Add(pseudo, icmp)));
        return true;
    }
}
