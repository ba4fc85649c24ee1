// The two hosts of the observations, simulated: what is set up at them, what is sent between them, and what was seen,
// told in the words of the observations.

using System.Globalization;
using System.Text.RegularExpressions;
using Testudo.Control.Sysctl;
using Testudo.Engine;
using Testudo.Simulation;
using Testudo.Wire;
using Testudo.Wire.PfKey;

namespace Testudo.Tests.Behaviours;

/// <summary>Hosts a (10.0.0.1, fd00::1) and b (10.0.0.2, fd00::2) on one link.</summary>
internal sealed partial class Pair : IDisposable
{
    private readonly Network _network = new(seed: 1);
    private int _traceFrom;
    private int _receivedFrom;
    private ushort _pings;

    /// <summary>The engines are made with the options that the observation's sysctls stand for.</summary>
    public Pair(Observation observation)
    {
        A = _network.AddHost("a", Options(observation, "a"), "10.0.0.1", "fd00::1");
        B = _network.AddHost("b", Options(observation, "b"), "10.0.0.2", "fd00::2");
        SimulatedLink link = _network.Connect(A, B);
        A.AddRoute("ff02::/16", link);
        B.AnswersPings = true;
    }

    public SimulatedHost A { get; }

    public SimulatedHost B { get; }

    public void Dispose() => _network.Dispose();

    /// <summary>Executes a line that sets something up; null where it is of another kind.</summary>
    public string? SetUp(string line)
    {
        if (Script().Match(line) is { Success: true } script)
        {
            SimulatedHost host = script.Groups[1].Value == "a" ? A : B;
            string words = script.Groups[2].Value;
            try
            {
                host.Setkey(words.Replace(" / ", "\n", StringComparison.Ordinal));
                return $"{host.Name}# {words}";
            }
            catch (ArgumentException refusal)
            {
                return $"{host.Name}# {words} → {refusal.Message}";
            }
        }

        if (Sysctl().Match(line) is { Success: true } sysctl)
        {
            (string host, string name, string value) = (sysctl.Groups[1].Value, sysctl.Groups[2].Value, sysctl.Groups[3].Value);
            return $"{host} sysctl {name}={value}{(IsTaken(host == "a" ? A : B, name, value) ? "" : " → refused")}";
        }

        return null;
    }

    /// <summary>An observed line without what is NetBSD's alone: how it words a refusal.</summary>
    public static string Normal(string line) =>
        Sysctl().Match(line) is { Success: true } sysctl && sysctl.Groups[4].Success
            ? $"{sysctl.Groups[1].Value} sysctl {sysctl.Groups[2].Value}={sysctl.Groups[3].Value} → refused"
            : Script().Match(line) is { Success: true, Groups: [_, _, _, { Success: false }] } script
                ? $"{script.Groups[1].Value}# {script.Groups[2].Value}"
                : Counters.Normal(line);

    /// <summary>What is looked at by <see cref="Seen"/> and <see cref="Delivered"/> begins here.</summary>
    public void Begin() => (_traceFrom, _receivedFrom) = (_network.Trace.Entries.Count, B.Received.Count);

    public void Settle() => _network.RunUntilQuiet();

    public void Pass(TimeSpan span) => _network.Run(span);

    /// <summary>What happened since <see cref="Begin"/>.</summary>
    public IEnumerable<TraceEntry> Trace => _network.Trace.Entries.Skip(_traceFrom);

    /// <summary>What b's programs got since <see cref="Begin"/>.</summary>
    public IEnumerable<byte[]> Delivered => B.Received.Skip(_receivedFrom).Select(static packet => packet.Bytes);

    /// <summary>The payloads of the datagrams that b got at a port.</summary>
    public IEnumerable<byte[]> At(ushort port)
    {
        foreach (byte[] packet in Delivered)
        {
            if (IpInfo.TryParse(packet, out IpInfo info) == Drop.None && info.Protocol == IpProtocol.Udp && info.DestinationPort == port)
            {
                yield return packet[(info.UpperOffset + 8)..info.TotalLength];
            }
        }
    }

    /// <summary>b gets a packet that did not pass a's IPsec.</summary>
    public void Inject(params ReadOnlySpan<byte[]> packets)
    {
        foreach (byte[] packet in packets)
        {
            A.SendPastIpsec(packet);
        }

        Settle();
    }

    public string Ping(string label, bool isV6)
    {
        Begin();
        int before = A.Received.Count;
        A.Ping(isV6 ? B.Addresses[1] : B.Addresses[0], 1, ++_pings, "12345678"u8);
        Settle();
        bool isAnswered = A.Received.Skip(before).Any(packet => isV6 ? packet.Bytes is [_, _, _, _, _, _, 58, ..] && packet.Bytes[40] == 129 : packet.Bytes[9] == 1 && packet.Bytes[20] == 0);
        return $"{label}: send ok; reply {(isAnswered ? "" : "NOT ")}received; {Seen()}";
    }

    public string Udp(string label, ushort from, ushort to, int size)
    {
        Begin();
        A.SendUdp(B.Addresses[0], from, to, new byte[size]);
        Settle();
        return $"{label}: send ok; delivered {At(to).Any()}; {Seen()}";
    }

    public string Seen() =>
        $"wire: {(WireText.Of(Trace).ToList() is { Count: > 0 } wire ? string.Join("; ", wire) : "nothing")}; counters a {Counters.Of(Trace, "a")} b {Counters.Of(Trace, "b")}";

    private static EngineOptions Options(Observation observation, string host)
    {
        // Without this an SA of ESP that authenticates nothing is refused (RFC 4303, 1).
        var options = new EngineOptions { AllowsUnauthenticated = true };
        foreach (string line in observation.Lines)
        {
            if (Sysctl().Match(line) is { Success: true } sysctl && sysctl.Groups[1].Value == host)
            {
                (string name, string value) = (sysctl.Groups[2].Value, sysctl.Groups[3].Value);
                options = name.EndsWith("_deflev", StringComparison.Ordinal) && value is "1" or "2"
                    ? options with { DefaultLevel = value == "1" ? PolicyLevel.Use : PolicyLevel.Require }
                    : options;
                _ = EngineSysctls.TryApply($"{name}={value}", ref options);
            }
        }

        return options;
    }

    // Three sysctls have other names here: def_policy is a property of the policies, the default levels are one option, and
    // every host of the simulator forwards.
    private static bool IsTaken(SimulatedHost host, string name, string value)
    {
        EngineOptions options = host.Engine.Options;
        switch (name, value)
        {
            case ("net.inet.ipsec.def_policy", "0" or "1"):
                host.Engine.Spd.DefaultAction = value == "0" ? PolicyAction.Discard : PolicyAction.None;
                return true;
            case (_, "1" or "2") when name.EndsWith("_deflev", StringComparison.Ordinal):
                return options.DefaultLevel == (value == "1" ? PolicyLevel.Use : PolicyLevel.Require);
            case ("net.inet.ip.forwarding", "1"):
                return true;
            default:
                return EngineSysctls.TryApply($"{name}={int.Parse(value, CultureInfo.InvariantCulture)}", ref options) is null;
        }
    }

    [GeneratedRegex(@"^([ab])# (.*?)(?:\s+→ (.*))?$")]
    private static partial Regex Script();

    [GeneratedRegex(@"^([ab]) sysctl ([\w.]+)=(-?\d+)(?: → (.*))?$")]
    private static partial Regex Sysctl();
}
