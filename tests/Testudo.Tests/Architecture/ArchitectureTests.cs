// Who may know whom: once as declared (project files), once as compiled (assembly references), and what a pure room may call.

using System.Reflection;
using System.Runtime.InteropServices;
using System.Xml.Linq;
using Xunit;

namespace Testudo.Tests.Architecture;

public sealed class ArchitectureTests
{
    public static TheoryData<string> Rooms => [.. Room.All.Select(static room => room.Name)];

    public static TheoryData<string> Libraries => [.. Room.All.Where(static room => room.Folder.StartsWith("src/", StringComparison.Ordinal)).Select(static room => room.Name)];

    [Fact]
    public void Every_room_is_in_the_table()
    {
        IEnumerable<string> folders = from top in (string[])["src", "apps"]
                                      from folder in Directory.GetDirectories(Path.Combine(Repository.Root, top))
                                      where Directory.EnumerateFiles(folder, "*.csproj").Any()
                                      select $"{top}/{Path.GetFileName(folder)}";
        Assert.Equal(folders.Order(), Room.All.Select(static room => room.Folder).Order());
    }

    [Theory]
    [MemberData(nameof(Rooms))]
    public void A_room_declares_only_whom_it_may_know(string name)
    {
        Room room = Find(name);
        string[] strangers = [.. Items(Project(room), "ProjectReference").Select(static path => Path.GetFileNameWithoutExtension(path.Replace('\\', '/'))).Except(room.Knows)];
        Assert.True(strangers.Length == 0, $"{name} declares {string.Join(", ", strangers)}; {room.Why}");
    }

    [Theory]
    [MemberData(nameof(Libraries))]
    public void A_library_is_compiled_against_those_and_the_runtime_alone(string name)
    {
        Room room = Find(name);
        string[] strangers = [.. References(name).Where(reference => !room.Knows.Contains(reference) && !IsOfTheRuntime(reference))];
        Assert.True(strangers.Length == 0, $"{name} uses {string.Join(", ", strangers)}; {room.Why}");
    }

    [Fact]
    public void The_compiled_test_sees_what_it_should()
    {
        Assert.Contains("Testudo.Wire", References("Testudo.Engine"));
        Assert.Contains("Testudo.Links", References("Testudo"));
        Assert.True(IsOfTheRuntime("System.Runtime"));
        Assert.False(IsOfTheRuntime("CsCheck"));
        Assert.False(IsOfTheRuntime("Testudo.Wire"));
    }

    [Theory]
    [MemberData(nameof(Libraries))]
    public void The_shipped_core_uses_no_package(string name)
    {
        Room room = Find(name);
        Assert.Equal(name == "Testudo.Legacy" ? ["BouncyCastle.Cryptography"] : [], Items(Project(room), "PackageReference"));
        Assert.Empty(Items(Project(room), "FrameworkReference"));
    }

    [Fact]
    public void What_all_projects_get_is_for_building_only()
    {
        foreach (string file in (string[])["Directory.Build.props", "Directory.Build.targets"])
        {
            XDocument shared = XDocument.Load(Path.Combine(Repository.Root, file));
            Assert.All(shared.Descendants("PackageReference"), static package =>
            {
                Assert.EndsWith("Analyzers", package.Attribute("Include")?.Value, StringComparison.Ordinal);
                Assert.Equal("all", package.Attribute("PrivateAssets")?.Value);
            });
        }
    }

    [Theory]
    [MemberData(nameof(Rooms))]
    public void Pure_rooms_are_watched_by_the_analyzer(string name)
    {
        Room room = Find(name);
        Assert.Equal(room.IsPure, Project(room).Descendants("PureRoom").Any(static property => property.Value == "true"));
    }

    [Theory]
    [MemberData(nameof(Rooms))]
    public void Native_code_is_called_from_few_places(string name)
    {
        Room room = Find(name);
        string folder = Path.Combine(Repository.Root, room.Folder) + "/";
        string[] callers = [.. Sources.Of(room.Folder).Where(static file => File.ReadAllText(file).Contains("LibraryImport(", StringComparison.Ordinal)).Select(file => file[folder.Length..])];
        Assert.All(callers, caller => Assert.True(room.Native.Any(place => caller.StartsWith(place, StringComparison.Ordinal)), $"{name}: {caller} calls native code"));
        Assert.All(room.Native, place => Assert.Contains(callers, caller => caller.StartsWith(place, StringComparison.Ordinal)));
    }

    private static Room Find(string name) => Room.All.Single(room => room.Name == name);

    private static XDocument Project(Room room) => XDocument.Load(Path.Combine(Repository.Root, room.Folder, room.Name + ".csproj"));

    private static IEnumerable<string> Items(XDocument project, string kind) => project.Descendants(kind).Select(static item => item.Attribute("Include")!.Value);

    private static string[] References(string name) => [.. Assembly.Load(name).GetReferencedAssemblies().Select(static reference => reference.Name!)];

    private static bool IsOfTheRuntime(string name) => File.Exists(Path.Combine(RuntimeEnvironment.GetRuntimeDirectory(), name + ".dll"));
}
