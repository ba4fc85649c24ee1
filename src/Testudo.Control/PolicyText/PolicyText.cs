// The policy language of ipsec_set_policy(3): the superset of KAME's, FreeBSD's and ipsec-tools' forms. This file has the
// door (text to policy, policy to text); the grammar itself is in PolicyReader.

using System.Collections.Immutable;
using System.Globalization;
using System.Text;
using Testudo.Wire.PfKey;

namespace Testudo.Control;

/// <summary>What is wrong, or doubtful, in a policy's text: where (in characters from the text's start), why, and what could stand there.</summary>
public sealed record PolicyProblem(int Offset, int Length, string Message, ImmutableArray<string> Expected);

/// <summary>A policy read from text. <see cref="Policy"/> is null exactly where <see cref="Error"/> is set.</summary>
public sealed record PolicyTextResult(PolicyExtension? Policy, PolicyProblem? Error, ImmutableArray<PolicyProblem> Warnings);

/// <summary>Reads and writes policies such as <c>out ipsec esp/tunnel/192.0.2.1-192.0.2.2/require</c>.</summary>
public static class PolicyText
{
    /// <summary>The kernel value of a policy whose text names no priority; lower values come first.</summary>
    public const uint DefaultPriority = 0x8000_0000;

    /// <summary>The highest request id that a text may give; kernels keep those above for themselves.</summary>
    public const uint MaxManualReqid = 0x3fff;

    internal const uint LowPriority = 0xC000_0000;
    internal const uint HighPriority = 0x4000_0000;

    /// <summary>
    /// Reads a whole text as a policy. Never throws: a text that does not fit is answered by the place and the remedy.
    /// A direction alone (<c>in</c>) is a policy of type discard, as spddelete wants it.
    /// </summary>
    public static PolicyTextResult Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return new PolicyReader(text, 0, endsAtSemicolon: false).Read();
    }

    /// <summary>Writes a policy as ipsec_dump_policy(3) does: direction, action and each request behind <paramref name="delimiter"/>.</summary>
    public static string ToText(PolicyExtension policy, string delimiter = " ")
    {
        ArgumentNullException.ThrowIfNull(policy);
        var text = new StringBuilder();
        text.Append(policy.Direction switch
        {
            PolicyDirection.Any => "any",
            PolicyDirection.In => "in",
            PolicyDirection.Out => "out",
            PolicyDirection.Fwd => "fwd",
            _ => Number((byte)policy.Direction),
        });
        text.Append(Priority(policy.Priority)).Append(' ').Append(policy.Action switch
        {
            PolicyAction.Discard => "discard",
            PolicyAction.None => "none",
            PolicyAction.Ipsec => "ipsec",
            PolicyAction.Entrust => "entrust",
            PolicyAction.Bypass => "bypass",
            _ => Number((byte)policy.Action),
        });
        if (policy.Action == PolicyAction.Ipsec)
        {
            foreach (PolicyRequest request in policy.Requests)
            {
                text.Append(delimiter).Append(ToText(request));
            }
        }

        return text.ToString();
    }

    /// <summary>Writes one request: protocol/mode/source-destination/level, with the request id behind ':' (manual) or '#' (the kernel's own).</summary>
    public static string ToText(PolicyRequest request)
    {
        ArgumentNullException.ThrowIfNull(request);
        string protocol = request.Protocol switch
        {
            Wire.IpProtocol.Esp => "esp",
            Wire.IpProtocol.Ah => "ah",
            Wire.IpProtocol.IpComp => "ipcomp",
            Wire.IpProtocol.Tcp => "tcp",
            _ => Number((byte)request.Protocol),
        };
        string mode = request.Mode switch
        {
            IpsecMode.Any => "any",
            IpsecMode.Transport => "transport",
            IpsecMode.Tunnel => "tunnel",
            _ => Number((byte)request.Mode),
        };
        string level = request.Level switch
        {
            PolicyLevel.Default => "default",
            PolicyLevel.Use => "use",
            PolicyLevel.Require => "require",
            PolicyLevel.Unique => "unique",
            _ => Number((byte)request.Level),
        };
        string endpoints = request.Source is null && request.Destination is null ? "" : $"{request.Source}-{request.Destination}";
        string reqid = request.Reqid == 0 ? "" : (request.Reqid > MaxManualReqid ? "#" : ":") + Number(request.Reqid);
        return $"{protocol}/{mode}/{endpoints}/{level}{reqid}";
    }

    // 0 is what kernels without priorities send, and the default is what stands when nothing is said: neither is printed.
    private static string Priority(uint value)
    {
        if (value is 0 or DefaultPriority)
        {
            return "";
        }

        // The nearest of the three words, so that the offset stays small.
        (string word, uint anchor) = value < HighPriority + ((DefaultPriority - HighPriority) / 2) ? ("high", HighPriority)
            : value < DefaultPriority + ((LowPriority - DefaultPriority) / 2) ? ("def", DefaultPriority)
            : ("low", LowPriority);
        long offset = (long)anchor - value;
        return offset == 0 ? $" prio {word}" : string.Create(CultureInfo.InvariantCulture, $" prio {word} {(offset < 0 ? '-' : '+')} {Math.Abs(offset)}");
    }

    private static string Number(uint value) => value.ToString(CultureInfo.InvariantCulture);
}
