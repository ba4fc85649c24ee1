// The key engine: which SA is chosen, how one takes another's place, when it ends, and that no IV comes twice.

using System.Buffers.Binary;
using Testudo.Engine;
using Testudo.Engine.Keys;
using Testudo.Tests.Checker;
using Testudo.Wire;
using Testudo.Wire.PfKey;
using Xunit;

namespace Testudo.Tests.Engine;

public sealed class SaTests
{
    private const string A = "10.1.0.1", B = "10.2.0.1";
    private static readonly byte[] s_packet = Build.Ipv4(A, B).Udp(7, 9, "text"u8);

    [Fact]
    [Shows("rfc4301-4.1-6")]
    public void The_newest_SA_sends_or_the_oldest_where_that_is_preferred()
    {
        using Host a = Sender();
        a.Add(Make.Sa(0x1000, A, B));
        a.Add(Make.Sa(0x1001, A, B));
        Assert.Equal(0x1001u, SentBy(a));
        a.Engine.Sad.PreferOld = true;
        Assert.Equal(0x1000u, SentBy(a));
    }

    [Fact]
    [Shows("rfc2401-4.4.3-18")]
    public void The_mode_asked_for_comes_before_mode_any_and_the_other_mode_is_never_taken()
    {
        using Host a = Sender();
        a.Add(Make.Sa(0x1000, A, B, IpsecMode.Transport));
        a.Add(Make.Sa(0x1001, A, B, IpsecMode.Any));
        a.Add(Make.Sa(0x1002, A, B, IpsecMode.Tunnel));
        Assert.Equal(0x1000u, SentBy(a));
        a.Engine.RemoveSa(a.Engine.Sad.Find(0x1000, IpProtocol.Esp, Address.Parse(B))!);
        Assert.Equal(0x1001u, SentBy(a));
        a.Engine.RemoveSa(a.Engine.Sad.Find(0x1001, IpProtocol.Esp, Address.Parse(B))!);
        Assert.Equal(Drop.NoSa, a.Out(s_packet).Drop);
    }

    [Fact]
    public void A_reqid_that_is_named_must_be_the_SAs()
    {
        using var a = new Host(null, A);
        a.Add(Make.Policy(PolicyDirection.Out, A, B, Make.Transport(PolicyLevel.Unique, 7)));
        a.Add(Make.Sa(0x1000, A, B) with { Reqid = 7 });
        a.Add(Make.Sa(0x1001, A, B) with { Reqid = 8 });
        a.Add(Make.Sa(0x1002, A, B));
        Assert.Equal(0x1000u, SentBy(a));
    }

    [Fact]
    public void Other_addresses_are_another_group()
    {
        using Host a = Sender();
        a.Add(Make.Sa(0x1000, B, A));
        a.Add(Make.Sa(0x1001, A, "10.2.0.2"));
        Assert.Equal(Drop.NoSa, a.Out(s_packet).Drop);
    }

    [Fact]
    [Shows("ipsec4-policy-10")]
    public void Of_level_use_what_has_no_SA_goes_in_clear_and_the_SA_is_wanted_all_the_same()
    {
        using var a = new Host(null, A);
        a.Add(Make.Policy(PolicyDirection.Out, A, B, Make.Transport(PolicyLevel.Use)));
        Assert.Equal(s_packet, a.Out(s_packet).Single);
        EngineEvent wanted = Assert.Single(a.Engine.Tick(a.Now));
        Assert.Equal(EngineEventKind.SaWanted, wanted.Kind);
        Assert.Empty(a.Engine.Tick(a.Now));
    }

