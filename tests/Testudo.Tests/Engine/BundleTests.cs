// Several requests of one policy, ESP and AH, transport and tunnels, both families mixed: applied in their order, taken off in
// the other, and compared with the policy one by one.

using Testudo.Crypto;
using Testudo.Engine;
using Testudo.Tests.Checker;
using Testudo.Wire;
using Testudo.Wire.PfKey;
using Xunit;

namespace Testudo.Tests.Engine;

public sealed class BundleTests
{
    private const string A = "10.1.0.1", B = "10.2.0.1", A6 = "fd01::1", B6 = "fd02::1";
    private const string GA = "192.0.2.1", GB = "192.0.2.2", GA6 = "2001:db8::1", GB6 = "2001:db8::2";

    private static readonly Dictionary<string, PolicyRequest[]> s_bundles = new()
    {
        ["ESP, AH"] = [Make.Transport(), Make.AhTransport()],
        ["AH, ESP"] = [Make.AhTransport(), Make.Transport()],
        ["AH twice"] = [Make.AhTransport(), Make.AhTransport()],
        ["ESP tunnel, AH over it"] = [Make.Tunnel(GA, GB), Make.AhTransport()],
        ["ESP tunnel over IPv6, AH over it"] = [Make.Tunnel(GA6, GB6), Make.AhTransport()],
        ["AH tunnel"] = [Make.AhTunnel(GA, GB)],
        ["AH tunnel, ESP over it"] = [Make.AhTunnel(GA, GB), Make.Transport()],
        ["ESP in an AH tunnel"] = [Make.Transport(), Make.AhTunnel(GA6, GB6)],
        ["ESP and AH in tunnels of one way"] = [Make.Tunnel(GA, GB), Make.AhTunnel(GA, GB)],
        ["AH tunnel in an ESP tunnel of another family"] = [Make.AhTunnel(GA, GB), Make.Tunnel(GA6, GB6)],
        ["ESP tunnel in an AH tunnel of another family"] = [Make.Tunnel(GA6, GB6), Make.AhTunnel(GA, GB)],
        ["six"] = [Make.Transport(), Make.AhTransport(), Make.AhTunnel(GA, GB), Make.Transport(), Make.Tunnel(GA6, GB6), Make.AhTransport()],
    };

    public static TheoryData<string> Bundles => [.. s_bundles.Keys];

    [Theory]
    [MemberData(nameof(Bundles))]
    [Shows("ipsec4-bugs-5", "rfc2401-4.3-1", "rfc2401-4.5-3", "rfc2402-3.3-1", "rfc2406-3.3-1")]
    public void A_bundle_comes_out_and_satisfies_its_own_policy_and_no_other(string name)
    {
        PolicyRequest[] requests = s_bundles[name];
        foreach (byte[] packet in (byte[][])[(Build.Ipv4(A, B) with { Id = 7 }).Tcp(7, 9, "text"u8), Build.Ipv6(A6, B6).Tcp(7, 9, "text"u8)])
        {
            using Host a = Keyed(PolicyDirection.Out, requests);
            byte[] wire = a.Out(packet).Single;
            PacketCheck check = wire[0] >> 4 == 4 ? Check.Packet(wire).Ipv4() : Check.Packet(wire).Ipv6();
            Assert.Equal(requests[^1].Protocol, (IpProtocol)wire[wire[0] >> 4 == 4 ? 9 : 6]);
            Assert.NotNull(check);
            using (Host b = Keyed(PolicyDirection.In, requests))
            {
                Assert.Equal(packet, b.In(wire).Single);
            }

            foreach ((string other, PolicyRequest[] wanted) in s_bundles)
            {
                if (other != name)
                {
                    using Host b = Keyed(PolicyDirection.In, wanted);
                    Assert.True(b.In(wire).Drops is [Drop.HistoryMismatch or Drop.TunnelPolicyMissing], $"{name} passed for {other}");
                }
            }
        }
    }

