// What a pair is asked to be: two hosts, each with an address of one family or of both, and the nets behind them for tunnel mode.

using System.Collections.Immutable;
using Testudo.Wire;

namespace Testudo.App.Pair;

/// <summary>Which traffic, between which ends: one family.</summary>
internal readonly record struct PairSide(Address Outer, Prefix Inner);

/// <summary>Two hosts. The families stand in the same order on both sides.</summary>
internal sealed record PairRequest(ImmutableArray<(PairSide A, PairSide B)> Families, bool IsTunnel, bool IsUdp)
{
    /// <summary>Reads ADDRESS or V4,V6 for each host and, for tunnel mode, NET or V4,V6 behind each.</summary>
    /// <param name="a">The one host.</param>
    /// <param name="b">The other.</param>
    /// <param name="netA">What lies behind the one, or null for transport mode.</param>
    /// <param name="netB">What lies behind the other, or null.</param>
    /// <param name="isUdp">ESP in UDP.</param>
    /// <param name="fault">What is wrong and what helps, where null is returned.</param>
    public static PairRequest? Read(string a, string b, string? netA, string? netB, bool isUdp, out string? fault)
    {
        if (!TryReadHosts(a, out List<Address> hostsA, out fault) || !TryReadHosts(b, out List<Address> hostsB, out fault))
        {
            return null;
        }

        var hosts = Match(hostsA, hostsB, static address => address.Family, $"{a} and {b}", ref fault);
        if (fault is null && hosts.Find(static pair => pair.A == pair.B) is { A.Family: not IpFamily.None } same)
        {
            fault = $"{same.A} is on both sides: the two hosts need addresses of their own";
        }

        if (fault is null && (netA is null) != (netB is null))
        {
            fault = "tunnel mode needs the nets of both hosts: write NETA and NETB, or neither";
        }

        if (fault is not null)
        {
            return null;
        }

        if (netA is null)
        {
            return new PairRequest([.. hosts.Select(static pair => (new PairSide(pair.A, Prefix.Host(pair.A)), new PairSide(pair.B, Prefix.Host(pair.B))))], false, isUdp);
        }

        if (!TryReadNets(netA, out List<Prefix> netsA, out fault) || !TryReadNets(netB!, out List<Prefix> netsB, out fault))
        {
            return null;
        }

        var nets = Match(netsA, netsB, static net => net.Address.Family, $"{netA} and {netB}", ref fault);
        if (fault is null && nets.Find(static pair => pair.A.Overlaps(pair.B)) is { A.Address.Family: not IpFamily.None } overlap)
        {
            fault = $"{overlap.A} and {overlap.B} overlap: one packet would have to go both ways";
        }

        // A net travels between ends of its own family where there are such, else between those that there are.
        return fault is not null ? null : new PairRequest(
            [.. nets.Select(net =>
            {
                (Address outerA, Address outerB) = hosts.Find(pair => pair.A.Family == net.A.Address.Family) is { A.Family: not IpFamily.None } own ? own : hosts[0];
                return (new PairSide(outerA, net.A), new PairSide(outerB, net.B));
            })],
            true,
            isUdp);
    }

    private static List<(T A, T B)> Match<T>(List<T> a, List<T> b, Func<T, IpFamily> family, string shown, ref string? fault)
    {
        if (a.Count != b.Count || a.Zip(b).Any(pair => family(pair.First) != family(pair.Second)))
        {
            fault = $"{shown} are not of the same families: write one address of the same family for both, or V4,V6 for both";
        }

        return [.. a.Zip(b)];
    }

    private static bool TryReadHosts(string text, out List<Address> addresses, out string? fault)
    {
        addresses = [];
        fault = null;
        foreach (string word in text.Split(','))
        {
            if (!Address.TryParse(word, out Address address) || address.IsUnspecified || address.IsLoopback || address.IsMulticastOrBroadcast || address.IsLinkLocal)
            {
                fault = $"'{word}' is no address of a host; write one, such as 192.0.2.1 or 2001:db8::1, or V4,V6";
                return false;
            }

            addresses.Add(address);
        }

        return Sort(addresses, static address => address.Family, text, ref fault);
    }

    private static bool TryReadNets(string text, out List<Prefix> nets, out string? fault)
    {
        nets = [];
        fault = null;
        foreach (string word in text.Split(','))
        {
            if (!Prefix.TryParse(word, out Prefix net))
            {
                fault = $"'{word}' is no net; write ADDRESS/LENGTH, such as 10.1.0.0/16 or 2001:db8:1::/48, or V4,V6";
                return false;
            }

            nets.Add(net.Masked());
        }

        return Sort(nets, static net => net.Address.Family, text, ref fault);
    }

    private static bool Sort<T>(List<T> values, Func<T, IpFamily> family, string text, ref string? fault)
    {
        if (values.Select(family).Distinct().Count() != values.Count)
        {
            fault = $"'{text}' names a family twice; write one of each: V4,V6";
            return false;
        }

        values.Sort((one, other) => family(one).CompareTo(family(other)));
        return true;
    }
}
