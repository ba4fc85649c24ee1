// The version in words, from the assembly.

namespace Testudo.App;

internal static class AppVersion
{
    public static string Text { get; } = typeof(AppVersion).Assembly.GetName().Version?.ToString(3) ?? "0";
}
