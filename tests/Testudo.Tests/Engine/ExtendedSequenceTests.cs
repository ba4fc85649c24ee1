// Extended sequence numbers (RFC 4303, 2.2.1): across the round of 32 bits both ways, as Linux sends them, and no packet
// that failed its check moves anything.

using System.Buffers.Binary;
using Testudo.Engine;
using Testudo.Engine.Keys;
using Testudo.Tests.Checker;
using Testudo.Tests.Golden;
using Testudo.Wire;
using Testudo.Wire.PfKey;
using Xunit;

namespace Testudo.Tests.Engine;

public sealed class ExtendedSequenceTests
{
    private const string A = "10.1.0.1", B = "10.2.0.1";
    private const ulong Round = 1UL << 32;
    private static readonly byte[] s_packet = Build.Ipv4(A, B).Udp(7, 9, "text"u8);

    public static TheoryData<string> Suites => [.. Suite.All.Select(static suite => suite.ToString())];

    [Theory]
    [MemberData(nameof(Suites))]
    [Shows("rfc4303-2.2.1-1")]
    public void Numbers_go_on_over_32_bits_and_packets_may_come_out_of_order(string suite)
    {
        (Host a, Host b) = Pair(Suite.All.Single(s => s.ToString() == suite), Round - 20);
        using (a)
        using (b)
        {
            List<byte[]> sent = a.Out(Enumerable.Repeat(s_packet, 40)).Passed;
            Assert.Equal(40, sent.Count);
            Assert.Equal(Round + 20, a.Engine.Sad.All.First().LastSequence);
            Check.Packet(sent[19]).Ipv4().Esp(0x1000, 0);
            Check.Packet(sent[20]).Ipv4().Esp(0x1000, 1);
            byte[][] shuffled = [.. sent.Skip(25), .. sent.Take(25).Reverse()];
            Assert.Equal(40, b.In(shuffled).Passed.Count);
            Assert.Equal(Round + 20, b.Engine.Sad.All.First().Window.Highest);
            Assert.All(b.In(sent).Drops, static drop => Assert.Equal(Drop.Replayed, drop));
        }
    }

    [Fact]
    public void A_packet_of_another_round_or_a_forged_one_fails_its_check_and_moves_nothing()
    {
        foreach (Suite suite in (Suite[])[Suite.Gcm128, Suite.Cbc128, Suite.Null])
        {
            (Host a, Host b) = Pair(suite, 5 * Round);
            using (a)
            using (b)
            {
                (Host other, _) = Pair(suite, 4 * Round); // the same key, a round before
                byte[] old = other.Out(s_packet).Single;
                other.Dispose();
                byte[] good = a.Out(s_packet).Single;
                byte[] far = [.. good];
                BinaryPrimitives.WriteUInt32BigEndian(far.AsSpan(24), 0x7FFFFFFF);
                Assert.Equal(Drop.BadIcv, b.In(old).Drop);
                Assert.Equal(Drop.BadIcv, b.In(far).Drop);
                Assert.Equal(5 * Round, b.Engine.Sad.All.First().Window.Highest);
                Assert.Equal(s_packet, b.In(good).Single);
                Assert.Equal((5 * Round) + 1, b.Engine.Sad.All.First().Window.Highest);
            }
        }
    }

    [Fact]
    public void The_first_round_has_none_before_it()
    {
        (Host a, Host b) = Pair(Suite.Null, 0);
        using (a)
        using (b)
        {
            byte[] packet = a.Out(s_packet).Single;
            BinaryPrimitives.WriteUInt32BigEndian(packet.AsSpan(24), uint.MaxValue);
            Assert.Equal(Drop.TooOld, b.In(packet).Drop);
            BinaryPrimitives.WriteUInt32BigEndian(packet.AsSpan(24), 0);
            Assert.Equal(Drop.SequenceZero, b.In(packet).Drop);
        }
    }

