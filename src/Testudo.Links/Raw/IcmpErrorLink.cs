// ICMP errors about what the stack has sent: a raw ICMP socket of one family, which gets a copy of what the kernel gets. The
// error queue of the sending sockets (IP_RECVERR) would do too, but it makes sends fail for old errors and needs a second
// way of reading; the kernel's own path MTU (a route's exception) is the inner flow's as well in transport mode. What is not
// about ESP, AH or encapsulated ESP is the kernel's alone and ends here.

using System.Buffers.Binary;
using Testudo.Wire;

namespace Testudo.Links;

/// <summary>How to listen for ICMP errors.</summary>
/// <param name="Family">IPv4 or IPv6.</param>
/// <param name="EncapsulationPort">The UDP port that encapsulated ESP is sent from; 0 for none.</param>
public sealed record IcmpErrorOptions(IpFamily Family, ushort EncapsulationPort = 4500);

/// <summary>A link that only receives: ICMP errors that quote a protected packet, with their IP headers.</summary>
public sealed unsafe class IcmpErrorLink : DescriptorLink
{
    private const int SolRaw = 255, IcmpFilter = 1, SolIcmpv6 = 58, Icmpv6Filter = 1;
    private readonly IcmpErrorOptions _options;
    private readonly int _socket;
    private readonly ControlBlock? _received;

    /// <summary>Opens the socket in the calling thread's network namespace. <see cref="IOException"/> where that fails.</summary>
    public IcmpErrorLink(IcmpErrorOptions options)
    {
        _options = options;
        bool v4 = options.Family == IpFamily.V4;
        _socket = Native.OpenSocket(
            Native.FamilyNumber(options.Family), Native.RawSocket, (int)(v4 ? IpProtocol.Icmp : IpProtocol.Icmpv6), "open a raw socket for ICMP errors");
        try
        {
            if (v4)
            {
                uint blocked = ~((1u << 3) | (1u << 11) | (1u << 12));
                Native.Check(Native.SetSockOpt(_socket, SolRaw, IcmpFilter, &blocked, sizeof(uint)), "set ICMP_FILTER");
            }
            else
            {
                uint* blocked = stackalloc uint[8]; // a bit for each type, set for what is not wanted
                new Span<uint>(blocked, 8).Fill(uint.MaxValue);
                blocked[0] = ~0b11110u; // unreachable, too big, time exceeded, parameter problem
                Native.Check(Native.SetSockOpt(_socket, SolIcmpv6, Icmpv6Filter, blocked, 8 * sizeof(uint)), "set ICMPV6_FILTER");
                IpHeaders.RequestControl(_socket, options.Family);
                _received = new ControlBlock(512);
            }
        }
        catch
        {
            _ = Native.Close(_socket);
            throw;
        }
    }

    /// <inheritdoc/>
    public override string Name => $"icmp{(int)_options.Family} errors";

    internal override int Descriptor => _socket;

    internal override int ReadOne(Batch into)
    {
        Span<byte> room = into.Reserve();
        fixed (byte* bytes = room)
        {
            int header = _received is null ? 0 : IpInfo.V6HeaderLength;
            int length = _received is null
                ? (int)Native.Receive(_socket, bytes, (nuint)room.Length, 0)
                : _received.Receive(_socket, bytes + header, room.Length - header);
            if (length < 0)
            {
                return ReadFailure(Native.Errno);
            }

            length += header;
            if ((_received is null || IpHeaders.WriteV6(bytes, length, IpProtocol.Icmpv6, _received)) && Concerns(room[..length]))
            {
                into.Commit(length);
            }

            return 1;
        }
    }

    internal override Drop SendOne(in Packet packet) => Drop.LinkRefused;

    internal override void Close()
    {
        _ = Native.Close(_socket);
        _received?.Dispose();
    }

    private bool Concerns(ReadOnlySpan<byte> packet)
    {
        if (IpInfo.TryParse(packet, out IpInfo info) != Drop.None || !IcmpQuote.TryParse(packet, info, out IcmpQuote quote))
        {
            return false;
        }

        ref readonly IpInfo sent = ref quote.Packet;
        int spi = sent.UpperOffset + UdpHeader.Length;
        return sent.Protocol switch
        {
            IpProtocol.Esp or IpProtocol.Ah => true,
            IpProtocol.Udp => sent.HasPorts && sent.SourcePort == _options.EncapsulationPort && quote.Bytes.Length >= spi + 4
                && BinaryPrimitives.ReadUInt32BigEndian(quote.Bytes[spi..]) != 0, // 0 is IKE's
            _ => false,
        };
    }
}
