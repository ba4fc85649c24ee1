// Several changes of policy as one: nothing is in force, and nobody hears of anything, until the last has come.

using Testudo.Control.PfKey;
using Testudo.Wire.PfKey;
using Xunit;
using static Testudo.Tests.Control.Bench;

namespace Testudo.Tests.Control;

public sealed class PolicyChangeTests
{
    private static readonly TestudoExtension s_more = new() { MoreFollows = true };

    private readonly Bench _bench = new();
    private readonly KeySession _session, _other;

    public PolicyChangeTests()
    {
        _session = _bench.Server.Open(Dialect.Linux);
        _other = _bench.Server.Open(Dialect.Linux);
        _bench.Done(_session, Spd(PfKeyType.SpdAdd, Source(), Destination(), Protect()));
        _bench.Done(_session, Spd(PfKeyType.SpdAdd, Source(protocol: 17), Destination(protocol: 17), Plain(PolicyAction.Discard)));
        _bench.Commits.Clear();
        Take(_other);
    }

    [Fact]
    public void A_flush_and_what_follows_it_reach_guard_and_engine_in_one_step()
    {
        string[] before = Words(_bench.Engine.Spd.All);
        More(Spd(PfKeyType.SpdFlush));
        More(Spd(PfKeyType.SpdAdd, Source(), Destination(), Protect()));
        Assert.Equal(before, Words(_bench.Engine.Spd.All));
        Assert.Empty(_bench.Commits);
        Assert.Empty(Take(_other));

        // Who asks sees what he has made so far; others see what is in force.
        Assert.Single(_bench.Ask(_session, Spd(PfKeyType.SpdDump)));
        Assert.Equal(2, _bench.Ask(_other, Spd(PfKeyType.SpdDump)).Count);

        // What is not about policies goes its way meanwhile.
        _bench.Done(_session, Add(0x1001));
        Assert.Equal(PfKeyType.Add, Assert.Single(Take(_other)).Type);

        _bench.Done(_session, Spd(PfKeyType.SpdAdd, Source(protocol: 6), Destination(protocol: 6), Plain(PolicyAction.None)));
        (string[] guard, string[] engine) = Assert.Single(_bench.Commits);
        Assert.Equal(before, engine); // the guard first
        Assert.Equal(guard, Words(_bench.Engine.Spd.All));
        Assert.Equal(2, guard.Length);
        Assert.Equal([PfKeyType.SpdFlush, PfKeyType.SpdAdd, PfKeyType.SpdAdd], Take(_other).Select(static message => message.Type));
    }

    [Fact]
    public void A_refused_change_leaves_all_policies_as_they_were()
    {
        string before = _bench.State;
        More(Spd(PfKeyType.SpdFlush));
        Assert.Equal(PfKeyError.Invalid, _bench.AskOne(_session, With(Spd(PfKeyType.SpdAdd, Source(), Destination(), Plain(PolicyAction.Bypass)), s_more)).Error);
        More(Spd(PfKeyType.SpdAdd, Source(), Destination(), Protect()));
        PfKeyMessage last = _bench.AskOne(_session, With(Spd(PfKeyType.SpdAdd, Source(protocol: 6), Destination(protocol: 6), Protect()), new TestudoExtension()));
        Assert.Equal(PfKeyError.Invalid, last.Error);
        Assert.Contains("all policies stay as they were", last.Find<TestudoExtension>()!.Text);
        Assert.Equal(before, _bench.State);
        Assert.Empty(_bench.Commits);
        Assert.Empty(Take(_other));

        // The next change stands for itself again.
        _bench.Done(_session, Spd(PfKeyType.SpdAdd, Source(protocol: 6), Destination(protocol: 6), Protect()));
    }

    [Fact]
    public void The_last_one_refused_says_why_and_that_nothing_was_changed()
    {
        string before = _bench.State;
        More(Spd(PfKeyType.SpdFlush));
        PfKeyMessage last = _bench.AskOne(_session, With(Spd(PfKeyType.SpdAdd, Source(), Destination(), Plain(PolicyAction.Bypass)), new TestudoExtension()));
        Assert.Contains("for sockets; all policies stay as they were", last.Find<TestudoExtension>()!.Text);
        Assert.Equal(before, _bench.State);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void What_is_there_already_or_gone_already_hinders_nothing(bool atTheEnd)
    {
        PfKeyMessage there = Spd(PfKeyType.SpdAdd, Source(), Destination(), Protect());
        PfKeyMessage gone = Spd(PfKeyType.SpdDelete, Source(protocol: 1), Destination(protocol: 1), Protect());
        PfKeyMessage fresh = Spd(PfKeyType.SpdAdd, Source(protocol: 6), Destination(protocol: 6), Protect());
        PfKeyMessage[] messages = atTheEnd ? [fresh, gone, there] : [there, gone, fresh];
        foreach (PfKeyMessage message in messages)
        {
            bool isLast = message == messages[^1];
            PfKeyError expected = message == there ? PfKeyError.Exists : message == gone ? PfKeyError.NoEntry : PfKeyError.None;
            Assert.Equal(expected, _bench.AskOne(_session, isLast ? message : With(message, s_more)).Error);
        }

        Assert.Equal(3, _bench.Engine.Spd.All.Count());
        Assert.Equal(PfKeyType.SpdAdd, Assert.Single(Take(_other)).Type);
    }

    [Fact]
    public void Two_at_once_do_not_undo_each_other()
    {
        More(Spd(PfKeyType.SpdFlush));
        _bench.Done(_other, Spd(PfKeyType.SpdAdd, Source(protocol: 1), Destination(protocol: 1), Protect()));
        Take(_session);
        string before = _bench.State;
        PfKeyMessage last = _bench.AskOne(_session, With(Spd(PfKeyType.SpdAdd, Source(), Destination(), Protect()), new TestudoExtension()));
        Assert.Contains("somebody else changed policies", last.Find<TestudoExtension>()!.Text);
        Assert.Equal(before, _bench.State);
    }

    [Fact]
    public void A_guard_that_cannot_be_changed_and_a_client_that_goes_away_leave_the_policies()
    {
        string before = _bench.State;
        More(Spd(PfKeyType.SpdFlush));
        _bench.GuardFails = "nft is away";
        Assert.Equal(PfKeyError.Io, _bench.AskOne(_session, Spd(PfKeyType.SpdAdd, Source(protocol: 6), Destination(protocol: 6), Protect())).Error);
        Assert.Equal(before, _bench.State);

        _bench.GuardFails = null;
        More(Spd(PfKeyType.SpdFlush));
        _bench.Server.Close(_session);
        Assert.Equal(before, _bench.State);
    }

    private static PfKeyMessage With(PfKeyMessage message, TestudoExtension own) => message with { Extensions = [.. message.Extensions, own] };

    private void More(PfKeyMessage message) => Assert.Equal(PfKeyError.None, _bench.AskOne(_session, With(message, s_more)).Error);
}
