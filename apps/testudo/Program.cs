// One program, many names: the name it was called by, or its first word, chooses the command.

using System.CommandLine;
using System.CommandLine.Help;
using Testudo.App;
using Testudo.App.Demo;
using Testudo.App.Open;
using Testudo.App.Keys;
using Testudo.App.Pair;
using Testudo.App.Seal;
using Testudo.App.Sim;
using Testudo.App.Up;

if (CalledAs.Name() == "setkey")
{
    return SetkeyProgram.Run(args);
}

if (args is ["setkey", ..])
{
    return SetkeyProgram.Run(args[1..]);
}

// Not a RootCommand: that is called after the assembly's file, and this program is called testudo.
var root = new Command("testudo", "IPsec in userspace: ESP, PF_KEY and setkey where the kernel has none.")
{
    UpCommand.Make(),
    ApiCommands.MakeDown(),
    ApiCommands.MakeStatus(),
    ApiCommands.MakeConfirm(),
    OpenCommand.Make(),
    SealCommand.Make(),
    PairCommand.Make(),
    DemoCommand.Make(),
    SimCommand.Make(),

    // Here for its line in the help; its words never reach this parser.
    new Command("setkey", "keys and policies, in setkey's own language"),

    new HelpOption(),
    new VersionOption(),
};

// The orderly end takes the time it needs; "up" and "demo" listen to the signals themselves.
return await root.Parse(args).InvokeAsync(new InvocationConfiguration { ProcessTerminationTimeout = null });
