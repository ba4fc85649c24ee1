// The messages about SAs, one by one, as bytes.

using Testudo.Control.PfKey;
using Testudo.Control.Setkey;
using Testudo.Crypto;
using Testudo.Engine.Keys;
using Testudo.Wire;
using Testudo.Wire.PfKey;
using Xunit;
using static Testudo.Tests.Control.Bench;

namespace Testudo.Tests.Control;

public sealed class SaExchangeTests
{
    private readonly Bench _bench = new();
    private readonly KeySession _session;

    public SaExchangeTests()
    {
        _session = _bench.Server.Open(Dialect.Linux);
    }

    [Fact]
    [Shows("ipsec4-kernel-1", "rfc4301-4-1")]
    public void An_added_sa_is_in_the_engine_and_its_answer_repeats_all_but_the_keys_in_KAMEs_order()
    {
        LifetimeExtension soft = new(LifetimeRole.Soft, 0, 1000, 60, 0), hard = new(LifetimeRole.Hard, 0, 2000, 90, 0);
        PfKeyMessage answer = _bench.AskOne(_session, Esp(
            PfKeyType.Add, [.. Keys(), soft, Destination(), Source(), hard, new Sa2Extension(IpsecMode.Tunnel, 0, 9), Aes(0x1001)]));

        Assert.Equal(Esp(PfKeyType.Add, Aes(0x1001), new Sa2Extension(IpsecMode.Tunnel, 0, 9), Source(), Destination(), hard, soft), answer);
        Sa sa = Assert.Single(_bench.Engine.Sad.All);
        Assert.Equal((0x1001u, IpsecMode.Tunnel, 9u, 64, SaState.Mature), (sa.Spi, sa.Mode, sa.Reqid, sa.Window.Packets, sa.State));
        Assert.Equal((new Lifetime(0, 1000, 60, 0), new Lifetime(0, 2000, 90, 0)), (sa.Soft, sa.Hard));
    }

    [Fact]
    public void A_got_sa_is_told_with_keys_and_counters_in_KAMEs_order()
    {
        LifetimeExtension soft = new(LifetimeRole.Soft, 1, 1000, 60, 6), hard = new(LifetimeRole.Hard, 2, 2000, 90, 9);
        PfKeyMessage add = Add(0x1001);
        _bench.Done(_session, add with { Extensions = [.. add.Extensions, soft, hard, new NatTTypeExtension(2), new NatTPortExtension(false, 4500), new NatTPortExtension(true, 4501)] });

        PfKeyMessage answer = _bench.AskOne(_session, Esp(PfKeyType.Get, Aes(0x1001), Source(), Destination()));

        Assert.Equal(
            Esp(PfKeyType.Get, [Aes(0x1001), new Sa2Extension(IpsecMode.Transport, 0, 5), hard, soft, new LifetimeExtension(LifetimeRole.Current, 0, 0, 1_700_000_000, 0),
                Source(), Destination(), Keys()[1], Keys()[0], new NatTTypeExtension(2), new NatTPortExtension(false, 4500), new NatTPortExtension(true, 4501)]),
            answer);
    }

