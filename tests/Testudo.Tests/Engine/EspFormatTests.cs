// ESP's padding by the SA's flags, and its old format (RFC 1827): the SPI alone before IV and text.

using System.Buffers.Binary;
using Testudo.Engine;
using Testudo.Engine.Keys;
using Testudo.Tests.Checker;
using Testudo.Wire;
using Testudo.Wire.PfKey;
using Xunit;

namespace Testudo.Tests.Engine;

public sealed class EspFormatTests
{
    private const string A = "10.1.0.1", B = "10.2.0.1";

    [Fact]
    [Shows("rfc2406-2.4-2")]
    public void Padding_is_what_the_SA_says()
    {
        byte[] packet = Build.Ipv4(A, B).Udp(7, 9, "12345"u8); // 13 bytes: one of padding under NULL
        Assert.Equal([1], Paddings(SaFlags.None, packet).Distinct());
        Assert.Equal([0], Paddings(SaFlags.ZeroPad, packet).Distinct());

        // 2000 bytes that are random: each value comes about 8 times.
        byte[] random = Paddings(SaFlags.RandomPad, packet);
        int[] counts = new int[256];
        Array.ForEach(random, value => counts[value]++);
        Assert.InRange(counts.Max(), 9, 40);
        Assert.True(counts.Count(static n => n > 0) > 240);
        Assert.InRange(random.Zip(random.Skip(1)).Count(static pair => pair.First == pair.Second), 1, 40);
    }

    [Fact]
    [Shows("rfc2406-2.4-3")]
    public void A_receiver_refuses_padding_that_its_SA_does_not_say()
    {
        byte[] packet = Build.Ipv4(A, B).Udp(7, 9, "1234"u8); // two bytes
        foreach (SaFlags sent in (SaFlags[])[SaFlags.None, SaFlags.ZeroPad, SaFlags.RandomPad])
        {
            foreach (SaFlags expected in (SaFlags[])[SaFlags.None, SaFlags.ZeroPad, SaFlags.RandomPad])
            {
                (Host a, Host b) = Pair(Suite.Cbc128, sent, expected);
                using (a)
                using (b)
                {
                    Outcome outcome = b.In(a.Out(packet).Single);
                    Assert.Equal(sent == expected || expected == SaFlags.RandomPad ? 1 : 0, outcome.Passed.Count);
                    Assert.All(outcome.Drops, static drop => Assert.Equal(Drop.BadPadding, drop));
                }
            }
        }
    }

    [Fact]
    public void The_old_format_has_no_number_and_takes_a_packet_twice()
    {
        foreach (Suite suite in Suite.All.Where(static suite => suite.Cipher != Testudo.Crypto.Cipher.AesGcm16))
        {
            foreach (bool tunnel in (bool[])[false, true])
            {
                (Host a, Host b) = Pair(suite, SaFlags.Old, SaFlags.Old, tunnel);
                using (a)
                using (b)
                {
                    for (int length = 0; length < 70; length++)
                    {
                        byte[] packet = Build.Ipv4(A, B).Udp(7, 9, Build.Pattern(length));
                        byte[] sent = a.Out(packet).Single;
                        Check.Packet(sent).Ipv4().From(A).To(B);
                        Assert.Equal(0x1000u, BinaryPrimitives.ReadUInt32BigEndian(sent.AsSpan(20)));
                        Assert.Equal(packet, b.In(sent).Single);
                        Assert.Equal(packet, b.In(sent).Single);
                        if (suite.Cipher == Testudo.Crypto.Cipher.Null && !tunnel)
                        {
                            Assert.Equal(packet[20..], sent[24..(24 + packet.Length - 20)]); // the text follows the SPI
                        }

                        int block = suite.Cipher == Testudo.Crypto.Cipher.Null ? 4 : 16, iv = suite.Cipher == Testudo.Crypto.Cipher.Null ? 0 : 16;
                        int payload = tunnel ? packet.Length : packet.Length - 20;
                        int icv = suite.IntegrityKeyLength == 20 ? 12 : suite.IntegrityKeyLength / 2;
                        Assert.Equal(20 + 4 + iv + ((payload + 2 + block - 1) / block * block) + icv, sent.Length);
                    }

                    Assert.Equal(0ul, b.Engine.Sad.All.First().Window.NotAscending);
                }
            }
        }
    }

    [Fact]
    public void What_needs_a_number_is_refused_in_the_old_format()
    {
        using var a = new Host(null, A);
        SaParameters old = Make.Sa(0x1000, A, B, suite: Suite.Cbc128) with { Flags = SaFlags.Old, ReplayWindow = 0 };
        foreach ((SaParameters bad, string word) in ((SaParameters, string)[])
        [
            (old with { ReplayWindow = 64 }, "no replay window"),
            (old with { ReplayWindow = 64, ExtendedSequence = true }, "no replay window"),
            (old with { LastSequence = 1 }, "no number"),
            (old with { Encapsulation = new UdpEncapsulation(4500, 4500) }, "UDP"),
            (Make.Sa(0x1000, A, B) with { Flags = SaFlags.Old, ReplayWindow = 0 }, "use esp"),
        ])
        {
            Assert.Null(a.Engine.AddSa(bad, 1, a.Now, out Refusal? words));
            Assert.Contains(word, words!.Sentence, StringComparison.Ordinal);
        }

        a.Add(old);
    }

    // The one byte of padding in each of 2000 packets.
    private static byte[] Paddings(SaFlags flags, byte[] packet)
    {
        (Host a, Host b) = Pair(Suite.Null, flags, flags);
        using (a)
        using (b)
        {
            List<byte[]> sent = a.Out(Enumerable.Repeat(packet, 2000)).Passed;
            Assert.Equal(2000, b.In(sent).Passed.Count);
            return [.. sent.Select(static p => p[20 + 8 + 13])];
        }
    }

    private static (Host A, Host B) Pair(Suite suite, SaFlags sending, SaFlags receiving, bool tunnel = false)
    {
        var a = new Host(null, A);
        var b = new Host(null, B);
        PolicyRequest request = tunnel ? Make.Tunnel(A, B) : Make.Transport();
        a.Add(Make.Policy(PolicyDirection.Out, A, B, request));
        b.Add(Make.Policy(PolicyDirection.In, A, B, request));
        SaParameters sa = Make.Sa(0x1000, A, B, tunnel ? IpsecMode.Tunnel : IpsecMode.Transport, suite);
        a.Add(sa with { Flags = sending, ReplayWindow = (sending & SaFlags.Old) != 0 ? 0 : 64 });
        b.Add(sa with { Flags = receiving, ReplayWindow = (receiving & SaFlags.Old) != 0 ? 0 : 4096 });
        return (a, b);
    }
}
