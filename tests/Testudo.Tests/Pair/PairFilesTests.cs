// The files of testudo pair, read by setkey's parser: each without fault, and the two halves of one whole.

using Testudo.App.Pair;
using Testudo.Control.Setkey;
using Testudo.Wire;
using Testudo.Wire.PfKey;
using Xunit;

namespace Testudo.Tests.Pair;

public sealed class PairFilesTests
{
    [Theory]
    [InlineData("192.0.2.1", "192.0.2.2", null, null, false, 2, 2)]
    [InlineData("2001:db8::1", "2001:db8::2", null, null, true, 2, 2)]
    [InlineData("192.0.2.1,2001:db8::1", "2001:db8::2,192.0.2.2", null, null, false, 4, 4)]
    [InlineData("192.0.2.1", "192.0.2.2", "10.1.0.0/16", "10.2.0.0/16", true, 2, 3)]
    [InlineData("192.0.2.1", "192.0.2.2", "10.1.0.0/16,fd01::/48", "10.2.0.0/16,fd02::/48", false, 2, 6)]
    [InlineData("192.0.2.1,2001:db8::1", "192.0.2.2,2001:db8::2", "10.1.0.0/16,fd01::/48", "10.2.0.0/16,fd02::/48", false, 4, 6)]
    [InlineData("2001:db8::1", "2001:db8::2", "10.1.0.7/32", "128.0.0.0/1", false, 2, 3)]
    public void Both_files_are_read_without_fault_and_hold_the_same_SAs_and_mirrored_policies(
        string a, string b, string? netA, string? netB, bool udp, int sas, int policies)
    {
        (List<PfKeyMessage> fileA, List<PfKeyMessage> fileB) = Make(a, b, netA, netB, udp);
        List<PfKeyMessage> sasA = Of(fileA, PfKeyType.Add);
        Assert.Equal(sas, sasA.Count);
        Assert.Equal(policies, Of(fileA, PfKeyType.SpdAdd).Count);
        Assert.Equal(fileA.Count, fileB.Count);
        Assert.Equal(sasA.Select(Shown), Of(fileB, PfKeyType.Add).Select(Shown));
        Assert.Equal(sas, sasA.Select(static sa => sa.Find<SaExtension>()!.Spi).Distinct().Count());
        Assert.Equal(sas, sasA.Select(static sa => Convert.ToHexString(sa.Find(KeyRole.Encrypt)!.Key)).Distinct().Count());
        Assert.All(sasA, sa =>
        {
            Assert.InRange(sa.Find<SaExtension>()!.Spi, 0x100u, uint.MaxValue);
            Assert.Equal(288, sa.Find(KeyRole.Encrypt)!.Bits);
            Assert.InRange(sa.Find<TestudoExtension>()!.ReplayPackets!.Value, 256u, 4096u);
            Assert.Equal(netA is null ? IpsecMode.Transport : IpsecMode.Tunnel, sa.Find<Sa2Extension>()!.Mode);
            Assert.Equal(udp, sa.Find<NatTTypeExtension>() is { Encapsulation: 2 });
        });

        // What leaves the one host must be what the other one lets in, by the same SAs.
        Assert.Equal(Policies(fileA, PolicyDirection.Out), Policies(fileB, PolicyDirection.In));
        Assert.Equal(Policies(fileB, PolicyDirection.Out), Policies(fileA, PolicyDirection.In));
        Assert.Equal(netA is null ? [] : Policies(fileA, PolicyDirection.In), Policies(fileA, PolicyDirection.Fwd));
        Assert.Equal(netA is null ? [] : Policies(fileB, PolicyDirection.In), Policies(fileB, PolicyDirection.Fwd));
        Assert.Empty(Policies(fileA, PolicyDirection.Out).Intersect(Policies(fileA, PolicyDirection.In)));
    }

    [Fact]
    public void A_net_travels_between_addresses_of_its_own_family_where_there_are_such()
    {
        (List<PfKeyMessage> file, _) = Make("192.0.2.1,2001:db8::1", "192.0.2.2,2001:db8::2", "10.1.0.0/16,fd01::/48", "10.2.0.0/16,fd02::/48", false);
        Assert.All(Of(file, PfKeyType.SpdAdd), policy => Assert.Equal(
            policy.Find(AddressRole.Source)!.Address.Family, policy.Find<PolicyExtension>()!.Requests[0].Source!.Value.Family));
    }

    [Fact]
    public void Two_pairs_of_the_same_hosts_share_no_key()
    {
        (List<PfKeyMessage> one, _) = Make("192.0.2.1", "192.0.2.2", null, null, false);
        (List<PfKeyMessage> other, _) = Make("192.0.2.1", "192.0.2.2", null, null, false);
        Assert.Equal(4, Of(one, PfKeyType.Add).Concat(Of(other, PfKeyType.Add)).Select(static sa => Convert.ToHexString(sa.Find(KeyRole.Encrypt)!.Key)).Distinct().Count());
    }

