// A fragment header of a packet that is whole (RFC 6946): AH does not see it (RFC 4302, A2), so it is taken away before the
// ICV is computed, by the sender and by the receiver.

using System.Buffers.Binary;
using Testudo.Wire;

namespace Testudo.Engine;

internal static class AtomicFragment
{
    private const int Length = 8;

    /// <summary>Takes the fragment header out of a packet that has one and is no fragment.</summary>
    public static void Remove(ref Packet packet, ref IpInfo info)
    {
        Span<byte> bytes = packet.Span;
        int fragment = info.FragmentHeaderOffset, names = 6;
        for (int at = IpInfo.V6HeaderLength; at < fragment; at += (bytes[at + 1] + 1) * 8)
        {
            names = at;
        }

        bytes[names] = bytes[fragment];
        int payload = BinaryPrimitives.ReadUInt16BigEndian(bytes[4..]) - Length;
        BinaryPrimitives.WriteUInt16BigEndian(bytes[4..], (ushort)payload);
        bytes[..fragment].CopyTo(bytes[Length..]);
        packet.Pull(Length);
        IpInfo.TryParse(packet.Span, out info);
    }
}
