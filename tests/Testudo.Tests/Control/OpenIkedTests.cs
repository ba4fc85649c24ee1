// OpenIKED's recorded conversations, replayed: what it sent is evidence, and it must get from this server what it got from
// the recorder, or better.

using Testudo.Control.PfKey;
using Testudo.Crypto;
using Testudo.Engine.Keys;
using Testudo.Tests.PfKey;
using Testudo.Wire;
using Testudo.Wire.PfKey;
using Xunit;

namespace Testudo.Tests.Control;

public sealed class OpenIkedTests
{
    private const Cipher AesCtr = (Cipher)13;

    // The answers' extensions and their order, as every BSD has them; NAT-T's as NetBSD has them.
    private static readonly Dictionary<PfKeyType, string> s_answers = new()
    {
        [PfKeyType.Flush] = "",
        [PfKeyType.Register] = "SUPPORTED_AUTH SUPPORTED_ENCRYPT",
        [PfKeyType.GetSpi] = "SA ADDRESS_SRC ADDRESS_DST",
        [PfKeyType.Add] = "SA X_SA2 ADDRESS_SRC ADDRESS_DST LIFETIME_HARD LIFETIME_SOFT",
        [PfKeyType.Update] = "SA X_SA2 ADDRESS_SRC ADDRESS_DST LIFETIME_HARD LIFETIME_SOFT",
        [PfKeyType.Delete] = "SA ADDRESS_SRC ADDRESS_DST",
        [PfKeyType.SpdUpdate] = "X_POLICY ADDRESS_SRC ADDRESS_DST",
        [PfKeyType.SpdDelete] = "X_POLICY ADDRESS_SRC ADDRESS_DST",
        [PfKeyType.SpdGet] = "ADDRESS_SRC ADDRESS_DST X_POLICY LIFETIME_CURRENT LIFETIME_HARD",
    };

    [Theory]
    [InlineData("openiked-initiator.json", 2, 0)]
    [InlineData("openiked-natt.json", 0, 0)]
    [InlineData("openiked-transport.json", 0, 0)]
    [InlineData("openiked-v6.json", 0, 0)]
    [InlineData("openiked-aesctr-sha384.json", 0, 3)]
    public void OpenIKEDs_requests_are_done(string file, int unknownSas, int withoutAesCtr)
    {
        var replay = new Replay();
        Recorded[] records = [.. Conversations.Linux.Where(record => record.Where.StartsWith(file, StringComparison.Ordinal))];
        Assert.True(records.Length > 20);
        for (int i = 0; i < records.Length; i++)
        {
            PfKeyMessage said = Codec.Read(Dialect.Linux, records[i].Bytes, out _)!;
            if (records[i].Said.GetProperty("direction").GetString() == ">")
            {
                replay.Ask(records[i].Where, said, Codec.Read(Dialect.Linux, records[i + 1].Bytes, out _)!);
            }
            else if (said.Type == PfKeyType.Expire && said.Find(LifetimeRole.Hard) is not null)
            {
                replay.Expire(said);
            }
        }

        Assert.Equal(Transforms.Find(AesCtr) is null ? withoutAesCtr : 0, replay.Refused.Count);
        if (Transforms.Find(AesCtr) is null && withoutAesCtr > 0)
        {
            Assert.Equal(["Add encryption algorithm 13 is not known here", "Update encryption algorithm 13 is not known here"], replay.Refused[..2]);
            Assert.StartsWith("Delete there is no Esp SA to ", replay.Refused[2]);
        }

        // After "decouple" its SAs are deleted; it then updates one that is gone, where the recorder did not tell it to add it.
        Assert.Equal(unknownSas, replay.Unknown.Count);
        Assert.All(replay.Unknown, static text => Assert.Contains(" there is no Esp SA to 10.79.0.1 ", text));
        Assert.Empty(replay.Engine.Spd.All);
    }

    private sealed class Replay
    {
        private readonly Bench _bench = new();
        private readonly KeySession _daemon, _observer;
        private readonly Dictionary<uint, uint> _spis = [];

        public Replay()
        {
            _daemon = _bench.Server.Open(Dialect.Linux);
            _observer = _bench.Server.Open(Dialect.FreeBsd);
        }

        public global::Testudo.Engine.IpsecEngine Engine => _bench.Engine;

        /// <summary>What cannot be done yet, and what follows from it.</summary>
        public List<string> Refused { get; } = [];

        /// <summary>Requests about SAs that are gone: the recorder never looked, a kernel does.</summary>
        public List<string> Unknown { get; } = [];

        public void Expire(PfKeyMessage said)
        {
            Sa sa = Engine.Sad.Find(_spis[said.Find<SaExtension>()!.Spi], IpProtocol.Esp, said.Find(AddressRole.Destination)!.Address)!;
            Assert.True(Engine.RemoveSa(sa));
        }

        public void Ask(string where, PfKeyMessage recorded, PfKeyMessage dummy)
        {
            PfKeyMessage request = recorded with { Extensions = [.. recorded.Extensions.Select(Own)] };
            PfKeyMessage answer = _bench.AskOne(_daemon, request);
            Bench.Take(_observer);
            Assert.Equal((recorded.Type, recorded.SaType, recorded.Sequence, recorded.Pid), (answer.Type, answer.SaType, answer.Sequence, answer.Pid));
            Assert.Equal((answer.Type, answer.Sequence, answer.Pid), (dummy.Type, dummy.Sequence, dummy.Pid));
            if (answer.Error != PfKeyError.None)
            {
                Assert.Empty(answer.Extensions);
                string text = _bench.AskOne(_daemon, request with { Extensions = [.. request.Extensions, new TestudoExtension()] }).Find<TestudoExtension>()!.Text!;
                Bench.Take(_observer);
                (IsUnknown(answer) && Refused.Count == 0 ? Unknown : Refused).Add($"{answer.Type} {text}");
                Assert.True(answer.Error is PfKeyError.NoSuchProcess or PfKeyError.Invalid, $"{where}: {text}");
                return;
            }

            string[] kinds = [.. answer.Extensions.Select(Kind)];
            string nat = recorded.Find<NatTTypeExtension>() is null ? "" : " X_NAT_T_TYPE X_NAT_T_SPORT X_NAT_T_DPORT";
            Assert.Equal(s_answers[answer.Type] + nat, string.Join(' ', kinds));

            // The recorder repeated SA2 where no kernel does.
            Assert.Empty(dummy.Extensions.Select(Kind).Except([.. kinds, "X_SA2"]));
            switch (answer.Type)
            {
                case PfKeyType.GetSpi:
                    _spis[dummy.Find<SaExtension>()!.Spi] = answer.Find<SaExtension>()!.Spi;
                    break;
                case PfKeyType.SpdGet:
                    Assert.Equal(dummy.Find(AddressRole.Source), answer.Find(AddressRole.Source));
                    Assert.Equal(dummy.Find(AddressRole.Destination), answer.Find(AddressRole.Destination));
                    break;
            }
        }

        private static bool IsUnknown(PfKeyMessage answer) => answer.Error == PfKeyError.NoSuchProcess;

        private static string Kind(PfKeyExtension extension) => InWords.Linux(extension).Split(' ')[0];

        private PfKeyExtension Own(PfKeyExtension extension) => extension switch
        {
            SaExtension sa => sa with { Spi = _spis.GetValueOrDefault(sa.Spi, sa.Spi) },
            PolicyExtension { Id: > 0 } policy => policy with { Id = Engine.Spd.List(policy.Direction)[0].Id }, // from the recorder's ACQUIRE
            _ => extension,
        };
    }
}
