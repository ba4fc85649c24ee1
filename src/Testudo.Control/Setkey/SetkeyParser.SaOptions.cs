// The options of an SA: -m -r -u -f -lh -ls -bh -bs -natt -E -A -C -R as in every setkey, and Testudo's own -esn -seq -icv.
// They may stand in any order; setkey itself wants the algorithms last.

using Testudo.Wire;
using Testudo.Wire.PfKey;

namespace Testudo.Control.Setkey;

public sealed partial class SetkeyParser
{
    // FreeBSD's limit: a ring of 2^32 - 32 packets.
    private const uint MaxReplayBytes = (uint.MaxValue - 32) / 8;

    private static readonly string[] s_saOptions = ["-m", "-r", "-u", "-f", "-lh", "-ls", "-bh", "-bs", "-natt", "-esn", "-seq", "-icv", "-E", "-A", "-C", "-R"];

    /// <summary>An SA while it is read.</summary>
    private sealed class SaDraft
    {
        public SetkeyVerb Verb { get; init; }
        public SaProtocol Protocol { get; init; }
        public uint Spi { get; set; }
        public Token? SpiToken { get; set; }
        public IpsecMode Mode { get; set; }
        public uint ReplayPackets { get; set; }
        public uint Reqid { get; set; }
        public SaFlags Flags { get; set; } = SaFlags.CyclicSequence;
        public ulong HardSeconds { get; set; }
        public ulong SoftSeconds { get; set; }
        public ulong HardBytes { get; set; }
        public ulong SoftBytes { get; set; }
        public AlgorithmWord? Encrypt { get; set; }
        public Token EncryptToken { get; set; }
        public byte[] EncryptKey { get; set; } = [];
        public AlgorithmWord? Auth { get; set; }
        public Token AuthToken { get; set; }
        public byte[] AuthKey { get; set; } = [];
        public byte Compression { get; set; }
        public Token CompressionToken { get; set; }
        public bool NatT { get; set; }
        public Address? OriginalInitiator { get; set; }
        public Address? OriginalResponder { get; set; }
        public ushort SourcePort { get; set; }
        public ushort DestinationPort { get; set; }
        public TestudoExtension? Own { get; set; }
        public List<(string Name, Token Token)> Given { get; } = [];

        public bool IsMade => Verb is SetkeyVerb.Add or SetkeyVerb.Update;

        public SaFlags AllFlags => Flags | (Protocol.IsOld ? SaFlags.Old : SaFlags.None) | (Encrypt?.Flags ?? SaFlags.None);

        public Token? Find(string option) => Given.Find(given => given.Name == option) is { Name: not null } found ? found.Token : null;
    }

    private bool TryParseSaOptions(SaDraft sa)
    {
        while (_token.Kind != TokenKind.Semicolon)
        {
            Token option = _token;
            string name = _token.Kind == TokenKind.Option ? Word.ToString() : "";
            if (Array.IndexOf(s_saOptions, name) < 0)
            {
                return Fail(name is "-hwif" or "-natt_mtu" or "-ctx" or "-o" or "-esp_frag" ? $"{name} of other setkeys is not carried here: take it away"
                    : name == "-P" ? "-P is for policies (spdadd), not for an SA"
                    : $"{ShownToken()} is no option of an SA{Hint(s_saOptions)}", [.. s_saOptions, ";"]);
            }

            if (name != "-f" && sa.Find(name) is not null)
            {
                return Fail($"{name} is given twice", ";");
            }

            sa.Given.Add((name, option));
            Advance();
            if (!TryParseSaOption(sa, name))
            {
                return false;
            }

            if (!sa.IsMade && !(sa.Verb == SetkeyVerb.GetSpi && name is "-m" or "-u"))
            {
                Warn(option, $"{name} has no effect on this command");
            }
        }

        return true;
    }

