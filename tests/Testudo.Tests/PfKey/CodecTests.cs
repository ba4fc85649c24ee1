// The codec's smaller promises: what a dialect has no word for, lone policies, the private extension's bytes, keys.

using Testudo.Wire;
using Testudo.Wire.PfKey;
using Xunit;

namespace Testudo.Tests.PfKey;

public sealed class CodecTests
{
    [Fact]
    public void What_a_dialect_has_no_word_for_is_left_out()
    {
        var responder = new AddressExtension(AddressRole.NatOriginalResponder, 0, 32, Address.Parse("192.0.2.1"));
        var replay = new ReplayExtension(4096);
        PfKeyMessage message = new(PfKeyType.Get, SaType.Esp) { Extensions = [responder, replay, new SpiRangeExtension(1, 2)] };
        Assert.Equal([new SpiRangeExtension(1, 2)], Again(Dialect.Linux, message).Extensions);
        Assert.Equal([responder, new SpiRangeExtension(1, 2)], Again(Dialect.NetBsd, message).Extensions);
        Assert.Equal(message, Again(Dialect.FreeBsd, message));
        Assert.Null(Dialect.Linux.Find(replay));
        Assert.Equal((false, true), (Dialect.Linux.HasReplayExtension, Dialect.FreeBsd.HasReplayExtension));

        // 25 is Linux's KMADDRESS and NetBSD's NAT_T_FRAG; 200 is nobody's.
        PfKeyMessage opaque = message with { Extensions = [new OpaqueExtension(200, [1, 2, 3, 4]), new OpaqueExtension(18, [.. new byte[12]])] };
        Assert.Empty(Again(Dialect.Linux, opaque).Extensions);
    }

    [Theory]
    [InlineData("Linux", 64u, 64, 64u)]
    [InlineData("Linux", 1024u, 255, 255u)]
    [InlineData("NetBSD", 64u, 8, 64u)]
    [InlineData("NetBSD", 33u, 5, 40u)]
    [InlineData("NetBSD", uint.MaxValue, 255, 2040u)]
    public void The_replay_window_is_in_the_dialect_s_unit(string name, uint packets, byte onTheWire, uint back)
    {
        Dialect dialect = name == "Linux" ? Dialect.Linux : Dialect.NetBsd;
        PfKeyMessage message = new(PfKeyType.Add, SaType.Esp) { Extensions = [new SaExtension(0x1000, packets, SaState.Mature, 5, 12, SaFlags.None)] };
        byte[] record = Codec.Write(dialect, message);
        Assert.Equal(onTheWire, record[16 + 8]);
        Assert.Equal(back, Codec.Read(dialect, record, out _)!.Find<SaExtension>()!.ReplayPackets);
    }

    [Fact]
    public void FreeBSD_s_ChaCha20_has_another_number()
    {
        PfKeyMessage message = new(PfKeyType.Add, SaType.Esp) { Extensions = [new SaExtension(0x1000, 0, SaState.Mature, 14, 28, SaFlags.None)] };
        Assert.Equal(15, Codec.Write(Dialect.FreeBsd, message)[16 + 11]);
        Assert.Equal(message, Again(Dialect.FreeBsd, message));
        Assert.Equal(28, Codec.Write(Dialect.Linux, message)[16 + 11]);
    }

    [Fact]
    public void A_reqid_beyond_BSD_s_16_bits_is_the_most_they_say()
    {
        var request = new PolicyRequest(IpProtocol.Esp, IpsecMode.Transport, PolicyLevel.Unique, 70000, null, null);
        PfKeyMessage message = new(PfKeyType.SpdAdd) { Extensions = [new PolicyExtension(PolicyAction.Ipsec, PolicyDirection.Out, 0, 0, [request])] };
        Assert.Equal(65535u, Again(Dialect.NetBsd, message).Find<PolicyExtension>()!.Requests[0].Reqid);
        Assert.Equal(70000u, Again(Dialect.Linux, message).Find<PolicyExtension>()!.Requests[0].Reqid);
    }

