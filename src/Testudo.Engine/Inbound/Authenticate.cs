// Stages 2 to 6 for AH (RFC 4302, 3.4): whose it is, the packet laid out as the ICV was computed, its headers put back, and AH
// taken away.

using System.Buffers.Binary;
using Testudo.Crypto;
using Testudo.Engine.Keys;
using Testudo.Wire;

namespace Testudo.Engine.Inbound;

internal static unsafe partial class InboundPath
{
    private static Drop FindAh(IpsecEngine engine, ref Packet packet, PacketState state, bool isForOthers, out Sa? sa)
    {
        sa = null;
        state.EspOffset = state.Info.UpperOffset;
        state.UdpLength = 0;
        ReadOnlySpan<byte> ah = packet.Span[state.EspOffset..];
        if (ah.Length < Ah.MinLength)
        {
            return isForOthers ? Drop.None : Drop.BadAhLength;
        }

        packet.Spi = BinaryPrimitives.ReadUInt32BigEndian(ah[4..]);
        return FindSa(engine, packet.Spi, IpProtocol.Ah, state.Info.Destination, isForOthers, out sa);
    }

    /// <summary>The window, and the packet laid out for the computation: see <see cref="AuthenticateRestore"/>.</summary>
    private static Drop Authenticate(IpsecEngine engine, ref Packet packet, PacketState state, Sa sa, Worker me, int index, out CryptoJob job)
    {
        job = default;
        if (state.Info.FragmentHeaderOffset != 0)
        {
            AtomicFragment.Remove(ref packet, ref state.Info);
            state.EspOffset = state.Info.UpperOffset;
        }

        int at = state.EspOffset, check = sa.Transform.IcvLength;
        Span<byte> bytes = packet.Span;
        int length = (bytes[at + 1] + 2) * 4;
        if (!Ah.IsLength(sa, length) || length > bytes.Length - at)
        {
            return Drop.BadAhLength;
        }

        packet.Sequence = sa.IsOld ? 0 : BinaryPrimitives.ReadUInt32BigEndian(bytes[(at + 8)..]);
        Drop drop = CheckWindow(ref packet, sa, ref job);
        if (drop != Drop.None)
        {
            return drop;
        }

        if (at + length > Ah.MaxHeaders || packet.Back < check)
        {
            return Drop.NoRoom;
        }

        Span<byte> aside = me.Aside(index)[..(at + length)];
        bytes[..(at + length)].CopyTo(aside);
        drop = MutableFields.Clear(bytes[..at], engine.Options);
        if (drop != Drop.None)
        {
            aside.CopyTo(bytes);
            return drop;
        }

        Span<byte> field = bytes.Slice(at + Ah.FixedLength(sa), check);
        field.CopyTo(new Span<byte>(packet.Data + packet.Length, check));
        field.Clear();
        state.AhLength = length;
        job.Key = sa.OpeningKey!;
        job.Head = packet.Data;
        job.HeadLength = packet.Length;
        return Drop.None;
    }

    /// <summary>The headers as they came.</summary>
    private static void AuthenticateRestore(ref Packet packet, PacketState state, Worker me, int index) =>
        me.Aside(index)[..(state.EspOffset + state.AhLength)].CopyTo(packet.Span);

    private static Drop StripAh(IpsecEngine engine, ref Packet packet, PacketState state, in Now now)
    {
        int payload = state.EspOffset + state.AhLength;
        Sa sa = state.Chain[state.Count];
        if (!sa.Admits(packet.Length - payload))
        {
            return Drop.LifetimeOver;
        }

        sa.Count(packet.Length - payload, now);
        return Uncover(engine, ref packet, state, state.EspOffset, payload, packet.Span[state.EspOffset]);
    }
}