    [Fact]
    public void An_SA_of_IPComp_is_made_shown_and_deleted()
    {
        var sa = new SaExtension(0x1001, 0, SaState.Mature, 0, 2, SaFlags.RawCpi);
        PfKeyMessage add = Esp(PfKeyType.Add, sa, new Sa2Extension(IpsecMode.Tunnel, 0, 5), Source(), Destination()) with { SaType = SaType.IpComp };
        Assert.Equal((PfKeyError.None, SaType.IpComp), (_bench.AskOne(_session, add).Error, add.SaType));
        Sa made = Assert.Single(_bench.Engine.Sad.All);
        Assert.Equal((IpProtocol.IpComp, Compression.Deflate, IpsecMode.Tunnel), (made.Protocol, made.Compression, made.Mode));
        PfKeyMessage shown = Assert.Single(_bench.Ask(_session, Esp(PfKeyType.Dump) with { SaType = SaType.Unspec }));
        Assert.Equal(SaType.IpComp, shown.SaType);
        Assert.Equal(sa, shown.Find<SaExtension>());
        Assert.Contains("\tC: deflate", SetkeyFormat.Sa(shown, new SetkeyFormatOptions(0, TimeZoneInfo.Utc)), StringComparison.Ordinal);
        Assert.Contains("no SAs", Refused(PfKeyError.NoEntry, Esp(PfKeyType.Dump)));
        Assert.Equal(PfKeyError.None, _bench.AskOne(_session, Esp(PfKeyType.Delete, sa, Source(), Destination()) with { SaType = SaType.IpComp }).Error);
        Assert.Empty(_bench.Engine.Sad.All);

        Assert.Contains("CPI 65536", Refused(PfKeyError.Invalid, With(add, sa with { Spi = 65536 })));
        Assert.Contains("CPI 3", Refused(PfKeyError.Invalid, With(add, sa with { Spi = 3 })));
        Assert.Contains("compression algorithm 3", Refused(PfKeyError.Invalid, With(add, sa with { Encrypt = 3 })));
        Assert.Equal(PfKeyError.None, _bench.AskOne(_session, With(add, sa with { Spi = 2 })).Error); // DEFLATE's own

        // A CPI has 16 bits, whatever range is asked for.
        for (int i = 0; i < 20; i++)
        {
            PfKeyMessage spi = _bench.AskOne(_session, Esp(PfKeyType.GetSpi, new SpiRangeExtension(0x100, uint.MaxValue), Source(), Destination()) with { SaType = SaType.IpComp });
            Assert.InRange(spi.Find<SaExtension>()!.Spi, 0x100u, 0xFFFFu);
        }

        Assert.Contains(_bench.Engine.Sad.All, static larval => larval is { Protocol: IpProtocol.IpComp, State: SaState.Larval });
    }

    [Fact]
    public void Extended_sequence_numbers_have_a_window_and_are_shown()
    {
        PfKeyMessage add = Add(0x1001);
        PfKeyMessage added = _bench.AskOne(_session, add with { Extensions = [.. add.Extensions, new TestudoExtension { LastSequence = 1UL << 33, ExtendedSequence = true, ReplayPackets = 0 }] });
        Assert.Equal((PfKeyError.None, true, 1UL << 33, 32u), (added.Error, added.Find<TestudoExtension>()!.ExtendedSequence, added.Find<TestudoExtension>()!.LastSequence, added.Find<TestudoExtension>()!.ReplayPackets));
        Assert.Contains("window", added.Find<TestudoExtension>()!.Text);
        Assert.True(Assert.Single(_bench.Engine.Sad.All).ExtendedSequence);

        // FreeBSD's flag says the same.
        _bench.Done(_session, With(Add(0x1002), Aes(0x1002) with { Flags = SaFlags.ExtendedSequence | SaFlags.CyclicSequence, ReplayPackets = 64 }));
        Assert.Equal((true, SaFlags.CyclicSequence, 64), (_bench.Engine.Sad.All.ElementAt(1).ExtendedSequence, _bench.Engine.Sad.All.ElementAt(1).Flags, _bench.Engine.Sad.All.ElementAt(1).Window.Packets));
        Assert.Equal(SaFlags.ExtendedSequence | SaFlags.CyclicSequence, _bench.Done(_session, Esp(PfKeyType.Get, Aes(0x1002), Source(), Destination())).Find<SaExtension>()!.Flags);
    }

    [Fact]
    public void The_private_extension_is_for_those_who_sent_it_in_this_request()
    {
        PfKeyMessage add = Add(0x1001);
        PfKeyMessage added = _bench.AskOne(_session, add with { Extensions = [.. add.Extensions, new TestudoExtension { LastSequence = 77, IcvBits = 96, ReplayPackets = 4096 }] });
        var own = new TestudoExtension { LastSequence = 77, IcvBits = 96, ReplayPackets = 4096, ExtendedSequence = false };
        Assert.Equal(own, added.Find<TestudoExtension>());

        PfKeyMessage get = Esp(PfKeyType.Get, Aes(0x1001), Source(), Destination());
        Assert.Null(_bench.AskOne(_session, get).Find<TestudoExtension>());
        Assert.Equal(own, _bench.Done(_session, get).Find<TestudoExtension>());
        Assert.Null(_bench.AskOne(_session, Esp(PfKeyType.Dump)).Find<TestudoExtension>());
        Assert.Equal(own, _bench.AskOne(_session, Esp(PfKeyType.Dump, new TestudoExtension())).Find<TestudoExtension>());
        Assert.Equal(77u, _bench.AskOne(_session, get).Find<Sa2Extension>()!.Sequence);
    }