    // The buffers that OpenIKED gives to setsockopt(IP_IPSEC_POLICY): bypass in and out, with the wrong extension type.
    [Theory]
    [InlineData("02000c00040001000000000000000000", PolicyDirection.In)]
    [InlineData("02000c00040002000000000000000000", PolicyDirection.Out)]
    public void OpenIKED_s_mistyped_policy_is_read_and_written_back(string hex, PolicyDirection direction)
    {
        byte[] buffer = Convert.FromHexString(hex);
        Assert.True(PolicyBuffer.TryRead(Dialect.Linux, buffer, out PolicyExtension? policy, out Fault fault));
        Assert.Equal(Fault.None, fault);
        Assert.Equal((PolicyAction.Bypass, direction, true), (policy.Action, policy.Direction, policy.MistypedAsSensitivity));
        Assert.Equal(buffer, PolicyBuffer.Write(Dialect.Linux, policy));
    }

    [Theory]
    [InlineData("", 0, "the buffer has 0 bytes; a sadb_x_policy has 16 or more")]
    [InlineData("0200120004000100000000000000", 0, "the buffer has 14 bytes")]
    [InlineData("02001300040001000000000000000000", 2, "the extension type is 19; a policy's is 18 (SADB_X_EXT_POLICY)")]
    [InlineData("03001200040001000000000000000000", 0, "SADB_X_EXT_POLICY says 24 bytes; the buffer has 16")]
    [InlineData("02001200050001000000000000000000", 4, "SADB_X_EXT_POLICY at byte 0: the type is 5")]
    public void A_buffer_that_is_no_policy_is_a_fault(string hex, int offset, string sentence)
    {
        Assert.False(PolicyBuffer.TryRead(Dialect.Linux, Convert.FromHexString(hex), out PolicyExtension? policy, out Fault fault));
        Assert.Null(policy);
        Assert.Equal((offset, PfKeyError.Invalid), (fault.Offset, fault.Error));
        Assert.Contains(sentence, fault.Sentence, StringComparison.Ordinal);
    }

    // The layout that clients rely on, the same in every dialect.
    [Fact]
    public void The_private_extension_has_these_bytes()
    {
        const string Hex = "02090000 0b00 0000 00000000 00000000 09007574 01000000 0100 0300 61c3a900 0200 0400 60000000 "
            + "0300 0800 efcdab8967452301 0400 0100 01000000 0500 0400 00100000 0600 0000 0700 0800 2a00000000000000 00000000";
        var extension = new TestudoExtension { Text = "aé", IcvBits = 96, LastSequence = 0x0123456789ABCDEF, ExtendedSequence = true, ReplayPackets = 4096, MoreFollows = true, NotAscending = 42 };
        PfKeyMessage message = new(PfKeyType.Flush) { Extensions = [extension] };
        foreach (Dialect dialect in (Dialect[])[Dialect.Linux, Dialect.NetBsd, Dialect.FreeBsd, Dialect.Kame])
        {
            Assert.Equal(Hex.Replace(" ", "", StringComparison.Ordinal), Convert.ToHexStringLower(Codec.Write(dialect, message)));
            Assert.Equal(message, Again(dialect, message));
        }

        // An empty one is its header; a tag of a later version is skipped.
        Assert.Equal(24, Codec.Measure(Dialect.Linux, message with { Extensions = [new TestudoExtension()] }));
        byte[] later = Convert.FromHexString("02090000040000000000000000000000" + "0200757401000000" + "0800020041420000");
        Assert.Equal(new TestudoExtension(), Codec.Read(Dialect.Linux, later, out _)!.Find<TestudoExtension>());
    }

