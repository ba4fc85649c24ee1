namespace Testudo.Tests.Behaviours;

internal sealed record Difference(bool IsOpen, string Why, params string[] Here);

internal static class Differs
{
    public static IReadOnlyDictionary<string, Difference> List { get; } = new Dictionary<string, Difference>();
}
