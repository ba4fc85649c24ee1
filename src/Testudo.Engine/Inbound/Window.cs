// Stage 3: what is too short or came before is not worth a computation; the rest becomes a job for the provider.

using Testudo.Crypto;
using Testudo.Engine.Keys;
using Testudo.Wire;

namespace Testudo.Engine.Inbound;

internal static unsafe partial class InboundPath
{
    private static Drop Window(ref Packet packet, PacketState state, Sa sa, out CryptoJob job)
    {
        job = default;
        int text = packet.Length - state.EspOffset - sa.HeaderLength - sa.IvLength - sa.Transform.IcvLength;
        if (text < Esp.TrailerLength || text % sa.PadTo != 0) // RFC 4303, 2.4: 4 bytes at the least
        {
            return Drop.EspTooShort;
        }

        Drop drop = CheckWindow(ref packet, sa, ref job);
        if (drop != Drop.None)
        {
            return drop;
        }

        job.Key = sa.OpeningKey!;
        job.Head = packet.Data + state.EspOffset;
        job.HeadLength = sa.HeaderLength;
        job.TextLength = text;
        return Drop.None;
    }

    private static Drop CheckWindow(ref Packet packet, Sa sa, ref CryptoJob job)
    {
        if (sa.ExtendedSequence)
        {
            // The half that was not sent is authenticated with the packet: a wrong guess ends as a bad ICV.
            if (!sa.Window.TryExtend((uint)packet.Sequence, out ulong sequence))
            {
                return Drop.TooOld;
            }

            packet.Sequence = sequence;
            job.ExtendedSequence = true;
            job.SequenceHigh = (uint)(sequence >> 32);
        }

        return sa.IsOld ? Drop.None : sa.Window.Check(packet.Sequence);
    }
}
