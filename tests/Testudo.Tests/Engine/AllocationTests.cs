// Nothing is allocated per packet: counted over the whole process, all threads, while no other test runs.

using Testudo.Engine;
using Testudo.Tests.Checker;
using Testudo.Wire;
using Testudo.Wire.PfKey;
using Xunit;

namespace Testudo.Tests.Engine;

[Collection(nameof(Alone))]
public sealed class AllocationTests
{
    private const int Packets = 100_000, BundlePackets = 20_000, BatchSize = 100, Rounds = 4; // Least: one that does not count, three that do
    private const string A = "10.1.0.1", B = "10.2.0.1", A6 = "fd01::1", B6 = "fd02::1";

    [Theory]
    [InlineData(true, false, 0)]
    [InlineData(true, true, 0)]
    [InlineData(false, false, 0)]
    [InlineData(false, true, 0)]
    [InlineData(true, false, 100)]
    public void Nothing_is_allocated_for_a_packet_and_the_count_would_see_it(bool gcm, bool tunnel, int plantedEvery)
    {
        using var a = new Host(null, A, A6);
        using var b = new Host(null, B, B6);
        foreach ((Host host, PolicyDirection direction) in ((Host, PolicyDirection)[])[(a, PolicyDirection.Out), (b, PolicyDirection.In)])
        {
            Suite suite = gcm ? Suite.Gcm128 : Suite.Cbc128;
            host.Add(Make.Sa(0x1000, tunnel ? A6 : A, tunnel ? B6 : B, tunnel ? IpsecMode.Tunnel : IpsecMode.Transport, suite, udp: true) with { ExtendedSequence = tunnel, Flags = tunnel ? SaFlags.RandomPad : SaFlags.None });
            host.Add(Make.Policy(direction, A, B, tunnel ? Make.Tunnel(A6, B6) : Make.Transport()));
        }

        byte[] packet = Build.Ipv4(A, B).Udp(7, 9, Build.Pattern(64));
        using var work = new Batch();
        using var wire = new Batch();
        using var clear = new Batch();
        using var back = new Batch();
        long passed = 0;
        object? planted = null;
        long bytes = Least(() =>
        {
            for (int done = 0; done < Packets; done += BatchSize)
            {
                for (int i = 0; i < BatchSize; i++)
                {
                    work.TryAdd(packet);
                    if (plantedEvery > 0 && i % plantedEvery == 0)
                    {
                        planted = new object();
                    }
                }

                a.Engine.Outbound(work, wire, back, a.Now, a.Worker);
                b.Engine.Inbound(wire, clear, b.Now, b.Worker);
                passed += clear.Count;
                clear.Clear();
                wire.Clear();
                work.Clear();
            }
        });
        Assert.Equal((long)Rounds * Packets, passed); // one round to warm up, the others to measure
        Assert.Equal(plantedEvery > 0 ? Packets / plantedEvery * 24 : 0, bytes);
        GC.KeepAlive(planted);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Nothing_is_allocated_for_AH_and_a_bundle(bool tunnel)
    {
        using var a = new Host(null, A, A6);
        using var b = new Host(null, B, B6);
        foreach ((Host host, PolicyDirection direction) in ((Host, PolicyDirection)[])[(a, PolicyDirection.Out), (b, PolicyDirection.In)])
        {
            host.Add(Make.Sa(0x1000, A, B));
            host.Add(Make.Ah(0x1001, tunnel ? A6 : A, tunnel ? B6 : B, tunnel ? IpsecMode.Tunnel : IpsecMode.Transport));
            host.Add(Make.Policy(direction, A, B, Make.Transport(), tunnel ? Make.AhTunnel(A6, B6) : Make.AhTransport()));
        }

        byte[] packet = Build.Ipv4(A, B).Udp(7, 9, Build.Pattern(64));
        using var work = new Batch();
        using var wire = new Batch();
        using var clear = new Batch();
        using var back = new Batch();
        long passed = 0;
        long bytes = Least(() =>
        {
            for (int done = 0; done < BundlePackets; done += BatchSize)
            {
                for (int i = 0; i < BatchSize; i++)
                {
                    work.TryAdd(packet);
                }

                a.Engine.Outbound(work, wire, back, a.Now, a.Worker);
                b.Engine.Inbound(wire, clear, b.Now, b.Worker);
                passed += clear.Count;
                clear.Clear();
                wire.Clear();
                work.Clear();
            }
        });
        Assert.Equal((long)Rounds * BundlePackets, passed);
        Assert.Equal(0, bytes);
    }

    [Fact]
    public void Nothing_is_allocated_for_fragments_refusals_and_drops()
    {
        using var b = new Host(new EngineOptions { Mtu = 1280 }, B);
        b.Add(Make.Sa(0x1000, B, A));
        b.Add(Make.Policy(PolicyDirection.Out, B, A));
        byte[][] inward =
        [
            .. Build.Fragments(Build.Ipv4(A, B).Udp(7, 9, Build.Pattern(2000)), 1280),
            (Build.Ipv4("10.1.0.9", B, id: 1) with { MoreFragments = true }).Payload(IpProtocol.Udp, Build.Pattern(8)), // waits for ever: gives way or expires
            Build.Ipv4(A, B).Payload(IpProtocol.Esp, Build.Pattern(60)),
            [1, 2, 3],
        ];
        byte[] big = Build.Ipv4(B, A).Udp(7, 9, Build.Pattern(1250));
        using var work = new Batch();
        using var result = new Batch();
        using var back = new Batch();
        long put = 0;
        long bytes = Least(() =>
        {
            for (int round = 0; round < 5000; round++)
            {
                inward[2][4] = (byte)(round >> 8);
                inward[2][5] = (byte)round;
                b.Advance(0.5);
                foreach (byte[] packet in inward)
                {
                    work.TryAdd(packet);
                }

                b.Engine.Inbound(work, result, b.Now, b.Worker);
                put += result.Count;
                work.Clear();
                result.Clear();
                work.TryAdd(big);
                b.Engine.Outbound(work, result, back, b.Now, b.Worker);
                put += back.Count;
                work.Clear();
                result.Clear();
                back.Clear();
            }
        });
        Assert.Equal(2 * Rounds * 5000, put);
        Assert.Equal(0, bytes);
        Assert.True(b.Worker.Dropped(Drop.ReassemblyTimeout) > 0 && b.Worker.Dropped(Drop.TooBig) == Rounds * 5000);
    }

    [Fact]
    public void Nothing_is_allocated_for_pieces_ICMP_errors_and_the_MSS()
    {
        using var a = new Host(new EngineOptions { Mtu = 1400, Fragments = FragmentPlace.Before, FragmentsProtected = true, MssClamp = EngineOptions.MssAuto }, A, A6);
        a.Add(Make.Sa(0x1000, A6, B6, IpsecMode.Tunnel));
        a.Add(Make.Sa(0x1001, A, "10.2.0.2"));
        a.Add(Make.Policy(PolicyDirection.Out, A, B, Make.Tunnel(A6, B6)));
        a.Add(Make.Policy(PolicyDirection.Out, A, "10.2.0.2"));
        byte[] error = PathMtuTests.TooBig(a.Out(Build.Ipv4(A, "10.2.0.2").Udp(7, 9, Build.Pattern(1300))).Single, 1300);
        byte[][] outward =
        [
            Build.Ipv4(A, B, dontFragment: false).Udp(7, 9, Build.Pattern(3000)), // 3 pieces before
            Build.Ipv4(A, "10.2.0.2", dontFragment: false).Udp(7, 9, Build.Pattern(3000)), // 3 behind
            Build.Ipv4(A, B).Tcp(7, 9, [], 2, options: [2, 4, 5, 180]),
            .. Build.Fragments(Build.Ipv4(A, "10.2.0.2").Udp(7, 9, Build.Pattern(2000)), 1280), // 2 that become one that becomes 2
        ];
        using var work = new Batch();
        using var result = new Batch(0, Batch.MaxPieces);
        using var back = new Batch();
        long put = 0;
        long bytes = Least(() =>
        {
            for (int round = 0; round < 3000; round++)
            {
                foreach (byte[] packet in outward)
                {
                    work.TryAdd(packet);
                }

                a.Engine.Outbound(work, result, back, a.Now, a.Worker);
                put += result.Count;
                work.Clear();
                result.Clear();
                work.TryAdd(error);
                a.Engine.Inbound(work, result, a.Now, a.Worker);
                put += work[0].Drop == Drop.IcmpNoted ? 1 : 0;
                work.Clear();
                result.Clear();
            }
        });
        Assert.Equal((3 + 3 + 1 + 2 + 1) * Rounds * 3000, put);
        Assert.Equal(0, bytes);
    }

    // The least of five rounds after one to warm up: the test platform's own threads allocate now and then, a packet path
    // that allocates does so in every round.
    private static long Least(Action body)
    {
        body();
        long least = long.MaxValue;
        for (int round = 0; round < Rounds - 1; round++)
        {
            long before = GC.GetTotalAllocatedBytes(precise: true);
            body();
            least = Math.Min(least, GC.GetTotalAllocatedBytes(precise: true) - before);
        }

        return least;
    }
}
