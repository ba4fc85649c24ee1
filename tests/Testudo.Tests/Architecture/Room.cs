// The rooms of the house: who may know whom, and why. The test beside it holds the project files, the compiled assemblies
// and the sources to this table.

namespace Testudo.Tests.Architecture;

/// <summary>One project under src/ or apps/.</summary>
/// <param name="Name">Of the project, the assembly and the namespace.</param>
/// <param name="Folder">Where it is, below the root.</param>
/// <param name="Knows">The rooms that it may know.</param>
/// <param name="IsPure">No clock, chance, thread or console: they come in as arguments, and an analyzer watches.</param>
/// <param name="Native">The folders or files that may call native code, below the room.</param>
/// <param name="Why">The reason, for whoever runs into it.</param>
internal sealed record Room(string Name, string Folder, string[] Knows, bool IsPure, string[] Native, string Why)
{
    private const string Wire = "Testudo.Wire", Crypto = "Testudo.Crypto", Engine = "Testudo.Engine", Control = "Testudo.Control",
        Links = "Testudo.Links", Legacy = "Testudo.Legacy", Host = "Testudo", Simulation = "Testudo.Simulation";

    public static IReadOnlyList<Room> All { get; } =
    [
        new(Wire, "src/Testudo.Wire", [], true, [],
            "bytes and their meaning need nobody: whoever reads a packet must not have to carry keys or sockets along"),
        new(Crypto, "src/Testudo.Crypto", [], true, ["OpenSsl/LibCrypto.cs", "Compression/LibZ.cs"],
            "providers and compressors compute on spans; one that knew of packets could not be put in another's place"),
        new(Legacy, "src/Testudo.Legacy", [Crypto, "BouncyCastle.Cryptography"], true, [],
            "what is historic is computed by a package that the shipped core does not know; only programs bring the two together"),
        new(Engine, "src/Testudo.Engine", [Wire, Crypto], true, [],
            "the engine decides; sockets and hosts come to it, and so it can be run from one seed"),
        new(Control, "src/Testudo.Control", [Wire, Crypto, Engine], true, [],
            "instructions are bytes turned into the engine's values; of Crypto it knows the names of algorithms only"),
        new(Links, "src/Testudo.Links", [Wire], false, ["Linux/"],
            "a link carries packets and never sees a key or a policy; one that knew the engine would decide"),
        new(Host, "src/Testudo", [Wire, Crypto, Engine, Control, Links], false, ["PfKey/PrivateSocket.cs"],
            "the host owns threads and the clock and joins the rooms; nobody below it may need a host"),
        new(Simulation, "src/Testudo.Simulation", [Wire, Crypto, Engine, Control, Host], false, [],
            "a simulation is a host of another kind; with Links it would come to real sockets and real time"),
        new("Testudo.App", "apps/testudo", [Wire, Crypto, Legacy, Engine, Control, Links, Host, Simulation], false, ["Demo/DemoNative.cs"],
            "programs stand above everything, and nothing knows them"),
    ];

    public override string ToString() => Name;
}
