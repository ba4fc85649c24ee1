// Each fault of form: its place, its errno, and a sentence that names the extension and what was expected.

using Testudo.Wire;
using Testudo.Wire.PfKey;
using Xunit;

namespace Testudo.Tests.PfKey;

public sealed class CodecFaultTests
{
    private const string Header = "02030003 WWWW 0000 01000000 02000000";
    private const string Source = "03000500 00200000 02000000 0a000001 0000000000000000";
    private const string Destination = "03000600 00200000 02000000 0a000002 0000000000000000";
    private const string Destination6 = "05000600 00800000 0a000000 00000000 fd000000000000000000000000000002 00000000 00000000";
    private const string Policy = "04001200 0200 02 00 00000000 00000000";

    // Linux's layouts. {WWWW} in the header becomes the length that is right.
    [Theory]
    [InlineData(0, PfKeyError.Invalid, "the record has 0 bytes; a PF_KEY message begins with a base header of 16", "")]
    [InlineData(0, PfKeyError.Invalid, "the record has 15 bytes", "02030003 0200 0000 01000000 020000")]
    [InlineData(0, PfKeyError.Invalid, "sadb_msg_version is 1; this is PF_KEY version 2", "01030003 0200 0000 01000000 02000000")]
    [InlineData(1, PfKeyError.Invalid, "sadb_msg_type is 0; Linux has the types 1 to 24", "02000003 0200 0000 01000000 02000000")]
    [InlineData(1, PfKeyError.Invalid, "sadb_msg_type is 25;", "02190003 0200 0000 01000000 02000000")]
    [InlineData(4, PfKeyError.Invalid, "sadb_msg_len is 3 words of 8 bytes (24 bytes); the record has 16 bytes", "02030003 0300 0000 01000000 02000000")]
    [InlineData(4, PfKeyError.Invalid, "the record has 19 bytes", "02030003 0200 0000 01000000 02000000 000000")]
    [InlineData(18, PfKeyError.Invalid, "extension type 0 at byte 16 is not known in Linux's dialect", Header + "0100000000000000")]
    [InlineData(18, PfKeyError.Invalid, "extension type 17 at byte 16", Header + "0100110000000000")]
    [InlineData(18, PfKeyError.Invalid, "extension type 200 at byte 16", Header + "0100c80000000000")]
    [InlineData(16, PfKeyError.Invalid, "SADB_EXT_SPIRANGE at byte 16 says 0 bytes; 16 are left in the message", Header + "00001000000000000000000000000000")]
    [InlineData(16, PfKeyError.Invalid, "SADB_EXT_SPIRANGE at byte 16 says 24 bytes; 16 are left in the message", Header + "03001000000000000000000000000000")]
    [InlineData(16, PfKeyError.Invalid, "SADB_EXT_SPIRANGE at byte 16 has 8 bytes; it has 16", Header + "0100100000000000")]
    [InlineData(16, PfKeyError.Invalid, "SADB_EXT_SA at byte 16 has 24 bytes; it has 16", Header + "030001000000100000000000000000000000000000000000")]
    [InlineData(16, PfKeyError.Invalid, "SADB_EXT_IDENTITY_SRC at byte 16 has 8 bytes; it has 16 or more", Header + "01000a0000000000")]
    [InlineData(40, PfKeyError.Invalid, "SADB_EXT_ADDRESS_SRC at byte 40 is there for the second time", Header + Source + Source)]
    [InlineData(24, PfKeyError.AddressFamilyNotSupported, "SADB_EXT_ADDRESS_SRC at byte 16: address family 3 is neither AF_INET (2) nor AF_INET6 (10) of Linux",
        Header + "03000500 00200000 03000000 0a000001 0000000000000000")]
    [InlineData(24, PfKeyError.Invalid, "16 bytes are left for a sockaddr of 28", Header + "03000500 00200000 0a000000 0a000001 0000000000000000")]
    [InlineData(24, PfKeyError.Invalid, "it has 32 bytes; 24 with a sockaddr of 16", Header + "04000500 00200000 02000000 0a000001 0000000000000000 0000000000000000")]
    [InlineData(21, PfKeyError.Invalid, "sadb_address_prefixlen is 33; it is at most 32", Header + "03000500 00210000 02000000 0a000001 0000000000000000")]
    [InlineData(40, PfKeyError.Invalid, "SADB_EXT_ADDRESS_DST at byte 40 is IPv6 and the other address IPv4", Header + Source + Destination6)]
    [InlineData(40, PfKeyError.Invalid, "SADB_EXT_ADDRESS_DST at byte 40 has protocol 6 and the other address 0",
        Header + Source + "03000600 06200000 02000000 0a000002 0000000000000000")]
    [InlineData(20, PfKeyError.Invalid, "SADB_EXT_KEY_AUTH at byte 16: sadb_key_bits is 127; keys are whole bytes", Header + "03000800 7f000000 00112233445566778899aabbccddeeff")]
    [InlineData(20, PfKeyError.Invalid, "SADB_EXT_KEY_ENCRYPT at byte 16: it has 24 bytes; 32 with a key of 192 bits", Header + "03000900 c0000000 00112233445566778899aabbccddeeff")]
    [InlineData(20, PfKeyError.Invalid, "it has 24 bytes; 16 with a key of 64 bits", Header + "03000900 40000000 00112233445566778899aabbccddeeff")]
    [InlineData(32, PfKeyError.Invalid, "SADB_EXT_IDENTITY_SRC at byte 16: it has no sockaddr", Header + "02000a00 04000000 0000000000000000")]
    [InlineData(32, PfKeyError.AddressFamilyNotSupported, "SADB_EXT_IDENTITY_DST at byte 16: address family 9", Header + "03000b00 04000000 0000000000000000 0900000000000000")]
    [InlineData(16, PfKeyError.Invalid, "SADB_EXT_PROPOSAL at byte 16: it has 16 bytes; 8 and 72 for each combination", Header + "02000d00 20000000 0000000000000000")]
    [InlineData(20, PfKeyError.Invalid, "SADB_X_EXT_POLICY at byte 16: the type is 258; it is discard 0", Header + "02001200 0201 02 00 00000000 00000000")]
    [InlineData(22, PfKeyError.Invalid, "the direction is 4; it is any 0, in 1, out 2 or fwd 3", Header + "02001200 0200 04 00 00000000 00000000")]
    [InlineData(32, PfKeyError.Invalid, "request 1 at byte 32: 8 bytes are left; a request of Linux has 16 or more", Header + "03001200 0200 02 00 00000000 00000000 0800320001020000")]
    [InlineData(32, PfKeyError.Invalid, "its length is 0 bytes and 16 are left; it is 16 without endpoints, 48 with IPv4 and 72 with IPv6 ones",
        Header + Policy + "0000 3200 01 02 0000 00000000 00000000")]
    [InlineData(32, PfKeyError.Invalid, "its length is 48 bytes and 16 are left", Header + Policy + "3000 3200 01 02 0000 00000000 00000000")]
    [InlineData(32, PfKeyError.ProtocolNotSupported, "its protocol is 306; it is esp 50, ah 51 or ipcomp 108", Header + Policy + "1000 3201 01 02 0000 00000000 00000000")]
    [InlineData(32, PfKeyError.Invalid, "its mode is 3; it is any 0, transport 1 or tunnel 2", Header + Policy + "1000 3200 03 02 0000 00000000 00000000")]
    [InlineData(32, PfKeyError.Invalid, "its level is 4; it is default 0, use 1, require 2 or unique 3", Header + Policy + "1000 3200 01 04 0000 00000000 00000000")]
    [InlineData(32, PfKeyError.AddressFamilyNotSupported, "request 1 at byte 32: destination: address family 7",
        Header + "08001200 0200 02 00 00000000 00000000 3000 3200 02 02 0000 00000000 00000000 02000000 0a000001 0000000000000000 07000000 0a000002 0000000000000000")]
    [InlineData(20, PfKeyError.Invalid, "TESTUDO_X_EXT at byte 16: its version is 2; this is version 1", Header + "0100757402000000")]
    [InlineData(24, PfKeyError.Invalid, "tag 1 says 5 bytes; 4 are left", Header + "02007574 01000000 0100 0500 41424344")]
    [InlineData(24, PfKeyError.Invalid, "tag 3 has 4 bytes; it has 8", Header + "02007574 01000000 0300 0400 41424344")]
    [InlineData(32, PfKeyError.Invalid, "tag 2 is there for the second time", Header + "03007574 01000000 0200 0400 60000000 0200 0400 60000000")]
    [InlineData(16, PfKeyError.Invalid, "may be in another, not more", "020b0000 0600 0000 00000000 00000000 020b0000 0400 0000 00000000 00000000 02090000 0200 0000 00000000 00000000")]
    [InlineData(34, PfKeyError.Invalid, "extension type 99 at byte 32", "020b0000 0500 0000 00000000 00000000 02090000 0300 0000 00000000 00000000 0100630000000000")]
    public void A_fault_has_its_place_its_errno_and_a_sentence(int offset, PfKeyError error, string sentence, string hex)
    {
        byte[] record = Record(hex);
        Assert.Null(Codec.Read(Dialect.Linux, record, out Fault fault));
        Assert.Contains(sentence, fault.Sentence, StringComparison.Ordinal);
        Assert.Equal((offset, error), (fault.Offset, fault.Error));
    }

