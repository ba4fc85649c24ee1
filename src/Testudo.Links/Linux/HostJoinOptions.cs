// The names and numbers by which a host is joined. Everything is derived from an instance number, so that several instances
// live in one network namespace, and so that what a killed one has left is found again by its number.
//
//   instance N   device     marks (high byte)            table, last resort   rule priorities              nft table
//   0            testudo0   0x53, 0x54, 0x55             5150, 5151           5150, 5151, 5152, 33150      testudo
//   N            testudoN   0x53+4N, 0x54+4N, 0x55+4N    +10N                 +10N                         testudoN
//
// The low 24 bits of the marks are free for the numbers of policies. 0x54+4N is even and 0x55+4N follows it, so that one rule
// with the mask 0xfe000000 matches both. Rules and routes carry protocol 150 in all instances: table and priority tell
// them apart.

namespace Testudo.Links;

/// <summary>How to join the host. Made by <see cref="ForInstance"/>; change what collides with others by <c>with</c>.</summary>
public sealed record HostJoinOptions
{
    /// <summary>The greatest instance number: its marks are 0xfb, 0xfc and 0xfd.</summary>
    public const int MaxInstance = 42;

    /// <summary>The bits of a mark that are ours.</summary>
    public const uint MarkMask = 0xFF000000;

    /// <summary>The mask of the rule that matches <see cref="ToTunMark"/> and <see cref="FromTunMark"/> alike.</summary>
    public const uint RuleMask = 0xFE000000;

    private HostJoinOptions()
    {
    }

    /// <summary>The instance number, 0 to <see cref="MaxInstance"/>.</summary>
    public required int Instance { get; init; }

    /// <summary>The TUN device's name.</summary>
    public required string Device { get; init; }

    /// <summary>The TUN device's MTU in bytes. At 65535 nothing is fragmented before the stack.</summary>
    public int Mtu { get; init; } = 65535;

    /// <summary>The TCP MSS that connections through the device announce; 0 for the device's MTU less headers.</summary>
    public int AdvertisedMss { get; init; } = 1360;

    /// <summary>SO_MARK of the stack's own packets: they are never protected again.</summary>
    public required uint OwnMark { get; init; }

    /// <summary>The mark of what is to be routed into the TUN. Even in its lowest bit of the high byte.</summary>
    public required uint ToTunMark { get; init; }

    /// <summary>The mark of what comes out of the TUN: <see cref="ToTunMark"/> and one in the high byte.</summary>
    public required uint FromTunMark { get; init; }

    /// <summary>The table with the route into the TUN and the prohibiting one behind it.</summary>
    public required uint Table { get; init; }

    /// <summary>The table for protected prefixes that no other table has a route to.</summary>
    public required uint LastResortTable { get; init; }

    /// <summary>The first of three rule priorities: goto, mark, landing place.</summary>
    public required uint Priority { get; init; }

    /// <summary>The priority of the last-resort rule, behind the main table's (32766) and the default table's (32767).</summary>
    public required uint LastResortPriority { get; init; }

    /// <summary>The tag of our rules and routes (ip rule ... protocol N, ip route ... proto N).</summary>
    public byte Protocol { get; init; } = 150;

    /// <summary>The name of the nft table (family inet). Its contents are the caller's.</summary>
    public required string NftTable { get; init; }

    /// <summary>The names and numbers of an instance.</summary>
    public static HostJoinOptions ForInstance(int instance)
    {
        if (instance is < 0 or > MaxInstance)
        {
            throw new ArgumentOutOfRangeException(nameof(instance), instance, $"the instance number must be from 0 to {MaxInstance}");
        }

        uint marks = (uint)(instance * 4) << 24;
        uint numbers = (uint)instance * 10;
        return new HostJoinOptions
        {
            Instance = instance,
            Device = $"testudo{instance}",
            OwnMark = 0x53000000 + marks,
            ToTunMark = 0x54000000 + marks,
            FromTunMark = 0x55000000 + marks,
            Table = 5150 + numbers,
            LastResortTable = 5151 + numbers,
            Priority = 5150 + numbers,
            LastResortPriority = 33150 + numbers,
            NftTable = instance == 0 ? "testudo" : $"testudo{instance}",
        };
    }

    internal bool Owns(Rule rule) =>
        (rule.Priority >= Priority && rule.Priority <= Priority + 2) || rule.Priority == LastResortPriority;
}
