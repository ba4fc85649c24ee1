// The messages about policies, and the order in which guard and engine change.

using Testudo.Control;
using Testudo.Control.PfKey;
using Testudo.Engine.Policies;
using Testudo.Wire;
using Testudo.Wire.PfKey;
using Xunit;
using static Testudo.Tests.Control.Bench;

namespace Testudo.Tests.Control;

public sealed class PolicyExchangeTests
{
    private const uint FirstId = global::Testudo.Engine.Policies.Spd.FirstOwnId;

    private readonly Bench _bench = new();
    private readonly KeySession _session;

    public PolicyExchangeTests()
    {
        _session = _bench.Server.Open(Dialect.Linux);
    }

    [Fact]
    [Shows("ipsec4-kernel-1", "ipsec4-kernel-5", "rfc4301-4.4.1-7")]
    public void An_added_policy_is_answered_with_its_id_and_got_by_it()
    {
        PfKeyMessage added = _bench.AskOne(_session, Spd(PfKeyType.SpdAdd, Source(protocol: 6), Destination(protocol: 6, port: 80), new Sa2Extension(IpsecMode.Any, 0, 0), Protect()));
        PolicyExtension policy = Protect() with { Id = FirstId };
        Assert.Equal(Spd(PfKeyType.SpdAdd, policy, Source(protocol: 6), Destination(protocol: 6, port: 80)), added);

        PfKeyMessage got = _bench.AskOne(_session, Spd(PfKeyType.SpdGet, Plain(PolicyAction.Discard) with { Id = FirstId }));
        Assert.Equal(
            Spd(PfKeyType.SpdGet, Source(protocol: 6), Destination(protocol: 6, port: 80), policy,
                new LifetimeExtension(LifetimeRole.Current, 0, 0, 1_700_000_000, 0), new LifetimeExtension(LifetimeRole.Hard, 0, 0, 0, 0)),
            got);
        Policy kept = Assert.Single(_bench.Engine.Spd.All);
        Assert.Equal(new Selector(Prefix.Host(Here), Prefix.Host(There), IpProtocol.Tcp, null, 80), kept.Selector);
    }

    [Fact]
    public void An_ICMP_type_stands_where_KAME_puts_it()
    {
        _bench.Done(_session, Spd(PfKeyType.SpdAdd, Source(protocol: 1, port: 8), Destination(protocol: 1), Protect()));
        Selector selector = Assert.Single(_bench.Engine.Spd.All).Selector;
        Assert.Equal(((ushort?)8, (ushort?)null), (selector.SourcePort, selector.DestinationPort)); // 0 is any
    }

    [Fact]
    public void Bits_behind_a_prefix_are_cleared_with_a_warning_and_the_policy_is_found_by_either_form()
    {
        PfKeyMessage added = _bench.Done(_session, Spd(PfKeyType.SpdAdd, Source(prefix: 24), Destination(), Protect()));
        Assert.Contains("10.0.0.0/24", added.Find<TestudoExtension>()!.Text);
        Assert.Equal(Address.Parse("10.0.0.0"), added.Find(AddressRole.Source)!.Address);
        Refused(PfKeyError.Exists, Spd(PfKeyType.SpdAdd, Source(Address.Parse("10.0.0.0"), prefix: 24), Destination(), Plain(PolicyAction.None)));
        _bench.Done(_session, Spd(PfKeyType.SpdDelete, Source(Address.Parse("10.0.0.77"), prefix: 24), Destination(), Plain(PolicyAction.Discard)));
        Assert.Empty(_bench.Engine.Spd.All);
    }

    [Fact]
    public void Unique_without_a_number_gets_one_that_nobody_has()
    {
        _bench.Done(_session, Spd(PfKeyType.SpdAdd, Source(), Destination(), Protect(level: PolicyLevel.Unique, reqid: 0x4001)));
        PfKeyMessage added = _bench.Done(_session, Spd(PfKeyType.SpdAdd, Source(), Destination(), Protect(PolicyDirection.In, PolicyLevel.Unique)));
        Assert.Equal(0x4002u, added.Find<PolicyExtension>()!.Requests[0].Reqid);
        Assert.Equal(0x4002u, _bench.Engine.Spd.List(PolicyDirection.In)[0].Requests[0].Reqid);
    }

