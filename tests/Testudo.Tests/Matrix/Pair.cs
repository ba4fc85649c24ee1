// Two engines under one setting, and what is to be seen of each packet between them: what leaves A by the checker, which
// knows nothing of the engine; what B makes of it, of its copy and of a damaged one.

using Testudo.Crypto;
using Testudo.Engine;
using Testudo.Engine.Keys;
using Testudo.Legacy;
using Testudo.Tests.Checker;
using Testudo.Tests.Engine;
using Testudo.Wire;
using Testudo.Wire.PfKey;
using Xunit;
using EngineHost = Testudo.Tests.Engine.Host;

namespace Testudo.Tests.Matrix;

internal sealed class Pair : IDisposable
{
    private const uint FirstSpi = 0x11001000, Cpi = 0x1000;
    private const int Mtu = 1500;
    private static readonly Providers s_providers = LegacyProvider.Behind(Providers.Default);
    private readonly Setting _setting;
    private readonly Random _random;
    private readonly string _source, _destination, _from, _to;
    private readonly EngineHost _a, _b;
    private ulong _sequence;
    private uint _id = 1;

    public Pair(Setting setting, int seed)
    {
        _setting = setting;
        _random = new Random(seed);
        (_source, _destination) = setting.Inner == 4 ? ("10.1.0.1", "10.2.0.1") : ("fd01::1", "fd02::1");
        (_from, _to) = !setting.IsTunnel ? (_source, _destination) : setting.Outer == 4 ? ("192.0.2.1", "192.0.2.2") : ("2001:db8::1", "2001:db8::2");
        _sequence = setting.IsExtended ? 0xFFFFFFF0 : 0; // so that the half that is not sent changes on the way
        bool cuts = setting.Pieces == Pieces.ByTheSender;
        _a = new EngineHost(s_providers, new EngineOptions { Mtu = cuts ? Mtu : 65535, FragmentsProtected = cuts }, _source, _from);
        _b = new EngineHost(s_providers, new EngineOptions { Mtu = 65535 }, _destination, _to);
        foreach ((EngineHost host, PolicyDirection direction) in ((EngineHost, PolicyDirection)[])[(_a, PolicyDirection.Out), (_b, PolicyDirection.In)])
        {
            var requests = new List<PolicyRequest>();
            for (int i = 0; i < setting.Protocols.Length; i++)
            {
                host.Add(Sa(i));
                requests.Add((i == setting.Tunnel ? Make.Tunnel(_from, _to) : Make.Transport()) with { Protocol = setting.Protocols[i] });
            }

            host.Add(Make.Policy(direction, _source, _destination, [.. requests]));
        }
    }

    private bool IsAuthenticated => _setting.Shape != Shape.IpComp;

    private IpProtocol Outermost => _setting.Udp is not null ? IpProtocol.Udp : _setting.Protocols[^1];

    // The drafts went through IKE's own port.
    private int Port => _setting.Udp == UdpForm.NonIkeMarker ? 500 : 4500;

    public void Dispose()
    {
        _a.Dispose();
        _b.Dispose();
    }

    /// <summary>A payload of so many bytes goes from A to B.</summary>
    public void Carry(int size)
    {
        byte trafficClass = (byte)(0x28 | (size & 3)); // every congestion mark
        ushort id = (ushort)(_id = (_id % 60000) + 1);
        IpHeader header = _setting.Inner == 4 ? Build.Ipv4(_source, _destination, 63, trafficClass, false, id) : Build.Ipv6(_source, _destination, 63, trafficClass);
        byte[] plain = header.Payload((IpProtocol)253, Text(size));
        List<byte[]> given = _setting.Pieces == Pieces.BeforeItIsProtected ? Cut(plain, id) : [plain];
        Outcome sent = _a.Out(given);
        bool goesInPieces = given.Count > 1 && _setting.Tunnel == 0;
        if (!goesInPieces && Refused(sent, plain.Length, size))
        {
            return;
        }

        Assert.Empty(sent.Drops);
        List<byte[]> expected = goesInPieces ? given : [plain];
        List<byte[]> wires = sent.Passed;
        if (_setting.Pieces == Pieces.ByTheSender && wires.Count > 1)
        {
            Assert.All(wires, static piece => Assert.InRange(piece.Length, 1, Mtu));
            wires = [Join(wires)];
        }

        Assert.Equal(expected.Count, wires.Count);
        for (int i = 0; i < wires.Count; i++)
        {
            _sequence++;
            CheckWire(wires[i], expected[i], trafficClass);
        }

        if (IsAuthenticated)
        {
            Damage(wires[0]);
        }

        List<byte[]> carried = _setting.Pieces == Pieces.OnTheWay ? Cut(wires[0], Id(wires[0])) : sent.Passed;
        Same(expected, _b.In(carried));
        Outcome again = _b.In(carried);
        if (_setting.HasWindow)
        {
            Assert.Empty(again.Passed);
            Assert.Equal(Enumerable.Repeat(Drop.Replayed, wires.Count), again.Drops);
        }
        else
        {
            Same(expected, again);
        }
    }

