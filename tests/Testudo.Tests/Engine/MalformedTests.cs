// Packets of real kernels, spoiled by plan: cut off at every byte, and every field that says a length at 0, 1 and its
// greatest value; around them and inside of them, where only who has the key can put them. Each lies against a forbidden
// page, ends by name or goes on, and costs no memory.

using System.Buffers.Binary;
using System.Net;
using System.Security.Cryptography;
using Testudo.Crypto;
using Testudo.Engine;
using Testudo.Legacy;
using Testudo.Tests.Checker;
using Testudo.Tests.Golden;
using Testudo.Wire;
using Testudo.Wire.PfKey;
using Xunit;

namespace Testudo.Tests.Engine;

[Collection(nameof(Alone))]
public sealed class MalformedTests
{
    private const string A = "10.1.0.1", B = "10.2.0.1", A6 = "fd01::1", B6 = "fd02::1";
    private static readonly Providers s_providers = LegacyProvider.Behind(Providers.Default);

    /// <summary>Every so-and-so-manieth golden packet.</summary>
    public static TheoryData<int> Steps => [new TheoryDataRow<int>(97), new TheoryDataRow<int>(1).WithTrait("Kind", "Long")];

    [Theory]
    [MemberData(nameof(Steps))]
    public void A_packet_cut_off_anywhere_ends_by_name(int step)
    {
        using var line = new Line();
        foreach ((GoldenCase golden, byte[][] packets) in Protected(step))
        {
            using Host host = Opener(golden);
            foreach (byte[] packet in packets)
            {
                for (int length = 1; length < packet.Length; length++)
                {
                    byte[] cut = packet[..length];
                    Assert.True(line.In(host, cut) != Drop.None, $"{golden.Name}: {length} bytes of {packet.Length} passed");

                    // And with a header that does not give it away.
                    if (SetLength(cut))
                    {
                        // Neither what nobody authenticates nor UDP before its ESP begins can be told from other packets.
                        bool open = golden.Sas.Any(static sa => sa.IcvBits == 0)
                            || (golden.Sas.Any(static sa => sa.Encapsulation is not null) && length < (cut[0] >> 4 == 4 ? 20 : 40) + 24);
                        Assert.True(line.In(host, cut) != Drop.None || line.IsHeld || open, $"{golden.Name}: {length} bytes of {packet.Length} passed");
                    }
                }
            }
        }

        line.Report();
    }

    [Theory]
    [MemberData(nameof(Steps))]
    public void Every_length_in_a_protected_packet_may_lie(int step)
    {
        using var line = new Line();
        foreach ((GoldenCase golden, byte[][] packets) in Protected(Math.Max(1, step / 8)))
        {
            using Host host = Opener(golden);
            foreach (byte[] packet in packets.SelectMany(static packet => Lies(packet)))
            {
                line.In(host, packet);
            }
        }

        line.Report();
    }

    [Theory]
    [MemberData(nameof(Steps))]
    public void Every_length_in_a_clear_packet_may_lie(int step)
    {
        using var line = new Line();
        using Host tunnel = Sender(Make.Tunnel(A, B), Make.AhTransport()), transport = Sender(Make.AhTransport());
        var pairs = new HashSet<(string, string)>();
        foreach (byte[] plain in Plain(Math.Max(1, step / 8)))
        {
            int at = plain[0] >> 4 == 4 ? 12 : 8, length = plain[0] >> 4 == 4 ? 4 : 16;
            (string from, string to) = (new IPAddress(plain.AsSpan(at, length)).ToString(), new IPAddress(plain.AsSpan(at + length, length)).ToString());
            if (pairs.Add((from, to)))
            {
                transport.Add(Make.Ah(0x2000 + (uint)pairs.Count, from, to));
            }

            foreach (byte[] packet in Lies(plain).Append(plain))
            {
                line.Out(tunnel, packet);
                line.Out(transport, packet);
            }
        }

        Assert.Superset(new HashSet<Drop> { Drop.None, Drop.BadHeaderLength, Drop.TooBig, Drop.NoRoom }, line.Seen);
        line.Report();

        static Host Sender(params PolicyRequest[] requests)
        {
            var host = new Host(s_providers, new EngineOptions { Mtu = 1400, ReassemblyBytes = Line.Reassembly, MssClamp = EngineOptions.MssAuto });
            host.Add(Make.Sa(0x1000, A, B, IpsecMode.Tunnel, Suite.Null));
            host.Add(Make.Ah(0x1001, A, B));
            host.Add(Make.Policy(PolicyDirection.Out, "0.0.0.0/0", "0.0.0.0/0", requests));
            host.Add(Make.Policy(PolicyDirection.Out, "::/0", "::/0", requests));
            return host;
        }
    }