    [Fact]
    public void The_last_of_64_bits_is_sent_and_none_after_it_not_even_by_a_cyclic_SA()
    {
        foreach (SaFlags flags in (SaFlags[])[SaFlags.None, SaFlags.CyclicSequence])
        {
            using var a = new Host(null, A);
            a.Add(Make.Policy(PolicyDirection.Out, A, B));
            Sa sa = a.Add(Make.Sa(0x1000, A, B) with { ExtendedSequence = true, LastSequence = ulong.MaxValue - 1, Flags = flags });
            Check.Packet(a.Out(s_packet).Single).Ipv4().Esp(0x1000, uint.MaxValue);
            Assert.Equal(Drop.SequenceOverflow, a.Out(s_packet).Drop);
            Assert.Equal(Drop.SequenceOverflow, a.Out(s_packet).Drop);
            Assert.Equal(ulong.MaxValue, sa.LastSequence);
            Assert.Equal(EngineEventKind.SaSequenceExhausted, Assert.Single(a.Engine.Tick(a.Now)).Kind);
        }
    }

    [Fact]
    public void An_update_under_the_same_key_goes_on_counting_in_64_bits()
    {
        (Host a, Host b) = Pair(Suite.Gcm128, 7 * Round);
        using (a)
        using (b)
        {
            byte[] first = a.Out(s_packet).Single;
            b.In(first);
            Assert.NotNull(a.Engine.UpdateSa(a.Engine.Sad.All.First(), Make.Sa(0x1000, A, B) with { ExtendedSequence = true }, a.NextMask(), a.Now, out _));
            Assert.NotNull(b.Engine.UpdateSa(b.Engine.Sad.All.First(), Make.Sa(0x1000, A, B) with { ExtendedSequence = true }, b.NextMask(), b.Now, out _));
            Assert.Equal(s_packet, b.In(a.Out(s_packet).Single).Single);
            Assert.Equal(Drop.Replayed, b.In(first).Drop);
        }
    }

    // Where the IV is a counter it is given by the mask; where there is none, all is given.
    [Fact]
    [Shows("rfc4303-2.2.1-1")]
    public void Linux_sends_the_same_bytes()
    {
        int compared = 0;
        foreach (GoldenCase golden in GoldenCases.Linux.Where(static g => g.Sas[0].Esn && g.Sas.All(static sa => sa is { Protocol: "esp", Cipher: "null" or "aes-gcm-16" })))
        {
            GoldenCapture capture = GoldenCapture.Read(golden.Capture);
            var next = golden.Sas.ToDictionary(static sa => sa.Spi, static sa => sa.LastSequence);
            foreach (GoldenPacket packet in golden.Packets)
            {
                byte[] frame = capture.Frames[packet.Frames[0] - 1].Bytes[14..];
                int esp = frame[9] == (byte)IpProtocol.Udp ? 28 : 20;
                GoldenSa sa = golden.Sas.Single(s => s.Spi == BinaryPrimitives.ReadUInt32BigEndian(frame.AsSpan(esp)));
                ulong sequence = ++next[sa.Spi];
                ulong mask = sa.Cipher == "null" ? 0 : BinaryPrimitives.ReadUInt64BigEndian(frame.AsSpan(esp + 8)) ^ sequence;
                using var host = new Host(null, sa.Source);
                SaParameters parameters = GoldenTests.Parameters(sa) with { LastSequence = sequence - 1 };
                Assert.NotNull(host.Engine.AddSa(parameters, mask, host.Now, out _));
                host.Add(Make.Policy(PolicyDirection.Out, "0.0.0.0/0", "0.0.0.0/0", sa.Mode == "tunnel" ? Make.Tunnel(sa.Source, sa.Destination) : Make.Transport()));
                byte[] sent = host.Out(packet.Plain!).Single;
                int from = sa.Mode == "tunnel" ? esp : 0; // a tunnel's outer header has an identification of its own
                Assert.Equal(Convert.ToHexString(frame, from, frame.Length - from), Convert.ToHexString(sent, from, sent.Length - from));
                compared++;
            }
        }

        Assert.True(compared > 80, $"{compared} packets");
    }

    private static (Host A, Host B) Pair(Suite suite, ulong last)
    {
        var a = new Host(null, A);
        var b = new Host(null, B);
        a.Add(Make.Policy(PolicyDirection.Out, A, B));
        b.Add(Make.Policy(PolicyDirection.In, A, B));
        SaParameters sa = Make.Sa(0x1000, A, B, IpsecMode.Transport, suite) with { ExtendedSequence = true, LastSequence = last };
        a.Add(sa);
        b.Add(sa);
        return (a, b);
    }
}