    [Fact]
    public void An_update_adds_or_replaces_and_keeps_the_id()
    {
        uint first = _bench.Done(_session, Spd(PfKeyType.SpdUpdate, Source(), Destination(), Protect())).Find<PolicyExtension>()!.Id;
        _bench.Done(_session, Spd(PfKeyType.SpdAdd, Source(prefix: 0), Destination(prefix: 0), Plain(PolicyAction.Discard)));
        uint again = _bench.Done(_session, Spd(PfKeyType.SpdUpdate, Source(), Destination(), Protect(level: PolicyLevel.Use))).Find<PolicyExtension>()!.Id;
        Assert.Equal(first, again);
        Assert.Equal([PolicyAction.Discard, PolicyAction.Ipsec], _bench.Engine.Spd.All.Select(p => p.Action)); // last of its priority, as in KAME
        Assert.Equal(PolicyLevel.Use, _bench.Engine.Spd.All.Last().Requests[0].Level);

        uint early = _bench.Done(_session, Spd(PfKeyType.SpdAdd, Source(), Destination(protocol: 255), Protect(PolicyDirection.Fwd))).Find<PolicyExtension>()!.Id;
        Assert.Equal(first + 2, early);
    }

    [Fact]
    public void A_deleted_policy_is_answered_with_its_id_and_an_unknown_one_is_no_entry()
    {
        Assert.Contains("no policy out for", Refused(PfKeyError.NoEntry, Spd(PfKeyType.SpdDelete, Plain(PolicyAction.Ipsec), Source(), Destination())));
        Assert.Contains("id 9", Refused(PfKeyError.NoEntry, Spd(PfKeyType.SpdDelete2, Plain(PolicyAction.Ipsec) with { Id = 9 })));
        Assert.Contains("id 9", Refused(PfKeyError.NoEntry, Spd(PfKeyType.SpdGet, Plain(PolicyAction.Ipsec) with { Id = 9 })));
        Assert.Contains("no SADB_X_EXT_POLICY", Refused(PfKeyError.Invalid, Spd(PfKeyType.SpdGet)));
        uint id = _bench.Done(_session, Spd(PfKeyType.SpdAdd, Source(), Destination(), Protect())).Find<PolicyExtension>()!.Id;
        Assert.Equal(
            Spd(PfKeyType.SpdDelete, Plain(PolicyAction.Ipsec) with { Id = id }, Source(), Destination()),
            _bench.AskOne(_session, Spd(PfKeyType.SpdDelete, Plain(PolicyAction.Ipsec), Source(), Destination())));
        id = _bench.Done(_session, Spd(PfKeyType.SpdAdd, Source(), Destination(), Protect())).Find<PolicyExtension>()!.Id;
        Assert.Equal(
            Spd(PfKeyType.SpdDelete2, Plain(PolicyAction.Ipsec) with { Id = id }), _bench.AskOne(_session, Spd(PfKeyType.SpdDelete2, Plain(PolicyAction.Discard) with { Id = id })));
        Assert.Empty(_bench.Engine.Spd.All);
    }

    [Fact]
    public void What_a_policy_cannot_be_is_refused_in_words()
    {
        Assert.Contains("in, out or fwd", Refused(PfKeyError.Invalid, Spd(PfKeyType.SpdAdd, Source(), Destination(), Protect(PolicyDirection.Any))));
        Assert.Contains("for sockets", Refused(PfKeyError.Invalid, Spd(PfKeyType.SpdAdd, Source(), Destination(), Plain(PolicyAction.Bypass))));
        Assert.Contains("at least one request", Refused(PfKeyError.Invalid, Spd(PfKeyType.SpdAdd, Source(), Destination(), Plain(PolicyAction.Ipsec))));
        Assert.Contains("ports need", Refused(PfKeyError.Invalid, Spd(PfKeyType.SpdAdd, Source(port: 5), Destination(), Protect())));
        Assert.Contains("has no SADB_X_EXT_POLICY", Refused(PfKeyError.Invalid, Spd(PfKeyType.SpdAdd, Source(), Destination())));
        Assert.Contains("source and a destination", Refused(PfKeyError.Invalid, Spd(PfKeyType.SpdAdd, Source(), Protect())));
        Assert.Contains("lifetime", Refused(PfKeyError.NotSupported, Spd(PfKeyType.SpdAdd, Source(), Destination(), Protect(), new LifetimeExtension(LifetimeRole.Hard, 0, 0, 5, 0))));
        Assert.Contains("names both ends", Refused(PfKeyError.Invalid, Spd(PfKeyType.SpdAdd, Source(), Destination(),
            Protect() with { Requests = [new PolicyRequest(IpProtocol.Esp, IpsecMode.Tunnel, PolicyLevel.Require, 0, null, null)] })));
        Assert.Contains("policies has 0", Refused(PfKeyError.Invalid, Spd(PfKeyType.SpdDump) with { SaType = SaType.Esp }));
        Assert.Contains("base header alone", Refused(PfKeyError.Invalid, Spd(PfKeyType.SpdFlush, Source(), Destination())));
        Assert.Empty(_bench.Engine.Spd.All);
        Assert.Empty(_bench.Commits);
    }

