// Stage 6: what ESP added is taken away again: padding and trailer behind, ESP (and UDP and tunnel) header before
// (RFC 4303, 3.4.4; RFC 4301, 5.2).

using Testudo.Engine.Ecn;
using Testudo.Engine.Keys;
using Testudo.Wire;
using Testudo.Wire.PfKey;

namespace Testudo.Engine.Inbound;

internal static partial class InboundPath
{
    private static Drop Strip(IpsecEngine engine, ref Packet packet, PacketState state, in Now now)
    {
        Sa sa = state.Chain[state.Count];
        int text = state.EspOffset + sa.HeaderLength + sa.IvLength;
        int end = packet.Length - sa.Transform.IcvLength;
        Span<byte> bytes = packet.Span;
        int padding = bytes[end - 2];
        byte next = bytes[end - 1];
        int payload = end - Esp.TrailerLength - padding - text;
        if (payload < 0 || !IsPadding(bytes.Slice(text + payload, padding), sa.Flags))
        {
            return Drop.BadPadding;
        }

        if (!sa.Admits(payload))
        {
            return Drop.LifetimeOver;
        }

        sa.Count(payload, now);
        if (next == (byte)IpProtocol.None)
        {
            return Drop.DummyPacket; // RFC 4303, 2.6
        }

        packet.Truncate(text + payload);
        return Uncover(engine, ref packet, state, state.EspOffset - state.UdpLength, text, next);
    }

    /// <summary>
    /// Takes away what stands before the payload: in tunnel mode all of it, in transport mode all but
    /// <paramref name="header"/> bytes of IP header.
    /// </summary>
    private static Drop Uncover(IpsecEngine engine, ref Packet packet, PacketState state, int header, int payload, byte next)
    {
        Sa sa = state.Chain[state.Count];
        bool tunnel = sa.Mode != IpsecMode.Transport && next is (byte)IpProtocol.Ipv4 or (byte)IpProtocol.Ipv6;
        if (!tunnel && sa.Mode == IpsecMode.Tunnel)
        {
            return Drop.ModeMismatch;
        }

        // ESP does not authenticate the addresses that a transport-mode packet keeps. Who holds the SA's key speaks for the
        // SA's source, not for any other host that policy knows (RFC 4301, 4.4.2: the SA's selectors; 5.2 step 4).
        bool isFollowed = Follow(engine, state, sa);
        if (!tunnel && engine.Options.ChecksPolicy && !sa.Source.IsUnspecified && state.Info.Source != sa.Source && !isFollowed)
        {
            return Drop.HistoryMismatch;
        }

        packet.Flags |= PacketFlags.Protected;
        state.IsTunnel[state.Count++] = tunnel;
        if (tunnel)
        {
            packet.Pull(payload);
            return StripTunnel(engine, ref packet, state, next);
        }

        // Transport: the IP header and its extensions move up to the payload.
        Span<byte> bytes = packet.Span;
        bytes[state.Info.ProtocolOffset] = next;
        bytes[..header].CopyTo(bytes[(payload - header)..]);
        packet.Pull(payload - header);
        if (isFollowed)
        {
            sa.Source.CopyTo(packet.Span[(state.Info.Family == IpFamily.V4 ? 12 : 8)..]);
        }

        IpWrite.SetLength(packet.Span, packet.Length, header);
        Drop drop = IpInfo.TryParse(packet.Span, out state.Info);
        if (drop == Drop.None && sa.Encapsulation is { } udp)
        {
            MendChecksum(packet.Span, state.Info, udp);
        }

        return drop;
    }

    private static Drop StripTunnel(IpsecEngine engine, ref Packet packet, PacketState state, byte next)
    {
        byte outer = (byte)(state.Info.TrafficClass & 3);
        EcnMode mode = engine.Options.EcnOf(state.Info.Family);
        if (IpInfo.TryParse(packet.Span, out state.Info) != Drop.None
            || state.Info.Family != (next == (byte)IpProtocol.Ipv4 ? IpFamily.V4 : IpFamily.V6))
        {
            return Drop.InnerInvalid;
        }

        // What lies behind the inner packet hides its length (RFC 4303, 2.7).
        packet.Truncate(state.Info.TotalLength);
        byte inner = (byte)(state.Info.TrafficClass & 3);
        int ecn = EcnRule.Leaving(mode, outer, inner);
        if (ecn < 0)
        {
            return Drop.EcnCorrupted;
        }

        if (ecn != inner)
        {
            IpWrite.SetEcn(packet.Span, state.Info.Family == IpFamily.V4 ? state.Info.UpperOffset : IpInfo.V6HeaderLength, (byte)ecn);
            state.Info.TrafficClass = (byte)((state.Info.TrafficClass & 0xFC) | ecn);
        }

        return Drop.None;
    }

    // RFC 4303, 2.4: the receiver should look at the padding. An SA with zero or random padding says so by its flags.
    private static bool IsPadding(ReadOnlySpan<byte> padding, SaFlags flags)
    {
        if ((flags & SaFlags.RandomPad) != 0)
        {
            return true;
        }

        for (int i = 0; i < padding.Length; i++)
        {
            if (padding[i] != ((flags & SaFlags.ZeroPad) != 0 ? 0 : i + 1))
            {
                return false;
            }
        }

        return true;
    }
}
