// The guard: the SPD once more, as nftables rules for the clear path of a Linux host. Outbound rules mark what must be
// protected, so that routing leads it to the TUN device; inbound rules drop what should have been protected and was not
// (RFC 4301, 5.2 step 4: a packet in clear is checked like any other). Policies in, text for "nft -f -" out.
//
//   prerouting   -390 defrag       -310 from_tun (mark)     -149 fwd_mark -> spd_out
//   input        -155 guard_in -> spd_in
//   forward      -155 guard_fwd -> spd_fwd
//   output       -151 local_out -> spd_out (type route: a new mark is routed anew)
//   postrouting   300 guard_out: what is marked to be protected leaves by the TUN device or not at all
//
// The base chains are made once. A change of policy flushes and refills the spd_ chains in one transaction: a packet sees
// the old rules or the new ones. (A verdict map deleted in the transaction that stops using it does leak.)
//
// Fragments: the expression "ct state" in the chain defrag loads the kernel's defragmentation of IPv4 and IPv6 for
// prerouting and output, before all the other chains. No fragment reaches a rule with ports, so that what Spd.Lookup does
// about fragments without ports needs no rule here.

using System.Globalization;
using System.Text;
using Testudo.Engine.Policies;
using Testudo.Wire;
using Testudo.Wire.PfKey;

namespace Testudo.Engine.Guard;

/// <summary>Scripts for <c>nft -f -</c>. Each is one transaction: it happens as a whole or not at all.</summary>
public static class GuardScript
{
    /// <summary>The drops that the guard counts, each in a named counter of its table (see <see cref="Counter"/>).</summary>
    public static ReadOnlySpan<Drop> Counted => [Drop.GuardIn, Drop.GuardForward, Drop.GuardOut, Drop.PolicyDiscard, Drop.NoPolicy];

    /// <summary>The name of a drop's counter: the drop's own with _ for -.</summary>
    public static string Counter(Drop drop) => Drops.Name(drop).Replace('-', '_');

    /// <summary>
    /// The whole table. One that is there already (of an instance that was killed) is replaced.
    /// </summary>
    /// <param name="names">What things are called.</param>
    /// <param name="policies">The policies, each direction in the order of the SPD.</param>
    /// <param name="defaultLevel">What level default means: <see cref="EngineOptions.DefaultLevel"/>.</param>
    /// <param name="defaultAction">What happens to what no policy selects: <see cref="Spd.DefaultAction"/>.</param>
    /// <exception cref="ArgumentException">A name is no name, or marks are not apart.</exception>
    public static string Install(GuardNames names, IEnumerable<Policy> policies, PolicyLevel defaultLevel, PolicyAction defaultAction = PolicyAction.None)
    {
        Validate(names);
        var text = new StringBuilder();
        text.Append(Remove(names));
        text.Append($"table inet {names.Table} {{\n");
        foreach (Drop drop in Counted)
        {
            text.Append($"  counter {Counter(drop)} {{ }}\n");
        }

        string device = $"\"{names.Device}\"";
        string mark = $"meta mark & {Hex(names.Mask)}";
        string neighbours = "icmpv6 type 133-137 ip6 hoplimit 255 accept"; // without them IPv6 hosts do not find each other
        string keep = Hex(~names.Mask);
        Chain(text, "defrag", "type filter hook prerouting priority -390", "ct state invalid accept");
        Chain(text, "from_tun", "type filter hook prerouting priority -310", $"iifname {device} meta mark set meta mark & {keep} | {Hex(names.FromTunnel)}");
        Chain(text, "spd_out", null, [.. OutboundRules(names, policies, defaultAction)]);
        Chain(text, "spd_in", null, [.. InboundRules(policies, PolicyDirection.In, Drop.GuardIn, defaultLevel, defaultAction)]);
        Chain(text, "spd_fwd", null, [.. ForwardRules(policies, defaultLevel, defaultAction)]);
        Chain(text, "local_out", "type route hook output priority -151",
            $"{mark} == {{ {Hex(names.Own)}, {Hex(names.ToTunnel)} }} accept",
            "oif lo accept",
            neighbours,
            "jump spd_out");
        Chain(text, "fwd_mark", "type filter hook prerouting priority -149",
            $"iifname {device} accept",
            "fib daddr type { local, broadcast, multicast } accept",
            "jump spd_out");
        Chain(text, "guard_in", "type filter hook input priority -155",
        [
            $"iifname {{ \"lo\", {device} }} accept",
            $"socket mark & {Hex(names.Mask)} == {Hex(names.ToTunnel)} {Dropped(Drop.GuardIn)}", // a socket with a policy of its own
            $"socket mark & {Hex(names.Mask)} == {Hex(names.Own)} accept",
            neighbours,
            "meta l4proto { esp, ah, comp } accept",
            "ip6 nexthdr 51 accept", // over IPv6 AH is passed over in looking for l4proto; no stack but ours looks behind it
            "hbh nexthdr 51 accept",
            "dst nexthdr 51 accept",
            "rt nexthdr 51 accept",
            .. ErrorRules(names.EncapsulationPorts),
            .. names.EncapsulationPorts.IsEmpty ? (string[])[] : [$"udp dport {{ {string.Join(", ", names.EncapsulationPorts)} }} accept"],
            "jump spd_in",
        ]);
        Chain(text, "guard_fwd", "type filter hook forward priority -155",
            $"iifname {device} accept",
            "jump spd_fwd",
            $"oifname {device} accept");
        Chain(text, "guard_out", "type filter hook postrouting priority 300",
            $"{mark} == {Hex(names.Own)} accept",
            $"{mark} == {Hex(names.ToTunnel)} oifname != {{ {device}, \"lo\" }} {Dropped(Drop.GuardOut)}");
        return text.Append("}\n").ToString();
    }