    private bool TryParseSaOption(SaDraft sa, string name)
    {
        ulong number;
        switch (name)
        {
            case "-m":
                return TryParseMode(sa);
            case "-f":
                return TryParseFlag(sa);
            case "-r":
                if (!TryParseNumber("the replay window in bytes", MaxReplayBytes, out number))
                {
                    return false;
                }

                // Bytes of a bit map: eight packets each. sadb_sa_replay has 8 bits, for bytes or (Linux) for packets: a
                // larger window goes beside it.
                sa.ReplayPackets = (uint)number * 8;
                if (sa.ReplayPackets > byte.MaxValue)
                {
                    sa.Own = (sa.Own ?? new TestudoExtension()) with { ReplayPackets = sa.ReplayPackets };
                }

                return true;
            case "-u":
                if (!TryParseNumber("the request id", uint.MaxValue, out number))
                {
                    return false;
                }

                sa.Reqid = (uint)number;
                return true;
            case "-lh" or "-ls" or "-bh" or "-bs":
                if (!TryParseNumber(name[1] == 'l' ? "the lifetime in seconds" : "the lifetime in bytes", ulong.MaxValue, out number))
                {
                    return false;
                }

                (sa.HardSeconds, sa.SoftSeconds) = (name == "-lh" ? number : sa.HardSeconds, name == "-ls" ? number : sa.SoftSeconds);
                (sa.HardBytes, sa.SoftBytes) = (name == "-bh" ? number : sa.HardBytes, name == "-bs" ? number : sa.SoftBytes);
                return true;
            case "-esn":
                sa.Own = (sa.Own ?? new TestudoExtension()) with { ExtendedSequence = true };
                return true;
            case "-seq":
                if (!TryParseNumber("the last sequence number", ulong.MaxValue, out number))
                {
                    return false;
                }

                sa.Own = (sa.Own ?? new TestudoExtension()) with { LastSequence = number };
                return true;
            case "-icv":
                Token bits = _token;
                if (!TryParseNumber("the ICV's length in bits", 512, out number))
                {
                    return false;
                }

                sa.Own = (sa.Own ?? new TestudoExtension()) with { IcvBits = (uint)number };
                return (number % 8 == 0 && number > 0) || FailAt(bits, $"an ICV has whole bytes: its length in bits is a multiple of 8, and {number} is not");
            case "-natt":
                return TryParseNatT(sa);
            case "-R":
                sa.Flags |= SaFlags.RawCpi;
                return true;
            default:
                return TryParseAlgorithm(sa, name);
        }
    }

    private bool TryParseMode(SaDraft sa)
    {
        IpsecMode? mode = _token.Kind != TokenKind.Word ? null : Word switch { "any" => IpsecMode.Any, "transport" => IpsecMode.Transport, "tunnel" => IpsecMode.Tunnel, _ => null };
        if (mode is null)
        {
            return Fail($"{ShownToken()} is no mode{Hint(["transport", "tunnel", "any"])}", "transport", "tunnel", "any");
        }

        sa.Mode = mode.Value;
        Advance();
        return true;
    }

    private bool TryParseFlag(SaDraft sa)
    {
        string[] names = ["random-pad", "seq-pad", "zero-pad", "nocyclic-seq", "align8"];
        const SaFlags Padding = SaFlags.RandomPad | SaFlags.ZeroPad;
        switch (_token.Kind == TokenKind.Word ? Word : [])
        {
            case "random-pad": sa.Flags = (sa.Flags & ~Padding) | SaFlags.RandomPad; break;
            case "zero-pad": sa.Flags = (sa.Flags & ~Padding) | SaFlags.ZeroPad; break;
            case "seq-pad": sa.Flags &= ~Padding; break;
            case "nocyclic-seq": sa.Flags &= ~SaFlags.CyclicSequence; break;
            case "align8" when sa.Protocol.Type != SaType.Ah: return Fail("align8 is for ah: its header over IPv4 is then padded to 8 bytes, as Linux wants it");
            case "align8": sa.Flags |= SaFlags.AlignTo8; break;
            default: return Fail($"{ShownToken()} is no flag of an SA{Hint(names)}", names);
        }

        Advance();
        return true;
    }

