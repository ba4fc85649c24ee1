// Capture files put together byte by byte, in either byte order, to hold what no program at hand would write.

using System.Text;

namespace Testudo.Tests.Wire;

internal sealed class CaptureBytes(bool bigEndian)
{
    private readonly List<byte> _bytes = [];

    public byte[] ToArray() => [.. _bytes];

    public CaptureBytes U16(int value) => Number((ulong)value, 2);

    public CaptureBytes U32(uint value) => Number(value, 4);

    public CaptureBytes U64(ulong value) => Number(value, 8);

    public CaptureBytes Bytes(params byte[] bytes)
    {
        _bytes.AddRange(bytes);
        return this;
    }

    public CaptureBytes PcapHeader(uint magic, uint linkType, uint snapLength = 65535) =>
        U32(magic).U16(2).U16(4).U32(0).U32(0).U32(snapLength).U32(linkType);

    public CaptureBytes PcapFrame(uint seconds, uint fraction, byte[] bytes, uint? original = null) =>
        U32(seconds).U32(fraction).U32((uint)bytes.Length).U32(original ?? (uint)bytes.Length).Bytes(bytes);

    public CaptureBytes Section() => Block(0x0A0D0D0A, body => body.U32(0x1A2B3C4D).U16(1).U16(0).U64(ulong.MaxValue));

    public CaptureBytes Interface(int linkType, uint snapLength = 0, params (int Code, byte[] Value)[] options) =>
        Block(1, body => body.U16(linkType).U16(0).U32(snapLength).Options(options));

    public CaptureBytes Enhanced(uint iface, ulong time, byte[] bytes, uint? original = null, params (int Code, byte[] Value)[] options) =>
        Block(6, body => body.U32(iface).U32((uint)(time >> 32)).U32((uint)time).U32((uint)bytes.Length).U32(original ?? (uint)bytes.Length)
            .Padded(bytes).Options(options));

    public CaptureBytes Obsolete(int iface, ulong time, byte[] bytes, params (int Code, byte[] Value)[] options) =>
        Block(2, body => body.U16(iface).U16(7).U32((uint)(time >> 32)).U32((uint)time).U32((uint)bytes.Length).U32((uint)bytes.Length)
            .Padded(bytes).Options(options));

    public CaptureBytes Simple(uint original, byte[] bytes) => Block(3, body => body.U32(original).Padded(bytes));

    public CaptureBytes Block(uint type, Action<CaptureBytes> fill)
    {
        var body = new CaptureBytes(bigEndian);
        fill(body);
        uint length = (uint)body._bytes.Count + 12;
        return U32(type).U32(length).Bytes(body.ToArray()).U32(length);
    }

    public static byte[] Utf8(string text) => Encoding.UTF8.GetBytes(text);

    private CaptureBytes Options((int Code, byte[] Value)[] options)
    {
        foreach ((int code, byte[] value) in options)
        {
            U16(code).U16(value.Length).Padded(value);
        }

        return options.Length > 0 ? U32(0) : this;
    }

    public CaptureBytes Padded(byte[] bytes) => Bytes(bytes).Bytes(new byte[-bytes.Length & 3]);

    private CaptureBytes Number(ulong value, int length)
    {
        for (int i = 0; i < length; i++)
        {
            _bytes.Add((byte)(value >> (8 * (bigEndian ? length - 1 - i : i))));
        }

        return this;
    }
}