    private static void Same(List<byte[]> expected, Outcome outcome)
    {
        Assert.Empty(outcome.Drops);
        Assert.Equal(expected.Count, outcome.Passed.Count);
        for (int i = 0; i < expected.Count; i++)
        {
            Assert.True(expected[i].AsSpan().SequenceEqual(outcome.Passed[i]), $"{expected[i].Length} bytes changed");
        }
    }

    // What is too long for IP, or for the path where its sender looks for it: IPv6, as long as the device's link at most.
    private bool Refused(Outcome sent, int length, int size)
    {
        int whole = _setting.Length(size);
        Drop expected = whole > 65535 ? Drop.TooLong
            : _setting.Pieces == Pieces.ByTheSender && _setting.Inner == 6 && length <= Mtu && whole > Mtu ? Drop.TooBig : Drop.None;
        if (expected == Drop.None)
        {
            return false;
        }

        Assert.Equal(expected, sent.Drop);
        if (_setting.Inner == 6)
        {
            int fits = _setting.Greatest(expected == Drop.TooBig ? Mtu : 65535) + 40;
            Check.Packet(Assert.Single(sent.Answers)).Ipv6().To(_source).Icmp(2, 0, (uint)fits);
        }

        return true;
    }

    private void CheckWire(byte[] wire, byte[] plain, int trafficClass)
    {
        PacketCheck check = (_setting.Outer == 4 ? Check.Packet(wire).Ipv4() : Check.Packet(wire).Ipv6())
            .From(_from).To(_to).TrafficClass(trafficClass).HopLimit(_setting.IsTunnel ? 64 : 63);
        bool comp = _setting.Protocols[0] == IpProtocol.IpComp;
        if (!comp)
        {
            Assert.Equal(_setting.Length(plain.Length - Setting.Header(_setting.Inner)), wire.Length);
        }

        if (_setting.Shape == Shape.IpComp)
        {
            CheckCompressed(check, wire, plain);
            return;
        }

        uint low = (uint)_sequence;
        if (_setting.Protocols[^1] == IpProtocol.Ah)
        {
            check.Ah(Spi(_setting.Protocols.Length - 1), low);
            if (_setting.Shape != Shape.Ah)
            {
                (_setting.Tunnel == 1 ? check.Inner().From(_source).To(_destination).HopLimit(63) : check).Esp(FirstSpi, low);
            }

            return;
        }

        check.Protocol(Outermost);
        if (_setting.Udp is null)
        {
            check.Esp(Spi(_setting.Protocols.Length - 1), low);
            return;
        }

        check.Udp(Port, Port);
        if (_setting.Udp == UdpForm.NonIkeMarker)
        {
            check.EspInUdp(0, 0); // eight zeros
        }

        check.EspInUdp(Spi(_setting.Protocols.Length - 1), low);
    }

    // RFC 3173: shorter behind the header of four bytes, or as it was.
    private void CheckCompressed(PacketCheck check, byte[] wire, byte[] plain)
    {
        int outer = Setting.Header(_setting.Outer);
        byte next = !_setting.IsTunnel ? (byte)253 : _setting.Inner == 4 ? (byte)4 : (byte)41;
        byte[] whole = _setting.IsTunnel ? plain : plain[outer..];
        bool isShort = wire[_setting.Outer == 4 ? 9 : 6] == 108;
        Assert.Equal(isShort, wire.Length < outer + whole.Length);
        if (isShort)
        {
            Assert.Equal([next, 0, (byte)(Cpi >> 8), (byte)(Cpi & 0xFF)], check.Rest[..4].ToArray());
        }
        else
        {
            check.Protocol((IpProtocol)next).Payload(whole);
            Assert.True(whole.Length < 256, $"{whole.Length} bytes were not compressed");
        }
    }

