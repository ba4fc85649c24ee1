// Says which sentences of a standard a test shows; docs/conformance.md is made of these. Both test programs have it.

namespace Testudo.Tests;

/// <summary>
/// Names sentences by their ids in tests/Testudo.Tests/Conformance/*.txt. One line in the source, since the page's maker
/// reads the text: the system tests need not be built.
/// </summary>
[AttributeUsage(AttributeTargets.Method, AllowMultiple = true)]
internal sealed class ShowsAttribute(params string[] ids) : Attribute
{
    public IReadOnlyList<string> Ids { get; } = ids;
}