    [Theory]
    [InlineData(22, PfKeyError.Invalid, "the direction is 3; it is any 0, in 1, out 2", "02001200 0200 03 00 00000000 00000000")]
    [InlineData(24, PfKeyError.Invalid, "sa_len is 2; a sockaddr of NetBSD begins with its length, 16 or 28", "03000500 00200000 02000000 0a000001 0000000000000000")]
    [InlineData(24, PfKeyError.Invalid, "sa_len is 20; it is 16 for address family 2", "03000500 00200000 14020000 0a000001 0000000000000000")]
    [InlineData(24, PfKeyError.AddressFamilyNotSupported, "address family 10 is neither AF_INET (2) nor AF_INET6 (24) of NetBSD", "03000500 00200000 100a0000 0a000001 0000000000000000")]
    [InlineData(32, PfKeyError.Invalid, "its length is 52 bytes and 56 are left; it is 8 without endpoints, 40 with IPv4 and 64 with IPv6 ones, both of one family",
        "09001200 0200 02 00 00000000 00000000 3400 3200 02 02 0000 10020000 0a000001 0000000000000000 1c180000 00000000 fd000000000000000000000000000002 00000000 00000000")]
    public void A_fault_in_BSD_s_layouts_likewise(int offset, PfKeyError error, string sentence, string hex)
    {
        Assert.Null(Codec.Read(Dialect.NetBsd, Record(Header + hex), out Fault fault));
        Assert.Contains(sentence, fault.Sentence, StringComparison.Ordinal);
        Assert.Equal((offset, error), (fault.Offset, fault.Error));
    }

