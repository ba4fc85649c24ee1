// What a script is once it has been read: commands as messages, or errors; and the questions that reading may ask outside.

using System.Collections.Immutable;
using Testudo.Wire;
using Testudo.Wire.PfKey;

namespace Testudo.Control.Setkey;

/// <summary>One command.</summary>
/// <param name="Verb">What it does.</param>
/// <param name="File">The script's name.</param>
/// <param name="Line">Line of the command's first word, from 1.</param>
/// <param name="Column">Column of it, from 1.</param>
/// <param name="EndLine">Line of the ';' : the number that other setkeys print.</param>
/// <param name="Messages">What to send, in order; several where a host name has several addresses, none for exit.</param>
public sealed record SetkeyCommand(SetkeyVerb Verb, string File, int Line, int Column, int EndLine, ImmutableArray<PfKeyMessage> Messages);

/// <summary>A whole script. Nothing of it is to be executed where <see cref="Errors"/> is not empty.</summary>
/// <param name="Commands">The commands that could be read, in order, up to an exit.</param>
/// <param name="Errors">In order of place; the first is the one to trust.</param>
/// <param name="Warnings">What is legal and yet most likely not meant.</param>
public sealed record SetkeyScript(ImmutableArray<SetkeyCommand> Commands, ImmutableArray<SetkeyError> Errors, ImmutableArray<SetkeyError> Warnings)
{
    /// <summary>
    /// Overwrites the keys of all commands with zeros: they are copies, and the caller's to wipe once sent.
    /// </summary>
    public void WipeKeys()
    {
        foreach (SetkeyCommand command in Commands)
        {
            foreach (PfKeyMessage message in command.Messages)
            {
                message.WipeKeys();
            }
        }
    }
}

/// <summary>What a script's words may need from the system. A missing answerer means that such names are errors.</summary>
public sealed record SetkeyLookups
{
    /// <summary>Addresses of a host name; the family is <see cref="IpFamily.None"/> where both are wanted. Empty for an unknown name.</summary>
    public Func<string, IpFamily, IReadOnlyList<Address>>? Hosts { get; init; }

    /// <summary>A protocol's number by its name, as /etc/protocols has it.</summary>
    public Func<string, byte?>? Protocols { get; init; }

    /// <summary>A service's port by its name and protocol number (255 for any), as /etc/services has it.</summary>
    public Func<string, byte, ushort?>? Services { get; init; }

    /// <summary>An interface's index by its name, for the zone behind '%'.</summary>
    public Func<string, uint?>? Interfaces { get; init; }

    /// <summary>False leaves Testudo's own extension out wherever it would be empty, for servers that refuse unknown extensions.</summary>
    public bool AsksForWords { get; init; } = true;
}