    [Theory]
    [MemberData(nameof(Steps))]
    public void Every_length_in_what_is_inside_may_lie_though_its_sender_has_the_key(int step)
    {
        using var line = new Line();
        using Host host = Receiver();
        foreach (byte[] plain in Plain(Math.Max(1, step / 8)))
        {
            foreach (byte[] lie in Lies(plain).Concat(Enumerable.Range(0, 48).Select(n => plain[..Math.Min(n, plain.Length)])))
            {
                foreach (IpProtocol next in (IpProtocol[])[IpProtocol.Ipv4, IpProtocol.Ipv6])
                {
                    line.In(host, Sealed([.. lie, .. Trailer(lie.Length, null, next)]));
                }
            }

            // ESP's own: the length of its padding.
            byte[] upper = plain[(plain[0] >> 4 == 4 ? 20 : 40)..];
            foreach (byte padding in (byte[])[0, 1, 2, 254, 255])
            {
                line.In(host, Sealed([.. upper, .. Trailer(upper.Length, padding, IpProtocol.Ipv4)]));
                line.In(host, Sealed([.. upper, .. Trailer(upper.Length, padding, IpProtocol.Udp)]));
            }
        }

        Assert.Superset(new HashSet<Drop> { Drop.None, Drop.BadPadding, Drop.InnerInvalid, Drop.ModeMismatch }, line.Seen);
        line.Report();
    }

    [Theory]
    [MemberData(nameof(Steps))]
    public void Every_length_in_a_packet_that_an_ICMP_error_quotes_may_lie(int step)
    {
        using var line = new Line();
        foreach ((GoldenCase golden, byte[][] packets) in Protected(step))
        {
            using Host host = Opener(golden);
            foreach (byte[] packet in packets.Where(static packet => packet.Length > 100))
            {
                foreach (byte[] lie in Lies(packet).SelectMany(static lie => (byte[][])[lie, lie[..28], lie[..41], lie[..100]]))
                {
                    bool v4 = packet[0] >> 4 == 4;
                    foreach (uint parameter in (uint[])[0, 1, 1300, 0x00FF0000, uint.MaxValue])
                    {
                        line.In(host, v4 ? Build.Ipv4(B, A).Icmp(3, 4, parameter, lie) : Build.Ipv6(B6, A6).Icmp(2, 0, parameter, lie));
                    }
                }
            }
        }

        line.Report();
    }

    // A copy for each field and value. A small walker of its own: RFC 791, RFC 8200, RFC 4302, RFC 768, RFC 3173, RFC 4884.
    private static IEnumerable<byte[]> Lies(byte[] packet)
    {
        foreach ((int at, int width, int mask) in Fields(packet))
        {
            int greatest = width == 2 ? 0xFFFF : mask;
            int was = width == 2 ? BinaryPrimitives.ReadUInt16BigEndian(packet.AsSpan(at)) : packet[at] & mask;
            foreach (int value in (int[])[0, 1, was - 1, was + 1, greatest])
            {
                byte[] lie = [.. packet];
                if (width == 2)
                {
                    BinaryPrimitives.WriteUInt16BigEndian(lie.AsSpan(at), (ushort)value);
                }
                else
                {
                    lie[at] = (byte)((lie[at] & ~mask) | (value & mask));
                }

                yield return lie;
            }
        }
    }

