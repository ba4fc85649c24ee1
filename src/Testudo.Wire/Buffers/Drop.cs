// Every way a packet can end other than by going on: one closed list. Counters, status, captures and docs/drops.md are
// made from it. A new drop is a new line in the enum and one in the table; the numbers may change between versions, the
// names do not.

namespace Testudo.Wire;

/// <summary>Why a packet went no further.</summary>
public enum Drop : byte
{
    /// <summary>It lives.</summary>
    None,

    // The packet itself.
    PacketTooShort,
    UnknownIpVersion,
    BadHeaderLength,
    BadExtensionHeader,
    BadFragment,
    ReassemblyTimeout,
    ReassemblyFull,

    // Outbound.
    NoPolicy,
    PolicyDiscard,
    NoSa,
    FragmentWithoutPorts,
    TooBig,
    TooLong,
    NoRoom,
    SequenceOverflow,
    LifetimeOver,
    NeedsNoProtection,
    CryptoFailed,

    // Inbound.
    UnknownSpi,
    WrongEncapsulation,
    EspTooShort,
    BadAhLength,
    Replayed,
    TooOld,
    SequenceZero,
    BadIcv,
    BadPadding,
    DummyPacket,
    BadCompression,
    DecompressedTooLong,
    ModeMismatch,
    InnerInvalid,
    InnerSourceIsOurs,
    TunnelPolicyMissing,
    ClearButRequired,
    HistoryMismatch,
    TooManyHeaders,
    Keepalive,
    EcnCorrupted,
    IcmpNoted,
    IcmpRefused,
    IcmpMismatch,

    // The host.
    LinkFull,
    LinkRefused,
    GuardIn,
    GuardForward,
    GuardOut,
}

/// <summary>A drop in words: its name, what happened, where it is written, why it usually happens and what helps.</summary>
public sealed record DropText(Drop Drop, string Name, string Sentence, string Section, string Cause, string Remedy);

/// <summary>The texts of the closed list.</summary>
public static class Drops
{
    private static readonly DropText[] s_table = Build();

    /// <summary>How many members <see cref="Drop"/> has.</summary>
    public static int Count => s_table.Length;

    /// <summary>All texts in the order of the enum.</summary>
    public static ReadOnlySpan<DropText> Table => s_table;

    /// <summary>The text of one drop.</summary>
    public static DropText Text(Drop drop) => s_table[(int)drop];

    /// <summary>The short name of one drop: lower case with dashes, the same in counters, status, captures and documents.</summary>
    public static string Name(Drop drop) => s_table[(int)drop].Name;

    private static DropText[] Build()
    {
        Drop[] all = Enum.GetValues<Drop>();
        var table = new DropText[all.Length];
        foreach (Drop drop in all)
        {
            (string sentence, string section, string cause, string remedy) = Words(drop);
            table[(int)drop] = new DropText(drop, Dashed(drop.ToString()), sentence, section, cause, remedy);
        }

        return table;
    }

    // "BadIcv" -> "bad-icv"
    private static string Dashed(string name) =>
        string.Concat(name.Select((c, i) => char.IsUpper(c) ? (i > 0 ? "-" : "") + char.ToLowerInvariant(c) : c.ToString()));

