// The guard closes before the engine protects and opens after the engine relaxed; where it fails, nothing has changed.

using Testudo.Engine.Policies;
using Testudo.Wire.PfKey;
using Xunit;

namespace Testudo.Tests.Host;

public sealed class GuardOrderTests : IAsyncDisposable
{
    private readonly List<string> _calls = [];
    private readonly IpsecStack _stack;
    private string? _fault;

    public GuardOrderTests()
    {
        _stack = new IpsecStack(new IpsecStackOptions
        {
            Guard = policies =>
            {
                _calls.Add($"guard {policies.Count}, engine {_stack!.Engine.Spd.All.Count()}");
                return _fault;
            },
        });
    }

    [Fact]
    public void What_protects_goes_into_the_guard_first_and_what_relaxes_into_the_engine()
    {
        Policy protects = _stack.AddPolicy(Protect.Transport(PolicyDirection.Out, Stacks.Alice, Stacks.Bob));
        Policy relaxes = _stack.AddPolicy(Protect.Transport(PolicyDirection.In, Stacks.Bob, Stacks.Alice) with { Action = PolicyAction.None, Requests = [] });
        _stack.RemovePolicy(protects);
        _stack.RemovePolicy(relaxes);
        _stack.CommitGuard();
        Assert.Equal(["guard 1, engine 0", "guard 2, engine 2", "guard 1, engine 1", "guard 0, engine 1", "guard 0, engine 0"], _calls);
    }

    [Fact]
    public void A_failing_guard_changes_nothing()
    {
        Policy kept = _stack.AddPolicy(Protect.Transport(PolicyDirection.Out, Stacks.Alice, Stacks.Bob));
        _fault = "the table is locked";
        IpsecException refused = Assert.Throws<IpsecException>(() => _stack.AddPolicy(Protect.Transport(PolicyDirection.In, Stacks.Bob, Stacks.Alice)));
        Assert.Equal(PfKeyError.Io, refused.Error);
        Assert.Contains("the table is locked", refused.Message);
        Assert.Throws<IpsecException>(() => _stack.RemovePolicy(kept));
        Assert.Throws<IpsecException>(_stack.CommitGuard);
        Assert.Same(kept, Assert.Single(_stack.Engine.Spd.All));
    }

    public ValueTask DisposeAsync() => _stack.DisposeAsync();
}