    /// <summary>New policies in the place of all that were there, without a moment between. Arguments as for <see cref="Install"/>.</summary>
    /// <exception cref="ArgumentException">A name is no name, or marks are not apart.</exception>
    public static string Replace(GuardNames names, IEnumerable<Policy> policies, PolicyLevel defaultLevel, PolicyAction defaultAction = PolicyAction.None)
    {
        Validate(names);
        var text = new StringBuilder();
        foreach (string chain in (ReadOnlySpan<string>)["spd_out", "spd_in", "spd_fwd"])
        {
            text.Append($"flush chain inet {names.Table} {chain}\n");
        }

        text.Append($"table inet {names.Table} {{\n");
        Chain(text, "spd_out", null, [.. OutboundRules(names, policies, defaultAction)]);
        Chain(text, "spd_in", null, [.. InboundRules(policies, PolicyDirection.In, Drop.GuardIn, defaultLevel, defaultAction)]);
        Chain(text, "spd_fwd", null, [.. ForwardRules(policies, defaultLevel, defaultAction)]);
        return text.Append("}\n").ToString();
    }

    /// <summary>Takes the table away; nothing happens where there is none.</summary>
    /// <exception cref="ArgumentException">A name is no name, or marks are not apart.</exception>
    public static string Remove(GuardNames names)
    {
        Validate(names);
        return $"table inet {names.Table} {{ }}\ndelete table inet {names.Table}\n";
    }

    // Errors about what is protected come in clear, from routers that no SA leads to; the stack judges them. They are told by
    // the protocol of the packet that they quote: behind 8 bytes of ICMP, in an IPv4 header without options, or in an IPv6
    // header with at most a fragment header.
    private static IEnumerable<string> ErrorRules(IReadOnlyCollection<ushort> ports)
    {
        string v4 = "icmp type { destination-unreachable, time-exceeded, parameter-problem } @th,136,8";
        string v6 = "icmpv6 type { destination-unreachable, packet-too-big, time-exceeded, parameter-problem } @th,112,8";
        foreach (string quoted in (string[])[v4, v6, v6 + " 44 @th,384,8"])
        {
            yield return $"{quoted} {{ 50, 51 }} accept";
        }

        if (ports.Count > 0)
        {
            string list = $"{{ {string.Join(", ", ports)} }} accept";
            yield return $"{v4} 17 @th,224,16 {list}";
            yield return $"{v6} 17 @th,384,16 {list}";
            yield return $"{v6} 44 @th,384,8 17 @th,448,16 {list}";
        }
    }

    private static IEnumerable<string> OutboundRules(GuardNames names, IEnumerable<Policy> policies, PolicyAction defaultAction)
    {
        foreach (Policy policy in policies.Where(static policy => policy.Direction == PolicyDirection.Out))
        {
            yield return Rule(policy, policy.Action switch
            {
                PolicyAction.Ipsec => $"meta mark set meta mark & {Hex(~names.Mask)} | {Hex(names.ToTunnel)} accept",
                PolicyAction.Discard => Dropped(Drop.PolicyDiscard),
                _ => "accept",
            });
        }

        if (defaultAction == PolicyAction.Discard)
        {
            yield return Dropped(Drop.NoPolicy);
        }
    }

    private static IEnumerable<string> InboundRules(IEnumerable<Policy> policies, PolicyDirection direction, Drop refused, PolicyLevel defaultLevel, PolicyAction defaultAction)
    {
        foreach (Policy policy in policies.Where(policy => policy.Direction == direction))
        {
            // As the engine's Check: what IPComp could not make shorter comes without it.
            bool isRequired = policy.Requests.Any(request => request.Protocol != IpProtocol.IpComp && IpsecEngine.IsRequired(request, defaultLevel));
            yield return Rule(policy, policy.Action switch
            {
                PolicyAction.Ipsec when isRequired => Dropped(refused),
                PolicyAction.Discard => Dropped(Drop.PolicyDiscard),
                _ => "accept",
            });
        }

        if (defaultAction == PolicyAction.Discard)
        {
            yield return Dropped(Drop.NoPolicy);
        }
    }

    // As the engine does: where there are fwd policies they alone are asked about what is forwarded.
    private static IEnumerable<string> ForwardRules(IEnumerable<Policy> policies, PolicyLevel defaultLevel, PolicyAction defaultAction) =>
        InboundRules(
            policies,
            policies.Any(static policy => policy.Direction == PolicyDirection.Fwd) ? PolicyDirection.Fwd : PolicyDirection.In,
            Drop.GuardForward,
            defaultLevel,
            defaultAction);

    private static string Rule(Policy policy, string verdict) =>
        GuardMatch.Of(policy.Selector) is { } match ? $"{match} {verdict}" : $"# policy {policy.Id} selects nothing: this protocol has no such ports";

    private static string Dropped(Drop drop) => $"counter name {Counter(drop)} drop";

    private static void Chain(StringBuilder text, string name, string? hook, params ReadOnlySpan<string> rules)
    {
        text.Append(CultureInfo.InvariantCulture, $"  chain {name} {{\n");
        if (hook is not null)
        {
            text.Append($"    {hook}; policy accept;\n");
        }

        foreach (string rule in rules)
        {
            text.Append($"    {rule}\n");
        }

        text.Append("  }\n");
    }

    private static string Hex(uint value) => $"0x{value:x8}";

    private static void Validate(GuardNames names)
    {
        if (names.Fault() is { } fault)
        {
            throw new ArgumentException(fault, nameof(names));
        }
    }
}
