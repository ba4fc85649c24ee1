// The private extension, the same in every dialect; host order.
//
//  0               1               2               3
// +---------------+---------------+---------------+---------------+
// |      len, in words of 8 bytes |        type 0x7475            |
// +---------------+---------------+---------------+---------------+
// |                          version 1                            |
// +---------------+---------------+---------------+---------------+
// |             tag               |   length of the value, bytes  |   as often as needed, each tag at most once;
// +---------------+---------------+---------------+---------------+   each begins at a multiple of 4
// |   value, padded with zeros to a multiple of 4 ...
// +---------------+---------------+---------------+---------------+
//
//   1 text             UTF-8 without NUL        4 extended sequence   1 byte, 0 or 1
//   2 ICV bits         u32                      5 replay packets      u32
//   3 last sequence    u64                      6 more follows        no value
//                                               7 not ascending      u64
//
// Tag 0 ends the list: it is the zeros that fill up the last word. Tags from 8 are skipped, so that later versions may
// say more to an older reader; a layout that an older reader would misread gets another version.

using System.Text;

namespace Testudo.Wire.PfKey;

internal static class TestudoCodec
{
    private const uint Version = 1;

    private enum Tag : ushort
    {
        End = 0,
        Text = 1,
        IcvBits = 2,
        LastSequence = 3,
        ExtendedSequence = 4,
        ReplayPackets = 5,
        MoreFollows = 6,
        NotAscending = 7,
    }

    internal static TestudoExtension? Read(ReadOnlySpan<byte> e, int offset, out Fault fault)
    {
        uint version = BitConverter.ToUInt32(e[4..]);
        if (version != Version)
        {
            fault = ExtensionReader.Fail(ExtensionRules.Testudo, offset, 4, $"its version is {version}; this is version {Version}");
            return null;
        }

        var extension = new TestudoExtension();
        uint seen = 0;
        for (int at = 8; at < e.Length;)
        {
            // Everything begins at a multiple of 4 and the whole is a multiple of 8, so that 4 bytes are left.
            var tag = (Tag)BitConverter.ToUInt16(e[at..]);
            int length = BitConverter.ToUInt16(e[(at + 2)..]);
            if (tag == Tag.End)
            {
                break;
            }

            if (length > e.Length - at - 4)
            {
                fault = ExtensionReader.Fail(ExtensionRules.Testudo, offset, at, $"tag {(ushort)tag} says {length} bytes; {e.Length - at - 4} are left");
                return null;
            }

            int size = SizeOf(tag);
            if (size >= 0 && length != size)
            {
                fault = ExtensionReader.Fail(ExtensionRules.Testudo, offset, at, $"tag {(ushort)tag} has {length} bytes; it has {size}");
                return null;
            }

            uint bit = tag <= Tag.NotAscending ? 1u << (int)tag : 0;
            if ((seen & bit) != 0)
            {
                fault = ExtensionReader.Fail(ExtensionRules.Testudo, offset, at, $"tag {(ushort)tag} is there for the second time");
                return null;
            }

            seen |= bit;
            ReadOnlySpan<byte> value = e.Slice(at + 4, length);
            extension = tag switch
            {
                Tag.Text => extension with { Text = Encoding.UTF8.GetString(value) },
                Tag.IcvBits => extension with { IcvBits = BitConverter.ToUInt32(value) },
                Tag.LastSequence => extension with { LastSequence = BitConverter.ToUInt64(value) },
                Tag.ExtendedSequence => extension with { ExtendedSequence = value[0] != 0 },
                Tag.ReplayPackets => extension with { ReplayPackets = BitConverter.ToUInt32(value) },
                Tag.MoreFollows => extension with { MoreFollows = true },
                Tag.NotAscending => extension with { NotAscending = BitConverter.ToUInt64(value) },
                _ => extension,
            };
            at += 4 + ((length + 3) & ~3);
        }

        fault = Fault.None;
        return extension;
    }

    internal static void Write(TestudoExtension extension, ref Output to)
    {
        to.U32(Version);
        if (extension.Text is { } text)
        {
            byte[] bytes = Encoding.UTF8.GetBytes(text);
            if (bytes.Length > ushort.MaxValue)
            {
                throw new ArgumentException($"a text of {bytes.Length} bytes is more than the private extension carries (65535)");
            }

            Begin(Tag.Text, bytes.Length, ref to);
            to.Bytes(bytes);
            to.Pad(0, 4);
        }

        if (extension.IcvBits is { } icvBits)
        {
            Begin(Tag.IcvBits, 4, ref to);
            to.U32(icvBits);
        }

        if (extension.LastSequence is { } lastSequence)
        {
            Begin(Tag.LastSequence, 8, ref to);
            to.U64(lastSequence);
        }

        if (extension.ExtendedSequence is { } extendedSequence)
        {
            Begin(Tag.ExtendedSequence, 1, ref to);
            to.U8(extendedSequence ? (byte)1 : (byte)0);
            to.Zero(3);
        }

        if (extension.ReplayPackets is { } replayPackets)
        {
            Begin(Tag.ReplayPackets, 4, ref to);
            to.U32(replayPackets);
        }

        if (extension.MoreFollows)
        {
            Begin(Tag.MoreFollows, 0, ref to);
        }

        if (extension.NotAscending is { } notAscending)
        {
            Begin(Tag.NotAscending, 8, ref to);
            to.U64(notAscending);
        }
    }

    private static void Begin(Tag tag, int length, ref Output to)
    {
        to.U16((ushort)tag);
        to.U16((ushort)length);
    }

    // -1: any.
    private static int SizeOf(Tag tag) => tag switch
    {
        Tag.IcvBits or Tag.ReplayPackets => 4,
        Tag.LastSequence or Tag.NotAscending => 8,
        Tag.ExtendedSequence => 1,
        Tag.MoreFollows => 0,
        _ => -1,
    };
}
