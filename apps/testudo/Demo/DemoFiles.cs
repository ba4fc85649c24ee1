// What the demo leaves: one capture made of both daemons' captures, and the keys as tshark's table esp_sa.

using System.Globalization;
using System.Text;
using Testudo.App.Pair;
using Testudo.Wire;

namespace Testudo.App.Demo;

/// <summary>What was found in the captures.</summary>
internal readonly record struct CaptureCount(long Frames, long WireFrames, long WireMarked, long ClearMarked, long Dropped);

internal static class DemoFiles
{
    public const string Capture = "demo.pcapng", Keys = "demo.esp_sa";

    /// <summary>
    /// A line for a shell. tshark reads esp_sa from a folder of settings only; each line of the file becomes one of its
    /// options instead, and xargs keeps the quotes in them as they are.
    /// </summary>
    public const string Tshark =
        "sed 's/^/-ouat:esp_sa:/' demo.esp_sa | tr '\\n' '\\0' | xargs -0 tshark -nr demo.pcapng"
        + " -oesp.enable_encryption_decode:TRUE -oesp.enable_authentication_check:TRUE -Yesp";

    /// <summary>Beginning of the name of a demo's temporary folder; its process id follows.</summary>
    public const string FolderPrefix = "testudo-demo-";

    /// <summary>Removes what demos that were killed left in the folder for temporary files.</summary>
    public static void RemoveDead()
    {
        if (!OperatingSystem.IsLinux())
        {
            return; // nothing here tells who lives
        }

        foreach (string folder in Directory.GetDirectories(Path.GetTempPath(), FolderPrefix + "*"))
        {
            string number = Path.GetFileName(folder)[FolderPrefix.Length..].Split('-')[0];
            if (!int.TryParse(number, CultureInfo.InvariantCulture, out int pid) || Directory.Exists($"/proc/{pid}"))
            {
                continue;
            }

            try
            {
                // By their names and without descending: everybody may make such a folder, and we may be root.
                foreach (string file in Directory.GetFiles(folder).Where(IsOurs))
                {
                    File.Delete(file);
                }

                Directory.Delete(folder);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // another user's
            }
        }
    }

    private static bool IsOurs(string file) =>
        Path.GetExtension(file) is ".pcapng" or ".esp_sa" or ".pfkey" or ".api" or ".new" || Path.GetFileName(file) == "refused";

    /// <summary>Writes the keys: mode 0600 from the first moment.</summary>
    public static void WriteKeys(string path, IEnumerable<PairSa> sas)
    {
        var text = new StringBuilder();
        foreach (PairSa sa in sas)
        {
            text.Append($"\"IPv{(int)sa.Source.Family}\",\"{sa.Source}\",\"{sa.Destination}\",\"0x{sa.Spi:x8}\",");
            text.Append($"\"AES-GCM with 16 octet ICV [RFC4106]\",\"0x{Convert.ToHexStringLower(sa.Key)}\",\"NULL\",\"\"\n");
        }

        SecretFile.Write(path, text.ToString(), replaces: true);
    }

    /// <summary>Merges captures in the order of time; an interface is called after its host: a-wire, a-clear.</summary>
    public static CaptureCount Merge(string path, IEnumerable<(string Host, string File)> captures, byte[] marker)
    {
        var frames = new List<(CaptureFrame Frame, int Interface)>();
        using var writer = new PcapngWriter(File.Create(path), hardware: null, os: null, application: "testudo demo");
        foreach ((string host, string file) in captures)
        {
            using CaptureReader reader = CaptureReader.Open(File.OpenRead(file));
            var numbers = new Dictionary<int, int>();
            while (reader.TryRead(out CaptureFrame frame))
            {
                if (!numbers.TryGetValue(frame.Interface.Index, out int number))
                {
                    number = numbers[frame.Interface.Index] = writer.AddInterface(Name(host, frame.Interface), frame.Interface.LinkType, $"host {host}, {frame.Interface.Description}");
                }

                frames.Add((frame, number));
            }
        }

        CaptureCount count = default;
        foreach ((CaptureFrame frame, int number) in frames.OrderBy(static entry => entry.Frame.Time))
        {
            writer.Write(number, frame.Time, frame.Bytes.Span, frame.Comment, (int)frame.OriginalLength, frame.Direction);
            bool isWire = frame.Interface.Name?.EndsWith("-wire", StringComparison.Ordinal) == true;
            bool isMarked = frame.Bytes.Span.IndexOf(marker) >= 0;
            count = new CaptureCount(
                count.Frames + 1,
                count.WireFrames + (isWire ? 1 : 0),
                count.WireMarked + (isWire && isMarked ? 1 : 0),
                count.ClearMarked + (!isWire && isMarked ? 1 : 0),
                count.Dropped + (frame.Comment is null ? 0 : 1));
        }

        return count;
    }

    private static string Name(string host, CaptureInterface iface) => $"{host}-{iface.Name?.Split('-')[^1] ?? "0"}";
}
