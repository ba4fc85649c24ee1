// The collection of tests that count or measure: no other test runs beside them.

using Xunit;

namespace Testudo.Tests;

[CollectionDefinition(nameof(Alone), DisableParallelization = true)]
public sealed class Alone;