    [Fact]
    public void Keys_of_a_request_are_wiped_when_it_is_answered_or_refused()
    {
        foreach (uint spi in new uint[] { 0x1001, 1 })
        {
            PfKeyMessage add = Add(spi);
            _bench.Server.Receive(_session, add, _bench.Now);
            Assert.All(add.Extensions.OfType<KeyExtension>(), key => Assert.All(key.Key, value => Assert.Equal(0, value)));
        }

        Assert.Equal(Keys()[0], _bench.Ask(_session, Esp(PfKeyType.Get, Aes(0x1001), Source(), Destination()))[^1].Find(KeyRole.Encrypt));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void The_form_of_UDP_and_the_addresses_before_a_NAT_are_kept_and_told(byte form)
    {
        KeySession freeBsd = _bench.Server.Open(Dialect.FreeBsd);
        AddressExtension initiator = new(AddressRole.NatOriginalInitiator, 255, 32, Address.Parse("192.168.1.7"), 0);
        AddressExtension responder = new(AddressRole.NatOriginalResponder, 255, 32, There, 0);
        PfKeyMessage add = Add(0x1001);
        PfKeyExtension[] nat = [new NatTTypeExtension(form), new NatTPortExtension(false, 31000), new NatTPortExtension(true, 4500), initiator, responder];
        _bench.Done(freeBsd, add with { Extensions = [.. add.Extensions, .. nat] });
        global::Testudo.Engine.Keys.UdpEncapsulation kept = Assert.Single(_bench.Engine.Sad.All).Encapsulation!.Value;
        Assert.Equal((31000, 4500, form, initiator.Address, responder.Address), (kept.SourcePort, kept.DestinationPort, (byte)kept.Form, kept.OriginalSource, kept.OriginalDestination));

        PfKeyMessage get = Esp(PfKeyType.Get, Aes(0x1001), Source(), Destination());
        Assert.Equal(nat, _bench.Done(freeBsd, get).Extensions.Where(nat.Contains));
        Assert.Equal(nat[..3], _bench.AskOne(freeBsd, get).Extensions.Where(nat.Contains)); // who cannot bear more
        Take(_session);
        Assert.Equal(nat[..4], _bench.Done(_session, get).Extensions.Where(nat.Contains)); // Linux has a word for one
    }

    [Fact]
    [Shows("rfc4301-4.2-1")]
    public void What_an_sa_cannot_be_is_refused_in_words_and_changes_nothing()
    {
        _bench.Done(_session, Add(0x1001));
        Assert.Contains("exists already", Refused(PfKeyError.Exists, Add(0x1001, fill: 30)));
        Assert.Contains("SPI 255 is reserved", Refused(PfKeyError.Invalid, Add(255)));
        Assert.Contains("128 or 192 or 256 bits, not 136", Refused(PfKeyError.Invalid, With(Add(9000), new KeyExtension(KeyRole.Encrypt, 136, new byte[17]))));
        Assert.Contains("21 is not known", Refused(PfKeyError.Invalid, With(Add(9000), Aes(9000) with { Encrypt = 21 })));
        Assert.Contains("open to forgery", Refused(PfKeyError.Invalid, With(Add(9000), Aes(9000) with { Auth = 251 })));
        Assert.Contains("SADB_ADD has no SADB_EXT_SA", Refused(PfKeyError.Invalid, Without<SaExtension>(Add(9000))));
        Assert.Contains("SADB_ADD has no SADB_EXT_ADDRESS_SRC", Refused(PfKeyError.Invalid, Without<AddressExtension>(Add(9000))));
        Assert.Contains("mode is 3", Refused(PfKeyError.Invalid, With(Add(9000), new Sa2Extension((IpsecMode)3, 0, 0))));
        Assert.Contains("both SADB_X_EXT_NAT_T_SPORT", Refused(PfKeyError.Invalid, With(Add(9000), new NatTTypeExtension(2))));
        Assert.Contains("type 3 is not supported", Refused(PfKeyError.NotSupported, With(Add(9000), new NatTTypeExtension(3))));
        Assert.Contains("needs extended sequence numbers", Refused(PfKeyError.Invalid, With(Add(9000), new TestudoExtension { LastSequence = 1UL << 32 }), hasWords: true));
        Assert.Contains("65536 packets, not 70000", Refused(PfKeyError.Invalid, With(Add(9000), new TestudoExtension { ReplayPackets = 70000 }), hasWords: true));
        Assert.Contains("ah does not encrypt", Refused(PfKeyError.Invalid, Add(9000) with { SaType = SaType.Ah }));
        Assert.Contains("has no keys", Refused(PfKeyError.Invalid, With(Add(9000), Aes(9000) with { Auth = 0, Encrypt = 2 }) with { SaType = SaType.IpComp }));
        Assert.Contains("names the SA type", Refused(PfKeyError.Invalid, Add(9000) with { SaType = SaType.Unspec }));
        Assert.Contains("no IPsec protocol", Refused(PfKeyError.NotSupported, Add(9000) with { SaType = SaType.Mip }));
        Assert.Contains("is no SA type", Refused(PfKeyError.Invalid, Add(9000) with { SaType = (SaType)10 }));
        Assert.Contains("type 1", Refused(PfKeyError.Invalid, With(With(Add(9000), new IdentityExtension(IdentityRole.Source, 1, 0, [])), new IdentityExtension(IdentityRole.Destination, 2, 0, []))));
        Assert.Single(_bench.Engine.Sad.All);
    }

    [Fact]
    public void A_warning_travels_with_the_success()
    {
        _bench.Done(_session, Add(0x1001));
        Assert.Contains("same key", _bench.Done(_session, Add(0x1002)).Find<TestudoExtension>()!.Text);
        PfKeyMessage narrow = _bench.Done(_session, With(Add(0x1003, fill: 90), Aes(0x1003) with { ReplayPackets = 4 }));
        Assert.Contains("widened to 32", narrow.Find<TestudoExtension>()!.Text);
        Assert.Equal(32, _bench.Engine.Sad.All.Last().Window.Packets);
        Assert.Null(_bench.AskOne(_session, Add(0x1004)).Find<TestudoExtension>());
    }

    [Fact]
    [Shows("rfc2406-2.1-1")]
    public void A_spi_is_reserved_within_the_range_until_there_is_none()
    {
        PfKeyMessage ask = Esp(PfKeyType.GetSpi, new SpiRangeExtension(0, 259), new Sa2Extension(IpsecMode.Tunnel, 0, 3), Source(port: 500), Destination(port: 500));
        HashSet<uint> spis = [];
        for (int i = 0; i < 4; i++)
        {
            PfKeyMessage answer = _bench.AskOne(_session, ask);
            uint spi = answer.Find<SaExtension>()!.Spi;
            Assert.Equal(Esp(PfKeyType.GetSpi, new SaExtension(spi, 0, SaState.Larval, 0, 0, SaFlags.None), Source(), Destination()), answer);
            Assert.InRange(spi, 256u, 259u);
            Assert.True(spis.Add(spi));
        }

        Assert.All(_bench.Engine.Sad.All, sa => Assert.Equal((SaState.Larval, IpsecMode.Tunnel, 3u), (sa.State, sa.Mode, sa.Reqid)));
        Assert.Contains("no free SPI", Refused(PfKeyError.Exists, ask));
        Assert.Contains("reserved", Refused(PfKeyError.Invalid, With(ask, new SpiRangeExtension(1, 255))));
        Assert.Contains("lower end first", Refused(PfKeyError.Invalid, With(ask, new SpiRangeExtension(5000, 4000))));
        uint any = _bench.AskOne(_session, Without<SpiRangeExtension>(ask)).Find<SaExtension>()!.Spi;
        Assert.InRange(any, 0x100u, 0x0FFFFFFFu);
        uint high = _bench.AskOne(_session, With(ask, new SpiRangeExtension(0x100, uint.MaxValue))).Find<SaExtension>()!.Spi;
        Assert.True(high >= 256);
    }

    [Fact]
    public void An_update_of_a_larval_sa_sets_everything()
    {
        uint spi = _bench.Done(_session, Esp(PfKeyType.GetSpi, new Sa2Extension(IpsecMode.Tunnel, 0, 1), Source(), Destination())).Find<SaExtension>()!.Spi;
        Assert.Contains("bits, not 0", Refused(PfKeyError.Invalid, Without<KeyExtension>(Add(spi)) with { Type = PfKeyType.Update }));
        Assert.Equal(SaState.Larval, Assert.Single(_bench.Engine.Sad.All).State);

        PfKeyMessage answer = _bench.AskOne(_session, Add(spi) with { Type = PfKeyType.Update });

        Assert.Equal(Esp(PfKeyType.Update, Aes(spi), new Sa2Extension(IpsecMode.Transport, 0, 5), Source(), Destination()), answer);
        Sa sa = Assert.Single(_bench.Engine.Sad.All);
        Assert.Equal((SaState.Mature, IpsecMode.Transport, 5u), (sa.State, sa.Mode, sa.Reqid));
    }

    [Fact]
    public void An_update_of_a_living_sa_changes_limits_without_keys_and_everything_with_keys()
    {
        _bench.Done(_session, With(Add(0x1001), new LifetimeExtension(LifetimeRole.Hard, 0, 0, 90, 0)));
        Sa sa = Assert.Single(_bench.Engine.Sad.All);
        _bench.Done(_session, Esp(PfKeyType.Update, Aes(0x1001), Source(), Destination(), new LifetimeExtension(LifetimeRole.Soft, 0, 0, 50, 0)));
        Assert.Same(sa, Assert.Single(_bench.Engine.Sad.All));
        Assert.Equal((new Lifetime(0, 0, 50, 0), new Lifetime(0, 0, 90, 0)), (sa.Soft, sa.Hard));
        Assert.Contains("give the keys", Refused(PfKeyError.Invalid, Esp(PfKeyType.Update, Aes(0x1001), new Sa2Extension(IpsecMode.Tunnel, 0, 5), Source(), Destination())));

        _bench.Done(_session, With(Add(0x1001, fill: 50), new Sa2Extension(IpsecMode.Tunnel, 0, 6)) with { Type = PfKeyType.Update });
        Sa next = Assert.Single(_bench.Engine.Sad.All);
        Assert.Equal((IpsecMode.Tunnel, 6u, default(Lifetime)), (next.Mode, next.Reqid, next.Hard));
        Assert.Equal(50, next.CipherKey[0]);
        Assert.Equal(SaState.Dead, sa.State);

        Assert.Contains("no Esp SA", Refused(PfKeyError.NoSuchProcess, Add(0x2002) with { Type = PfKeyType.Update }));
        Assert.Contains("comes from 10.0.0.1", Refused(PfKeyError.NoSuchProcess, With(Add(0x1001), Source(Address.Parse("10.0.0.9"))) with { Type = PfKeyType.Update }));
    }

    [Fact]
    public void A_dying_sa_with_a_later_soft_limit_is_mature_again()
    {
        _bench.Done(_session, With(Add(0x1001), new LifetimeExtension(LifetimeRole.Soft, 0, 0, 5, 0)));
        _bench.Now = new Now(_bench.Now.Nanoseconds + 6_000_000_000, _bench.Now.UnixSeconds + 6);
        _bench.Engine.Tick(_bench.Now);
        Assert.Equal(SaState.Dying, Assert.Single(_bench.Engine.Sad.All).State);
        _bench.Done(_session, Esp(PfKeyType.Update, Aes(0x1001), Source(), Destination(), new LifetimeExtension(LifetimeRole.Soft, 0, 0, 60, 0)));
        Assert.Equal(SaState.Mature, Assert.Single(_bench.Engine.Sad.All).State);
    }

    [Fact]
    public void One_sa_is_deleted_by_its_spi_and_all_between_two_hosts_without()
    {
        foreach (uint spi in new uint[] { 0x1001, 0x1002, 0x1003 })
        {
            _bench.Done(_session, Add(spi, (byte)spi));
        }

        _bench.Done(_session, Esp(PfKeyType.GetSpi, Source(), Destination()));
        _bench.Done(_session, With(With(Add(0x1001), Source(There)), Destination(Here)));
        PfKeyMessage delete = Esp(PfKeyType.Delete, Aes(0x1002), new Sa2Extension(IpsecMode.Transport, 0, 0), Source(), Destination(), Keys()[0]);
        Assert.Equal(Esp(PfKeyType.Delete, Aes(0x1002), Source(), Destination()), _bench.AskOne(_session, delete));
        Assert.Contains("no Esp SA", Refused(PfKeyError.NoSuchProcess, delete));
        Assert.Equal(4, _bench.Engine.Sad.All.Count);

        Assert.Equal(Esp(PfKeyType.Delete, Source(), Destination()), _bench.AskOne(_session, Esp(PfKeyType.Delete, Source(), Destination())));
        Assert.Equal([SaState.Larval, SaState.Mature], _bench.Engine.Sad.All.Select(sa => sa.State));
        _bench.Done(_session, Esp(PfKeyType.Delete, Source(), Destination()));
        Assert.Contains("no SADB_EXT_ADDRESS_DST", Refused(PfKeyError.Invalid, Esp(PfKeyType.Delete, Source())));
    }

    [Fact]
    public void A_flush_takes_the_sas_of_its_type_away()
    {
        _bench.Done(_session, Add(0x1001));
        Assert.Equal(PfKeyError.None, _bench.AskOne(_session, Esp(PfKeyType.Flush) with { SaType = SaType.Ah }).Error);
        Assert.Single(_bench.Engine.Sad.All);
        Assert.Equal(Esp(PfKeyType.Flush) with { SaType = SaType.Unspec }, _bench.AskOne(_session, Esp(PfKeyType.Flush) with { SaType = SaType.Unspec }));
        Assert.Empty(_bench.Engine.Sad.All);
    }

    [Fact]
    public void A_dump_counts_down_to_zero_and_an_empty_one_is_an_error_record()
    {
        Assert.Contains("no SAs", Refused(PfKeyError.NoEntry, Esp(PfKeyType.Dump)));
        for (uint spi = 1000; spi < 1010; spi++)
        {
            _bench.Done(_session, Add(spi, (byte)spi));
        }

        List<PfKeyMessage> dump = _bench.Ask(_session, Esp(PfKeyType.Dump));
        Assert.Equal(Enumerable.Range(0, 10).Reverse().Select(i => (uint)i), dump.Select(message => message.Sequence));
        Assert.Equal(Enumerable.Range(1000, 10).Select(i => (uint)i), dump.Select(message => message.Find<SaExtension>()!.Spi));
        Assert.All(dump, message => Assert.Equal((4242u, SaType.Esp, true), (message.Pid, message.SaType, message.Find(KeyRole.Auth) is not null)));
        Assert.Contains("no SAs", Refused(PfKeyError.NoEntry, Esp(PfKeyType.Dump) with { SaType = SaType.IpComp }));
    }

    [Fact]
    [Shows("ipsec4-bugs-6")]
    public void A_dump_is_made_while_it_is_read_and_holds_nobody_up()
    {
        for (uint spi = 1000; spi < 6000; spi++)
        {
            _bench.Server.Receive(_session, Add(spi, (byte)spi), _bench.Now);
        }

        KeySession reader = _bench.Server.Open(Dialect.FreeBsd);
        _bench.Server.Receive(reader, Codec.Write(reader.Dialect, Esp(PfKeyType.Dump)), _bench.Now);
        Assert.True(reader.TryTake(out byte[]? first));
        Assert.Equal(4999u, Codec.Read(reader.Dialect, first, out _)!.Sequence);
        Assert.False(reader.IsFull);

        // Between two records one SA goes and another one is updated.
        KeySession other = _bench.Server.Open(Dialect.Linux);
        _bench.Done(other, Esp(PfKeyType.Delete, Aes(5999), Source(), Destination()));
        _bench.Done(other, With(Add(5998, fill: 200), new Sa2Extension(IpsecMode.Tunnel, 0, 77)) with { Type = PfKeyType.Update });
        List<PfKeyMessage> rest = Take(reader);
        Assert.Equal(4999 + 2, rest.Count); // and what the other client did, behind the dump
        Assert.Equal(77u, rest[4997].Find<Sa2Extension>()!.Reqid);
        Assert.Equal((0u, SaState.Dead, true), (rest[4998].Sequence, rest[4998].Find<SaExtension>()!.State, rest[4998].Find(KeyRole.Auth) is null));
        Assert.Equal([PfKeyType.Delete, PfKeyType.Update], rest[4999..].Select(message => message.Type));
    }

    [Fact]
    public void A_register_lists_what_the_engine_has_and_is_said_once_for_each_type()
    {
        PfKeyMessage answer = _bench.AskOne(_session, Esp(PfKeyType.Register));
        Assert.Equal([KeyRole.Auth, KeyRole.Encrypt], answer.Extensions.OfType<SupportedExtension>().Select(list => list.Role));
        SupportedExtension ciphers = answer.Extensions.OfType<SupportedExtension>().Last();
        Assert.Contains(new SupportedAlgorithm(12, 16, 128, 256), ciphers.Algorithms);
        Assert.Contains(new SupportedAlgorithm(20, 8, 128, 288), ciphers.Algorithms);
        Assert.Equal(ciphers.Algorithms.OrderBy(a => a.Id), ciphers.Algorithms);
        Assert.True(_session.IsRegistered);
        Assert.Contains("already", Refused(PfKeyError.Exists, Esp(PfKeyType.Register)));
        Assert.Equal(PfKeyError.None, _bench.AskOne(_session, Esp(PfKeyType.Register) with { SaType = SaType.Ah }).Error);

        KeySession asks = _bench.Server.Open(Dialect.Linux);
        Assert.Equal(PfKeyError.None, _bench.AskOne(asks, Esp(PfKeyType.Register) with { SaType = SaType.Unspec }).Error);
        Assert.False(asks.IsRegistered);
    }

    [Fact]
    public void What_is_not_spoken_is_said_to_be_so()
    {
        foreach (PfKeyType type in new[] { PfKeyType.Promisc, PfKeyType.PChange, PfKeyType.Expire, PfKeyType.Migrate, PfKeyType.NatTNewMapping, PfKeyType.SpdSetIdx, PfKeyType.SpdAcquire, PfKeyType.SpdExpire })
        {
            Assert.Contains(type.ToString(), Refused(PfKeyError.NotSupported, new PfKeyMessage(type) { Sequence = 1, Pid = 2 }, hasWords: type == PfKeyType.Promisc));
        }

        Assert.Empty(_bench.Ask(_session, new PfKeyMessage(PfKeyType.Acquire, SaType.Esp) { Sequence = 9 }));
    }

    [Fact]
    public void A_record_that_is_no_message_is_answered_with_its_header()
    {
        byte[] record = Codec.Write(Dialect.Linux, Add(0x1001));
        record[4]++;
        _bench.Server.Receive(_session, record, _bench.Now);
        Assert.Equal(Esp(PfKeyType.Add) with { Error = PfKeyError.Invalid }, Assert.Single(Take(_session)));
        _bench.Done(_session, Add(0x1001)); // from now on it is known to understand words
        _bench.Server.Receive(_session, record, _bench.Now);
        Assert.Contains("sadb_msg_len", Assert.Single(Take(_session)).Find<TestudoExtension>()!.Text);
        _bench.Server.Receive(_session, record.AsSpan(0, 8), _bench.Now);
        Assert.Empty(Take(_session));
    }

    private static PfKeyMessage With(PfKeyMessage message, PfKeyExtension extension) => message with
    {
        Extensions = [.. message.Extensions.Where(e => Kind(e) != Kind(extension)), extension],
    };

    private static PfKeyMessage Without<T>(PfKeyMessage message) => message with { Extensions = [.. message.Extensions.Where(e => e is not T)] };

    private static (Type, int) Kind(PfKeyExtension extension) => (extension.GetType(), extension switch
    {
        AddressExtension address => (int)address.Role,
        KeyExtension key => (int)key.Role,
        LifetimeExtension life => (int)life.Role,
        IdentityExtension identity => (int)identity.Role,
        NatTPortExtension port => port.IsDestination ? 1 : 0,
        _ => 0,
    });

    private string Refused(PfKeyError error, PfKeyMessage request, bool hasWords = false)
    {
        if (!hasWords)
        {
            return _bench.Refused(_session, request, error);
        }

        // The request itself has the private extension, or cannot have any: there is no bare form, or no worded one.
        string before = _bench.State;
        PfKeyMessage answer = _bench.AskOne(_session, request);
        Assert.Equal((error, before), (answer.Error, _bench.State));
        return answer.Find<TestudoExtension>()?.Text ?? request.Type.ToString();
    }
}
