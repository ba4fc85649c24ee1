// Raw IP packets into a file whose suffix says the format.

using Testudo.Wire;

namespace Testudo.App.Open;

internal sealed class CaptureOutput : IDisposable
{
    private readonly PcapWriter? _pcap;
    private readonly PcapngWriter? _pcapng;

    private CaptureOutput(PcapWriter? pcap, PcapngWriter? pcapng)
    {
        _pcap = pcap;
        _pcapng = pcapng;
    }

    /// <summary>FILE.pcapng or FILE.pcap. A pcapng file says which command wrote it, and names its interface.</summary>
    /// <exception cref="IOException">Another suffix, or the file cannot be made.</exception>
    public static CaptureOutput Create(FileInfo file, string command, string name)
    {
        if (file.Extension is not (".pcapng" or ".pcap"))
        {
            throw new IOException($"{file.Name}: the suffix says the format: .pcapng or .pcap");
        }

        FileStream stream = file.Create();
        if (file.Extension == ".pcap")
        {
            return new CaptureOutput(new PcapWriter(stream), null);
        }

        var writer = new PcapngWriter(stream, hardware: null, os: null, application: $"testudo {command}");
        writer.AddInterface(name, LinkType.Raw);
        return new CaptureOutput(null, writer);
    }

    public void Write(long time, ReadOnlySpan<byte> packet)
    {
        _pcap?.Write(time, packet);
        _pcapng?.Write(0, time, packet);
    }

    public void Dispose()
    {
        _pcap?.Dispose();
        _pcapng?.Dispose();
    }
}
