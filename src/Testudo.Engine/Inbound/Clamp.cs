// Stage 8: what comes in says how long our side's segments may be: the MSS of a TCP connection is lowered where that is asked
// for, to what fits the path back with the protection that this packet had.

using Testudo.Engine.Outbound;
using Testudo.Engine.PathMtu;
using Testudo.Wire;

namespace Testudo.Engine.Inbound;

internal static partial class InboundPath
{
    private static void Clamp(IpsecEngine engine, in Packet packet, PacketState state, in Now now)
    {
        if (engine.Options.MssClamp == EngineOptions.MssOff || state.Count == 0 || !MssRule.Concerns(packet, state.Info))
        {
            return;
        }

        int limit = engine.Options.MssClamp == EngineOptions.MssAuto
            ? Math.Max(MssRule.For(state.Info.Family, OutboundPath.FitsBack(engine, state, now)), MssRule.Least(state.Info.Family))
            : engine.Options.MssClamp;
        MssRule.Clamp(packet, state.Info, limit);
    }
}
