// What open and seal have in common: every frame of a capture through an engine, what comes out to a file, a line of JSON
// each, and the sum in words.

using System.Text.Json;
using Testudo.Offline;
using Testudo.Wire;

namespace Testudo.App.Open;

/// <summary>One run over a capture.</summary>
/// <param name="Command">The command's name, for messages.</param>
/// <param name="Writes">Which frames' packets are written.</param>
/// <param name="Sum">The account in words, behind the number of frames.</param>
internal sealed record FrameLoop(string Command, Func<Verdict, bool> Writes, Func<FrameAccount, string> Sum)
{
    public delegate EndedFrame Handle(in CaptureFrame frame);

    /// <summary>The exit status: 1 where the capture is damaged; the frames before are good, and are written.</summary>
    public int Run(FileInfo input, CaptureOutput? output, bool writesJson, Handle handle)
    {
        var account = new FrameAccount();
        using CaptureReader reader = CaptureReader.Open(input.OpenRead());
        using Stream? json = writesJson ? Console.OpenStandardOutput() : null;
        CaptureFormatException? damage = null;
        try
        {
            while (reader.TryRead(out CaptureFrame frame))
            {
                EndedFrame ended = handle(frame);
                account.Count(ended.Verdict, ended.Drop);
                if (Writes(ended.Verdict))
                {
                    output?.Write(ended.Time, ended.Packet.Span);
                }

                json?.Write(JsonSerializer.SerializeToUtf8Bytes(FrameLine.Of(ended), AppJson.Default.FrameLine));
                json?.Write("\n"u8);
            }
        }
        catch (CaptureFormatException e)
        {
            damage = e;
        }

        Console.Error.WriteLine($"testudo {Command}: {account.Frames} frames: {Sum(account)}, {account.Of(Verdict.NotIp)} not IP, {account.Dropped()}");
        if (damage is not null)
        {
            Console.Error.WriteLine($"testudo {Command}: {input.Name}: {damage.Message}");
            return 1;
        }

        return 0;
    }
}
