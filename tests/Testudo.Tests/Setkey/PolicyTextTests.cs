// The policy language: what ipsec_set_policy(3) reads and ipsec_dump_policy(3) writes.

using CsCheck;
using Testudo.Control;
using Testudo.Wire;
using Testudo.Wire.PfKey;
using Xunit;

namespace Testudo.Tests.Setkey;

public class PolicyTextTests
{
    private static readonly Address s_a = Address.Parse("192.0.2.1");
    private static readonly Address s_b = Address.Parse("192.0.2.2");

    [Theory]
    [InlineData("in", PolicyDirection.In, PolicyAction.Discard)]
    [InlineData("out none", PolicyDirection.Out, PolicyAction.None)]
    [InlineData(" fwd\n\tdiscard ", PolicyDirection.Fwd, PolicyAction.Discard)]
    [InlineData("in bypass", PolicyDirection.In, PolicyAction.Bypass)]
    [InlineData("out entrust # sockets only", PolicyDirection.Out, PolicyAction.Entrust)]
    [Shows("rfc4301-4.4.1-6")]
    public void A_policy_without_requests_is_a_direction_and_an_action(string text, PolicyDirection direction, PolicyAction action)
    {
        PolicyTextResult result = PolicyText.Parse(text);
        Assert.Null(result.Error);
        Assert.Equal(new PolicyExtension(action, direction, 0, PolicyText.DefaultPriority, []), result.Policy);
    }

    public static TheoryData<string, PolicyRequest> Requests => new()
    {
        { "esp/transport//require", new(IpProtocol.Esp, IpsecMode.Transport, PolicyLevel.Require, 0, null, null) },
        { "ah/transport", new(IpProtocol.Ah, IpsecMode.Transport, PolicyLevel.Default, 0, null, null) },
        { "ah/transport/", new(IpProtocol.Ah, IpsecMode.Transport, PolicyLevel.Default, 0, null, null) },
        { "ipcomp/transport//use", new(IpProtocol.IpComp, IpsecMode.Transport, PolicyLevel.Use, 0, null, null) },
        { "tcp/transport//default", new(IpProtocol.Tcp, IpsecMode.Transport, PolicyLevel.Default, 0, null, null) },
        { "esp/tunnel/192.0.2.1-192.0.2.2/unique", new(IpProtocol.Esp, IpsecMode.Tunnel, PolicyLevel.Unique, 0, s_a, s_b) },
        { "esp/tunnel/192.0.2.1-192.0.2.2/unique:7", new(IpProtocol.Esp, IpsecMode.Tunnel, PolicyLevel.Unique, 7, s_a, s_b) },
        { "esp/tunnel/192.0.2.1-192.0.2.2/unique#16385", new(IpProtocol.Esp, IpsecMode.Tunnel, PolicyLevel.Unique, 16385, s_a, s_b) },
        { "esp/tunnel/192.0.2.1-192.0.2.2", new(IpProtocol.Esp, IpsecMode.Tunnel, PolicyLevel.Default, 0, s_a, s_b) },
        { "esp/tunnel/192.0.2.1-192.0.2.2/", new(IpProtocol.Esp, IpsecMode.Tunnel, PolicyLevel.Default, 0, s_a, s_b) },
        { "esp / tunnel / 192.0.2.1 - 192.0.2.2\n/ require", new(IpProtocol.Esp, IpsecMode.Tunnel, PolicyLevel.Require, 0, s_a, s_b) },
        { "esp/tunnel/192.0.2.1[any]-192.0.2.2[0]/require", new(IpProtocol.Esp, IpsecMode.Tunnel, PolicyLevel.Require, 0, s_a, s_b) },
        { "esp/transport/me-any/require", new(IpProtocol.Esp, IpsecMode.Transport, PolicyLevel.Require, 0, null, null) },
        { "ah/tunnel/2001:db8::1-2001:db8::2/require", new(IpProtocol.Ah, IpsecMode.Tunnel, PolicyLevel.Require, 0, Address.Parse("2001:db8::1"), Address.Parse("2001:db8::2")) },
        { "esp/transport/192.0.2.1-192.0.2.2/use", new(IpProtocol.Esp, IpsecMode.Transport, PolicyLevel.Use, 0, s_a, s_b) },
    };

    [Theory]
    [MemberData(nameof(Requests))]
    [Shows("ipsec4-policy-5", "ipsec4-policy-8")]
    public void A_request_is_read_in_all_its_forms(string text, PolicyRequest request)
    {
        PolicyTextResult alone = PolicyText.Parse("out ipsec " + text);
        Assert.Null(alone.Error);
        Assert.Equal([request], alone.Policy!.Requests);

        // And between others: a form that ends early must not eat its neighbour.
        PolicyTextResult bundle = PolicyText.Parse($"out ipsec {text} {text} ah/transport//use");
        Assert.Null(bundle.Error);
        Assert.Equal([request, request, new PolicyRequest(IpProtocol.Ah, IpsecMode.Transport, PolicyLevel.Use, 0, null, null)], bundle.Policy!.Requests);
    }

