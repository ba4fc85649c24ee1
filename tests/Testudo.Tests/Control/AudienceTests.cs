// Who hears what: the sender, those who registered, everybody.

using Testudo.Control.PfKey;
using Testudo.Engine;
using Testudo.Wire;
using Testudo.Wire.PfKey;
using Xunit;
using static Testudo.Tests.Control.Bench;

namespace Testudo.Tests.Control;

public sealed class AudienceTests
{
    private readonly Bench _bench = new();
    private readonly KeySession _sender, _registered, _other;

    public AudienceTests()
    {
        _sender = _bench.Server.Open(Dialect.Linux);
        _registered = _bench.Server.Open(Dialect.FreeBsd);
        _other = _bench.Server.Open(Dialect.NetBsd);
        _bench.Done(_registered, Esp(PfKeyType.Register));
    }

    [Fact]
    public void Success_is_heard_by_those_of_the_exchange_table()
    {
        AssertHeard(Audience.Sender, Esp(PfKeyType.GetSpi, Source(), Destination()));
        AssertHeard(Audience.All, Add(0x1001));
        AssertHeard(Audience.All, Add(0x1001, fill: 60) with { Type = PfKeyType.Update });
        AssertHeard(Audience.Sender, Esp(PfKeyType.Get, Aes(0x1001), Source(), Destination()));
        AssertHeard(Audience.Sender, Esp(PfKeyType.Dump), records: 2);
        AssertHeard(Audience.All, Esp(PfKeyType.Delete, Aes(0x1001), Source(), Destination()));
        AssertHeard(Audience.All, Esp(PfKeyType.Delete, Source(), Destination()));
        AssertHeard(Audience.All, Esp(PfKeyType.Flush));
        AssertHeard(Audience.All, Spd(PfKeyType.SpdAdd, Source(), Destination(), Protect() with { Priority = Dialect.NetBsd.NoPriority }));
        AssertHeard(Audience.All, Spd(PfKeyType.SpdUpdate, Source(), Destination(), Protect() with { Priority = Dialect.NetBsd.NoPriority }));
        AssertHeard(Audience.Sender, Spd(PfKeyType.SpdGet, Protect() with { Id = 0x4000 }));
        AssertHeard(Audience.Sender, Spd(PfKeyType.SpdDump));
        AssertHeard(Audience.All, Spd(PfKeyType.SpdDelete2, Protect() with { Id = 0x4000 }));
        AssertHeard(Audience.All, Spd(PfKeyType.SpdAdd, Source(), Destination(), Protect() with { Priority = Dialect.NetBsd.NoPriority }));
        AssertHeard(Audience.All, Spd(PfKeyType.SpdDelete, Source(), Destination(), Protect() with { Priority = Dialect.NetBsd.NoPriority }));
        AssertHeard(Audience.All, Spd(PfKeyType.SpdFlush));
        AssertHeard(Audience.Registered, Esp(PfKeyType.Register));
    }

    [Fact]
    public void Errors_are_heard_by_the_sender_alone()
    {
        Assert.NotEqual(PfKeyError.None, _bench.AskOne(_sender, Add(1)).Error);
        Assert.NotEqual(PfKeyError.None, _bench.AskOne(_sender, Spd(PfKeyType.SpdAdd)).Error);
        Assert.Empty(Take(_registered));
        Assert.Empty(Take(_other));
    }

    [Fact]
    public void Each_hears_in_its_own_dialect_without_keys_and_without_the_senders_words()
    {
        PfKeyMessage add = Add(0x1001) with { Extensions = [.. Add(0x1001).Extensions, new TestudoExtension { IcvBits = 96 }] };
        _bench.AskOne(_sender, add);
        foreach (KeySession session in new[] { _registered, _other })
        {
            PfKeyMessage heard = Assert.Single(Take(session));
            Assert.Equal(Esp(PfKeyType.Add, Aes(0x1001), new Sa2Extension(IpsecMode.Transport, 0, 5), Source(), Destination()), heard);
        }
    }

    [Fact]
    public void A_policy_for_fwd_is_not_told_to_those_who_have_no_word_for_it()
    {
        KeySession linux = _bench.Server.Open(Dialect.Linux);
        _bench.Done(_sender, Spd(PfKeyType.SpdAdd, Source(), Destination(), Protect(PolicyDirection.Fwd)));
        Assert.Single(Take(linux));
        Assert.Empty(Take(_other));
    }

    [Fact]
    public void Limits_that_were_passed_are_told_to_those_who_registered()
    {
        LifetimeExtension soft = new(LifetimeRole.Soft, 0, 0, 5, 0), hard = new(LifetimeRole.Hard, 0, 0, 8, 0);
        _bench.Done(_sender, Add(0x1001) with { Extensions = [.. Add(0x1001).Extensions, soft, hard] });
        Take(_registered);
        Take(_other);
        var current = new LifetimeExtension(LifetimeRole.Current, 0, 0, 1_700_000_000, 0);
        foreach ((LifetimeExtension limit, SaState state, long seconds) in new[] { (soft, SaState.Dying, 6L), (hard, SaState.Dead, 3L) })
        {
            _bench.Now = new Now(_bench.Now.Nanoseconds + (seconds * 1_000_000_000), _bench.Now.UnixSeconds + seconds);
            IReadOnlyList<EngineEvent> events = _bench.Engine.Tick(_bench.Now);
            _bench.Server.Announce(events, _bench.Now);
            Assert.Equal(
                new PfKeyMessage(PfKeyType.Expire, SaType.Esp)
                {
                    Extensions = [Aes(0x1001) with { State = state }, new Sa2Extension(IpsecMode.Transport, 0, 5), current, limit, Source(), Destination()],
                },
                Assert.Single(Take(_registered)));
            Assert.Empty(Take(_other));
            Assert.Empty(Take(_sender));
        }
    }

    [Fact]
    public void Who_does_not_read_loses_what_others_did_but_no_answer_of_its_own()
    {
        for (int i = 0; i < KeySession.MaxWaiting + 10; i++)
        {
            _bench.Ask(_sender, Esp(PfKeyType.Flush));
        }

        Assert.True(_other.IsFull);
        Assert.Equal(10, _other.Lost);
        _bench.Server.Receive(_other, Codec.Write(Dialect.NetBsd, Esp(PfKeyType.Flush) with { Pid = 7 }), _bench.Now);
        List<PfKeyMessage> all = Take(_other);
        Assert.Equal(KeySession.MaxWaiting + 1, all.Count);
        Assert.Equal(7u, all[^1].Pid);
        Assert.False(_other.IsFull);
    }

    [Fact]
    public void A_closed_session_hears_nothing_more()
    {
        _bench.Server.Close(_other);
        _bench.Done(_sender, Add(0x1001));
        Assert.False(_other.HasRecords);
        _bench.Server.Close(_other);
    }

    private enum Audience
    {
        Sender,
        Registered,
        All,
    }

    private void AssertHeard(Audience audience, PfKeyMessage request, int records = 1)
    {
        List<PfKeyMessage> own = _bench.Ask(_sender, request);
        Assert.Equal(records, own.Count);
        Assert.All(own, answer => Assert.Equal((PfKeyError.None, request.Type, request.Pid), (answer.Error, answer.Type, answer.Pid)));
        List<PfKeyMessage> registered = Take(_registered), other = Take(_other);
        Assert.Equal(audience >= Audience.Registered ? own : [], registered);
        Assert.Equal(audience >= Audience.All ? own : [], other);
    }
}