    [Theory]
    [InlineData("localhost", "192.0.2.2", null, null, "'localhost' is no address")]
    [InlineData("127.0.0.1", "192.0.2.2", null, null, "'127.0.0.1' is no address of a host")]
    [InlineData("fe80::1", "fe80::2", null, null, "'fe80::1' is no address of a host")]
    [InlineData("192.0.2.1", "224.0.0.1", null, null, "'224.0.0.1' is no address of a host")]
    [InlineData("192.0.2.1", "2001:db8::2", null, null, "same family")]
    [InlineData("192.0.2.1,2001:db8::1", "2001:db8::2", null, null, "same family")]
    [InlineData("192.0.2.1,192.0.2.3", "192.0.2.2", null, null, "names a family twice")]
    [InlineData("192.0.2.1", "192.0.2.1", null, null, "on both sides")]
    [InlineData("192.0.2.1", "192.0.2.2", "10.1.0.0/16", null, "nets of both hosts")]
    [InlineData("192.0.2.1", "192.0.2.2", "10.1.0.0/16", "fd02::/48", "same family")]
    [InlineData("192.0.2.1", "192.0.2.2", "10.1.0.0/33", "10.2.0.0/16", "'10.1.0.0/33' is no net")]
    [InlineData("192.0.2.1", "192.0.2.2", "10.0.0.0/8", "10.2.0.0/16", "overlap")]
    public void What_makes_no_pair_is_refused_in_words(string a, string b, string? netA, string? netB, string words)
    {
        Assert.Null(PairRequest.Read(a, b, netA, netB, isUdp: false, out string? fault));
        Assert.Contains(words, fault, StringComparison.Ordinal);
    }

    [Fact]
    public void A_file_with_keys_is_its_owners_alone_and_replaces_what_is_there_only_as_a_whole()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "needs file modes");
        DirectoryInfo folder = Directory.CreateTempSubdirectory();
        try
        {
            string path = Path.Combine(folder.FullName, "pair.conf");
            SecretFile.Write(path, "one", replaces: false);
            Assert.Throws<IOException>(() => SecretFile.Write(path, "two", replaces: false));
            Assert.Equal("one", File.ReadAllText(path));

            // Into a link's target nothing is written, and an open mode is not kept.
            string target = Path.Combine(folder.FullName, "target");
            File.WriteAllText(target, "foreign");
            File.Delete(path);
            File.CreateSymbolicLink(path, target);
            SecretFile.Write(path, "three", replaces: true);
            Assert.Equal("foreign", File.ReadAllText(target));
            Assert.Equal("three", File.ReadAllText(path));
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, OperatingSystem.IsWindows() ? default : File.GetUnixFileMode(path));
            Assert.Equal(2, folder.GetFiles().Length);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private static (List<PfKeyMessage> A, List<PfKeyMessage> B) Make(string a, string b, string? netA, string? netB, bool udp)
    {
        PairRequest? request = PairRequest.Read(a, b, netA, netB, udp, out string? fault);
        Assert.True(request is not null, fault);
        IReadOnlyList<PairSa> sas = PairFiles.NewSas(request);
        return (Parse(PairFiles.Text(request, sas, isA: true, "a.conf", "b.conf")), Parse(PairFiles.Text(request, sas, isA: false, "b.conf", "a.conf")));
    }

    private static List<PfKeyMessage> Parse(string text)
    {
        SetkeyScript script = SetkeyParser.Parse(text, "pair.conf");
        Assert.Empty(script.Errors.Concat(script.Warnings).Select(error => error.Render(text)));
        return [.. script.Commands.SelectMany(static command => command.Messages)];
    }

    private static List<PfKeyMessage> Of(List<PfKeyMessage> messages, PfKeyType type) => messages.FindAll(message => message.Type == type);

    private static string Shown(PfKeyMessage sa) =>
        $"{sa.Find(AddressRole.Source)!.Address} {sa.Find(AddressRole.Destination)!.Address} {sa.Find<SaExtension>()!.Spi:x} {Convert.ToHexString(sa.Find(KeyRole.Encrypt)!.Key)}";

    private static List<string> Policies(List<PfKeyMessage> file, PolicyDirection direction) =>
    [
        .. Of(file, PfKeyType.SpdAdd).Where(policy => policy.Find<PolicyExtension>()!.Direction == direction).Select(static policy =>
        {
            PolicyRequest request = Assert.Single(policy.Find<PolicyExtension>()!.Requests);
            Assert.Equal((IpProtocol.Esp, PolicyLevel.Require), (request.Protocol, request.Level));
            AddressExtension source = policy.Find(AddressRole.Source)!;
            AddressExtension destination = policy.Find(AddressRole.Destination)!;
            return $"{source.Address}/{source.PrefixLength} {destination.Address}/{destination.PrefixLength} {request.Mode} {request.Source}-{request.Destination}";
        }),
    ];
}
