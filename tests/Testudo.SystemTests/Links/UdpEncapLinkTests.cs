// ESP in UDP between a socket of the class library and our link.

using System.Net;
using System.Net.Sockets;
using Testudo.Links;
using Testudo.Wire;
using Xunit;

namespace Testudo.SystemTests.Links;

public sealed class UdpEncapLinkTests
{
    public static TheoryData<string, string> Pairs => new() { { "10.9.0.1", "10.9.0.2" }, { "fd09::1", "fd09::2" } };

    [Theory]
    [MemberData(nameof(Pairs))]
    [Shows("rfc3948-2.1-3")]
    public void A_datagram_comes_up_as_a_whole_packet_and_the_answer_finds_its_sender(string from, string to)
    {
        using var pair = new Pair();
        IpFamily family = Address.Parse(from).Family;
        using Socket peer = pair.A.Do(() => Bound(from, 40123));
        using UdpEncapLink link = pair.B.Do(() => new UdpEncapLink(new UdpEncapOptions(family)));
        Assert.Equal($"udp{(int)family} port 4500", link.Name);
        byte[] esp = Packets.Esp(3000); // the kernel fragments and reassembles
        peer.SendTo(esp, new IPEndPoint(IPAddress.Parse(to), 4500));

        using var batch = new Batch();
        Assert.Equal(1, link.Receive(batch, 5000));
        Assert.Equal(Drop.None, IpInfo.TryParse(batch[0].Span, out IpInfo info));
        Assert.Equal((from, to, (ushort)40123, (ushort)4500), (info.Source.ToString(), info.Destination.ToString(), info.SourcePort, info.DestinationPort));
        Assert.Equal((IpProtocol.Udp, (byte)64), (info.Protocol, info.HopLimit));
        Assert.Equal(esp, batch[0].Span[(info.UpperOffset + 8)..].ToArray());
        Span<byte> udp = batch[0].Span[info.UpperOffset..];
        if (family == IpFamily.V4)
        {
            Assert.Equal(0, Checksum.Of(batch[0].Span[..20]));
            Assert.Equal([0, 0], udp[6..8].ToArray());
        }
        else
        {
            Assert.Equal(0, Checksum.Finish(Checksum.Add(Checksum.PseudoHeader(info.Source, info.Destination, udp.Length, IpProtocol.Udp), udp)));
        }

        batch.Clear();
        byte[] answer = Packets.Ip(to, from, IpProtocol.Udp, Packets.Udp(4500, 40123, Packets.Esp(2000)), hopLimit: 33, trafficClass: 2);
        Assert.True(batch.TryAdd(answer));
        link.Send(batch);
        Assert.Equal(Drop.None, batch[0].Drop);
        byte[] seen = new byte[4000];
        EndPoint sender = new IPEndPoint(family == IpFamily.V4 ? IPAddress.Any : IPAddress.IPv6Any, 0);
        int length = peer.ReceiveFrom(seen, ref sender);
        Assert.Equal(Packets.Esp(2000), seen[..length]);
        Assert.Equal(new IPEndPoint(IPAddress.Parse(to), 4500), sender);
    }

    [Theory]
    [MemberData(nameof(Pairs))]
    [Shows("rfc3948-2.1-1", "rfc3948-2.3-3")]
    public void IKE_goes_to_its_handler_and_keepalives_and_runts_go_up(string from, string to)
    {
        using var pair = new Pair();
        string told = "";
        IpFamily family = Address.Parse(from).Family;
        using Socket peer = pair.A.Do(() => Bound(from, 40123));
        using UdpEncapLink link = pair.B.Do(() => new UdpEncapLink(new UdpEncapOptions(family,
            Ike: (in source, port, in destination, message) => told = $"{source} {port} {destination} {Convert.ToHexString(message)}")));
        var port = new IPEndPoint(IPAddress.Parse(to), 4500);
        peer.SendTo([0, 0, 0, 0, 0xAA, 0xBB], port);
        peer.SendTo([0xFF], port);
        peer.SendTo([0, 0, 0], port);
        peer.SendTo([], port);
        using var batch = new Batch();
        while (batch.Count < 3)
        {
            Assert.True(link.Receive(batch, 5000) > 0);
        }

        int headers = (family == IpFamily.V4 ? 20 : 40) + 8;
        Assert.Equal([1, 3, 0], batch.Packets.ToArray().Select(p => p.Length - headers));
        Assert.Equal($"{from} 40123 {to} AABB", told);
        Assert.Equal(1, link.IkeMessages);
        Assert.Equal(0, link.Ignored);
    }

    [Fact]
    public void A_foreign_source_port_is_refused_and_a_taken_port_is_told()
    {
        using var pair = new Pair();
        using UdpEncapLink link = pair.A.Do(() => new UdpEncapLink(new UdpEncapOptions(IpFamily.V4)));
        using var batch = new Batch();
        Assert.True(batch.TryAdd(Packets.Ip("10.9.0.1", "10.9.0.2", IpProtocol.Udp, Packets.Udp(4501, 4500, Packets.Esp(50)))));
        Assert.True(batch.TryAdd(Packets.Ip("10.9.0.1", "10.9.0.2", IpProtocol.Esp, Packets.Esp(50))));
        link.Send(batch);
        Assert.All(batch.Packets.ToArray(), static p => Assert.Equal(Drop.LinkRefused, p.Drop));

        IOException e = Assert.Throws<IOException>(() => pair.A.Do(() => new UdpEncapLink(new UdpEncapOptions(IpFamily.V4))));
        Assert.Contains("4500", e.Message, StringComparison.Ordinal);
        using UdpEncapLink six = pair.A.Do(() => new UdpEncapLink(new UdpEncapOptions(IpFamily.V6))); // its own port space
        using UdpEncapLink any = pair.A.Do(() => new UdpEncapLink(new UdpEncapOptions(IpFamily.V4, Port: 0)));
        Assert.NotEqual(0, any.Port);
    }

    [Theory]
    [MemberData(nameof(Pairs))]
    public void Nothing_is_allocated_per_packet(string from, string to)
    {
        using var pair = new Pair();
        IpFamily family = Address.Parse(from).Family;
        using UdpEncapLink a = pair.A.Do(() => new UdpEncapLink(new UdpEncapOptions(family)));
        using UdpEncapLink b = pair.B.Do(() => new UdpEncapLink(new UdpEncapOptions(family)));
        byte[] packet = Packets.Ip(from, to, IpProtocol.Udp, Packets.Udp(4500, 4500, Packets.Esp(1000)));
        using var work = new Batch();
        using var seen = new Batch();
        long least = long.MaxValue;
        for (int round = 0; round < 10; round++)
        {
            work.Clear();
            for (int i = 0; i < 50; i++)
            {
                Assert.True(work.TryAdd(packet));
            }

            seen.Clear();
            long before = GC.GetAllocatedBytesForCurrentThread();
            a.Send(work);
            while (seen.Count < 50 && b.Receive(seen, 5000) > 0)
            {
            }

            least = Math.Min(least, GC.GetAllocatedBytesForCurrentThread() - before);
            Assert.Equal(50, seen.Count);
        }

        Assert.Equal(0, least);
    }

    private static Socket Bound(string address, int port)
    {
        IPAddress ip = IPAddress.Parse(address);
        var socket = new Socket(ip.AddressFamily, SocketType.Dgram, ProtocolType.Udp) { ReceiveTimeout = 5000 };
        socket.Bind(new IPEndPoint(ip, port));
        return socket;
    }
}
