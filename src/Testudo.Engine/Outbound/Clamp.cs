// Stage 5: where it is asked for, the MSS that a TCP connection announces is lowered to what fits. What goes out says how
// long the peer's segments may be, taken to be protected as ours are.

using Testudo.Engine.PathMtu;
using Testudo.Wire;

namespace Testudo.Engine.Outbound;

internal static partial class OutboundPath
{
    private static void Clamp(IpsecEngine engine, in Packet packet, PacketState state, in Now now)
    {
        if (engine.Options.MssClamp == EngineOptions.MssOff || state.Count == 0 || !MssRule.Concerns(packet, state.Info))
        {
            return;
        }

        int limit = engine.Options.MssClamp;
        if (limit == EngineOptions.MssAuto)
        {
            _ = Protected(state, packet.Length, out Address destination);
            limit = Math.Max(
                MssRule.For(state.Info.Family, Fits(state, Batch.MaxPacketLength, engine.PathMtus.Of(destination, now))),
                MssRule.Least(state.Info.Family));
        }

        MssRule.Clamp(packet, state.Info, limit);
    }

    /// <summary>For the way in: the longest packet that fits back the way that a packet came, with the protection that it had.</summary>
    internal static int FitsBack(IpsecEngine engine, PacketState came, in Now now)
    {
        Array.Reverse(came.Chain, 0, came.Count); // they are the outermost first there
        Array.Reverse(came.IsTunnel, 0, came.Count);
        int fits = Fits(came, Batch.MaxPacketLength, engine.PathMtus.Of(came.Chain[came.Count - 1].Source, now));
        Array.Reverse(came.Chain, 0, came.Count);
        Array.Reverse(came.IsTunnel, 0, came.Count);
        return fits;
    }
}
