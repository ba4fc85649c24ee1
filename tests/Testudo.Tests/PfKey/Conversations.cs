// The recorded PF_KEY conversations: OpenIKED's in Linux's layouts, NetBSD's kernel's in its own.

using System.Text.Json;

namespace Testudo.Tests.PfKey;

/// <summary>One record and what its file says of it.</summary>
internal sealed record Recorded(string Where, byte[] Bytes, JsonElement Said);

/// <summary>One case of NetBSD's file: requests, and what the kernel did with them.</summary>
internal sealed record NetBsdCase(string Name, bool IsValid, IReadOnlyList<Recorded> Steps);

internal static class Conversations
{
    public static IReadOnlyList<Recorded> Linux { get; } = ReadLinux();

    public static IReadOnlyList<NetBsdCase> NetBsd { get; } = ReadNetBsd();

    private static List<Recorded> ReadLinux()
    {
        List<Recorded> records = [];
        foreach (string path in Directory.GetFiles(Repository.Vectors("pfkey-linux"), "*.json").Order(StringComparer.Ordinal))
        {
            using JsonDocument file = JsonDocument.Parse(File.ReadAllText(path));
            foreach (JsonElement message in file.RootElement.GetProperty("messages").EnumerateArray())
            {
                // The others are marks: what was done to the daemon at this moment.
                if (message.TryGetProperty("hex", out JsonElement hex))
                {
                    string where = $"{Path.GetFileName(path)} at {message.GetProperty("t_ms")} ms";
                    records.Add(new Recorded(where, Convert.FromHexString(hex.GetString()!), message.Clone()));
                }
            }
        }

        return records;
    }

    private static List<NetBsdCase> ReadNetBsd()
    {
        List<NetBsdCase> cases = [];
        using JsonDocument file = JsonDocument.Parse(File.ReadAllText(Repository.Vectors("netbsd", "pfkey.json")));
        foreach (JsonElement entry in file.RootElement.EnumerateArray())
        {
            string name = entry.GetProperty("name").GetString()!;
            List<Recorded> steps = [];
            foreach (JsonElement step in entry.GetProperty("steps").EnumerateArray())
            {
                if (step.TryGetProperty("hex", out JsonElement hex))
                {
                    string where = $"{name}, {step.GetProperty("dir").GetString()} {steps.Count}";
                    steps.Add(new Recorded(where, Convert.FromHexString(hex.GetString()!), step.Clone()));
                }
            }

            cases.Add(new NetBsdCase(name, entry.GetProperty("kind").GetString() == "valid", steps));
        }

        return cases;
    }
}
