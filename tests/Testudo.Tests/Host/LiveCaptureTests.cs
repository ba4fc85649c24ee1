// A capture that is being written can be read: what passed is in the file soon, not when 64 KiB are together.

using Testudo.Host;
using Testudo.Links;
using Testudo.Tests.Checker;
using Testudo.Tests.Open;
using Testudo.Wire;
using Xunit;

namespace Testudo.Tests.Host;

public sealed class LiveCaptureTests
{
    [Fact]
    public async Task What_passed_is_in_the_file_while_the_stack_runs()
    {
        using var folder = new Scratch();
        (MemoryLink program, MemoryLink clear) = MemoryLink.Pair("program", "clear");
        (MemoryLink wire, MemoryLink far) = MemoryLink.Pair("wire", "far");
        using var tap = new PacketTap(new FileStream(folder["live.pcapng"], FileMode.Create, FileAccess.Write, FileShare.ReadWrite), "testudo");
        await using var stack = new IpsecStack(clear, wire, new IpsecStackOptions { Capture = tap });
        stack.Start();
        byte[] packet = Build.Ipv4("10.0.0.1", "10.0.0.2").Udp(1, 2, "seen at once"u8);
        program.Send(packet);
        Assert.Equal(packet, far.Receive(timeoutMilliseconds: 10_000));

        Assert.True(SpinWait.SpinUntil(() => Packets().Count >= 2, TimeSpan.FromSeconds(30)), "the file has no packets");
        Assert.All(Packets(), seen => Assert.Equal(packet, seen));

        List<byte[]> Packets()
        {
            var seen = new List<byte[]>();
            using var file = new FileStream(folder["live.pcapng"], FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
            if (file.Length > 0)
            {
                using CaptureReader reader = CaptureReader.Open(file);
                while (reader.TryRead(out CaptureFrame frame))
                {
                    seen.Add(frame.Bytes.ToArray());
                }
            }

            return seen;
        }
    }
}