    private static List<(int At, int Width, int Mask)> Fields(byte[] packet)
    {
        var fields = new List<(int At, int Width, int Mask)>();
        bool v4 = packet[0] >> 4 == 4;
        int at = v4 ? (packet[0] & 15) * 4 : 40;
        byte next = packet[v4 ? 9 : 6];
        fields.AddRange(v4 ? [(0, 1, 15), (2, 2, 0), (6, 2, 0)] : [(4, 2, 0)]);
        for (int option = 20; v4 && option + 1 < at && packet[option] != 0; option += packet[option] == 1 ? 1 : Math.Max(2, (int)packet[option + 1]))
        {
            if (packet[option] != 1)
            {
                fields.Add((option + 1, 1, 255));
            }
        }

        for (; at + 8 <= packet.Length;)
        {
            switch (next)
            {
                case 0 or 43 or 60 when !v4:
                    fields.Add((at + 1, 1, 255));
                    fields.Add((at + 3, 1, 255)); // an option's length, or the segments that are left
                    (next, at) = (packet[at], at + ((packet[at + 1] + 1) * 8));
                    continue;
                case 44 when !v4:
                    fields.Add((at + 2, 2, 0));
                    (next, at) = (packet[at], at + 8);
                    continue;
                case 51:
                    fields.Add((at + 1, 1, 255));
                    (next, at) = (packet[at], at + ((packet[at + 1] + 2) * 4));
                    continue;
                case 17:
                    fields.Add((at + 4, 2, 0));
                    break;
                case 6 when at + 14 <= packet.Length:
                    fields.Add((at + 12, 1, 0xF0));
                    break;
                case 1 or 58:
                    fields.Add((at + 4, 1, 255));
                    fields.Add((at + 5, 1, 255));
                    fields.Add((at + 6, 2, 0));
                    break;
                case 108:
                    fields.Add((at + 1, 1, 255));
                    fields.Add((at + 2, 2, 0));
                    break;
                default:
                    break;
            }

            break;
        }

        return fields;
    }

    // ESP with NULL encryption and an ICV by the class library: what Receiver takes for true.
    private uint _sequence;

    private byte[] Sealed(byte[] text)
    {
        byte[] esp = [0, 0, 0x10, 0, 0, 0, 0, 0, .. text];
        BinaryPrimitives.WriteUInt32BigEndian(esp.AsSpan(4), ++_sequence);
        return Build.Ipv4(A, B).Payload(IpProtocol.Esp, [.. esp, .. HMACSHA256.HashData(Build.Pattern(32, 0x1000 + 100), esp)[..16]]);
    }

    private static Host Receiver()
    {
        var host = new Host(s_providers, new EngineOptions { ReassemblyBytes = Line.Reassembly }, B);
        host.Add(Make.Sa(0x1000, A, B, IpsecMode.Tunnel, Suite.Null));
        host.Add(Make.Policy(PolicyDirection.In, "0.0.0.0/0", "0.0.0.0/0", Make.Tunnel(A, B)));
        host.Add(Make.Policy(PolicyDirection.In, "::/0", "::/0", Make.Tunnel(A, B)));
        return host;
    }

    private static byte[] Trailer(int length, byte? says, IpProtocol next)
    {
        int padding = -(length + 2) & 3;
        return [.. Build.Pattern(padding, 1), says ?? (byte)padding, (byte)next];
    }

    private static bool SetLength(byte[] packet)
    {
        if (packet.Length <= 20 || (packet[0] >> 4 == 6 && packet.Length < 40))
        {
            return false;
        }

        bool v4 = packet[0] >> 4 == 4;
        BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(v4 ? 2 : 4), (ushort)(packet.Length - (v4 ? 0 : 40)));
        return true;
    }

    private static IEnumerable<(GoldenCase Golden, byte[][] Packets)> Protected(int step)
    {
        int number = 0;
        foreach (GoldenCase golden in GoldenCases.All)
        {
            GoldenCapture capture = GoldenCapture.Read(golden.Capture);
            byte[][] packets = [.. golden.Packets.SelectMany(static packet => packet.Frames).Where(_ => number++ % step == 0).Select(frame => Whole(GoldenTests.Ip(capture.Frames[frame - 1].Bytes)))];
            if (packets.Length > 0)
            {
                yield return (golden, packets);
            }
        }
    }

    private static IEnumerable<byte[]> Plain(int step) =>
        GoldenCases.Linux.SelectMany(static golden => golden.Packets).Select(static packet => packet.Plain).OfType<byte[]>().Where((_, i) => i % step == 0);

    // Without the padding of Ethernet.
    private static byte[] Whole(byte[] packet) =>
        packet[..(packet[0] >> 4 == 4 ? BinaryPrimitives.ReadUInt16BigEndian(packet.AsSpan(2)) : 40 + BinaryPrimitives.ReadUInt16BigEndian(packet.AsSpan(4)))];

    private static Host Opener(GoldenCase golden)
    {
        var host = new Host(s_providers, new EngineOptions { ChecksPolicy = false, AllowsUnauthenticated = true, AhClearTos = !golden.KeepsTos, ReassemblyBytes = Line.Reassembly });
        foreach (GoldenSa sa in golden.Sas)
        {
            host.Add(GoldenTests.Parameters(sa));
        }

        return host;
    }
}