    [Fact]
    [Shows("rfc4301-4.4.1-8")]
    public void A_dump_counts_down_in_the_order_in_which_policies_are_asked_and_leaves_fwd_to_those_who_know_it()
    {
        Assert.Contains("no policies", Refused(PfKeyError.NoEntry, Spd(PfKeyType.SpdDump)));
        _bench.Done(_session, Spd(PfKeyType.SpdAdd, Source(), Destination(), Protect()));
        _bench.Done(_session, Spd(PfKeyType.SpdAdd, Source(prefix: 8), Destination(), Protect() with { Priority = 5 }));
        _bench.Done(_session, Spd(PfKeyType.SpdAdd, Source(prefix: 9), Destination(), Protect() with { Priority = 4 }));
        _bench.Done(_session, Spd(PfKeyType.SpdAdd, Source(), Destination(), Protect(PolicyDirection.In)));
        _bench.Done(_session, Spd(PfKeyType.SpdAdd, Source(), Destination(), Protect(PolicyDirection.Fwd)));

        List<PfKeyMessage> dump = _bench.Ask(_session, Spd(PfKeyType.SpdDump));
        Assert.Equal(
            [(4u, PolicyDirection.In, 0u), (3u, PolicyDirection.Out, 0u), (2u, PolicyDirection.Out, 4u), (1u, PolicyDirection.Out, 5u), (0u, PolicyDirection.Fwd, 0u)],
            dump.Select(m => (m.Sequence, m.Find<PolicyExtension>()!.Direction, m.Find<PolicyExtension>()!.Priority)));
        List<PfKeyMessage> bsd = _bench.Ask(_bench.Server.Open(Dialect.FreeBsd), Spd(PfKeyType.SpdDump));
        Assert.Equal([3u, 2, 1, 0], bsd.Select(m => m.Sequence));
    }

    [Theory]
    [InlineData("FreeBSD")]
    [InlineData("NetBSD")]
    [InlineData("KAME")]
    public void A_policy_without_a_priority_stands_where_setkey_s_default_does(string name)
    {
        Dialect dialect = new[] { Dialect.FreeBsd, Dialect.NetBsd, Dialect.Kame }.Single(d => d.Name == name);
        KeySession bsd = _bench.Server.Open(dialect);
        _bench.Done(_session, Spd(PfKeyType.SpdAdd, Source(prefix: 8), Destination(), Protect() with { Priority = PolicyText.DefaultPriority }));
        _ = Take(bsd); // each hears of the other's
        _bench.Done(bsd, Spd(PfKeyType.SpdAdd, Source(prefix: 9), Destination(), Protect()));
        _ = Take(_session);
        _bench.Done(_session, Spd(PfKeyType.SpdAdd, Source(prefix: 10), Destination(), Protect() with { Priority = PolicyText.DefaultPriority }));
        _bench.Done(_session, Spd(PfKeyType.SpdAdd, Source(prefix: 11), Destination(), Protect() with { Priority = PolicyText.DefaultPriority - 1 }));
        _bench.Done(_session, Spd(PfKeyType.SpdAdd, Source(prefix: 12), Destination(), Protect()));

        Assert.Equal([12, 11, 8, 9, 10], _bench.Engine.Spd.List(PolicyDirection.Out).ToArray().Select(static p => (int)p.Selector.Source.Length));

        // It is told as it was said: the reserved word is 0, and so is FreeBSD's priority.
        byte[] record = Codec.Write(dialect, Spd(PfKeyType.SpdAdd, Source(), Destination(), Protect() with { Priority = PolicyText.DefaultPriority }));
        byte[] zero = Codec.Write(dialect, Spd(PfKeyType.SpdAdd, Source(), Destination(), Protect()));
        Assert.Equal(zero, record);
        Assert.Equal(name == "FreeBSD", !zero.AsSpan().SequenceEqual(Codec.Write(dialect, Spd(PfKeyType.SpdAdd, Source(), Destination(), Protect() with { Priority = 5 }))));
    }

