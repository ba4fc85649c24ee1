// Stage 4: fragments on their way out (RFC 4301, 7). Transport mode protects whole datagrams only (4.1), and a policy that
// names ports can select them only whole: such fragments are put together here and start again. All the others go on as
// they are, each a packet of its own in its tunnel (7.1).

using Testudo.Wire;
using Testudo.Wire.PfKey;

namespace Testudo.Engine.Outbound;

internal static partial class OutboundPath
{
    private static Drop Hold(IpsecEngine engine, ref Packet packet, PacketState state, in Now now, Worker me)
    {
        if (packet.Drop != Drop.FragmentWithoutPorts && !state.MustBeWhole && !HidesSiblings(engine, packet, state.Info))
        {
            return packet.Drop;
        }

        Drop drop = me.Reassembly.Take(packet, state.Info, now, me.Assembled);
        if (drop == Drop.None)
        {
            packet.Flags |= PacketFlags.Held;
            state.Count = 0;
        }

        return drop;
    }

    // The first fragment shows its ports; must those behind it wait, so must it.
    private static bool HidesSiblings(IpsecEngine engine, in Packet packet, in IpInfo info)
    {
        if (info.FragmentOffset != 0 || !info.HasPorts)
        {
            return false;
        }

        IpInfo later = info;
        later.HasPorts = false;
        later.FragmentOffset = 8;
        later.Protocol = info.FragmentHeaderOffset != 0 ? (IpProtocol)packet.Span[info.FragmentHeaderOffset] : info.Protocol;
        engine.Spd.Lookup(PolicyDirection.Out, later, out Drop drop);
        return drop == Drop.FragmentWithoutPorts;
    }
}
