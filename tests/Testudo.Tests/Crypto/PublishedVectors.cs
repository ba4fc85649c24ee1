// The files in Published/: vectors of RFCs and NIST, as data.

using System.Text.Json;
using Xunit;

namespace Testudo.Tests.Crypto;

/// <summary>One case of a file of vectors; its fields are hexadecimal.</summary>
public sealed class Vector(string name, JsonElement fields)
{
    public byte[] this[string field] => Convert.FromHexString(Text(field));

    public string Text(string field) => fields.GetProperty(field).GetString()!;

    public override string ToString() => name;
}

internal static class PublishedVectors
{
    public static IEnumerable<TheoryDataRow<Vector>> Read(string file)
    {
        string path = Path.Combine(Repository.Root, "tests", "Testudo.Tests", "Crypto", "Published", file);
        JsonElement root = JsonDocument.Parse(File.ReadAllText(path)).RootElement;
        foreach (JsonElement vector in root.GetProperty("cases").EnumerateArray())
        {
            string name = vector.GetProperty("name").GetString()!;
            yield return new(new Vector(name, vector)) { TestDisplayName = name };
        }
    }
}
