// AH leaves its sender no choice: what Testudo sends of a packet, under the same SA and with the same number, is byte for byte
// what two Linux and two NetBSD kernels sent of it.

using System.Buffers.Binary;
using Testudo.Crypto;
using Testudo.Legacy;
using Testudo.Engine;
using Testudo.Engine.Keys;
using Testudo.Tests.Checker;
using Testudo.Tests.Golden;
using Testudo.Wire;
using Testudo.Wire.PfKey;
using Xunit;

namespace Testudo.Tests.Engine;

public sealed class GoldenAhTests
{
    [Fact]
    [Shows("ipsec4-description-5", "rfc2402-2.3-1", "rfc2402-2.5-1", "rfc2402-2.6-1", "rfc4302-2-1")]
    public void Transport_mode_is_byte_equal_to_what_kernels_sent()
    {
        int cases = 0, packets = 0;
        foreach (GoldenCase golden in Cases("transport"))
        {
            foreach ((GoldenSa sa, byte[] wire, byte[] plain) in Packets(golden))
            {
                // A host puts a number of its own in the place of 0, so Testudo never sends it.
                if (wire[0] >> 4 == 4 && BinaryPrimitives.ReadUInt16BigEndian(wire.AsSpan(4)) == 0)
                {
                    continue;
                }

                using Host host = Sender(golden, sa, wire);
                byte[] sent = host.Out(plain).Single;
                Assert.True(wire.AsSpan().SequenceEqual(sent), $"{golden.Name}:\n{Convert.ToHexString(wire)}\n{Convert.ToHexString(sent)}");
                packets++;
            }

            cases++;
        }

        Assert.True(cases >= 30 && packets >= 180, $"{cases} cases, {packets} packets");
    }

    [Fact]
    public void Tunnel_mode_is_byte_equal_to_what_kernels_sent_but_for_fields_that_routers_change()
    {
        int cases = 0, packets = 0;
        foreach (GoldenCase golden in Cases("tunnel"))
        {
            foreach ((GoldenSa sa, byte[] wire, byte[] plain) in Packets(golden).Take(golden.Sas[0].Source.Contains(':', StringComparison.Ordinal) ? 4 : 1))
            {
                using Host host = Sender(golden, sa, wire);
                bool v4 = wire[0] >> 4 == 4;
                if (v4)
                {
                    // The identification is covered: let our counter come to it.
                    int before = BinaryPrimitives.ReadUInt16BigEndian(wire.AsSpan(4)) - 1;
                    if (before < 0)
                    {
                        continue;
                    }

                    host.Add(Make.Ah(0x7777, "198.51.100.1", "198.51.100.2", IpsecMode.Tunnel));
                    host.Add(Make.Policy(PolicyDirection.Out, "198.51.100.3", "198.51.100.4", Make.AhTunnel("198.51.100.1", "198.51.100.2")));
                    byte[] other = Build.Ipv4("198.51.100.3", "198.51.100.4").Udp(1, 2);
                    Assert.Equal(before, host.Out(Enumerable.Repeat(other, before)).Passed.Count);
                }

                byte[] sent = host.Out(plain).Single;
                byte[] expected = [.. wire];
                foreach (int at in v4 ? (int[])[1, 6, 7, 8, 10, 11] : [0, 1, 2, 3, 7])
                {
                    expected[at] = sent[at];
                }

                Assert.True(expected.AsSpan().SequenceEqual(sent), $"{golden.Name}:\n{Convert.ToHexString(expected)}\n{Convert.ToHexString(sent)}");
                packets++;
            }

            cases++;
        }

        Assert.True(cases >= 30 && packets >= 50, $"{cases} cases, {packets} packets");
    }

    // One SA a direction, AH and nothing else. NetBSD puts AH behind destination options, Testudo before those that only the
    // last destination reads: RFC 4302, 3.1.1 leaves the choice.
    private static IEnumerable<GoldenCase> Cases(string mode) =>
        GoldenCases.All.Where(g => (g.Unsupported() is null || g.KeepsTos) && g.Sas.Count == 2 && g.Sas.All(sa => sa.Protocol is "ah" or "ah-old" && sa.Mode == mode)
            && !g.Name.Contains("dstopts", StringComparison.Ordinal));

    // Whole packets and what the engine opened them to: another test knows that this is right.
    private static IEnumerable<(GoldenSa Sa, byte[] Wire, byte[] Plain)> Packets(GoldenCase golden)
    {
        using var host = new Host(LegacyProvider.Behind(Providers.Default), new EngineOptions { ChecksPolicy = false, AhClearTos = !golden.KeepsTos });
        foreach (GoldenSa sa in golden.Sas)
        {
            host.Add(GoldenTests.Parameters(sa));
        }

        GoldenCapture capture = GoldenCapture.Read(golden.Capture);
        foreach (GoldenPacket packet in golden.Packets.Where(static p => p is { Sha256: not null, Frames.Length: 1 }))
        {
            byte[] wire = GoldenTests.Ip(capture.Frames[packet.Frames[0] - 1].Bytes);
            IpInfo.TryParse(wire, out IpInfo info);
            wire = wire[..info.TotalLength];
            GoldenSa sent = golden.Sas.Single(sa => Address.Parse(sa.Destination) == info.Destination);

            // Linux leaves in the padding behind an ICV what was there: the sender's choice (RFC 4302, 3.3.3.2.1). Ours is 0.
            int ah = info.UpperOffset, icv = ah + (sent.Protocol == "ah-old" ? 8 : 12) + (sent.IcvBits / 8), end = ah + ((wire[ah + 1] + 2) * 4);
            if (!wire.AsSpan(icv..end).ContainsAnyExcept((byte)0))
            {
                yield return (sent, wire, host.In(wire).Single);
            }
        }
    }

    // With the number before this packet's, and the alignment that its sender has.
    private static Host Sender(GoldenCase golden, GoldenSa sa, byte[] wire)
    {
        IpInfo.TryParse(wire, out IpInfo info);
        uint sequence = sa.Protocol == "ah-old" ? 1 : BinaryPrimitives.ReadUInt32BigEndian(wire.AsSpan(info.UpperOffset + 8));
        // The half that is not sent is that of the counter before the first packet, or one more where the lower half wrapped.
        ulong half = !sa.Esn ? 0 : (sa.LastSequence >> 32) + (sequence <= (uint)sa.LastSequence ? 1u : 0u);
        ulong last = ((half << 32) | sequence) - 1;
        bool isAlignedTo8 = golden.Name.StartsWith("linux/", StringComparison.Ordinal) ? !sa.Align4 : sa.Protocol == "ah-old";
        var host = new Host(LegacyProvider.Behind(Providers.Default), new EngineOptions { Mtu = 65535, AhClearTos = !golden.KeepsTos });
        bool tunnel = sa.Mode == "tunnel";
        SaParameters parameters = GoldenTests.Parameters(sa);
        host.Add(parameters with
        {
            LastSequence = last,
            Flags = parameters.Flags | (isAlignedTo8 ? SaFlags.AlignTo8 : SaFlags.None),
        });
        foreach (string any in (string[])["0.0.0.0/0", "::/0"])
        {
            PolicyRequest request = tunnel ? Make.AhTunnel(sa.Source, sa.Destination) : Make.AhTransport();
            host.Add(Make.Policy(PolicyDirection.Out, any, any, request) with { Priority = 1 });
        }

        return host;
    }
}
