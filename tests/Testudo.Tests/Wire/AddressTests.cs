// Addresses and prefixes against the class library's IPAddress and IPNetwork.

using System.Net;
using CsCheck;
using Testudo.Wire;
using Xunit;

namespace Testudo.Tests.Wire;

public sealed class AddressTests
{
    private static readonly byte[] s_usual = [0, 0, 0, 1, 127, 224, 255, 0xFE, 0x80, 0xC0];

    // Any address, and often one with few bits set, or close to another one.
    private static readonly Gen<IPAddress> s_any = Gen.OneOf(
        Gen.Byte.Array[4], Gen.Byte.Array[16],
        Gen.Int[0, 9].Select(static i => s_usual[i]).Array[4],
        Gen.Int[0, 9].Select(static i => s_usual[i]).Array[16])
        .Select(static bytes => new IPAddress(bytes));

    [Fact]
    public void Every_address_goes_both_ways_as_bytes_and_as_text()
    {
        s_any.Sample(
            static expected =>
            {
                byte[] bytes = expected.GetAddressBytes();
                Address address = bytes.Length == 4 ? Address.V4(bytes) : Address.V6(bytes);
                byte[] written = new byte[bytes.Length];
                address.CopyTo(written);
                Assert.Equal(bytes, written);
                Assert.Equal((bytes.Length, 8 * bytes.Length), (address.Length, address.Bits));
                Assert.Equal(address, Address.From(expected));
                Assert.Equal(expected, address.ToIPAddress());
                Assert.Equal($"{expected}", $"{address}");
                Assert.Equal(address, Address.Parse($"{expected}"));
                Assert.Equal(address, Address.Parse($"{expected}".ToUpperInvariant()));
                Assert.Equal(Address.Parse($"{expected}").GetHashCode(), address.GetHashCode());
            },
            iter: 20_000, threads: 1);
    }

    [Fact]
    public void The_kinds_of_addresses_are_those_of_the_class_library()
    {
        s_any.Sample(
            static ip =>
            {
                Address address = Address.From(ip);
                bool v4 = address.Family == IpFamily.V4;
                Assert.Equal(IPAddress.IsLoopback(ip), address.IsLoopback);
                Assert.Equal(ip.IsIPv6LinkLocal, address.IsLinkLocal);
                Assert.Equal(ip.Equals(IPAddress.Any) || ip.Equals(IPAddress.IPv6Any), address.IsUnspecified);
                Assert.Equal(
                    v4 ? ip.GetAddressBytes()[0] is >= 224 and < 240 || ip.Equals(IPAddress.Broadcast) : ip.IsIPv6Multicast,
                    address.IsMulticastOrBroadcast);
            },
            iter: 20_000, threads: 1);
    }