    [Fact]
    public void Each_request_with_a_number_wants_the_SA_that_has_it()
    {
        byte[] packet = (Build.Ipv4(A, B) with { Id = 7 }).Udp(7, 9);
        PolicyRequest[] unique = [Make.Transport(PolicyLevel.Unique, 5), Make.AhTransport(PolicyLevel.Unique, 6)];
        using Host a = Keyed(PolicyDirection.Out, unique);
        using Host b = Keyed(PolicyDirection.In, unique);
        using Host other = Keyed(PolicyDirection.In, unique[0], Make.AhTransport(PolicyLevel.Unique, 7));
        byte[] wire = a.Out(packet).Single;
        Assert.Equal(packet, b.In(wire).Single);
        Assert.Equal(Drop.HistoryMismatch, other.In(wire).Drop);
    }

    [Fact]
    public void Of_a_bundle_whose_outer_part_may_be_left_out_the_inner_part_is_enough()
    {
        byte[] packet = (Build.Ipv4(A, B) with { Id = 7 }).Udp(7, 9);
        using Host a = Keyed(PolicyDirection.Out, Make.Transport());
        using Host b = Keyed(PolicyDirection.In, Make.Transport(), Make.AhTransport(PolicyLevel.Use));
        using Host strict = Keyed(PolicyDirection.In, Make.Transport(), Make.AhTransport());
        byte[] wire = a.Out(packet).Single;
        Assert.Equal(packet, b.In(wire).Single);
        Assert.Equal(Drop.HistoryMismatch, strict.In(wire).Drop);
    }

    [Fact]
    public void Threads_that_meet_in_an_SA_take_turns()
    {
        // The same ESP SA comes by itself and within AH, so by two sockets and their threads.
        using Host plain = Keyed(PolicyDirection.Out, Make.Transport());
        using Host within = Keyed(PolicyDirection.Out, Make.Transport(), Make.AhTransport());
        byte[] packet = (Build.Ipv4(A, B) with { Id = 7 }).Udp(7, 9, Build.Pattern(100));
        byte[][][] wires = [[.. plain.Out(Enumerable.Repeat(packet, 200)).Passed], [.. within.Out(Enumerable.Repeat(packet, 200)).Passed]];
        using Host b = Keyed(PolicyDirection.In, Make.Transport(), Make.AhTransport(PolicyLevel.Use));
        long[] passed = new long[2];
        Parallel.For(0, 2, new ParallelOptions { MaxDegreeOfParallelism = 2 }, thread =>
        {
            using Worker me = b.Engine.NewWorker();
            using var work = new Batch();
            using var clear = new Batch(0);
            for (int round = 0; round < 300; round++)
            {
                foreach (byte[] wire in wires[thread])
                {
                    work.TryAdd(wire);
                }

                b.Engine.Inbound(work, clear, b.Now, me);
                passed[thread] += clear.Count;
                clear.Clear();
                work.Clear();
            }

            Assert.Equal(0, me.Dropped(Drop.BadIcv));
        });
        Assert.Equal([60_000L, 60_000L], passed);
    }

    // An SA for every pair of ends and each protocol, without windows, for both kinds of packets.
    private static Host Keyed(PolicyDirection direction, params PolicyRequest[] requests)
    {
        var host = direction == PolicyDirection.Out ? new Host(null, A, A6, GA, GA6) : new Host(null, B, B6, GB, GB6);
        uint spi = 0x1000;
        foreach ((string from, string to) in ((string, string)[])[(A, B), (A6, B6), (GA, GB), (GA6, GB6)])
        {
            foreach (IpsecMode mode in (IpsecMode[])[IpsecMode.Transport, IpsecMode.Tunnel])
            {
                host.Add(Make.Sa(spi++, from, to, mode, Suite.Cbc128) with { ReplayWindow = 0, Reqid = 5 });
                host.Add(Make.Ah(spi++, from, to, mode, Integrity.HmacSha1) with { ReplayWindow = 0, Reqid = 6 });
            }
        }

        host.Add(Make.Policy(direction, A, B, requests));
        host.Add(Make.Policy(direction, A6, B6, requests));
        return host;
    }
}
