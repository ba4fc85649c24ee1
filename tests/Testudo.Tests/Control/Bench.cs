// A key server with an engine and a few clients, driven by values or by bytes.

using Testudo.Control.PfKey;
using Testudo.Crypto;
using Testudo.Crypto.InBox;
using Testudo.Engine;
using Testudo.Engine.Keys;
using Testudo.Engine.Policies;
using Testudo.Wire;
using Testudo.Wire.PfKey;
using Xunit;

namespace Testudo.Tests.Control;

internal sealed class Bench
{
    public static readonly Address Here = Address.Parse("10.0.0.1"), There = Address.Parse("10.0.0.2");

    private readonly Random _random = new(1);

    public Bench()
    {
        Server = new KeyServer(Engine, span => _random.NextBytes(span), Commit);
    }

    public IpsecEngine Engine { get; } = new(new EngineOptions(), new Providers(new InBoxProvider()), hashSeed: 1);

    public KeyServer Server { get; }

    public Now Now { get; set; } = new(1_000_000_000, 1_700_000_000);

    /// <summary>What the guard was told, one set after the other, and what the engine had then.</summary>
    public List<(string[] Guard, string[] Engine)> Commits { get; } = [];

    /// <summary>What the guard took last.</summary>
    public string[] GuardHolds { get; private set; } = [];

    /// <summary>What the guard answers.</summary>
    public string? GuardFails { get; set; }

    /// <summary>The whole state, to compare.</summary>
    public string State => string.Join('\n', [.. Engine.Sad.All.Select(Words), .. Words(Engine.Spd.All)]);

    public static string[] Words(IEnumerable<Policy> policies) =>
        [.. policies.Select(p => $"{p.Id} {p.Direction} {p.Action} {p.Priority} {p.Selector} {string.Join(", ", p.Requests)}")];

    /// <summary>Sends a request as bytes in the session's dialect, and takes all that the session then has.</summary>
    public List<PfKeyMessage> Ask(KeySession session, PfKeyMessage request)
    {
        Server.Receive(session, Codec.Write(session.Dialect, request), Now);
        return Take(session);
    }

    /// <summary>The one answer to a request.</summary>
    public PfKeyMessage AskOne(KeySession session, PfKeyMessage request) => Assert.Single(Ask(session, request));

    /// <summary>The one answer, which must be a success.</summary>
    public PfKeyMessage Done(KeySession session, PfKeyMessage request)
    {
        PfKeyMessage answer = AskOne(session, request with { Extensions = [.. request.Extensions, new TestudoExtension()] });
        Assert.True(answer.Error == PfKeyError.None, $"{answer.Error}: {answer.Find<TestudoExtension>()?.Text}");
        return answer;
    }

    /// <summary>Asks with and without words: the same error in a bare header, and the words.</summary>
    public string Refused(KeySession session, PfKeyMessage request, PfKeyError error)
    {
        string before = State;
        PfKeyMessage bare = AskOne(session, request);
        Assert.Equal(request with { Error = error, Extensions = [] }, bare);
        PfKeyMessage answer = AskOne(session, request.Find<TestudoExtension>() is null
            ? request with { Extensions = [.. request.Extensions, new TestudoExtension()] } : request);
        Assert.Equal(error, answer.Error);
        Assert.Equal((request.Type, request.SaType, request.Sequence, request.Pid), (answer.Type, answer.SaType, answer.Sequence, answer.Pid));
        string? text = Assert.IsType<TestudoExtension>(Assert.Single(answer.Extensions)).Text;
        Assert.False(string.IsNullOrEmpty(text));
        Assert.Equal(before, State);
        return text;
    }

    /// <summary>All records that wait, read back.</summary>
    public static List<PfKeyMessage> Take(KeySession session)
    {
        List<PfKeyMessage> messages = [];
        while (session.TryTake(out byte[]? record))
        {
            PfKeyMessage? message = Codec.Read(session.Dialect, record, out Fault fault);
            Assert.True(message is not null, fault.Sentence);
            messages.Add(message);
        }

        Assert.False(session.HasRecords);
        return messages;
    }

    public static AddressExtension Source(Address? address = null, byte protocol = 255, byte? prefix = null, ushort port = 0) =>
        new(AddressRole.Source, protocol, prefix ?? (byte)(address ?? Here).Bits, address ?? Here, port);

    public static AddressExtension Destination(Address? address = null, byte protocol = 255, byte? prefix = null, ushort port = 0) =>
        new(AddressRole.Destination, protocol, prefix ?? (byte)(address ?? There).Bits, address ?? There, port);

    public static SaExtension Aes(uint spi) => new(spi, 64, SaState.Mature, (byte)Integrity.HmacSha256, (byte)Cipher.AesCbc, SaFlags.None);

    public static PfKeyExtension[] Keys(byte fill = 7) =>
        [new KeyExtension(KeyRole.Encrypt, 128, [.. Enumerable.Repeat(fill, 16)]), new KeyExtension(KeyRole.Auth, 256, [.. Enumerable.Repeat((byte)(fill + 1), 32)])];

    /// <summary>A request about an SA, numbered.</summary>
    public static PfKeyMessage Esp(PfKeyType type, params PfKeyExtension[] extensions) =>
        new(type, SaType.Esp) { Sequence = 42, Pid = 4242, Extensions = [.. extensions] };

    public static PfKeyMessage Spd(PfKeyType type, params PfKeyExtension[] extensions) =>
        new(type) { Sequence = 43, Pid = 4242, Extensions = [.. extensions] };

    public static PfKeyMessage Add(uint spi, byte fill = 7) =>
        Esp(PfKeyType.Add, [Aes(spi), new Sa2Extension(IpsecMode.Transport, 0, 5), Source(), Destination(), .. Keys(fill)]);

    public static PolicyExtension Protect(PolicyDirection direction = PolicyDirection.Out, PolicyLevel level = PolicyLevel.Require, uint reqid = 0) =>
        new(PolicyAction.Ipsec, direction, 0, 0, [new PolicyRequest(IpProtocol.Esp, IpsecMode.Transport, level, reqid, null, null)]);

    public static PolicyExtension Plain(PolicyAction action, PolicyDirection direction = PolicyDirection.Out) => new(action, direction, 0, 0, []);

    private static string Words(Sa sa) =>
        $"{sa} {sa.Mode} {sa.Reqid} {sa.Transform} {sa.Window.Packets} {sa.Flags} {sa.Encapsulation} {sa.Soft} {sa.Hard} {sa.LastSequence}"
        + $" {Convert.ToHexString(sa.CipherKey)} {Convert.ToHexString(sa.IntegrityKey)}";

    private string? Commit(IReadOnlyList<Policy> policies)
    {
        Commits.Add((Words(policies), Words(Engine.Spd.All)));
        GuardHolds = GuardFails is null ? Words(policies) : GuardHolds;
        return GuardFails;
    }
}
