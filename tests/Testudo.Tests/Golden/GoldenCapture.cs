// A reader of the golden captures that shares no code with the product: classic pcap, little-endian, microseconds, which is
// what all of them are. It also finds out under which SA a frame of Linux' captures was sent.

using System.Buffers.Binary;
using System.Net;

namespace Testudo.Tests.Golden;

/// <summary>One record of a capture.</summary>
/// <param name="Stamp">Microseconds since 1970.</param>
/// <param name="Offset">Where its record header stands in the file.</param>
/// <param name="Bytes">The frame.</param>
internal readonly record struct GoldenFrame(long Stamp, int Offset, byte[] Bytes);

/// <summary>What an outer header says: protocol 50, 51 or 108, and whose SA it is.</summary>
/// <param name="Destination">The SA's destination, as text.</param>
/// <param name="Protocol">50 for UDP-encapsulated ESP too.</param>
/// <param name="Spi">The SPI; IPComp's CPI.</param>
/// <param name="Inner">The next header of AH and IPComp; 0 in ESP.</param>
internal readonly record struct GoldenOuter(string Destination, byte Protocol, uint Spi, byte Inner);

/// <summary>All frames of a capture file.</summary>
internal sealed class GoldenCapture
{
    private readonly byte[] _file;

    private GoldenCapture(byte[] file, GoldenFrame[] frames)
    {
        _file = file;
        Frames = frames;
    }

    public IReadOnlyList<GoldenFrame> Frames { get; }

    public static GoldenCapture Read(string path)
    {
        byte[] file = File.ReadAllBytes(path);
        if (BinaryPrimitives.ReadUInt32LittleEndian(file) != 0xa1b2c3d4)
        {
            throw new InvalidDataException($"{path} is not a little-endian pcap file of microseconds");
        }

        List<GoldenFrame> frames = [];
        for (int at = 24; at < file.Length;)
        {
            long stamp = (Word(file, at) * 1_000_000L) + Word(file, at + 4);
            int length = (int)Word(file, at + 8);
            frames.Add(new(stamp, at, file[(at + 16)..(at + 16 + length)]));
            at += 16 + length;
        }

        return new(file, [.. frames]);
    }

    /// <summary>A pcap file with only those frames whose number (from 1) is wanted.</summary>
    public byte[] Select(Func<int, bool> wanted)
    {
        using var kept = new MemoryStream();
        kept.Write(_file, 0, 24);
        for (int i = 0; i < Frames.Count; i++)
        {
            if (wanted(i + 1))
            {
                kept.Write(_file, Frames[i].Offset, 16 + Frames[i].Bytes.Length);
            }
        }

        return kept.ToArray();
    }

    /// <summary>Reads an Ethernet frame with ESP, AH, IPComp or UDP-encapsulated ESP in it; null for a later fragment.</summary>
    public static GoldenOuter? Outer(byte[] frame)
    {
        bool v6 = frame[12] == 0x86;
        ReadOnlySpan<byte> ip = frame.AsSpan(14);
        if (!v6 && (BinaryPrimitives.ReadUInt16BigEndian(ip[6..]) & 0x1fff) != 0)
        {
            return null;
        }

        byte protocol = ip[v6 ? 6 : 9];
        string destination = new IPAddress(v6 ? ip[24..40] : ip[16..20]).ToString();
        ReadOnlySpan<byte> body = ip[(v6 ? 40 : (ip[0] & 15) * 4)..];
        if (protocol == 17)
        {
            // Port 4501 carries the early drafts' form, with eight zero bytes before the SPI.
            body = body[(BinaryPrimitives.ReadUInt16BigEndian(body[2..]) == 4501 ? 16 : 8)..];
            protocol = 50;
        }

        return protocol switch
        {
            50 => new(destination, 50, BinaryPrimitives.ReadUInt32BigEndian(body), 0),
            51 => new(destination, 51, BinaryPrimitives.ReadUInt32BigEndian(body[4..]), body[0]),
            108 => new(destination, 108, BinaryPrimitives.ReadUInt16BigEndian(body[2..]), body[0]),
            _ => null,
        };
    }

    /// <summary>What joins the fragments of an IPv4 packet: source, destination, identification.</summary>
    public static string FragmentKey(byte[] frame) => Convert.ToHexString(frame, 26, 8) + Convert.ToHexString(frame, 18, 2);

    /// <summary>True for an IPv4 packet with more fragments behind it, or with an offset.</summary>
    public static bool IsFragment(byte[] frame) => frame[12] == 0x08 && (BinaryPrimitives.ReadUInt16BigEndian(frame.AsSpan(20)) & 0x3fff) != 0;

    private static uint Word(byte[] file, int at) => BinaryPrimitives.ReadUInt32LittleEndian(file.AsSpan(at));
}