    [Fact]
    public void Keys_are_copied_never_printed_and_wiped()
    {
        byte[] key = [.. Enumerable.Range(1, 20).Select(static i => (byte)i)];
        PfKeyMessage message = new(PfKeyType.Add, SaType.Esp) { Extensions = [new KeyExtension(KeyRole.Auth, 160, key)] };
        byte[] record = Codec.Write(Dialect.Linux, message);
        PfKeyMessage read = Codec.Read(Dialect.Linux, record, out _)!;
        record.AsSpan().Clear();
        KeyExtension found = read.Find(KeyRole.Auth)!;
        Assert.Equal(key, found.Key);
        Assert.Equal("KeyExtension { Role = Auth, Bits = 160 }", found.ToString());
        Assert.NotEqual(found, found with { Key = new byte[20] });

        new PfKeyMessage(PfKeyType.Promisc) { Inner = read }.WipeKeys();
        Assert.All(found.Key, static b => Assert.Equal(0, b));
        Assert.NotEqual(message, read);
    }

    [Fact]
    public void A_listener_s_copy_carries_a_whole_message()
    {
        PfKeyMessage inner = new(PfKeyType.Delete, SaType.Ah) { Sequence = 7, Extensions = [new SpiRangeExtension(1, 2)] };
        PfKeyMessage copy = new(PfKeyType.Promisc) { Inner = inner };
        byte[] record = Codec.Write(Dialect.Linux, copy);
        Assert.Equal(Codec.Write(Dialect.Linux, inner), record[16..]);
        Assert.Equal(record.Length / 8, record[4]);
        Assert.Equal(copy, Again(Dialect.Linux, copy));
    }

    [Fact]
    public void What_PF_KEY_cannot_say_is_the_caller_s_mistake()
    {
        PfKeyMessage message = new(PfKeyType.Add, SaType.Esp);
        byte[] small = new byte[15];
        Assert.Contains("the buffer has 15 bytes, the message needs 16", Refused(() => Codec.Write(Dialect.Linux, message, small)), StringComparison.Ordinal);
        Assert.All(small, static b => Assert.Equal(0, b));
        Assert.Contains("must be IPv4 or IPv6", Write(new AddressExtension(AddressRole.Source, 0, 0, default)), StringComparison.Ordinal);
        Assert.Contains("has 160 bits in 3 bytes", Write(new KeyExtension(KeyRole.Auth, 160, new byte[3])), StringComparison.Ordinal);
        Assert.Contains("two endpoints of one family, or none", Write(new PolicyExtension(PolicyAction.Ipsec, PolicyDirection.Out, 0, 0,
            [new PolicyRequest(IpProtocol.Esp, IpsecMode.Tunnel, PolicyLevel.Require, 0, Address.Parse("192.0.2.1"), Address.Parse("2001:db8::1"))])),
            StringComparison.Ordinal);
        Assert.Contains("a text of 65536 bytes", Write(new TestudoExtension { Text = new string('a', 65536) }), StringComparison.Ordinal);
        Assert.Contains("more than PF_KEY's 16-bit length", Write(new IdentityExtension(IdentityRole.Source, 1, 0, [.. new byte[600_000]])),
            StringComparison.Ordinal);

        string Write(PfKeyExtension extension) => Refused(() => Codec.Write(Dialect.Linux, message with { Extensions = [extension] }));

        static string Refused(Action action) => Assert.ThrowsAny<ArgumentException>(action).Message;
    }

    [Fact]
    public void Every_error_has_a_number_in_every_dialect_and_an_unknown_number_is_Io()
    {
        foreach (Dialect dialect in (Dialect[])[Dialect.Linux, Dialect.NetBsd, Dialect.FreeBsd, Dialect.Kame])
        {
            Assert.All(Enum.GetValues<PfKeyError>(), error => Assert.Equal(error, dialect.ErrorOf(dialect.NumberOf(error))));
            Assert.Equal(PfKeyError.Io, dialect.ErrorOf(199));
        }
    }

    private static PfKeyMessage Again(Dialect dialect, PfKeyMessage message) =>
        Codec.Read(dialect, Codec.Write(dialect, message), out Fault fault) ?? throw new InvalidOperationException(fault.Sentence);
}