    private static (string Sentence, string Section, string Cause, string Remedy) Words(Drop drop) => drop switch
    {
        Drop.None => ("The packet went on.", "", "", ""),
        Drop.PacketTooShort => ("The packet is shorter than an IP header.", "RFC 791 3.1, RFC 8200 3", "a damaged or forged packet", "find out who sends it"),
        Drop.UnknownIpVersion => ("The IP version is neither 4 nor 6.", "RFC 791 3.1", "the link carries something else than IP", "check the link"),
        Drop.BadHeaderLength => ("A length in the IP header does not fit the packet.", "RFC 791 3.1, RFC 8200 3", "a damaged, cut off or forged packet", "check the path's MTU; find out who sends it"),
        Drop.BadExtensionHeader => ("An IPv6 extension header does not fit the packet, or there is a second fragment header or a 17th header.", "RFC 8200 4", "a damaged or forged packet", "find out who sends it"),
        Drop.BadFragment => ("A fragment overlaps another one, is empty or lies beyond 65535 bytes.", "RFC 8200 4.5, RFC 791 3.2", "an attack, or a broken sender", "find out who sends it"),
        Drop.ReassemblyTimeout => ("The other fragments did not come in time.", "RFC 8200 4.5, RFC 791 3.2", "a fragment was lost on the way", "avoid fragments: lower the MTU or clamp the MSS"),
        Drop.ReassemblyFull => ("More fragments wait than reassembly may hold.", "RFC 8200 4.5", "a flood of fragments", "find out who sends them"),
        Drop.NoPolicy => ("No policy selects the packet and the default is to discard.", "RFC 4301 5.1", "the policy table does not cover this traffic", "add a policy, or set the default to none"),
        Drop.PolicyDiscard => ("The policy that selects the packet says discard.", "RFC 4301 4.4.1", "somebody wants it so", "change the policy if you do not"),
        Drop.NoSa => ("Policy requires protection and there is no SA for it.", "RFC 4301 5.1", "keys are not there yet, have expired, or name other addresses, mode or reqid than the policy", "add the SA, or start the key daemon; compare setkey -D with setkey -DP"),
        Drop.FragmentWithoutPorts => ("A fragment without ports might be what a policy with ports selects.", "RFC 4301 7.2", "a fragment came out of a tunnel, and the policy names ports", "name no ports, or let the peer put fragments together before the tunnel"),
        Drop.TooBig => ("The packet does not fit the path with its protection; its sender was told.", "RFC 4301 8.2", "path MTU discovery at work", "none needed; clamp the MSS to save the first packet"),
        Drop.TooLong => ("The packet with its protection is longer than 65535 bytes; its sender was told.", "RFC 791 3.1", "a datagram close to the greatest length", "send shorter datagrams"),
        Drop.NoRoom => ("The buffer has no room left for another header or trailer.", "", "more nested transforms than the headroom allows", "use fewer requests in the policy"),
        Drop.SequenceOverflow => ("The SA has sent its last sequence number.", "RFC 4303 3.3.3", "the SA was not replaced in time", "rekey earlier, or use extended sequence numbers"),
        Drop.LifetimeOver => ("The SA has reached its hard limit of bytes or packets.", "RFC 4301 4.4.2.1", "the SA was not replaced in time", "rekey at the soft limit, or set higher limits"),
        Drop.CryptoFailed => ("The crypto library failed; nothing was sent.", "RFC 4301 5.1", "the library is out of memory or broken", "choose another provider"),
        Drop.NeedsNoProtection => ("The packet needs no protection and this link carries only protected ones.", "RFC 4301 5.1", "the policy was removed while the packet was on its way here", "none needed"),
        Drop.UnknownSpi => ("No SA has this SPI, protocol and destination.", "RFC 4303 3.4.2", "the peer uses an SA that this host does not have (any more)", "add the SA, or restart the key exchange on both sides"),
        Drop.WrongEncapsulation => ("The SA wants UDP encapsulation and the packet has none, or the other way round.", "RFC 3948 2.1", "one side has NAT traversal on and the other off", "give both sides the same esp or esp-udp"),
        Drop.EspTooShort => ("The packet is too short for this SA's header, IV, trailer and ICV, or no multiple of the block.", "RFC 4303 2, 3.4.4.1", "another algorithm at the peer, or a damaged packet", "compare the algorithms of both sides"),
        Drop.BadAhLength => ("The AH header is not as long as this SA's ICV makes it, or longer than the packet.", "RFC 4302 2.2, 2.6", "another algorithm or ICV length at the peer, or a damaged packet", "compare the algorithms of both sides"),
        Drop.Replayed => ("This sequence number was received before.", "RFC 4303 3.4.3", "a packet duplicated by the network, or a replay attack", "none needed; look for the source if it grows"),
        Drop.TooOld => ("The sequence number lies before the replay window.", "RFC 4303 3.4.3", "strong reordering, or a replay attack", "use a larger window (-r)"),
        Drop.SequenceZero => ("The sequence number is 0, which is never sent.", "RFC 4303 3.3.3", "a broken or forged packet", "find out who sends it"),
        Drop.BadIcv => ("The integrity check failed.", "RFC 4303 3.4.4.1", "the keys or algorithms of the two sides differ, or the packet was changed on the way", "compare the keys of both sides"),
        Drop.BadPadding => ("The padding after decryption is not 1, 2, 3 and so on, or is longer than the packet.", "RFC 4303 2.4, 3.4.4.1", "another cipher key at a peer whose integrity key is right, or no integrity", "compare the keys of both sides"),
        Drop.DummyPacket => ("A dummy packet, sent to hide traffic; dropped as meant.", "RFC 4303 2.6", "traffic flow confidentiality at the peer", "none needed"),
        Drop.BadCompression => ("What is compressed cannot be decompressed.", "RFC 3173 2.2", "another algorithm at the peer, or a damaged or forged packet", "compare the algorithms of both sides; put esp around ipcomp"),
        Drop.DecompressedTooLong => ("What is compressed would be a packet longer than 65535 bytes.", "RFC 3173 2.2", "an attack by packets that grow without bound", "find out who sends it; put esp around ipcomp"),
        Drop.ModeMismatch => ("The SA is for the other mode than the packet was sent in.", "RFC 4301 5.2", "one side has transport mode, the other tunnel mode", "give both sides the same mode"),
        Drop.InnerInvalid => ("What was inside the tunnel packet is no valid IP packet.", "RFC 4303 3.4.4.1", "a broken peer, or another cipher key at a peer without integrity", "look at the peer; compare the keys of both sides"),
        Drop.InnerSourceIsOurs => ("The inner source is an address of this host, loopback or multicast.", "RFC 1122 3.2.1.3", "a peer that forges addresses, or a loop", "look at the peer and at the routes"),
        Drop.TunnelPolicyMissing => ("No inbound policy with these tunnel endpoints selects the inner packet.", "RFC 4301 5.2 step 4", "an in or fwd policy is missing, or a peer sends what it may not", "add the in (or fwd) policy if the traffic is wanted"),
        Drop.ClearButRequired => ("Policy requires protection and the packet had none.", "RFC 4301 5.2", "the peer has no policy for this traffic, or somebody forges packets", "compare the policies of both sides"),
        Drop.HistoryMismatch => ("The packet was protected otherwise than its policy requires.", "RFC 4301 5.2 step 4", "protocol, mode, endpoints or reqid differ from the policy's requests", "compare the requests of the policy with the SAs"),
        Drop.TooManyHeaders => ("More IPsec headers are nested than are followed.", "RFC 4301 5.2", "an attack, or a loop through a tunnel", "find out who sends it"),
        Drop.Keepalive => ("A NAT keepalive, dropped as meant.", "RFC 3948 2.3", "the peer keeps its NAT's mapping open", "none needed"),
        Drop.EcnCorrupted => ("The outer header says congestion and the inner sender does not speak ECN.", "RFC 6040 4.2", "a router marks packets that are not ECN-capable", "look at the path"),
        Drop.IcmpNoted => ("An ICMP error about a packet that was protected here: noted, dropped as meant.", "RFC 4301 6.1.1, 8.2", "a smaller link or trouble on the way to the peer", "none needed; status shows the path MTU and who said it"),
        Drop.IcmpRefused => ("An ICMP error about a protected packet that was not believed: wrong checksum, a number not sent lately, an impossible MTU, or the option says so.", "RFC 4301 6.1.1, RFC 5927 7.2", "an attempt to choke the path, or an error that came very late", "find out who sends it"),
        Drop.IcmpMismatch => ("An ICMP error that came by an SA speaks of a packet that does not belong to that SA.", "RFC 4301 6.2", "a peer that meddles with others' connections", "look at the peer; if it may send such errors, let a policy select them"),
        Drop.LinkFull => ("The link could not take the packet now.", "", "more traffic than the link carries", "none needed; TCP slows down"),
        Drop.LinkRefused => ("The system refused to send the packet.", "", "no route, a firewall, or the interface is down", "look at the route to the peer and at the firewall"),
        Drop.GuardIn => ("A clear packet for this host that policy wants protected, refused by the guard.", "RFC 4301 5.2", "the peer has no policy for this traffic, or somebody forges packets", "compare the policies of both sides"),
        Drop.GuardForward => ("A clear packet to be forwarded that policy wants protected, refused by the guard.", "RFC 4301 5.2", "the peer has no policy for this traffic, or somebody forges packets", "compare the policies of both sides"),
        Drop.GuardOut => ("A packet that policy protects was about to leave in clear, stopped by the guard.", "RFC 4301 5.1", "the socket is bound to a device, or sends to a group", "do not bind the socket, or let a policy with none select this traffic"),
        _ => throw new ArgumentOutOfRangeException(nameof(drop), drop, "this drop has no words"),
    };
}
