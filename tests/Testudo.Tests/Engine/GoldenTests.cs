// The engine opens what two Linux and two NetBSD kernels sent, and finds in it what they put in.

using System.Security.Cryptography;
using Testudo.Crypto;
using Testudo.Engine;
using Testudo.Engine.Keys;
using Testudo.Legacy;
using Testudo.Tests.Golden;
using Testudo.Wire;
using Testudo.Wire.PfKey;
using Xunit;

namespace Testudo.Tests.Engine;

public sealed class GoldenTests
{
    [Fact]
    [Shows("rfc4301-4.4.2-1", "rfc4303-1-1", "rfc4303-1-3", "rfc4303-2.3-3")]
    public void Every_packet_of_real_kernels_is_opened()
    {
        int cases = 0, packets = 0;
        foreach (GoldenCase golden in GoldenCases.All.Where(static g => g.Unsupported() is null || g.KeepsTos))
        {
            using var host = new Host(LegacyProvider.Behind(Providers.Default), new EngineOptions { ChecksPolicy = false, AllowsUnauthenticated = true, AhClearTos = !golden.KeepsTos });
            foreach (GoldenSa sa in golden.Sas)
            {
                host.Add(Parameters(sa));
            }

            GoldenCapture capture = GoldenCapture.Read(golden.Capture);
            foreach (GoldenPacket packet in golden.Packets.Where(static p => p.Sha256 is not null))
            {
                Outcome outcome = host.In(packet.Frames.Select(frame => Ip(capture.Frames[frame - 1].Bytes)));
                Assert.True(outcome.Passed.Count == 1, $"{golden.Name} frame {packet.Frames[0]}: {string.Join(' ', outcome.Drops)}");
                byte[] plain = outcome.Passed[0];
                if (packet.Plain is { } expected)
                {
                    Assert.True(expected.AsSpan().SequenceEqual(plain), $"{golden.Name} frame {packet.Frames[0]}:\n{Convert.ToHexString(expected)}\n{Convert.ToHexString(plain)}");
                }
                else
                {
                    Assert.True(packet.Sha256!.AsSpan().SequenceEqual(SHA256.HashData(plain)), $"{golden.Name} frame {packet.Frames[0]}: {Convert.ToHexString(plain)}");
                }

                packets++;
            }

            cases++;
        }

        TestContext.Current.TestOutputHelper?.WriteLine($"{cases} cases, {packets} packets");
        Assert.True(cases > 250 && packets > 3500, $"{cases} cases, {packets} packets");
    }

    internal static byte[] Ip(byte[] ethernet) => ethernet[14..];

    internal static SaParameters Parameters(GoldenSa sa) => new()
    {
        Spi = sa.Spi,
        Source = Address.Parse(sa.Source),
        Destination = Address.Parse(sa.Destination),
        Protocol = sa.Protocol switch { "esp" or "esp-old" => IpProtocol.Esp, "ipcomp" => IpProtocol.IpComp, _ => IpProtocol.Ah },
        Mode = sa.Mode == "tunnel" ? IpsecMode.Tunnel : IpsecMode.Transport,
        Compression = sa.Cipher == "deflate" ? Compression.Deflate : Compression.None,
        Cipher = sa.CipherNumber,
        Integrity = sa.IntegrityNumber,
        CipherKey = sa.CipherKey,
        IntegrityKey = sa.AuthKey,
        IcvBits = sa.IcvBits,
        ExtendedSequence = sa.Esn,
        LastSequence = sa.LastSequence,
        ReplayWindow = sa.Protocol == "ah-old" ? 0 : 64,
        Flags = (sa.Padding == "zero-pad" ? SaFlags.ZeroPad : SaFlags.None) | (sa.Protocol == "ah-old" ? SaFlags.Old : SaFlags.None),
        Encapsulation = sa.Encapsulation is { } udp ? new UdpEncapsulation(udp.SourcePort, udp.DestinationPort)
        {
            Form = udp.Type == "espinudp-nonike" ? UdpForm.NonIkeMarker : UdpForm.Rfc3948,
        }
        : null,
    };
}
