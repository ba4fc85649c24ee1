// The namespace helper itself: what is made inside stays inside, and goes.

using Xunit;

namespace Testudo.SystemTests.Netns;

public sealed class NetworkNamespaceTests
{
    [Fact]
    public void Two_namespaces_joined_by_a_veth_reach_each_other_and_nobody_else_sees_them()
    {
        using var a = new NetworkNamespace();
        using var b = new NetworkNamespace();
        NetworkNamespace.Connect(a, "left0", "10.9.0.1/24 fd09::1/64", b, "right0", "10.9.0.2/24 fd09::2/64");

        Assert.Contains("1 received", a.Run("ping -c1 -W2 10.9.0.2"), StringComparison.Ordinal);
        Assert.Contains("1 received", b.Run("ping -c1 -W2 fd09::1"), StringComparison.Ordinal);
        Assert.Contains("left0:", a.Do(() => File.ReadAllText("/proc/thread-self/net/dev")), StringComparison.Ordinal);
        Assert.DoesNotContain("left0:", File.ReadAllText("/proc/thread-self/net/dev"), StringComparison.Ordinal);
    }

    [Fact]
    public void A_command_that_fails_fails_with_its_own_words()
    {
        using var a = new NetworkNamespace();
        var e = Assert.Throws<InvalidOperationException>(() => a.Run("ip link show nothing0"));
        Assert.Contains("nothing0", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Another_thread_works_in_the_same_namespace()
    {
        using var a = new NetworkNamespace();
        a.Run("ip link add only0 type veth peer name only1");
        string seen = "";
        a.StartThread(() => seen = File.ReadAllText("/proc/thread-self/net/dev")).Join();
        Assert.Contains("only0:", seen, StringComparison.Ordinal);
    }
}
