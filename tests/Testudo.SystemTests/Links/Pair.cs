// Two namespaces joined by a veth: 10.9.0.1 (and .11), fd09::1 (and ::11) on one side, 10.9.0.2, fd09::2 on the other.

using Testudo.SystemTests.Netns;

namespace Testudo.SystemTests.Links;

internal sealed class Pair : IDisposable
{
    public Pair() =>
        NetworkNamespace.Connect(A, "eth0", "10.9.0.1/24 10.9.0.11/24 fd09::1/64 fd09::11/64", B, "eth0", "10.9.0.2/24 fd09::2/64");

    public NetworkNamespace A { get; } = new();

    public NetworkNamespace B { get; } = new();

    public void Dispose()
    {
        A.Dispose();
        B.Dispose();
    }
}