    [Fact]
    public void A_larval_SA_reserves_its_SPI_is_seen_by_no_packet_and_ends_after_30_seconds()
    {
        using Host a = Sender();
        Assert.NotNull(a.Engine.AddLarval(0x1000, IpProtocol.Esp, Address.Parse(A), Address.Parse(B), IpsecMode.Transport, 0, a.Now));
        Assert.Null(a.Engine.AddLarval(0x1000, IpProtocol.Esp, Address.Parse(A), Address.Parse(B), IpsecMode.Transport, 0, a.Now));
        Assert.Null(a.Engine.AddSa(Make.Sa(0x1000, A, B), 1, a.Now, out Refusal? words));
        Assert.Equal(PfKeyError.Exists, words!.Error);
        Assert.Equal(Drop.NoSa, a.Out(s_packet).Drop);
        Assert.Equal(Drop.UnknownSpi, a.In(Build.Ipv4(A, B).Payload(IpProtocol.Esp, [0, 0, 0x10, 0, 0, 0, 0, 1, .. new byte[40]])).Drop);
        a.Advance(29);
        a.Engine.Tick(a.Now);
        Assert.Single(a.Engine.Sad.All);
        a.Advance(1);
        a.Engine.Tick(a.Now);
        Assert.Empty(a.Engine.Sad.All);
    }

    [Fact]
    public void An_update_puts_the_new_SA_in_the_place_of_the_larval_one()
    {
        using Host a = Sender();
        Sa larval = a.Engine.AddLarval(0x1000, IpProtocol.Esp, Address.Parse(A), Address.Parse(B), IpsecMode.Transport, 0, a.Now)!;
        Assert.Null(a.Engine.UpdateSa(larval, Make.Sa(0x1001, A, B), 1, a.Now, out Refusal? words));
        Assert.Equal(PfKeyError.NoSuchProcess, words!.Error);
        Assert.Null(a.Engine.UpdateSa(larval, Make.Sa(0x1000, A, B) with { CipherKey = new byte[5] }, 1, a.Now, out words));
        Assert.Equal(PfKeyError.Invalid, words!.Error);
        Assert.Same(larval, Assert.Single(a.Engine.Sad.All));
        Sa? sa = a.Engine.UpdateSa(larval, Make.Sa(0x1000, A, B), 1, a.Now, out words);
        Assert.NotNull(sa);
        Assert.Null(words);
        Assert.Equal(SaState.Dead, larval.State);
        Assert.Equal(0x1000u, SentBy(a));
        Assert.Null(a.Engine.UpdateSa(larval, Make.Sa(0x1000, A, B), 1, a.Now, out words));
    }

    [Fact]
    public void While_an_SA_is_updated_there_is_always_one_to_send_by()
    {
        using Host a = Sender();
        Sa sa = a.Add(Make.Sa(0x1000, A, B));
        Address from = Address.Parse(A), to = Address.Parse(B);
        bool stop = false;
        long missing = 0, looks = 0;
        var reader = new Thread(() =>
        {
            while (!Volatile.Read(ref stop))
            {
                looks++;
                missing += a.Engine.Sad.FindForSending(IpProtocol.Esp, from, to, IpsecMode.Transport, 0) is null ? 1 : 0;
                missing += a.Engine.Sad.Find(0x1000, IpProtocol.Esp, to) is null ? 1 : 0;
            }
        });
        reader.Start();
        for (int i = 0; i < 20_000 || Volatile.Read(ref looks) < 10_000; i++)
        {
            sa = a.Engine.UpdateSa(sa, Make.Sa(0x1000, A, B), a.NextMask(), a.Now, out _)!;
            a.Engine.Tick(a.Now);
        }

        Volatile.Write(ref stop, true);
        reader.Join();
        Assert.Equal(0, missing);
    }

    [Fact]
    [Shows("rfc2406-3.4.3-6")]
    public void An_update_under_the_same_key_goes_on_counting_and_lets_no_old_packet_in()
    {
        using Host a = Sender();
        using var b = new Host(null, B);
        b.Add(Make.Policy(PolicyDirection.In, A, B));
        Sa sending = a.Add(Make.Sa(0x1000, A, B)), receiving = b.Add(Make.Sa(0x1000, A, B));
        byte[] first = a.Out(s_packet).Single, second = a.Out(s_packet).Single;
        b.In(first, second);
        Assert.NotNull(b.Engine.UpdateSa(receiving, Make.Sa(0x1000, A, B), b.NextMask(), b.Now, out _));
        Assert.NotNull(a.Engine.UpdateSa(sending, Make.Sa(0x1000, A, B), a.NextMask(), a.Now, out _));
        Assert.Equal(Drop.Replayed, b.In(second).Drop);
        Assert.Equal(s_packet, b.In(a.Out(s_packet).Single).Single);

        // With another key it is another SA: it starts anew.
        Assert.NotNull(a.Engine.UpdateSa(a.Engine.Sad.All.First(), Make.Sa(0x1000, A, B, keyFirst: 3), a.NextMask(), a.Now, out _));
        Check.Packet(a.Out(s_packet).Single).Ipv4().Esp(0x1000, 1);
    }

