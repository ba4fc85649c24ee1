// A refused instruction.

using Testudo.Engine;
using Testudo.Wire.PfKey;

namespace Testudo;

/// <summary>An instruction was refused; the message says why and what helps.</summary>
public sealed class IpsecException(Refusal refusal) : Exception(refusal.Sentence)
{
    /// <summary>The reason for programs.</summary>
    public PfKeyError Error { get; } = refusal.Error;
}