    [Theory]
    [InlineData("127.255.255.254", true, false, false, false)]
    [InlineData("128.0.0.0", false, false, false, false)]
    [InlineData("126.255.255.255", false, false, false, false)]
    [InlineData("223.255.255.255", false, false, false, false)]
    [InlineData("224.0.0.0", false, true, false, false)]
    [InlineData("239.255.255.255", false, true, false, false)]
    [InlineData("240.0.0.0", false, false, false, false)]
    [InlineData("255.255.255.255", false, true, false, false)]
    [InlineData("0.0.0.0", false, false, false, true)]
    [InlineData("::1", true, false, false, false)]
    [InlineData("::", false, false, false, true)]
    [InlineData("ff00::", false, true, false, false)]
    [InlineData("feff::", false, false, false, false)]
    [InlineData("fe80::", false, false, true, false)]
    [InlineData("febf:ffff::1", false, false, true, false)]
    [InlineData("fec0::", false, false, false, false)]
    [InlineData("::ffff:127.0.0.1", false, false, false, false)]
    public void The_edges_of_each_kind(string text, bool loopback, bool multicast, bool linkLocal, bool unspecified)
    {
        Address address = Address.Parse(text);
        Assert.Equal((loopback, multicast, linkLocal, unspecified), (address.IsLoopback, address.IsMulticastOrBroadcast, address.IsLinkLocal, address.IsUnspecified));
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("1")]
    [InlineData("1.2.3")]
    [InlineData("1.2.3.4.5")]
    [InlineData("1.2.3.")]
    [InlineData(".1.2.3")]
    [InlineData("1.2.3.256")]
    [InlineData("1.2.3.4 ")]
    [InlineData(" 1.2.3.4")]
    [InlineData("1.2.3.-4")]
    [InlineData("010.0.0.1")] // octal to inet_aton: 8.0.0.1
    [InlineData("1.2.3.04")]
    [InlineData("0x7f.0.0.1")]
    [InlineData("1.2.3.4/24")]
    [InlineData("1.2.3.4:80")]
    [InlineData("١.2.3.4")] // a digit, but not an ASCII one
    [InlineData("fe80::1%eth0")]
    [InlineData("[::1]")]
    [InlineData("[::1]:80")]
    [InlineData("::1/64")]
    [InlineData("::1 ")]
    [InlineData(":")]
    [InlineData(":::")]
    [InlineData("1::2::3")]
    [InlineData("12345::")]
    [InlineData("1:2:3:4:5:6:7")]
    [InlineData("1:2:3:4:5:6:7:8:9")]
    [InlineData("::g")]
    [InlineData("::1.2.3")]
    [InlineData("::01.2.3.4")]
    [InlineData("host.example")]
    public void What_is_no_address_is_refused(string? text)
    {
        Assert.False(Address.TryParse(text, out Address address));
        Assert.Equal(default, address);
        Assert.Contains("is not an IP address", Assert.Throws<FormatException>(() => Address.Parse(text!)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void No_address_at_all_has_no_bytes()
    {
        Address none = default;
        Assert.Equal((IpFamily.None, 0, 0, "none"), (none.Family, none.Bits, none.Length, $"{none}"));
        none.CopyTo([]);
    }

    [Fact]
    public void Prefixes_contain_what_IPNetwork_says()
    {
        Gen.Select(s_any, s_any, Gen.Int[0, 128], Gen.Int[0, 128]).Sample(
            static (first, second, a, b) =>
            {
                // The second one shares the first bits of the first one.
                byte[] bytes = second.GetAddressBytes(), shared = first.GetAddressBytes();
                if (bytes.Length == shared.Length)
                {
                    shared.AsSpan(0, Math.Min(b / 8, bytes.Length)).CopyTo(bytes);
                    second = new IPAddress(bytes);
                }

                var prefix = new Prefix(Address.From(first), Math.Min(a, Address.From(first).Bits));
                Prefix masked = prefix.Masked();
                var network = new IPNetwork(masked.Address.ToIPAddress(), masked.Length); // throws where a bit is left
                Assert.Equal($"{network}", $"{masked}");
                Assert.True(prefix.Contains(prefix.Address));
                Assert.True(masked.Contains(prefix));
                Assert.True(prefix.Contains(masked));
                Assert.Equal(network.Contains(second), prefix.Contains(Address.From(second)));
                Assert.Equal(masked, Prefix.Parse($"{masked}"));
                Assert.Equal(prefix, Prefix.Parse($"{prefix}"));

                var other = new Prefix(Address.From(second), Math.Min(b, Address.From(second).Bits));
                bool inside = other.Length >= prefix.Length && network.Contains(second);
                Assert.Equal(inside, prefix.Contains(other));
                Assert.Equal(prefix.Contains(other) || other.Contains(prefix), prefix.Overlaps(other));
                Assert.Equal(prefix.Overlaps(other), other.Overlaps(prefix));
            },
            iter: 50_000, threads: 1);
    }

    [Fact]
    public void A_prefix_reaches_from_its_first_to_its_last_address()
    {
        foreach (string text in new[] { "192.168.77.5", "fd12:3456:789a:bcde:f012:3456:789a:bcde" })
        {
            Address address = Address.Parse(text);
            for (int length = 0; length <= address.Bits; length++)
            {
                var prefix = new Prefix(address, length);
                for (int bit = 0; bit < address.Bits; bit++)
                {
                    byte[] bytes = address.ToIPAddress().GetAddressBytes();
                    bytes[bit / 8] ^= (byte)(0x80 >> (bit % 8));
                    Assert.Equal(bit >= length, prefix.Contains(Address.From(new IPAddress(bytes))));
                }
            }
        }
    }

    [Fact]
    public void Prefixes_of_all_and_of_one()
    {
        Address host = Address.Parse("10.0.0.1");
        Assert.Equal("10.0.0.1/32", $"{Prefix.Host(host)}");
        Assert.Equal("::/0", $"{Prefix.All(IpFamily.V6)}");
        Assert.Equal("10.0.0.1/32", $"{Prefix.Parse("10.0.0.1")}");
        Assert.True(Prefix.All(IpFamily.V4).Contains(host));
        Assert.False(Prefix.All(IpFamily.V6).Contains(host));
        Assert.False(Prefix.All(IpFamily.V6).Overlaps(Prefix.All(IpFamily.V4)));
    }

    [Theory]
    [InlineData("")]
    [InlineData("/")]
    [InlineData("10.0.0.1/")]
    [InlineData("10.0.0.1/33")]
    [InlineData("10.0.0.1/-1")]
    [InlineData("10.0.0.1/ 8")]
    [InlineData("10.0.0.1/+8")]
    [InlineData("10.0.0.1/8/8")]
    [InlineData("10.0.0.1/99999999999")]
    [InlineData("::1/129")]
    [InlineData("10.0.0/8")]
    public void What_is_no_prefix_is_refused(string text)
    {
        Assert.False(Prefix.TryParse(text, out _));
        Assert.Contains("is not ADDRESS or ADDRESS/LENGTH", Assert.Throws<FormatException>(() => Prefix.Parse(text)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Neighbouring_addresses_spread_over_a_table()
    {
        foreach (string start in new[] { "10.0.0.0", "fd00::" })
        {
            Address first = Address.Parse(start);
            var buckets = new HashSet<int>();
            for (ulong i = 0; i < 4096; i++)
            {
                buckets.Add((first with { Low = first.Low + i }).GetHashCode() & 4095);
            }

            Assert.True(buckets.Count > 2200, $"{buckets.Count} of 4096"); // 2589 by chance
        }
    }
}
