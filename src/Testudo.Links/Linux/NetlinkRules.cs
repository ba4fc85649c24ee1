// rtnetlink: policy routing rules (RTM_NEWRULE, RTM_DELRULE, RTM_GETRULE).
//
//   fib_rule_hdr: family (1) | destination length (1) | source length (1) | tos (1) | table (1) | 0 (2) | action (1) | flags (4)

using Testudo.Wire;

namespace Testudo.Links;

/// <summary>What a rule does with what it matches; the values are the kernel's.</summary>
public enum RuleAction : byte
{
    /// <summary>Looks the destination up in a table.</summary>
    Lookup = 1,

    /// <summary>Goes on at the rule with another priority.</summary>
    GoTo = 2,

    /// <summary>Nothing: a landing place for <see cref="GoTo"/>.</summary>
    Nop = 3,
}

/// <summary>A policy routing rule.</summary>
public sealed record Rule
{
    /// <summary>IPv4 or IPv6.</summary>
    public required IpFamily Family { get; init; }

    /// <summary>Its place: lower ones are asked first.</summary>
    public required uint Priority { get; init; }

    /// <summary>What it does.</summary>
    public required RuleAction Action { get; init; }

    /// <summary>The table of <see cref="RuleAction.Lookup"/>.</summary>
    public uint Table { get; init; }

    /// <summary>The priority that <see cref="RuleAction.GoTo"/> goes to.</summary>
    public uint Target { get; init; }

    /// <summary>Matches packets that came in by this device; empty for all.</summary>
    public string InputDevice { get; init; } = "";

    /// <summary>Matches packets with this mark under <see cref="Mask"/>.</summary>
    public uint Mark { get; init; }

    /// <summary>The bits of the mark that count; 0 for no match on it.</summary>
    public uint Mask { get; init; }

    /// <summary>Who made it: a tag to find it again.</summary>
    public byte Protocol { get; init; }

    /// <inheritdoc/>
    public override string ToString() =>
        $"{(Family == IpFamily.V6 ? "-6 " : "")}pref {Priority}{(InputDevice.Length > 0 ? $" iif {InputDevice}" : "")}"
        + $"{(Mask != 0 ? $" fwmark 0x{Mark:x}/0x{Mask:x}" : "")} "
        + Action switch { RuleAction.Lookup => $"lookup {Table}", RuleAction.GoTo => $"goto {Target}", _ => "nop" }
        + (Protocol != 0 ? $" protocol {Protocol}" : "");
}

public sealed unsafe partial class Netlink
{
    private const ushort NewRule = 32, DeleteRuleMessage = 33, GetRule = 34;
    private const ushort RuleInput = 3, RuleGoTo = 4, RulePriority = 6, RuleMark = 10, RuleTable = 15, RuleMask = 16, RuleProtocol = 21;

    /// <summary>Adds a rule; false where the same one is there already.</summary>
    public bool AddRule(Rule rule)
    {
        NetlinkWriter message = Message(NewRule, Acknowledge | Create | Exclusive);
        WriteRule(message, rule);
        int errno = Try(message, out string words);
        return errno is 0 or Errno.Exists ? errno == 0 : throw Refused($"add the rule {rule}", errno, words);
    }

    /// <summary>Deletes a rule; false where there is none.</summary>
    public bool DeleteRule(Rule rule)
    {
        NetlinkWriter message = Message(DeleteRuleMessage, Acknowledge);
        WriteRule(message, rule);
        int errno = Try(message, out string words);
        return errno is 0 or Errno.NoEntry ? errno == 0 : throw Refused($"delete the rule {rule}", errno, words);
    }

    /// <summary>The rules that carry a protocol's tag, of both families, in their order.</summary>
    public IReadOnlyList<Rule> Rules(byte protocol)
    {
        var rules = new List<Rule>();
        foreach (IpFamily family in (ReadOnlySpan<IpFamily>)[IpFamily.V4, IpFamily.V6])
        {
            NetlinkWriter message = Message(GetRule, Dump);
            message.Raw((uint)Native.FamilyNumber(family));
            message.Raw(0);
            message.Raw(0);
            int errno = Try(message, out string words, (_, body) =>
            {
                if (ReadRule(body, family) is { } rule && rule.Protocol == protocol)
                {
                    rules.Add(rule);
                }
            });
            if (errno is not (0 or Errno.FamilyNotSupported or Errno.OperationNotSupported))
            {
                throw Refused("list the rules", errno, words);
            }
        }

        return rules;
    }

    /// <summary>Deletes the rules that carry a protocol's tag and are chosen; answers those.</summary>
    public IReadOnlyList<Rule> FlushRules(byte protocol, Func<Rule, bool> chosen)
    {
        Rule[] rules = [.. Rules(protocol).Where(chosen)];
        foreach (Rule rule in rules)
        {
            _ = DeleteRule(rule);
        }

        return rules;
    }

    private static void WriteRule(NetlinkWriter message, Rule rule)
    {
        message.Raw([(byte)Native.FamilyNumber(rule.Family), 0, 0, 0, 0, 0, 0, (byte)rule.Action]);
        message.Raw(0);
        message.Attribute(RulePriority, rule.Priority);
        if (rule.Action == RuleAction.Lookup)
        {
            message.Attribute(RuleTable, rule.Table);
        }

        if (rule.Action == RuleAction.GoTo)
        {
            message.Attribute(RuleGoTo, rule.Target);
        }

        if (rule.InputDevice.Length > 0)
        {
            message.Attribute(RuleInput, rule.InputDevice);
        }

        if (rule.Mask != 0)
        {
            message.Attribute(RuleMark, rule.Mark);
            message.Attribute(RuleMask, rule.Mask);
        }

        if (rule.Protocol != 0)
        {
            message.Attribute(RuleProtocol, rule.Protocol);
        }
    }

    private static Rule? ReadRule(ReadOnlySpan<byte> body, IpFamily family)
    {
        // A kernel without the family answers for all that it has.
        if (body.Length < 12 || body[0] != Native.FamilyNumber(family))
        {
            return null;
        }

        uint priority = 0, target = 0, mark = 0, mask = 0, table = body[4];
        byte protocol = 0;
        string input = "";
        var reader = new NetlinkReader(body[12..]);
        while (reader.Next())
        {
            switch (reader.Type)
            {
                case RuleInput: input = reader.Text; break;
                case RuleGoTo: target = reader.Number; break;
                case RulePriority: priority = reader.Number; break;
                case RuleMark: mark = reader.Number; break;
                case RuleMask: mask = reader.Number; break;
                case RuleTable: table = reader.Number; break;
                case RuleProtocol: protocol = (byte)reader.Number; break;
            }
        }

        var action = (RuleAction)body[7];
        return new Rule
        {
            Family = family,
            Priority = priority,
            Action = action,
            Table = action == RuleAction.Lookup ? table : 0,
            Target = target,
            InputDevice = input,
            Mark = mark,
            Mask = mask,
            Protocol = protocol,
        };
    }
}
