// What was seen at a pair of NetBSD 10 kernels, as Vectors/netbsd/behaviours.json tells it, line by line.

using System.Text.Json;

namespace Testudo.Tests.Behaviours;

/// <summary>One behaviour of that kernel.</summary>
/// <param name="Section">What it is about.</param>
/// <param name="Name">Its name, the only one of its kind.</param>
/// <param name="Lines">What was done ("a# ..." is a script of host a's setkey) and what was seen, in order.</param>
internal sealed record Observation(string Section, string Name, IReadOnlyList<string> Lines)
{
    /// <summary>All of them.</summary>
    public static IReadOnlyList<Observation> All { get; } = Read();

    /// <summary>Those that need no socket option: of sockets an engine knows nothing.</summary>
    public static IEnumerable<Observation> OfPackets => All.Where(static one => one.Section != "socket");

    private static List<Observation> Read()
    {
        using JsonDocument file = JsonDocument.Parse(File.ReadAllBytes(Repository.Vectors("netbsd", "behaviours.json")));
        return [.. file.RootElement.EnumerateArray().Select(static one => new Observation(
            Text(one.GetProperty("section")),
            Text(one.GetProperty("name")),
            [.. one.GetProperty("observed").EnumerateArray().Select(Text)]))];
    }

    private static string Text(JsonElement element) => element.GetString() ?? throw new InvalidDataException("a text is missing in behaviours.json");
}