    [Fact]
    [Shows("rfc4301-4.4.2.1-7")]
    public void A_removed_SA_is_dead_at_once_and_its_keys_are_wiped_when_no_batch_can_hold_it()
    {
        using Host a = Sender();
        Sa sa = a.Add(Make.Sa(0x1000, A, B, IpsecMode.Transport, Suite.Cbc128));
        Assert.Equal(0x1000u, SentBy(a));
        Assert.True(a.Engine.RemoveSa(sa));
        Assert.False(a.Engine.RemoveSa(sa));
        Assert.Equal(SaState.Dead, sa.State);
        Assert.Equal(Drop.NoSa, a.Out(s_packet).Drop);
        Assert.Contains(sa.CipherKey.ToArray(), static b => b != 0);
        a.Engine.Tick(a.Now);
        Assert.All(sa.CipherKey.ToArray(), static b => Assert.Equal(0, b));
        Assert.All(sa.IntegrityKey.ToArray(), static b => Assert.Equal(0, b));
    }

    [Fact]
    public void Keys_are_not_wiped_under_a_thread_that_seals_with_them()
    {
        using Host a = Sender();
        bool stop = false;
        Exception? failure = null;
        long sent = 0;
        var sender = new Thread(() =>
        {
            try
            {
                while (!Volatile.Read(ref stop))
                {
                    sent += a.Out(Enumerable.Repeat(s_packet, 100)).Passed.Count;
                }
            }
            catch (ObjectDisposedException e)
            {
                failure = e;
            }
        });
        sender.Start();
        for (uint i = 0; (i < 2000 || Volatile.Read(ref sent) < 2000) && failure is null; i++)
        {
            Sa sa = a.Add(Make.Sa(0x1000 + i, A, B, keyFirst: 5));
            Thread.Yield();
            a.Engine.RemoveSa(sa);
            a.Engine.Tick(a.Now);
        }

        Volatile.Write(ref stop, true);
        sender.Join();
        Assert.Null(failure);
    }

    [Fact]
    public void A_key_in_use_twice_is_warned_of_and_forgotten_with_the_SA()
    {
        using var a = new Host(null, A);
        Sa first = a.Add(Make.Sa(0x1000, A, B, keyFirst: 1));
        Sa? second = a.Engine.AddSa(Make.Sa(0x1001, B, A, keyFirst: 1), 1, a.Now, out Refusal? words);
        Assert.NotNull(second);
        Assert.Equal(PfKeyError.None, words!.Error);
        Assert.Contains("same key", words.Sentence, StringComparison.Ordinal);
        a.Engine.RemoveSa(first);
        a.Engine.RemoveSa(second);
        Assert.NotNull(a.Engine.AddSa(Make.Sa(0x1002, A, B, keyFirst: 1), 1, a.Now, out words));
        Assert.Null(words);
    }

