// setkey -D: one SA, as pfkey_sadump of ipsec-tools prints it.

using System.Globalization;
using System.Text;
using Testudo.Wire.PfKey;

namespace Testudo.Control.Setkey;

public static partial class SetkeyFormat
{
    private static readonly string[] s_saTypes = ["unspec", "1", "ah", "esp", "4", "rsvp", "ospfv2", "ripv2", "mip", "ipcomp", "10", "tcp"];

    // The names that ipsec-tools prints: not always those that it reads.
    private static string AuthName(byte number) => number switch
    {
        0 => "none",
        2 => "hmac-md5",
        3 => "hmac-sha1",
        5 => "hmac-sha256",
        6 => "hmac-sha384",
        7 => "hmac-sha512",
        8 => "hmac-ripemd160",
        9 => "aes-xcbc-mac",
        11 => "aes128-gmac",
        12 => "aes192-gmac",
        13 => "aes256-gmac",
        248 => "aes-cmac",
        249 => "md5",
        250 => "sha",
        251 => "null",
        SetkeyWords.TcpMd5 => "tcp-md5",
        _ => number.ToString(CultureInfo.InvariantCulture),
    };

    private static string EncryptName(byte number) => number switch
    {
        0 => "none",
        4 => "rc5-cbc",
        _ => SetkeyWords.Encryption.FirstOrDefault(algorithm => algorithm.Number == number)?.Name ?? number.ToString(CultureInfo.InvariantCulture),
    };

    private static string CompressionName(byte number) => number switch
    {
        0 => "none",
        _ => SetkeyWords.Compression.FirstOrDefault(c => c.Number == number).Name ?? number.ToString(CultureInfo.InvariantCulture),
    };

    /// <summary>
    /// One SA of a dump or of get, keys included: the text is as secret as they are. The last line ends with a line end.
    /// A message that lacks an extension says which.
    /// </summary>
    public static string Sa(PfKeyMessage message, SetkeyFormatOptions options)
    {
        ArgumentNullException.ThrowIfNull(message);
        ArgumentNullException.ThrowIfNull(options);
        SaExtension? sa = message.Find<SaExtension>();
        Sa2Extension? sa2 = message.Find<Sa2Extension>();
        AddressExtension? source = message.Find(AddressRole.Source);
        AddressExtension? destination = message.Find(AddressRole.Destination);
        string? missing = sa is null ? "SA" : sa2 is null ? "SA2" : source is null ? "ADDRESS_SRC" : destination is null ? "ADDRESS_DST" : null;
        if (missing is not null)
        {
            return $"no {missing} extension.\n";
        }

        // NetBSD adds the NAT-T type to every SA, 0 for none.
        byte encapsulation = message.Find<NatTTypeExtension>()?.Encapsulation ?? 0;
        bool isUdp = encapsulation != 0;
        var text = new StringBuilder();
        CultureInfo c = CultureInfo.InvariantCulture;
        text.Append(c, $"{Shown(source!)}{NatPort(message, isUdp, false, source!)} {Shown(destination!)}{NatPort(message, isUdp, true, destination!)} \n");

        string type = isUdp && message.SaType == SaType.Esp ? (encapsulation == 1 ? "esp-udp-nonike" : "esp-udp") : (int)message.SaType < s_saTypes.Length ? s_saTypes[(int)message.SaType] : ((int)message.SaType).ToString(c);
        string mode = sa2!.Mode switch { IpsecMode.Any => "any", IpsecMode.Transport => "transport", IpsecMode.Tunnel => "tunnel", _ => ((int)sa2.Mode).ToString(c) };
        text.Append(c, $"\t{type} mode={mode} spi={sa!.Spi}(0x{sa.Spi:x8}) reqid={sa2.Reqid}(0x{sa2.Reqid:x8})\n");
        if (message.Find(AddressRole.NatOriginalInitiator) is { } initiator)
        {
            text.Append(c, $"\tNAT: OAI={Shown(initiator)}{(message.Find(AddressRole.NatOriginalResponder) is { } responder ? $" OAR={Shown(responder)}" : "")}\n");
        }

        KeyExtension? encryptKey = message.Find(KeyRole.Encrypt);
        KeyExtension? authKey = message.Find(KeyRole.Auth);
        if (message.SaType == SaType.IpComp)
        {
            // No line end behind it: so it is in all of KAME's children, and a reader may count on it.
            text.Append(c, $"\tC: {CompressionName(sa.Encrypt)} ");
        }
        else if (message.SaType == SaType.Esp && (encryptKey is not null || sa.Encrypt != 0))
        {
            AppendKey(text, 'E', EncryptName(sa.Encrypt), encryptKey);
        }

        if (authKey is not null)
        {
            AppendKey(text, 'A', AuthName(sa.Auth), authKey);
        }

        TestudoExtension? own = message.Find<TestudoExtension>();
        uint packets = own?.ReplayPackets ?? sa.ReplayPackets;
        string state = sa.State switch { SaState.Larval => "larval", SaState.Mature => "mature", SaState.Dying => "dying", SaState.Dead => "dead", _ => ((int)sa.State).ToString(c) };

        // replay= is in bytes of eight packets each, as in every setkey.
        text.Append(c, $"\tseq=0x{sa2.Sequence:x8} replay={(packets / 8) + (packets % 8 != 0 ? 1u : 0)} flags=0x{(uint)sa.Flags:x8} state={state} \n");
        if (options.ShowsExtras && own is { } extras && (extras.IcvBits ?? extras.ReplayPackets ?? extras.LastSequence ?? (extras.ExtendedSequence is true ? 1ul : null)) is not null)
        {
            AppendExtras(text, extras, packets);
        }

        AppendLifetimes(text, message, options);
        text.Append(c, $"\tsadb_seq={message.Sequence} pid={message.Pid} refcnt={message.Reserved}\n");
        return text.ToString();
    }

