// Benchmarks per stage. Figures of one machine and one moment: compare only what ran side by side.

using BenchmarkDotNet.Running;

BenchmarkSwitcher.FromAssembly(typeof(Program).Assembly).Run(args);