    [Fact]
    public void No_fault_tells_a_key()
    {
        Assert.Null(Codec.Read(Dialect.Linux, Record(Header + "03000800 7f000000 00112233445566778899aabbccddeeff"), out Fault fault));
        Assert.DoesNotContain("0011", fault.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void A_record_that_cannot_be_read_is_answered_from_its_header()
    {
        Assert.True(PfKeyHeader.TryRead(Record(Header + Source + Source), out PfKeyHeader header));
        PfKeyMessage answer = header.Refuse(PfKeyError.Invalid);
        Assert.Equal("02031603020000000100000002000000", Convert.ToHexString(Codec.Write(Dialect.Linux, answer)), ignoreCase: true);
        Assert.Equal((ushort)8, header.Words);
        Assert.False(PfKeyHeader.TryRead(new byte[15], out _));
    }

    [Fact]
    public void What_is_right_is_read()
    {
        PfKeyMessage? message = Codec.Read(Dialect.Linux, Record(Header + Source + Destination), out Fault fault);
        Assert.Equal(Fault.None, fault);
        Assert.Equal(Address.Parse("10.0.0.2"), message!.Find(AddressRole.Destination)!.Address);
        Assert.Equal((1u, 2u, SaType.Esp), (message.Sequence, message.Pid, message.SaType));
    }

    // Spaces aside; WWWW becomes the length in words.
    private static byte[] Record(string hex)
    {
        hex = hex.Replace(" ", "", StringComparison.Ordinal);
        byte[] words = BitConverter.GetBytes((ushort)(hex.Length / 16));
        return Convert.FromHexString(hex.Replace("WWWW", Convert.ToHexString(words), StringComparison.Ordinal));
    }
}