    // FreeBSD's form: -natt oai[port] oar[port].
    private bool TryParseNatT(SaDraft sa)
    {
        var numeric = new AddressFlags(IpFamily.None, IsNumeric: true);
        (ushort from, ushort to) = (NatTPort, NatTPort);
        if (!TryParseEndpoint(numeric, "initiator's original", out Endpoint? initiator) || !TryParsePort(out Token? first)
            || (first is { } a && !TryReadPort(a, (byte)IpProtocol.Udp, out from))
            || !TryParseEndpoint(numeric, "responder's original", out Endpoint? responder) || !TryParsePort(out Token? second)
            || (second is { } b && !TryReadPort(b, (byte)IpProtocol.Udp, out to)))
        {
            return false;
        }

        sa.NatT = true;
        (sa.OriginalInitiator, sa.OriginalResponder, sa.SourcePort, sa.DestinationPort) = (initiator.Address, responder.Address, from, to);
        return true;
    }

    // What must be known of the whole command; what a server cannot compute is its own to refuse.
    private bool IsConsistent(SaDraft sa)
    {
        if (!sa.IsMade)
        {
            return true;
        }

        SaType type = sa.Protocol.Type;
        string protocol = type switch { SaType.Esp => "esp", SaType.Ah => "ah", SaType.IpComp => "ipcomp", _ => "tcp" };
        if (sa.Find("-E") is { } e && type != SaType.Esp)
        {
            return FailAt(e, $"{protocol} does not encrypt: -E is for esp");
        }

        if (sa.Find("-C") is { } c && type != SaType.IpComp)
        {
            return FailAt(c, $"{protocol} does not compress: -C is for ipcomp");
        }

        if (sa.Find("-R") is { } raw && type != SaType.IpComp)
        {
            return FailAt(raw, "-R belongs to -C of ipcomp");
        }

        if (sa.Find("-natt") is { } nat && type != SaType.Esp)
        {
            return FailAt(nat, "NAT traversal is for esp (RFC 3948)");
        }

        if (sa.Find("-A") is { } auth && type == SaType.IpComp)
        {
            return FailAt(auth, "ipcomp does not authenticate: -A is for esp and ah");
        }

        if (sa.Auth is { } a && (a.Number == SetkeyWords.TcpMd5) != (type == SaType.TcpSignature))
        {
            return FailAt(sa.AuthToken, type == SaType.TcpSignature ? "tcp authenticates with tcp-md5 only" : $"tcp-md5 is for tcp, not for {protocol}", type == SaType.TcpSignature ? ["tcp-md5"] : []);
        }

        if (sa.Protocol.IsOld && sa.Find("-r") is { } replay && sa.ReplayPackets > 0)
        {
            return FailAt(replay, "replay prevention cannot be used with ah-old and esp-old: their packets have no sequence numbers");
        }

        if (!sa.Protocol.IsOld && sa.Encrypt?.Name is "des-32iv" or "simple")
        {
            return FailAt(sa.EncryptToken, $"{sa.Encrypt!.Name} is for esp-old only", "des-cbc", "null");
        }

        string? missing = sa.Verb == SetkeyVerb.Update && sa.Encrypt is null && sa.Auth is null && sa.Compression == 0 ? null : type switch
        {
            SaType.Esp when sa.Encrypt is null => "esp needs a cipher: -E, with 'null' for none",
            SaType.Ah or SaType.TcpSignature when sa.Auth is null => $"{protocol} needs an authentication algorithm: -A",
            SaType.IpComp when sa.Compression == 0 => "ipcomp needs a compression algorithm: -C",
            _ => null,
        };
        return missing is null || Fail(missing, type switch { SaType.Esp => "-E", SaType.IpComp => "-C", _ => "-A" });
    }
}