    /// <summary>All SAs of a dump, dead ones only where they are asked for, or the sentence for none.</summary>
    public static string Sad(IEnumerable<PfKeyMessage> messages, SetkeyFormatOptions options)
    {
        string text = string.Concat(
            messages.Where(message => options.ShowsDead || message.Find<SaExtension>() is not { State: SaState.Dead }).Select(message => Sa(message, options)));
        return text.Length == 0 ? NoSadEntries + "\n" : text;
    }

    private static void AppendLifetimes(StringBuilder text, PfKeyMessage message, SetkeyFormatOptions options)
    {
        if (message.Find(LifetimeRole.Current) is not { } current)
        {
            return;
        }

        CultureInfo c = CultureInfo.InvariantCulture;
        LifetimeExtension none = new(LifetimeRole.Hard, 0, 0, 0, 0);
        LifetimeExtension hard = message.Find(LifetimeRole.Hard) ?? none;
        LifetimeExtension soft = message.Find(LifetimeRole.Soft) ?? none;

        // The clock may have been set back since.
        ulong age = current.AddTime == 0 || options.Now < current.AddTime ? 0 : options.Now - current.AddTime;
        text.Append(c, $"\tcreated: {Time(current.AddTime, options.Zone)}\tcurrent: {Time(options.Now, options.Zone)}\n");
        text.Append(c, $"\tdiff: {age}(s)\thard: {hard.AddTime}(s)\tsoft: {soft.AddTime}(s)\n");
        text.Append(c, $"\tlast: {Time(current.UseTime, options.Zone)}\thard: {hard.UseTime}(s)\tsoft: {soft.UseTime}(s)\n");
        text.Append(c, $"\tcurrent: {current.Bytes}(bytes)\thard: {hard.Bytes}(bytes)\tsoft: {soft.Bytes}(bytes)\n");
        text.Append(c, $"\tallocated: {current.Allocations}\thard: {hard.Allocations}\tsoft: {soft.Allocations}\n");
    }

    private static void AppendExtras(StringBuilder text, TestudoExtension own, uint packets)
    {
        CultureInfo c = CultureInfo.InvariantCulture;
        text.Append(c, $"\twindow: {packets}(packets)");
        if (own.IcvBits is { } icv)
        {
            text.Append(c, $"\ticv: {icv}(bits)");
        }

        if (own.ExtendedSequence is { } extended)
        {
            text.Append(extended ? "\tesn: yes" : "\tesn: no");
        }

        if (own.LastSequence is { } last)
        {
            text.Append(c, $"\tlast sequence: {last}");
        }

        if (own.NotAscending is { } notAscending)
        {
            text.Append(c, $"\tnot ascending: {notAscending}(packets)");
        }

        text.Append('\n');
    }

    // Words of four bytes, all on one line. ipsec-tools breaks the line after 32 bytes, and the 36 of aes-gcm-16 with a
    // 256-bit key then break the scripts that read them.
    private static void AppendKey(StringBuilder text, char mark, string name, KeyExtension? key)
    {
        text.Append('\t').Append(mark).Append(": ").Append(name).Append(' ');
        int length = key is null ? 0 : Math.Min(key.Key.Length, (key.Bits + 7) / 8);
        for (int i = 0; i < length; i++)
        {
            text.Append(i % 4 == 0 ? " " : "").Append(key!.Key[i].ToString("x2", CultureInfo.InvariantCulture));
        }

        text.Append('\n');
    }

    private static string NatPort(PfKeyMessage message, bool isUdp, bool isDestination, AddressExtension address)
    {
        if (!isUdp)
        {
            return "";
        }

        NatTPortExtension? port = message.Extensions.OfType<NatTPortExtension>().FirstOrDefault(p => p.IsDestination == isDestination);
        return string.Create(CultureInfo.InvariantCulture, $"[{port?.Port ?? address.Port}]");
    }
}
