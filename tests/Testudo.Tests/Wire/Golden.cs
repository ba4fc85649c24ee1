// The golden captures, read once for all tests that want their frames.

using Testudo.Wire;

namespace Testudo.Tests.Wire;

internal static class Golden
{
    /// <summary>Every capture among the golden data, in a fixed order.</summary>
    public static string[] Files { get; } =
        [.. Directory.GetFiles(Repository.Vectors(), "*.pcap", SearchOption.AllDirectories).Order(StringComparer.Ordinal)];

    /// <summary>All frames of a file.</summary>
    public static List<CaptureFrame> Frames(string file)
    {
        using CaptureReader reader = CaptureReader.Open(File.OpenRead(file));
        var frames = new List<CaptureFrame>();
        while (reader.TryRead(out CaptureFrame frame))
        {
            frames.Add(frame);
        }

        return frames;
    }

    /// <summary>Every IP packet of every golden capture, in order.</summary>
    public static IEnumerable<byte[]> Packets()
    {
        foreach (string file in Files)
        {
            foreach (CaptureFrame frame in Frames(file))
            {
                if (frame.TryGetIp(out ReadOnlyMemory<byte> packet))
                {
                    yield return packet.ToArray();
                }
            }
        }
    }
}