    [Fact]
    public void What_protects_is_in_the_guard_before_it_is_in_the_engine()
    {
        _bench.Done(_session, Spd(PfKeyType.SpdAdd, Source(), Destination(), Protect()));
        AssertCommit(guard: 1, engine: 0);
        _bench.Done(_session, Spd(PfKeyType.SpdAdd, Source(), Destination(), Plain(PolicyAction.Discard, PolicyDirection.In)));
        AssertCommit(guard: 2, engine: 1);
        uint hole = _bench.Done(_session, Spd(PfKeyType.SpdAdd, Source(protocol: 17, port: 500), Destination(protocol: 17), Plain(PolicyAction.None))).Find<PolicyExtension>()!.Id;
        AssertCommit(guard: 3, engine: 3); // a hole relaxes: engine first
        _bench.Done(_session, Spd(PfKeyType.SpdDelete2, Plain(PolicyAction.None) with { Id = hole }));
        AssertCommit(guard: 2, engine: 3); // and closing it protects
        _bench.Done(_session, Spd(PfKeyType.SpdDelete, Source(), Destination(), Protect()));
        AssertCommit(guard: 1, engine: 1);
        _bench.Done(_session, Spd(PfKeyType.SpdUpdate, Source(), Destination(), Plain(PolicyAction.None, PolicyDirection.In)));
        AssertCommit(guard: 1, engine: 1);
        Assert.Contains("None", _bench.Commits[^1].Engine[0]);
        _bench.Done(_session, Spd(PfKeyType.SpdUpdate, Source(), Destination(), Protect(PolicyDirection.In)));
        Assert.Contains("None", _bench.Commits[^1].Engine[0]);
        Assert.Contains("Ipsec", _bench.Commits[^1].Guard[0]);
        _bench.Done(_session, Spd(PfKeyType.SpdFlush));
        AssertCommit(guard: 0, engine: 0);
        Assert.Equal(Words(_bench.Engine.Spd.All), _bench.Commits[^1].Guard);
    }

    [Fact]
    public void Where_the_guard_fails_nothing_is_changed_and_nobody_else_hears_of_it()
    {
        KeySession other = _bench.Server.Open(Dialect.Linux);
        _bench.Done(_session, Spd(PfKeyType.SpdAdd, Source(), Destination(), Protect()));
        _bench.Done(_session, Spd(PfKeyType.SpdAdd, Source(), Destination(), Plain(PolicyAction.None, PolicyDirection.In)));
        Take(other);
        _bench.GuardFails = "nft is away";
        foreach (PfKeyMessage request in new[]
        {
            Spd(PfKeyType.SpdAdd, Source(), Destination(), Protect(PolicyDirection.Fwd)),
            Spd(PfKeyType.SpdAdd, Source(), Destination(), Plain(PolicyAction.None, PolicyDirection.Fwd)),
            Spd(PfKeyType.SpdUpdate, Source(), Destination(), Plain(PolicyAction.None)),
            Spd(PfKeyType.SpdUpdate, Source(), Destination(), Protect(PolicyDirection.In)),
            Spd(PfKeyType.SpdDelete, Source(), Destination(), Protect()),
            Spd(PfKeyType.SpdDelete, Source(), Destination(), Protect(PolicyDirection.In)),
            Spd(PfKeyType.SpdDelete2, Plain(PolicyAction.Ipsec) with { Id = FirstId }),
            Spd(PfKeyType.SpdFlush),
        })
        {
            Assert.Contains("stay as they were: nft is away", Refused(PfKeyError.Io, request));
        }

        Assert.Empty(Take(other));
    }

    [Fact]
    public void The_embedding_program_changes_policies_by_the_same_rule()
    {
        var policy = new Policy
        {
            Direction = PolicyDirection.Out,
            Action = PolicyAction.Discard,
            Selector = new Selector(Prefix.Host(Here), Prefix.Host(There)),
        };
        Assert.Null(_bench.Server.ChangePolicies(_bench.Engine.Spd.Current.With(policy, null, _bench.Now, out Policy added), relaxes: false));
        AssertCommit(guard: 1, engine: 0);
        Assert.Same(added, Assert.Single(_bench.Engine.Spd.All));
        Assert.Single(_bench.Ask(_session, Spd(PfKeyType.SpdDump)));
    }

    private void AssertCommit(int guard, int engine) =>
        Assert.Equal((guard, engine), (_bench.Commits[^1].Guard.Length, _bench.Commits[^1].Engine.Length));

    private string Refused(PfKeyError error, PfKeyMessage request) => _bench.Refused(_session, request, error);
}
