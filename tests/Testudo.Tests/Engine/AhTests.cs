// AH as a whole: what goes in comes out, under every integrity algorithm, mode, family and format; what routers may change
// may change, and nothing else.

using Testudo.Crypto;
using Testudo.Engine;
using Testudo.Tests.Checker;
using Testudo.Wire;
using Testudo.Wire.PfKey;
using Xunit;

namespace Testudo.Tests.Engine;

public sealed class AhTests
{
    private const string A = "10.1.0.1", B = "10.2.0.1", A6 = "fd01::1", B6 = "fd02::1";
    private const string GA = "192.0.2.1", GB = "192.0.2.2", GA6 = "2001:db8::1", GB6 = "2001:db8::2";

    public static TheoryData<Integrity, IpsecMode, int, int, SaFlags> Matrix
    {
        get
        {
            var data = new TheoryData<Integrity, IpsecMode, int, int, SaFlags>();
            foreach (IntegrityInfo info in Transforms.Integrities.Where(static i => !i.IsHistoric && i.Integrity != Integrity.Null))
            {
                foreach (SaFlags flags in (SaFlags[])[SaFlags.None, SaFlags.AlignTo8, SaFlags.Old])
                {
                    data.Add(info.Integrity, IpsecMode.Transport, 4, 4, flags);
                    data.Add(info.Integrity, IpsecMode.Transport, 6, 6, flags);
                    foreach ((int inner, int outer) in ((int, int)[])[(4, 4), (4, 6), (6, 4), (6, 6)])
                    {
                        data.Add(info.Integrity, IpsecMode.Tunnel, inner, outer, flags);
                    }
                }
            }

            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Matrix))]
    [Shows("ipsec4-description-5", "rfc2401-4.4.3-9", "rfc2402-2.6-1", "rfc2402-3.4.3-8", "rfc4302-2.6-2")]
    public void Every_packet_comes_out_as_it_went_in(Integrity integrity, IpsecMode mode, int inner, int outer, SaFlags flags)
    {
        bool tunnel = mode == IpsecMode.Tunnel;
        (string from, string to) = tunnel ? outer == 4 ? (GA, GB) : (GA6, GB6) : inner == 4 ? (A, B) : (A6, B6);
        (string source, string destination) = inner == 4 ? (A, B) : (A6, B6);
        using var a = new Host(null, A, A6);
        using var b = new Host(null, B, B6, GB, GB6);
        foreach ((Host host, PolicyDirection direction) in ((Host, PolicyDirection)[])[(a, PolicyDirection.Out), (b, PolicyDirection.In)])
        {
            host.Add(Make.Ah(0x1000, from, to, mode, integrity, flags));
            host.Add(Make.Policy(direction, source, destination, tunnel ? Make.AhTunnel(from, to) : Make.AhTransport()));
        }

        byte[][] packets = [.. Enumerable.Range(0, 200).Concat([1000, 9000]).Select(n =>
            (inner == 4 ? Build.Ipv4(source, destination, 63, 0x28) with { Id = 7 } : Build.Ipv6(source, destination, 63, 0x28, 0x12345)).Udp(7, 9, Build.Pattern(n)))];
        Outcome sent = a.Out(packets);
        Assert.Empty(sent.Drops);
        int icv = Transforms.Find(integrity)!.IcvLength, fixedLength = flags == SaFlags.Old ? 8 : 12;
        int align = outer == 6 || flags == SaFlags.AlignTo8 ? 8 : 4, header = outer == 4 ? 20 : 40;
        Assert.Equal((((fixedLength + icv + align - 1) / align * align) / 4) - 2, sent.Passed[0][header + 1]);
        Assert.Equal(packets, b.In(sent.Passed).Passed);

        // Every bit that routers leave alone counts; those that they change do not.
        byte[] wire = a.Out(packets[8]).Single;
        int[] mutable = outer == 4 ? [1, 6, 7, 8, 10, 11] : [1, 2, 3, 7];
        foreach (int at in mutable)
        {
            wire[at] ^= (byte)(outer == 4 && at == 6 ? 0x40 : 0x04);
        }

        wire[1] ^= 0x04; // but for this one, which the inner packet's ECN hangs on in a tunnel
        if (outer == 4)
        {
            wire[7] ^= 0x04; // and a fragment it is not
        }

        byte[] good = wire;
        for (int at = 0; at < wire.Length; at++)
        {
            if (mutable.Contains(at) || at == 0 || (at >= 2 && at < 6) || (at >= header - (outer == 4 ? 4 : 16) && at < header + 8) || (outer == 4 ? at == 9 : at == 6))
            {
                continue; // mutable, or without it the packet is not found, or none
            }

            byte[] bad = [.. good];
            bad[at] ^= 1;
            Drop drop = b.In(bad).Drop;
            Assert.True(drop is Drop.BadIcv or Drop.TooOld or Drop.Replayed or Drop.SequenceZero, $"byte {at}: {drop}");
        }

        Assert.Single(b.In(good).Passed);
    }

    [Fact]
    public void Both_alignments_are_taken_and_no_other_length()
    {
        using var b = new Host(null, B);
        b.Add(Make.Ah(0x1000, A, B));
        foreach (SaFlags flags in (SaFlags[])[SaFlags.None, SaFlags.AlignTo8])
        {
            using var a = new Host(null, A);
            a.Add(Make.Ah(0x1000, A, B, flags: flags) with { LastSequence = flags == SaFlags.None ? 0u : 1u });
            a.Add(Make.Policy(PolicyDirection.Out, A, B, Make.AhTransport()));
            byte[] wire = a.Out((Build.Ipv4(A, B) with { Id = 7 }).Udp(7, 9)).Single;
            Assert.Single(b.In(wire).Passed);
            foreach (byte length in (byte[])[0, 4, 7, 8, 255])
            {
                wire[21] = length;
                Assert.Equal(Drop.BadAhLength, b.In(wire).Drop);
            }
        }
    }

    public static TheoryData<string, byte[], byte[]> OnTheWay => new()
    {
        { "record route, filled in", [7, 7, 4, 0, 0, 0, 0, 0], [7, 7, 8, 10, 9, 8, 7, 0] },
        { "timestamp", [68, 8, 5, 0, 0, 0, 0, 0], [68, 8, 9, 16, 1, 2, 3, 4] },
        { "unknown", [0x99, 4, 1, 2], [0x99, 4, 3, 4] },
        { "security", [0x82, 4, 1, 2], [0x82, 4, 1, 2] },
        { "router alert behind NOPs", [1, 1, 0x94, 4, 0, 0, 1, 1], [1, 1, 0x94, 4, 0, 0, 1, 1] },
    };

    [Theory]
    [MemberData(nameof(OnTheWay))]
    [Shows("rfc4302-3.3.3.1-1")]
    public void What_routers_write_into_options_does_not_matter(string name, byte[] sent, byte[] arrived)
    {
        Assert.NotEmpty(name);
        (Host a, Host b) = Pair();
        using (a)
        using (b)
        {
            byte[] wire = a.Out((Build.Ipv4(A, B, options: sent) with { Id = 7 }).Udp(7, 9, "text"u8)).Single;
            arrived.CopyTo(wire, 20);
            byte[] immutable = [.. wire];
            immutable[20 + arrived.Length - 1] ^= 1;
            if (sent.SequenceEqual(arrived))
            {
                Assert.Equal(Drop.BadIcv, b.In(immutable).Drop);
            }

            Check.Packet(b.In(wire).Single).Ipv4().Options(arrived).Udp(7, 9).Payload("text"u8);
        }
    }

    [Fact]
    public void Behind_a_source_route_the_last_address_counts()
    {
        // Loose source route by one router (RFC 791, 3.1): sent to the router, arrived at B.
        (Host a, Host b) = Pair();
        using (a)
        using (b)
        {
            a.Add(Make.Ah(0x1005, A, "10.5.0.1"));
            b.Add(Make.Ah(0x1005, A, B));
            a.Add(Make.Policy(PolicyDirection.Out, A, "10.5.0.1", Make.AhTransport()));
            byte[] wire = a.Out((Build.Ipv4(A, "10.5.0.1", options: [0x83, 7, 4, 10, 2, 0, 1, 0]) with { Id = 7 }).Udp(7, 9, "text"u8)).Single;
            byte[] arrived = [.. wire];
            ((byte[])[10, 2, 0, 1]).CopyTo(arrived, 16);
            ((byte[])[0x83, 7, 8, 10, 5, 0, 1, 0]).CopyTo(arrived, 20);
            Assert.Single(b.In(arrived).Passed);
        }
    }

    [Fact]
    public void An_IPv6_routing_header_counts_as_it_arrives()
    {
        (Host a, Host b) = Pair();
        using (a)
        using (b)
        {
            a.Add(Make.Ah(0x1005, A6, "fd05::1"));
            b.Add(Make.Ah(0x1005, A6, B6));
            a.Add(Make.Policy(PolicyDirection.Out, A6, "fd05::1", Make.AhTransport()));
            byte[] way = [0, 0, 0, 0, .. Bytes("fd05::2"), .. Bytes(B6)];
            byte[] wire = a.Out(Build.Ipv6(A6, "fd05::1").Routing(0, 2, way).Udp(7, 9, "text"u8)).Single;
            byte[] arrived = [.. wire];
            Bytes(B6).CopyTo(arrived, 24);
            arrived[43] = 0;
            Bytes("fd05::1").CopyTo(arrived, 48);
            Bytes("fd05::2").CopyTo(arrived, 64);
            Assert.Single(b.In(arrived).Passed);

            byte[] broken = a.Out(Build.Ipv6(A6, B6).Routing(0, 2, [0, 0, 0, 0, .. Bytes(B6), .. Bytes(B6)]).Udp(7, 9)).Single;
            broken[43] = 3;
            Assert.Equal(Drop.BadExtensionHeader, b.In(broken).Drop);
        }
    }

    [Fact]
    [Shows("rfc4302-3.3.3.1-2")]
    public void IPv6_options_that_may_change_may_change_and_others_may_not()
    {
        (Host a, Host b) = Pair();
        using (a)
        using (b)
        {
            byte[] wire = a.Out(Build.Ipv6(A6, B6).HopByHop([0x3E, 4, 1, 2, 3, 4]).DestinationOptions([0x1E, 4, 1, 2, 3, 4]).Routing().Udp(7, 9, "text"u8)).Single;
            byte[] changed = [.. wire];
            changed[44] = 99;
            byte[] bad = [.. wire];
            bad[52] = 99;
            Assert.Equal(Drop.BadIcv, b.In(bad).Drop);
            Assert.Single(b.In(changed).Passed);
        }
    }

    [Fact]
    public void A_malformed_option_is_refused_and_its_packet_left_as_it_was()
    {
        (Host a, Host b) = Pair();
        using (a)
        using (b)
        {
            using var work = new Batch();
            using var wire = new Batch();
            byte[] packet = Build.Ipv4(A, B, 64, 0x28, options: [7, 9, 4, 0, 0, 0, 0, 0]).Udp(7, 9);
            byte[] six = Build.Ipv6(A6, B6, 64, 0x28, 77).HopByHop([0x3E, 9, 1, 2, 3, 4]).Udp(7, 9);
            Assert.True(work.TryAdd(packet) && work.TryAdd(six));
            a.Engine.Outbound(work, wire, work, a.Now, a.Worker);
            Assert.Equal(Drop.BadHeaderLength, work[0].Drop);
            Assert.Equal(Drop.BadExtensionHeader, work[1].Drop);
            Assert.Equal(packet, work[0].Span.ToArray());
            Assert.Equal(six, work[1].Span.ToArray());
            Assert.All(a.Engine.Sad.All, static sa => Assert.Equal(0ul, sa.LastSequence));
        }
    }

    [Fact]
    [Shows("rfc2402-A2-1", "rfc4302-2-1")]
    public void An_atomic_fragment_loses_its_fragment_header()
    {
        (Host a, Host b) = Pair();
        using (a)
        using (b)
        {
            byte[] whole = Build.Ipv6(A6, B6).HopByHop().Udp(7, 9, "text"u8);
            byte[] atomic = Build.Ipv6(A6, B6).HopByHop().Fragment(7, 0, false).Udp(7, 9, "text"u8);
            byte[] wire = a.Out(atomic).Single;
            Check.Packet(wire).Ipv6().Extension(IpProtocol.HopByHop).Ah(0x1001, 1);

            // And one that was put in on the way is passed over.
            byte[] late = [.. wire[..48], 51, 0, 0, 0, 0, 0, 0, 9, .. wire[48..]];
            late[40] = 44;
            late[5] += 8;
            Assert.Equal(whole, b.In(late).Single);
        }
    }

    [Fact]
    [Shows("ipsec4-sysctl-3", "ipsec4-sysctl-4")]
    public void The_TOS_byte_and_DF_count_where_the_options_say_so()
    {
        foreach ((EngineOptions options, int at, byte bit) in ((EngineOptions, int, byte)[])[
            (new EngineOptions { AhClearTos = false }, 1, 0x10), (new EngineOptions { AhOffsetMask = 0x4000 }, 6, 0x40)])
        {
            (Host a, Host b) = Pair(options);
            using (a)
            using (b)
            {
                byte[] wire = a.Out((Build.Ipv4(A, B) with { Id = 7 }).Udp(7, 9)).Single;
                byte[] changed = [.. wire];
                changed[at] ^= bit;
                Assert.Equal(Drop.BadIcv, b.In(changed).Drop);
                Assert.Single(b.In(wire).Passed);
            }
        }
    }

    [Fact]
    public void An_identification_of_0_is_not_sent()
    {
        (Host a, Host b) = Pair();
        using (a)
        using (b)
        {
            byte[] wire = a.Out(Build.Ipv4(A, B, id: 0).Udp(7, 9)).Single;
            Assert.NotEqual(0, wire[4] | wire[5]);
            Assert.Single(b.In(wire).Passed);
        }
    }

    [Fact]
    public void What_an_SA_of_AH_cannot_be_is_refused_in_words()
    {
        using var host = new Host();
        Assert.Contains("does not encrypt", Refused(Make.Ah(0x1000, A, B) with { Cipher = Cipher.Null }));
        Assert.Contains("needs an integrity algorithm", Refused(Make.Ah(0x1000, A, B) with { Integrity = Integrity.None }));
        Assert.Contains("does not pass NATs", Refused(Make.Ah(0x1000, A, B) with { Encapsulation = new(4500, 4500) }));
        Assert.Contains("its replay window is 0", Refused(Make.Ah(0x1000, A, B, flags: SaFlags.Old) with { ReplayWindow = 64 }));
        Assert.Contains("takes a key of 256 bits", Refused(Make.Ah(0x1000, A, B) with { IntegrityKey = new byte[5] }));
        Assert.Contains("is not supported", Refused(Make.Sa(0x1000, A, B) with { Flags = SaFlags.AlignTo8 }));

        string Refused(global::Testudo.Engine.Keys.SaParameters parameters)
        {
            Assert.Null(host.Engine.AddSa(parameters, 1, host.Now, out Refusal? words));
            return words!.Sentence;
        }
    }

    private static byte[] Bytes(string address) => System.Net.IPAddress.Parse(address).GetAddressBytes();

    private static (Host A, Host B) Pair(EngineOptions? options = null)
    {
        var a = new Host(options, A, A6);
        var b = new Host(options, B, B6);
        foreach ((Host host, PolicyDirection direction) in ((Host, PolicyDirection)[])[(a, PolicyDirection.Out), (b, PolicyDirection.In)])
        {
            host.Add(Make.Ah(0x1000, A, B));
            host.Add(Make.Ah(0x1001, A6, B6));
            host.Add(Make.Policy(direction, A, B, Make.AhTransport()));
            host.Add(Make.Policy(direction, A6, B6, Make.AhTransport()));
        }

        return (a, b);
    }
}