    [Theory]
    [InlineData(0u, 0ul, 10ul, 0ul)]
    [InlineData(0u, 0ul, 0ul, 10ul)]
    [Shows("rfc4301-4.4.2.1-3", "rfc4301-4.4.2.1-6")]
    public void Time_limits_are_kept(uint packets, ulong bytes, ulong add, ulong use)
    {
        using Host a = Sender();
        Sa sa = a.Add(Make.Sa(0x1000, A, B) with
        {
            Soft = new Lifetime(packets, bytes, add == 0 ? 0 : add - 5, use == 0 ? 0 : use - 5),
            Hard = new Lifetime(packets, bytes, add, use),
        });
        SentBy(a);
        a.Advance(4);
        Assert.Empty(a.Engine.Tick(a.Now));
        a.Advance(1);
        Assert.Equal(EngineEventKind.SaSoftExpired, Assert.Single(a.Engine.Tick(a.Now)).Kind);
        Assert.Equal(SaState.Dying, sa.State);
        Assert.Equal(0x1000u, SentBy(a)); // a dying SA still works
        Assert.Empty(a.Engine.Tick(a.Now));
        a.Advance(5);
        EngineEvent hard = Assert.Single(a.Engine.Tick(a.Now));
        Assert.Equal(EngineEventKind.SaHardExpired, hard.Kind);
        Assert.Same(sa, hard.Sa);
        Assert.Empty(a.Engine.Sad.All);
    }

    [Fact]
    [Shows("rfc4301-4.4.2.1-3", "rfc4301-4.4.2.1-6")]
    public void Limits_in_packets_and_bytes_are_kept()
    {
        using Host a = Sender();
        Sa sa = a.Add(Make.Sa(0x1000, A, B) with { Soft = new Lifetime(2, 0, 0, 0), Hard = new Lifetime(0, 36, 0, 0) });
        SentBy(a);
        Assert.Equal(12ul, sa.Bytes);
        Assert.Equal(1_700_000_000, sa.FirstUse);
        Assert.Empty(a.Engine.Tick(a.Now));
        SentBy(a);
        Assert.Equal(EngineEventKind.SaSoftExpired, Assert.Single(a.Engine.Tick(a.Now)).Kind);
        SentBy(a);
        Assert.Equal(EngineEventKind.SaHardExpired, Assert.Single(a.Engine.Tick(a.Now)).Kind);
    }

    [Fact]
    public void The_greatest_limits_never_pass_and_the_wall_clock_decides_nothing()
    {
        using Host a = Sender();
        a.Add(Make.Sa(0x1000, A, B) with { Hard = new Lifetime(uint.MaxValue, ulong.MaxValue, ulong.MaxValue, ulong.MaxValue) });
        a.Add(Make.Sa(0x1001, A, B) with { Hard = new Lifetime(0, 0, 0, 100) });
        Assert.Equal(0x1001u, SentBy(a));
        a.Engine.Sad.PreferOld = true;
        Assert.Equal(0x1000u, SentBy(a));
        a.Advance(50);
        a.Now = a.Now with { UnixSeconds = 4_000_000_000 };
        Assert.Empty(a.Engine.Tick(a.Now));
        a.Now = a.Now with { UnixSeconds = 5 };
        a.Advance(50);
        Assert.Equal(0x1001u, Assert.Single(a.Engine.Tick(a.Now)).Sa!.Spi);
        Assert.Single(a.Engine.Sad.All);
    }

    [Fact]
    [Shows("rfc2401-4.4.3-7", "rfc2406-2.2-2", "rfc2406-3.3.3-1")]
    public void The_last_number_is_sent_and_none_after_it()
    {
        using Host a = Sender();
        Sa sa = a.Add(Make.Sa(0x1000, A, B) with { LastSequence = uint.MaxValue - 1 });
        Check.Packet(a.Out(s_packet).Single).Ipv4().Esp(0x1000, uint.MaxValue);
        Assert.Empty(a.Engine.Tick(a.Now));
        Assert.Equal(Drop.SequenceOverflow, a.Out(s_packet).Drop);
        Assert.Equal(Drop.SequenceOverflow, a.Out(s_packet).Drop);
        Assert.Equal(1ul, sa.Packets);
        Assert.Equal(uint.MaxValue, sa.LastSequence);
        EngineEvent said = Assert.Single(a.Engine.Tick(a.Now));
        Assert.Equal((EngineEventKind.SaSequenceExhausted, sa), (said.Kind, said.Sa));
        Assert.Equal(Drop.SequenceOverflow, a.Out(s_packet).Drop);
        Assert.Empty(a.Engine.Tick(a.Now)); // said once
    }