    // One byte from the outermost IPsec header on; what is before belongs to the network.
    private void Damage(byte[] wire)
    {
        int at = Setting.Header(_setting.Outer) + _setting.UdpLength;
        int place = _random.Next(2) == 0 ? _random.Next(Math.Min(16, wire.Length - at)) : _random.Next(wire.Length - at);
        byte[] damaged = [.. wire];
        damaged[at + place] ^= (byte)(1 + _random.Next(255));
        Outcome outcome = _b.In(damaged);
        bool ah = _setting.Protocols[^1] == IpProtocol.Ah;
        int spi = ah ? 4 : 0;
        bool isSpi = place >= spi && place < spi + 4;
        if (isSpi && _setting.Udp == UdpForm.NonIkeMarker)
        {
            // Behind eight zeros, what no SA has is another's message: it goes on as it is, or policy wants it protected.
            Assert.True(outcome.Drops is [Drop.ClearButRequired] || outcome.Single.AsSpan().SequenceEqual(damaged));
            return;
        }

        Drop drop = outcome.Drop;
        Drop[] allowed = isSpi ? [Drop.UnknownSpi]
            : place >= spi + 4 && place < spi + 8 ? [Drop.BadIcv, Drop.Replayed, Drop.TooOld, Drop.SequenceZero]
            : ah && place == 1 ? [Drop.BadAhLength, Drop.BadIcv] // AH may be aligned to 4 or to 8 bytes
            : [Drop.BadIcv];
        Assert.True(allowed.Contains(drop), $"byte {place} of {wire.Length - at} changed: {drop}");
    }

    private SaParameters Sa(int i)
    {
        IpProtocol protocol = _setting.Protocols[i];
        (string from, string to) = i >= _setting.Tunnel ? (_from, _to) : (_source, _destination);
        IpsecMode mode = i == _setting.Tunnel ? IpsecMode.Tunnel : IpsecMode.Transport;
        SaParameters sa = protocol == IpProtocol.IpComp ? IpCompTests.Sa(Spi(i), from, to, mode)
            : protocol == IpProtocol.Ah && _setting.Shape != Shape.Ah ? Make.Ah(Spi(i), from, to, mode)
            : Make.Sa(Spi(i), from, to, mode) with
            {
                Protocol = protocol,
                Cipher = _setting.Suite!.Transform.Cipher,
                Integrity = _setting.Suite.Transform.Integrity,
                IcvBits = _setting.Suite.Transform.IcvLength * 8,
                CipherKey = Build.Pattern(_setting.Suite.CipherKeyLength, 1),
                IntegrityKey = Build.Pattern(_setting.Suite.MacKeyLength, 101),
                Encapsulation = _setting.Udp is { } form ? new UdpEncapsulation((ushort)Port, (ushort)Port) { Form = form } : null,
            };
        return protocol == IpProtocol.IpComp ? sa : sa with
        {
            ExtendedSequence = _setting.IsExtended,
            LastSequence = _sequence,
            ReplayWindow = _setting.HasWindow ? 64 : 0,
        };
    }

    private uint Spi(int i) => _setting.Protocols[i] == IpProtocol.IpComp ? Cpi : FirstSpi + (uint)i;

    // Bytes that count; for IPComp such as repeat themselves.
    private byte[] Text(int size)
    {
        byte[] text = new byte[size];
        for (int i = 0; i < size; i++)
        {
            text[i] = (byte)(_setting.Protocols[0] == IpProtocol.IpComp ? i / 64 : i);
        }

        return text;
    }

    private static ushort Id(byte[] packet) => (ushort)((packet[4] << 8) | packet[5]);

    // At least two pieces, each a packet that any link takes.
    private List<byte[]> Cut(byte[] packet, uint id)
    {
        bool v4 = packet[0] >> 4 == 4;
        int header = v4 ? 20 : 48, data = packet.Length - (v4 ? 20 : 40);
        List<byte[]> pieces = Build.Fragments(packet, header + Math.Clamp(data / 3 / 8 * 8, 8, 1232), v4 ? id : ++_id + 0x10000);
        Assert.True(pieces.Count > 1);
        return pieces;
    }

    // The engine's own pieces, put together by hand.
    private byte[] Join(List<byte[]> pieces)
    {
        var data = new List<byte>();
        foreach (byte[] piece in pieces)
        {
            data.AddRange(Check.Packet(piece).Inner().From(_from).To(_to).Fragment(data.Count, piece != pieces[^1]).Protocol(Outermost).Rest);
        }

        byte[] first = pieces[0];
        IpHeader header = _setting.Outer == 4
            ? Build.Ipv4(_from, _to, first[8], first[1], false, Id(first))
            : Build.Ipv6(_from, _to, first[7], (byte)((first[0] << 4) | (first[1] >> 4)));
        return header.Payload(Outermost, [.. data]);
    }
}
