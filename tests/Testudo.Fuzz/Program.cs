// One target a decoder, for afl-fuzz: the first argument names it.

using SharpFuzz;
using Testudo.Control.Setkey;
using Testudo.Wire;
using Testudo.Wire.PfKey;

Action<byte[]> target = (args.Length > 0 ? args[0] : "") switch
{
    "ip" => static bytes => IpInfo.TryParse(bytes, out _),
    "pfkey" => static bytes => Codec.Read(Dialect.Linux, bytes, out _),
    "setkey" => static bytes => SetkeyParser.Parse(System.Text.Encoding.UTF8.GetString(bytes), "fuzz"),
    "capture" => ReadCapture,
    _ => throw new ArgumentException("name a target: ip, pfkey, setkey or capture"),
};

Fuzzer.OutOfProcess.Run(stream =>
{
    using var copy = new MemoryStream();
    stream.CopyTo(copy);
    target(copy.ToArray());
});

static void ReadCapture(byte[] bytes)
{
    try
    {
        using CaptureReader reader = CaptureReader.Open(new MemoryStream(bytes));
        while (reader.TryRead(out CaptureFrame frame))
        {
            frame.TryGetIp(out _);
        }
    }
    catch (CaptureFormatException)
    {
        // the only thing that it may throw
    }
}
