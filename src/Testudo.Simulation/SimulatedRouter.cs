// A router without IPsec: it forwards by its routes, counts hops down, fragments IPv4 where it may, and tells senders what
// became of their packets (RFC 1812; RFC 4443). A router with an engine is a SimulatedHost: it forwards too.

using Testudo.Wire;

namespace Testudo.Simulation;

/// <summary>A router in a <see cref="Network"/>.</summary>
public class SimulatedRouter : SimulatedNode
{
    internal SimulatedRouter(Network network, string name, IReadOnlyList<Address> addresses)
        : base(network, name, addresses)
    {
    }

    /// <inheritdoc/>
    protected override void Arrive(byte[] packet)
    {
        if (IpInfo.TryParse(packet, out IpInfo info) is not Wire.Drop.None and Drop drop)
        {
            Drop(Drops.Name(drop), packet, CaptureDirection.Inbound);
            return;
        }

        Note(Side.Wire, CaptureDirection.Inbound, Wire.Drop.None, null, packet);
        if (packet.Length > info.TotalLength)
        {
            packet = packet[..info.TotalLength];
        }

        if (!Addresses.Contains(info.Destination))
        {
            Forward(packet, info);
            return;
        }

        Ledger.Absorbed++;
        if (Echo.Answer(packet) is { } answer)
        {
            Ledger.Made++;
            Transmit(answer);
        }
    }

    /// <summary>A packet for somebody else.</summary>
    private protected virtual void Forward(byte[] packet, in IpInfo info)
    {
        if (TakeHop(packet))
        {
            Transmit(packet);
        }
    }
}
