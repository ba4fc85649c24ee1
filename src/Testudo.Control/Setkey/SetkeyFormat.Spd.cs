// setkey -DP: one policy, as pfkey_spdump of ipsec-tools prints it.

using System.Globalization;
using System.Text;
using Testudo.Wire;
using Testudo.Wire.PfKey;

namespace Testudo.Control.Setkey;

public static partial class SetkeyFormat
{
    /// <summary>One policy of a dump. The last line ends with a line end.</summary>
    public static string Policy(PfKeyMessage message, SetkeyFormatOptions options)
    {
        ArgumentNullException.ThrowIfNull(message);
        ArgumentNullException.ThrowIfNull(options);
        CultureInfo c = CultureInfo.InvariantCulture;
        var text = new StringBuilder();
        AddressExtension? source = message.Find(AddressRole.Source);
        AddressExtension? destination = message.Find(AddressRole.Destination);
        if (source is not null && destination is not null)
        {
            // Type and code travel where ports do. KAME prints ports for the ICMP of IPv4, so they stay while they say "any".
            bool isTyped = source.Protocol is (byte)IpProtocol.Icmpv6 or (byte)IpProtocol.Mobility || (source.Protocol == (byte)IpProtocol.Icmp && (source.Port | destination.Port) != 0);
            string upper = options.Upper?.Invoke(source.Protocol) ?? UpperByName(source.Protocol);
            string type = isTyped && (source.Port | destination.Port) != 0 ? string.Create(c, $" {source.Port},{destination.Port}") : "";
            text.Append(c, $"{Range(source, !isTyped)} {Range(destination, !isTyped)} {upper}{type}\n");
        }
        else
        {
            text.Append("(per-socket policy) \n");
        }

        if (message.Find<PolicyExtension>() is not { } policy)
        {
            return text.Append("no X_POLICY extension.\n").ToString();
        }

        text.Append('\t').Append(PolicyText.ToText(policy, "\n\t")).Append('\n');
        if (message.Find(LifetimeRole.Current) is { } current)
        {
            text.Append(c, $"\tcreated: {Time(current.AddTime, options.Zone)}  lastused: {Time(current.UseTime, options.Zone)}\n");
        }

        if (message.Find(LifetimeRole.Hard) is { } hard)
        {
            text.Append(c, $"\tlifetime: {hard.AddTime}(s) validtime: {hard.UseTime}(s)\n");
        }

        text.Append(c, $"\tspid={policy.Id} seq={message.Sequence} pid={message.Pid}\n\trefcnt={message.Reserved}\n");
        return text.ToString();
    }

    /// <summary>All policies of a dump, or the sentence for none.</summary>
    public static string Spd(IEnumerable<PfKeyMessage> messages, SetkeyFormatOptions options)
    {
        string text = string.Concat(messages.Select(message => Policy(message, options)));
        return text.Length == 0 ? NoSpdEntries + "\n" : text;
    }

    private static string Range(AddressExtension address, bool hasPort)
    {
        CultureInfo c = CultureInfo.InvariantCulture;
        string prefix = address.PrefixLength == address.Address.Bits ? "" : string.Create(c, $"/{address.PrefixLength}");
        string port = !hasPort ? "" : address.Port == 0 ? "[any]" : string.Create(c, $"[{address.Port}]");
        return $"{Shown(address)}{prefix}{port}";
    }
}
