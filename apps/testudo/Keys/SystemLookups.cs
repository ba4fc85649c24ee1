// Names in setkey scripts, answered by this system: hosts, protocols, services, interfaces.

using System.Globalization;
using System.Net;
using System.Net.NetworkInformation;
using System.Net.Sockets;
using Testudo.Control.Setkey;
using Testudo.Wire;

namespace Testudo.App.Keys;

internal static class SystemLookups
{
    public static SetkeyLookups All { get; } = new()
    {
        Hosts = Hosts,
        Protocols = static name => (byte?)Find("/etc/protocols", words => Array.IndexOf(words, name) is not (-1 or 1) ? words[1] : null),
        Services = static (name, protocol) => (ushort?)Find("/etc/services", words => Service(words, name, protocol)),
        Interfaces = static name => NetworkInterface.GetAllNetworkInterfaces().FirstOrDefault(device => device.Name == name) is { } device
            ? (uint)device.GetIPProperties().GetIPv6Properties().Index
            : null,
    };

    private static List<Address> Hosts(string name, IpFamily family)
    {
        try
        {
            return [.. Dns.GetHostAddresses(name).Select(Address.From).Where(address => family == IpFamily.None || address.Family == family).Distinct()];
        }
        catch (SocketException)
        {
            return [];
        }
    }

    // "http  80/tcp  www": name, port and protocol, other names.
    private static string? Service(string[] words, string name, byte protocol)
    {
        string[] port = words.Length > 1 ? words[1].Split('/') : [];
        bool isOfProtocol = port.Length == 2 && (protocol == (byte)IpProtocol.Any || (port[1], protocol) is ("tcp", 6) or ("udp", 17) or ("sctp", 132));
        return isOfProtocol && Array.IndexOf(words, name) is not (-1 or 1) ? port[0] : null;
    }

    private static int? Find(string file, Func<string[], string?> number)
    {
        if (!File.Exists(file))
        {
            return null;
        }

        foreach (string line in File.ReadLines(file))
        {
            int comment = line.IndexOf('#', StringComparison.Ordinal);
            string[] words = (comment < 0 ? line : line[..comment]).Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
            if (words.Length > 1 && number(words) is { } text && ushort.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out ushort value))
            {
                return value;
            }
        }

        return null;
    }
}
