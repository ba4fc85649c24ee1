// Why a record is not a PF_KEY message: where, with which errno, and in words.

namespace Testudo.Wire.PfKey;

/// <summary>A fault of form.</summary>
/// <param name="Offset">The byte of the record (or buffer) that is wrong, from 0.</param>
/// <param name="Error">The errno a kernel gives for it.</param>
/// <param name="Sentence">Names the extension, what stands there and what was expected. Never a key.</param>
public readonly record struct Fault(int Offset, PfKeyError Error, string Sentence)
{
    /// <summary>No fault.</summary>
    public static Fault None => new(0, PfKeyError.None, "");
}
