// Native memory that ends exactly where a forbidden page begins: one byte read too far kills the process.

using System.Runtime.InteropServices;

namespace Testudo.Tests;

internal sealed unsafe partial class GuardPage : IDisposable
{
    private const int ReadWrite = 3, PrivateAnonymous = 0x22;
    private readonly nint _base;
    private readonly nuint _guard = (nuint)Environment.SystemPageSize;
    private readonly nuint _size;

    /// <summary>Room for at least so many bytes in front of the forbidden page.</summary>
    public GuardPage(int atLeast)
    {
        _size = ((nuint)atLeast + _guard - 1) / _guard * _guard;
        _base = Mmap(0, _size + _guard, ReadWrite, PrivateAnonymous, -1, 0);
        if (_base == -1 || Mprotect(_base + (nint)_size, _guard, 0) != 0)
        {
            throw new InvalidOperationException($"mmap or mprotect: {Marshal.GetLastPInvokeErrorMessage()}");
        }
    }

    /// <summary>The last bytes in front of the forbidden page.</summary>
    public Span<byte> Last(int length)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan((nuint)length, _size);
        return new Span<byte>((byte*)_base + (nint)_size - length, length);
    }

    /// <summary>A copy of some bytes that ends at the forbidden page.</summary>
    public Span<byte> Last(ReadOnlySpan<byte> bytes)
    {
        Span<byte> place = Last(bytes.Length);
        bytes.CopyTo(place);
        return place;
    }

    public void Dispose() => _ = Munmap(_base, _size + _guard);

    [LibraryImport("libc", EntryPoint = "mmap", SetLastError = true)]
    private static partial nint Mmap(nint address, nuint length, int protection, int flags, int fd, nint offset);

    [LibraryImport("libc", EntryPoint = "mprotect", SetLastError = true)]
    private static partial int Mprotect(nint address, nuint length, int protection);

    [LibraryImport("libc", EntryPoint = "munmap")]
    private static partial int Munmap(nint address, nuint length);
}
