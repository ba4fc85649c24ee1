// A captured link behaves as the link inside, and the file tells what passed.

using Testudo.Links;
using Testudo.Tests.Checker;
using Testudo.Wire;
using Xunit;

namespace Testudo.Tests.Wire;

public sealed class CaptureLinkTests
{
    private static readonly byte[] s_ping = Build.Ipv4("10.0.0.1", "10.0.0.2").IcmpEcho();
    private static readonly byte[] s_pong = Build.Ipv4("10.0.0.2", "10.0.0.1").IcmpEcho(reply: true);

    [Fact]
    public void What_is_sent_and_received_is_in_the_file_with_its_way_and_time()
    {
        var stream = new MemoryStream();
        using var file = new PcapngWriter(stream, null, null, null);
        var inside = new Stub("tun a");
        var other = new Stub("raw4");
        var clock = new StoppedClock(new DateTimeOffset(2026, 1, 2, 3, 4, 5, TimeSpan.Zero).AddTicks(1234567));
        using var link = new CaptureLink(inside, file, clock, live: true, "clear");
        using var second = new CaptureLink(other, file, clock, live: true);
        using var batch = new Batch();

        inside.Arriving.Add(s_ping);
        inside.Arriving.Add(s_pong);
        batch.TryAdd(s_pong); // was there before: not received now
        Assert.Equal(2, link.Receive(batch, 0));
        Assert.Equal(3, batch.Count);
        batch[1].Drop = Drop.NoSa; // ended before it was sent
        second.Send(batch);
        Assert.Equal(0, link.Receive(batch, 0));
        Assert.Equal(3, other.Sent);

        stream.Position = 0;
        using CaptureReader reader = CaptureReader.Open(stream, leaveOpen: true);
        var told = new List<string>();
        while (reader.TryRead(out CaptureFrame frame))
        {
            Assert.Equal(1_767_323_045_123_456_700, frame.Time);
            Assert.Equal(LinkType.Raw, frame.Interface.LinkType);
            told.Add($"{frame.Interface.Name} {frame.Direction} {(frame.Bytes.Span.SequenceEqual(s_ping) ? "ping" : "pong")}");
        }

        Assert.Equal(["tun a Inbound ping", "tun a Inbound pong", "raw4 Outbound pong", "raw4 Outbound pong"], told);
        Assert.Equal(["clear", null], reader.Interfaces.Select(static i => i.Description));
    }

    [Fact]
    public void A_capture_that_cannot_be_written_does_not_stop_the_traffic()
    {
        using var stream = new CaptureWriterTests.FullStream(200);
        using var file = new PcapngWriter(stream, null, null, null);
        var inside = new Stub("tun a");
        using var link = new CaptureLink(inside, file, TimeProvider.System, live: true);
        using var batch = new Batch();
        for (int i = 0; i < 10; i++)
        {
            batch.TryAdd(s_ping);
        }

        Assert.Null(link.Failure);
        link.Send(batch);
        link.Send(batch);
        inside.Arriving.Add(s_ping);
        Assert.Equal(1, link.Receive(batch, 0));
        Assert.Equal(20 /* both times */, inside.Sent);
        Assert.Equal("No space left on device", link.Failure);
    }

    [Fact]
    public void The_rest_is_the_link_inside()
    {
        var stream = new MemoryStream();
        var file = new PcapngWriter(stream, null, null, null, leaveOpen: true);
        var inside = new Stub("tun a");
        using var batch = new Batch();
        using (var link = new CaptureLink(inside, file, TimeProvider.System))
        {
            Assert.Equal("tun a", link.Name);
            link.Wake();
            Assert.Equal(1, inside.Woken);
            batch.TryAdd(s_ping);
            link.Send(batch);
            Assert.Equal(0, stream.Length); // not live: kept until there is more
        }

        Assert.True(inside.Closed);
        Assert.Equal(file.Length, stream.Length); // closing flushed
        file.Dispose();
        Assert.Throws<IOException>(() => new CaptureLink(new Stub("late"), file, TimeProvider.System));
    }

    [Fact]
    public void Many_links_on_many_threads_share_a_file()
    {
        var stream = new MemoryStream();
        using var file = new PcapngWriter(stream, null, null, null);
        var clock = new RunningClock();
        CaptureLink[] links = [.. Enumerable.Range(0, 4).Select(i => new CaptureLink(new Stub($"link {i}"), file, clock))];
        Parallel.ForEach(links, link =>
        {
            using var batch = new Batch();
            while (batch.TryAdd(s_ping) && batch.Count < 100)
            {
            }

            for (int i = 0; i < 50; i++)
            {
                link.Send(batch);
            }
        });
        foreach (CaptureLink link in links)
        {
            link.Dispose();
        }

        stream.Position = 0;
        using CaptureReader reader = CaptureReader.Open(stream, leaveOpen: true);
        int[] counts = new int[4];
        long last = 0;
        while (reader.TryRead(out CaptureFrame frame))
        {
            counts[frame.Interface.Index]++;
            Assert.Equal(s_ping, frame.Bytes.ToArray());
            Assert.True(frame.Time >= last, "the times in a file do not go back");
            last = frame.Time;
        }

        Assert.Equal([5000, 5000, 5000, 5000], counts);
    }

    private sealed class StoppedClock(DateTimeOffset now) : TimeProvider
    {
        public override DateTimeOffset GetUtcNow() => now;
    }

    private sealed class RunningClock : TimeProvider
    {
        private long _ticks = DateTimeOffset.UnixEpoch.Ticks;

        public override DateTimeOffset GetUtcNow() => new(Interlocked.Increment(ref _ticks), TimeSpan.Zero);
    }

    private sealed class Stub(string name) : Link
    {
        public List<byte[]> Arriving { get; } = [];

        public int Sent { get; private set; }

        public int Woken { get; private set; }

        public bool Closed { get; private set; }

        public override string Name => name;

        public override int Receive(Batch into, int timeoutMilliseconds)
        {
            int count = Arriving.Count(bytes => into.TryAdd(bytes));
            Arriving.Clear();
            return count;
        }

        public override void Send(Batch packets) => Sent += packets.Count;

        public override void Wake() => Woken++;

        protected override void Dispose(bool disposing) => Closed = true;
    }
}
