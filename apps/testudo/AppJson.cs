// JSON of this program, generated at compile time: no reflection.

using System.Text.Json.Serialization;
using Testudo.App.Demo;
using Testudo.App.Open;
using Testudo.App.Sim;
using Testudo.App.Up;

namespace Testudo.App;

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(DemoAccount))]
[JsonSerializable(typeof(FrameLine))]
[JsonSerializable(typeof(SimAccount))]
[JsonSerializable(typeof(Status))]
internal sealed partial class AppJson : JsonSerializerContext;