    // ipsec-tools' ipsec_set_policy(3): text counts upwards from 0, the kernel downwards from 2^31.
    [Theory]
    [InlineData("prio 5", 0x7ffffffbu, " prio def + 5")]
    [InlineData("priority -5", 0x80000005u, " prio def - 5")]
    [InlineData("prio 0", 0x80000000u, "")]
    [InlineData("prio def", 0x80000000u, "")]
    [InlineData("prio low", 0xC0000000u, " prio low")]
    [InlineData("prio high", 0x40000000u, " prio high")]
    [InlineData("prio high + 1", 0x3fffffffu, " prio high + 1")]
    [InlineData("prio low - 1073741823", 0xffffffffu, " prio low - 1073741823")]
    [InlineData("prio high + 1073741824", 0u, "")]
    [InlineData("prio 2147483648", 0u, "")]
    [InlineData("prio -2147483647", 0xffffffffu, " prio low - 1073741823")]
    public void A_priority_becomes_the_kernels_value_and_back(string text, uint value, string dumped)
    {
        PolicyTextResult result = PolicyText.Parse($"in {text} none");
        Assert.Null(result.Error);
        Assert.Equal(value, result.Policy!.Priority);
        Assert.Equal($"in{dumped} none", PolicyText.ToText(result.Policy));
    }

    [Fact]
    public void A_dump_joins_its_requests_by_the_delimiter()
    {
        PolicyExtension policy = PolicyText.Parse("out ipsec esp/transport ah/tunnel/192.0.2.1-192.0.2.2/unique:16383").Policy!;
        Assert.Equal("out ipsec esp/transport//default ah/tunnel/192.0.2.1-192.0.2.2/unique:16383", PolicyText.ToText(policy));
        Assert.Equal("out ipsec\n\tesp/transport//default\n\tah/tunnel/192.0.2.1-192.0.2.2/unique:16383", PolicyText.ToText(policy, "\n\t"));
    }

    [Fact]
    public void Unknown_numbers_are_printed_as_numbers()
    {
        var policy = new PolicyExtension(PolicyAction.Ipsec, (PolicyDirection)9, 0, 0, [new((IpProtocol)4, (IpsecMode)8, (PolicyLevel)7, 16384, null, null)]);
        Assert.Equal("9 ipsec 4/8//7#16384", PolicyText.ToText(policy));
        Assert.Equal("any 7", PolicyText.ToText(policy with { Direction = PolicyDirection.Any, Action = (PolicyAction)7 }));
    }

    [Fact]
    public void A_semicolon_ends_a_command_and_no_policy()
    {
        PolicyProblem error = PolicyText.Parse("out none;").Error!;
        Assert.Equal(8, error.Offset);
        Assert.DoesNotContain(";", error.Expected);
    }

    [Fact]
    [Shows("ipsec4-policy-5")]
    public void Every_policy_that_is_written_reads_back_the_same() =>
        SetkeyGenerators.Policy.Sample(policy =>
        {
            PolicyTextResult result = PolicyText.Parse(PolicyText.ToText(policy));
            return result.Error is null && policy.Equals(result.Policy);
        });

    [Fact]
    public void No_text_makes_the_reader_throw_and_every_fault_is_inside_the_text() =>
        Gen.Select(SetkeyGenerators.OneOf("in", "out", "ipsec", "none", "esp", "ah", "/", "-", ":", "#", ";", "[", "]", "tunnel", "transport", "require", "unique", "unique:", "prio", "low", "+",
            "192.0.2.1", "2001:db8::1", "fe80::1%3", "0", "99999999999999999999", " ", "\n", "\\", "$", "\"", "\u00a0", "\ud83d", "me", "any", "any-me"), Gen.Bool)
            .Array[0, 20].Sample(parts =>
            {
                string text = string.Concat(parts.Select(static p => p.Item2 ? p.Item1 + " " : p.Item1));
                PolicyTextResult result = PolicyText.Parse(text);
                return (result.Policy is null) == (result.Error is not null)
                    && (result.Error is not { } e || (e.Offset >= 0 && e.Offset <= text.Length && e.Length > 0 && e.Message.Length > 0))
                    && result.Warnings.All(w => w.Offset + w.Length <= text.Length);
            }, iter: 20_000);
}