    [Fact]
    [Shows("rfc2401-4.4.3-7", "rfc2406-3.4.3-1")]
    public void A_cyclic_SA_goes_on_behind_the_last_number_and_its_peer_without_a_window_takes_all()
    {
        using Host a = Sender();
        using var b = new Host(null, B);
        b.Add(Make.Policy(PolicyDirection.In, A, B));
        a.Add(Make.Sa(0x1000, A, B) with { LastSequence = uint.MaxValue - 2, Flags = SaFlags.CyclicSequence });
        b.Add(Make.Sa(0x1000, A, B) with { ReplayWindow = 0 });
        List<byte[]> sent = a.Out(Enumerable.Repeat(s_packet, 5)).Passed;
        Assert.Equal(5, sent.Count);
        Assert.Equal(5, sent.Select(static p => Convert.ToHexString(p.AsSpan(28, 8))).Distinct().Count()); // IVs
        Assert.Equal(5, b.In(sent).Passed.Count);
        ReplayWindow window = b.Engine.Sad.All.First().Window;
        Assert.Equal((1ul, 2ul), (window.NotAscending, window.Highest)); // 0 after the last number; then 1, 2
        Assert.Equal(5, b.In(sent).Passed.Count);
        Assert.True(window.NotAscending > 1);
    }

    [Fact]
    public void No_IV_comes_twice_under_one_key_not_by_two_SAs_and_not_after_it_was_added_again()
    {
        using Host a = Sender();
        var seen = new HashSet<ulong>();
        for (uint round = 0; round < 40; round++)
        {
            Sa one = a.Add(Make.Sa(0x1000, A, B, keyFirst: 1));
            Sa other = a.Add(Make.Sa(0x2000, A, B, keyFirst: 1));
            foreach (bool old in (bool[])[true, false])
            {
                a.Engine.Sad.PreferOld = old;
                foreach (byte[] sent in a.Out(Enumerable.Repeat(s_packet, 250)).Passed)
                {
                    Assert.True(seen.Add(BinaryPrimitives.ReadUInt64BigEndian(sent.AsSpan(28))), "an IV came twice");
                }
            }

            a.Engine.RemoveSa(one);
            a.Engine.RemoveSa(other);
            a.Engine.Tick(a.Now);
        }

        Assert.Equal(40 * 500, seen.Count);
    }

    [Fact]
    [Shows("rfc2406-2.1-1")]
    public void What_an_SA_may_not_be_is_refused_in_words()
    {
        using var a = new Host(null, A);
        SaParameters good = Make.Sa(0x1000, A, B);
        foreach ((SaParameters bad, string word) in ((SaParameters, string)[])
        [
            (good with { Spi = 255 }, "reserved"),
            (good with { Protocol = IpProtocol.Tcp }, "esp, ah and ipcomp are"),
            (good with { Source = Address.Parse("fd00::1") }, "one family"),
            (good with { Destination = Address.Parse("224.0.0.1") }, "cannot end"),
            (good with { ReplayWindow = 31 }, "replay window"),
            (good with { ReplayWindow = 65537 }, "replay window"),
            (good with { ReplayWindow = 0, ExtendedSequence = true }, "replay window"),
            (good with { LastSequence = 1L << 32 }, "extended"),
            (good with { Flags = SaFlags.Derivation }, "flag"),
            (good with { CipherKey = new byte[19] }, "key of"),
        ])
        {
            Assert.Null(a.Engine.AddSa(bad, 1, a.Now, out Refusal? words));
            Assert.Contains(word, words!.Sentence, StringComparison.Ordinal);
        }

        Assert.Empty(a.Engine.Sad.All);
    }

    private static Host Sender()
    {
        var a = new Host(null, A);
        a.Add(Make.Policy(PolicyDirection.Out, A, B));
        return a;
    }

    private static uint SentBy(Host a) => BinaryPrimitives.ReadUInt32BigEndian(a.Out(s_packet).Single.AsSpan(20));
}
