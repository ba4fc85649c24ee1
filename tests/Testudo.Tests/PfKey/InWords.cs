// Extensions in the words of the two golden files, so that a decoded value is compared with what another program decoded.

using System.Text;
using Testudo.Wire;
using Testudo.Wire.PfKey;

namespace Testudo.Tests.PfKey;

internal static class InWords
{
    public static string Type(PfKeyMessage message) => message.Type.ToString().ToUpperInvariant();

    /// <summary>In the words of pfkey-linux/*.json, without the names of algorithms and the note on the sockaddr's size.</summary>
    public static string Linux(PfKeyExtension extension) => extension switch
    {
        SaExtension sa => $"SA spi 0x{sa.Spi:x8} replay {sa.ReplayPackets} state {(byte)sa.State} auth {sa.Auth} encrypt {sa.Encrypt} flags 0x{(uint)sa.Flags:x}",
        Sa2Extension sa2 => $"X_SA2 mode {Lower(sa2.Mode)} seq {sa2.Sequence} reqid {sa2.Reqid}",
        LifetimeExtension life =>
            $"LIFETIME_{Upper(life.Role)} alloc {life.Allocations} bytes {life.Bytes} addtime {life.AddTime} usetime {life.UseTime}",
        AddressExtension address => $"{Role(address)} proto {address.Protocol} prefixlen {address.PrefixLength} {End(address.Address, address.Port)}",
        KeyExtension key => $"KEY_{Upper(key.Role)} {key.Bits} bits, {Convert.ToHexStringLower(key.Key)}",
        ProposalExtension proposal => $"PROPOSAL replay {proposal.Replay}, {proposal.Combinations.Length} combs",
        SupportedExtension supported => $"SUPPORTED_{Upper(supported.Role)} "
            + string.Join(", ", supported.Algorithms.Select(a => $"{a.Id}(iv {a.IvLength}, {a.MinBits}-{a.MaxBits})")),
        SpiRangeExtension range => $"SPIRANGE 0x{range.Min:x}-0x{range.Max:x}",
        PolicyExtension policy => $"X_POLICY {Lower(policy.Action)} dir {Lower(policy.Direction)} id {policy.Id} priority {policy.Priority}"
            + string.Concat(policy.Requests.Select(r => $" | request len {Length(16, r)} proto {(byte)r.Protocol} mode {Lower(r.Mode)} level {Lower(r.Level)} "
                + $"reqid {r.Reqid}{(r.Source is { } s && r.Destination is { } d ? $" {End(s, 0)} - {End(d, 0)}" : "")}")),
        NatTTypeExtension type => $"X_NAT_T_TYPE type {type.Encapsulation}",
        NatTPortExtension port => $"X_NAT_T_{(port.IsDestination ? 'D' : 'S')}PORT port {port.Port}",
        _ => extension.ToString(),
    };

    /// <summary>In the words of netbsd/pfkey.json, without the sizes.</summary>
    public static string NetBsd(PfKeyExtension extension) => extension switch
    {
        SaExtension sa => $"SA: spi={sa.Spi} replay={sa.ReplayPackets / 8} state={(byte)sa.State} auth={sa.Auth} enc={sa.Encrypt} flags=0x{(uint)sa.Flags:x}",
        Sa2Extension sa2 => $"X_SA2: mode={(byte)sa2.Mode} seq={sa2.Sequence} reqid={sa2.Reqid}",
        LifetimeExtension life =>
            $"LIFETIME_{Upper(life.Role)}: alloc={life.Allocations} bytes={life.Bytes} addtime={life.AddTime} usetime={life.UseTime}",
        AddressExtension a => $"{Role(a)}: proto={a.Protocol} plen={a.PrefixLength} {a.Address} port {a.Port}{(a.Address.Family == IpFamily.V6 ? $" scope {a.Scope}" : "")}",
        KeyExtension key => $"KEY_{Upper(key.Role)}: bits={key.Bits} {Convert.ToHexStringLower(key.Key).PadRight((key.Key.Length + 7) / 8 * 16, '0')}",
        IdentityExtension id => $"IDENTITY_{(id.Role == IdentityRole.Source ? "SRC" : "DST")}: type={id.IdentityType} id={id.Id} "
            + $"b'{Encoding.ASCII.GetString(id.Data.AsSpan()).TrimEnd('\0')}'",
        ProposalExtension proposal => $"PROPOSAL: replay={proposal.Replay} combs={proposal.Combinations.Length}",
        SupportedExtension supported => $"SUPPORTED_{Upper(supported.Role)}: "
            + string.Join(" ", supported.Algorithms.Select(a => $"id{a.Id}/iv{a.IvLength}/{a.MinBits}-{a.MaxBits}")),
        SpiRangeExtension range => $"SPIRANGE: min={range.Min} max={range.Max}",
        PolicyExtension policy => $"X_POLICY: type={(byte)policy.Action} dir={(byte)policy.Direction} flags=0x0 id={policy.Id} res2=0"
            + string.Concat(policy.Requests.Select(r => $" [len={Length(8, r)} proto={(byte)r.Protocol} mode={(byte)r.Mode} level={(byte)r.Level} "
                + $"reqid={r.Reqid}{(r.Source is { } s && r.Destination is { } d ? $" {s} port 0 {d} port 0" : "")}]")),
        NatTTypeExtension type => $"X_NAT_T_TYPE: type={type.Encapsulation}",
        NatTPortExtension port => $"X_NAT_T_{(port.IsDestination ? 'D' : 'S')}PORT: port={port.Port}",
        OpaqueExtension { ExtensionType: 25 } frag => $"X_NAT_T_FRAG: frag={BitConverter.ToUInt16(frag.Body.AsSpan())}",
        OpaqueExtension { ExtensionType: 12 } sensitivity => $"SENSITIVITY: {Convert.ToHexStringLower(sensitivity.Body.AsSpan())}",
        _ => extension.ToString(),
    };

    private static string Role(AddressExtension address) => address.Role switch
    {
        AddressRole.Source => "ADDRESS_SRC",
        AddressRole.Destination => "ADDRESS_DST",
        AddressRole.Proxy => "ADDRESS_PROXY",
        AddressRole.NatOriginalInitiator => "X_NAT_T_OAI",
        _ => "X_NAT_T_OAR",
    };

    private static int Length(int head, PolicyRequest request) =>
        head + request.Source?.Family switch { IpFamily.V4 => 32, IpFamily.V6 => 56, _ => 0 };

    private static string End(Address address, ushort port) => address.Family == IpFamily.V6 ? $"[{address}]:{port}" : $"{address}:{port}";

    private static string Upper<T>(T value)
        where T : struct, Enum => value.ToString().ToUpperInvariant();

    private static string Lower<T>(T value)
        where T : struct, Enum => value.ToString().ToLowerInvariant();
}
