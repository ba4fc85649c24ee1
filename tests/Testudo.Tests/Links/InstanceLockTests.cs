// The lock of an instance number: one holder at a time, a file that only its owner reads, and that goes with its holder.

using System.Globalization;
using System.Runtime.Versioning;
using Testudo.Links;
using Testudo.Tests.Open;
using Xunit;

namespace Testudo.Tests.Links;

[SupportedOSPlatform("linux")]
public sealed class InstanceLockTests
{
    private static readonly HostJoinOptions s_options = HostJoinOptions.ForInstance(0);

    [Fact]
    public void The_file_names_its_holder_and_goes_in_an_orderly_end()
    {
        using var folder = new Scratch();
        string path = folder["instance.lock"];
        InstanceLock held = InstanceLock.Take(s_options, path);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(path));
        IOException refused = Assert.Throws<IOException>(() => InstanceLock.Take(s_options, path));
        Assert.Contains($"process {Environment.ProcessId.ToString(CultureInfo.InvariantCulture)}", refused.Message, StringComparison.Ordinal);

        held.Dispose();
        Assert.False(File.Exists(path));
        using InstanceLock next = InstanceLock.Take(s_options, path);
        held.Dispose(); // again: the file is another's now
        Assert.True(File.Exists(path));
    }

    [Fact]
    public void A_file_that_a_killed_holder_left_is_taken_over()
    {
        using var folder = new Scratch();
        string path = folder.Write("instance.lock", "a pid of more letters than ours\n");
        using (InstanceLock.Take(s_options, path))
        {
            Assert.Equal($"{Environment.ProcessId}\n".Length, new FileInfo(path).Length);
        }

        Assert.False(File.Exists(path));
    }

    [Fact]
    public void However_often_it_changes_hands_there_is_one_holder_at_a_time()
    {
        using var folder = new Scratch();
        string path = folder["instance.lock"];
        int holders = 0, most = 0, taken = 0;
        Thread[] threads = [.. Enumerable.Range(0, 4).Select(_ => new Thread(() =>
        {
            while (Volatile.Read(ref taken) < 500)
            {
                try
                {
                    using InstanceLock held = InstanceLock.Take(s_options, path);
                    int now = Interlocked.Increment(ref holders);
                    if (now > 1)
                    {
                        Volatile.Write(ref most, now);
                    }

                    Thread.Yield();
                    Interlocked.Decrement(ref holders);
                    Interlocked.Increment(ref taken);
                }
                catch (IOException)
                {
                    // another has it
                }
            }
        }))];
        Array.ForEach(threads, static thread => thread.Start());
        Array.ForEach(threads, static thread => thread.Join());
        Assert.Equal(0, most);
        Assert.False(File.Exists(path));
    }
}
