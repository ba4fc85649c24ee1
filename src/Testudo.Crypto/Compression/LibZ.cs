// The functions of zlib that are called, and nothing else: the library that every system has as libz.so.1, or one that takes
// its place (zlib-ng).

using System.Runtime.InteropServices;

namespace Testudo.Crypto;

/// <summary>z_stream of 64-bit systems, 112 bytes.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct ZStream
{
    public byte* NextIn;
    public uint AvailableIn;
    public nuint TotalIn;
    public byte* NextOut;
    public uint AvailableOut;
    public nuint TotalOut;
    public nint Message;
    public nint State;
    public nint Allocate;
    public nint Free;
    public nint Opaque;
    public int DataType;
    public nuint Adler;
    public nuint Reserved;
}

/// <summary>The calls; all return <see cref="Ok"/> for success unless told otherwise.</summary>
internal static unsafe partial class LibZ
{
    public const int Ok = 0, StreamEnd = 1, BufferError = -5;

    /// <summary>Z_FINISH: all that there is.</summary>
    public const int Finish = 4;

    private const string Library = "libz.so.1";
    private const DllImportSearchPath SearchPath = DllImportSearchPath.SafeDirectories;
    private const int Deflated = 8, DefaultLevel = -1, MemoryLevel = 8, DefaultStrategy = 0, LargestWindowBits = 15;

    private static readonly string[] s_needed =
        ["zlibVersion", "deflateInit2_", "deflateReset", "deflate", "deflateEnd", "inflateInit2_", "inflateReset", "inflate", "inflateEnd"];

    /// <summary>True where the library is there, with every function that is used.</summary>
    public static bool IsAvailable { get; } =
        OperatingSystem.IsLinux()
        && Environment.Is64BitProcess
        && NativeLibrary.TryLoad(Library, typeof(LibZ).Assembly, SearchPath, out nint library)
        && Array.TrueForAll(s_needed, name => NativeLibrary.TryGetExport(library, name, out _));

    /// <summary>Negative window bits: the bare format. Fails where there is no memory.</summary>
    public static bool StartDeflate(ZStream* stream, int windowBits) =>
        DeflateInit(stream, DefaultLevel, Deflated, -windowBits, MemoryLevel, DefaultStrategy, Version(), sizeof(ZStream)) == Ok;

    public static bool StartInflate(ZStream* stream) => InflateInit(stream, -LargestWindowBits, Version(), sizeof(ZStream)) == Ok;

    [LibraryImport(Library, EntryPoint = "deflateReset"), DefaultDllImportSearchPaths(SearchPath)]
    public static partial int DeflateReset(ZStream* stream);

    [LibraryImport(Library, EntryPoint = "deflate"), DefaultDllImportSearchPaths(SearchPath)]
    public static partial int Deflate(ZStream* stream, int flush);

    [LibraryImport(Library, EntryPoint = "deflateEnd"), DefaultDllImportSearchPaths(SearchPath)]
    public static partial int DeflateEnd(ZStream* stream);

    [LibraryImport(Library, EntryPoint = "inflateReset"), DefaultDllImportSearchPaths(SearchPath)]
    public static partial int InflateReset(ZStream* stream);

    [LibraryImport(Library, EntryPoint = "inflate"), DefaultDllImportSearchPaths(SearchPath)]
    public static partial int Inflate(ZStream* stream, int flush);

    [LibraryImport(Library, EntryPoint = "inflateEnd"), DefaultDllImportSearchPaths(SearchPath)]
    public static partial int InflateEnd(ZStream* stream);

    [LibraryImport(Library, EntryPoint = "zlibVersion"), DefaultDllImportSearchPaths(SearchPath)]
    private static partial nint Version();

    [LibraryImport(Library, EntryPoint = "deflateInit2_"), DefaultDllImportSearchPaths(SearchPath)]
    private static partial int DeflateInit(ZStream* stream, int level, int method, int windowBits, int memoryLevel, int strategy, nint version, int size);

    [LibraryImport(Library, EntryPoint = "inflateInit2_"), DefaultDllImportSearchPaths(SearchPath)]
    private static partial int InflateInit(ZStream* stream, int windowBits, nint version, int size);
}
