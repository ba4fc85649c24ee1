// What a capture file that cannot be read says to its reader: where, what was expected, what to do.

namespace Testudo.Wire;

/// <summary>A capture file is not what its format says. The message names the place and the remedy.</summary>
public sealed class CaptureFormatException : FormatException
{
    /// <summary>An error without a place.</summary>
    public CaptureFormatException()
    {
    }

    /// <summary>An error with a message of its own.</summary>
    public CaptureFormatException(string message)
        : base(message)
    {
    }

    /// <summary>An error with a message of its own and what caused it.</summary>
    public CaptureFormatException(string message, Exception innerException)
        : base(message, innerException)
    {
    }

    /// <summary>An error at a byte of the file.</summary>
    public CaptureFormatException(long offset, string what, string remedy)
        : base($"byte {offset}: {what}; {remedy}")
    {
        Offset = offset;
    }

    /// <summary>The first byte of what could not be read, counted from 0.</summary>
    public long Offset { get; }
}
