// What is left of a stack when it is gone: no thread, no key, no socket.

using Testudo.Engine.Keys;
using Testudo.PfKey;
using Testudo.Tests.Open;
using Testudo.Wire.PfKey;
using Xunit;

namespace Testudo.Tests.Host;

[Collection(nameof(Alone))] // threads of other tests' stacks would be counted
public sealed class StackEndsTests
{
    [Fact]
    public async Task Disposal_ends_all_threads_and_wipes_the_keys()
    {
        Stacks.Until(static () => Threads() == 0, "no thread of another test");
        using var scratch = new Scratch();
        Stacks stacks = new Stacks().Protected();
        var socket = new PfKeySocket(stacks.A, scratch["pfkey.sock"]);
        using var client = new PfKeyClient(scratch["pfkey.sock"]);
        client.Ask(new PfKeyMessage(PfKeyType.Dump));
        Sa[] sas = [.. stacks.A.Engine.Sad.All, .. stacks.B.Engine.Sad.All];
        Assert.All(sas, static sa => Assert.True(sa.CipherKey.ContainsAnyExcept((byte)0)));
        Stacks.Until(static () => Threads() == 9, "two stacks of three threads, a listener, a reader and a writer"); // names are set by the threads themselves

        socket.Dispose();
        await stacks.DisposeAsync();
        Stacks.Until(static () => Threads() == 0, "the end of all threads");
        Assert.All(sas, static sa => Assert.False(sa.CipherKey.ContainsAnyExcept((byte)0)));
        Assert.False(File.Exists(scratch["pfkey.sock"]));
        Assert.Throws<IOException>(() => client.Receive());
    }

    [Fact]
    public async Task Disposal_twice_and_without_a_start_is_no_fault()
    {
        var stack = new IpsecStack();
        await stack.DisposeAsync();
        await stack.DisposeAsync();
        Stacks stacks = new Stacks().Started();
        await stacks.DisposeAsync();
        await stacks.A.DisposeAsync();
    }

    // The kernel's own list, with the first 15 letters of their names.
    private static int Threads() => Directory.GetDirectories("/proc/self/task").Count(static task =>
    {
        try
        {
            return File.ReadAllText(Path.Combine(task, "comm")).StartsWith("testudo ", StringComparison.Ordinal);
        }
        catch (IOException)
        {
            return false; // it ended meanwhile
        }
    });
}
