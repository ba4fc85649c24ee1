// The messages about SAs (RFC 2367, 3.1.1 to 3.1.10). Each is done wholly or not at all.

using System.Runtime.InteropServices;
using Testudo.Engine;
using Testudo.Engine.Keys;
using Testudo.Wire;
using Testudo.Wire.PfKey;
using static Testudo.Control.PfKey.SaTypes;

namespace Testudo.Control.PfKey;

internal sealed class SaRequests(IpsecEngine engine, FillRandom fillRandom)
{
    // net.key.spi_minval, spi_maxval and spi_trycnt.
    private const uint MinSpi = 0x100, MaxSpi = 0x0FFFFFFF;
    private const int Tries = 1000;

    internal Answer GetSpi(PfKeyMessage message, in Now now)
    {
        SpiRangeExtension range = message.Find<SpiRangeExtension>() ?? new SpiRangeExtension(MinSpi, MaxSpi);
        uint min = Math.Max(range.Min, SaRules.MinSpi), max = range.Max;
        Refusal? ends = SaReader.ReadEnds(message, out Address source, out Address destination);
        Refusal? fault = CheckMade(message.SaType)
            ?? ends
            ?? SaReader.CheckMode(message)
            ?? (range.Min > max ? Invalid($"the SPI range goes from 0x{range.Min:x} down to 0x{max:x}: give the lower end first")
                : max < min ? Invalid($"the SPIs up to 0x{max:x} are reserved: give a range that reaches {SaRules.MinSpi} or above") : null)
            ?? SaRules.CheckIndex(min, source, destination);
        if (fault is not null)
        {
            return Answer.Refuse(fault);
        }

        // Few enough are all tried, from a random one on; of many, random ones.
        ulong count = (ulong)max - min + 1, start = Random();
        Sa2Extension? sa2 = message.Find<Sa2Extension>();
        for (ulong i = 0; i < Math.Min(count, Tries); i++)
        {
            uint spi = min + (uint)((count <= Tries ? start + i : Random()) % count);
            if (engine.AddLarval(spi, ProtocolOf(message.SaType), source, destination, sa2?.Mode ?? IpsecMode.Any, sa2?.Reqid ?? 0, now) is not null)
            {
                return new Answer(
                    Audience.Sender,
                    new SaExtension(spi, 0, SaState.Larval, 0, 0, SaFlags.None),
                    message.Find(AddressRole.Source)! with { Port = 0 },
                    message.Find(AddressRole.Destination)! with { Port = 0 });
            }
        }

        return Answer.Refuse(PfKeyError.Exists, $"no free SPI to {destination} was found from 0x{min:x} to 0x{max:x}: delete SAs, or widen the range");
    }

    internal Answer Add(PfKeyMessage message, in Now now)
    {
        if (SaReader.Read(message, out SaParameters? parameters, out string? warning) is { } fault)
        {
            return Answer.Refuse(fault);
        }

        return Made(message, engine.AddSa(parameters!, Random(), now, out Refusal? words), words, warning);
    }

    /// <summary>
    /// A larval SA gets all that the message has. A living SA without keys in the message gets other limits only; with
    /// keys it is replaced by a new one, which takes all from the message.
    /// </summary>
    internal Answer Update(PfKeyMessage message, in Now now)
    {
        if (SaReader.Read(message, out SaParameters? parameters, out string? warning) is { } fault)
        {
            return Answer.Refuse(fault);
        }

        if (Find(message, parameters!.Spi, parameters.Source, parameters.Destination, out Refusal? unknown) is not { } old)
        {
            return Answer.Refuse(unknown!);
        }

        bool hasKeys = message.Find(KeyRole.Encrypt) is not null || message.Find(KeyRole.Auth) is not null;
        if (hasKeys || old.State == SaState.Larval)
        {
            return Made(message, engine.UpdateSa(old, parameters, Random(), now, out Refusal? words), words, warning);
        }

        if (message.Find<Sa2Extension>() is { } sa2 && (sa2.Mode != old.Mode || sa2.Reqid != old.Reqid)
            || (message.Find<NatTTypeExtension>() is not null && parameters.Encapsulation != old.Encapsulation))
        {
            return Answer.Refuse(PfKeyError.Invalid, "without keys an update changes lifetimes only: give the keys to change mode, reqid or ports");
        }

        old.SetLifetimes(
            SaReader.ReadLifetime(message, LifetimeRole.Soft) ?? old.Soft, SaReader.ReadLifetime(message, LifetimeRole.Hard) ?? old.Hard, now);
        return new Answer(Audience.All, SaWriter.Repeat(message));
    }

    internal Answer Delete(PfKeyMessage message)
    {
        if (SaReader.ReadEnds(message, out Address source, out Address destination) is { } fault)
        {
            return Answer.Refuse(fault);
        }

        if (message.Find<SaExtension>() is { } named)
        {
            if (Find(message, named.Spi, source, destination, out Refusal? unknown) is not { } sa)
            {
                return Answer.Refuse(unknown!);
            }

            engine.RemoveSa(sa);
        }
        else
        {
            // All between the two: a peer that starts anew (INITIAL-CONTACT). What is being negotiated stays.
            Remove(sa => sa.State != SaState.Larval && sa.Protocol == ProtocolOf(message.SaType) && sa.Source == source && sa.Destination == destination);
        }

        return new Answer(Audience.All, SaWriter.Repeat(message));
    }

    internal Answer Get(PfKeyMessage message)
    {
        if (SaReader.ReadEnds(message, out Address source, out Address destination) is { } fault)
        {
            return Answer.Refuse(fault);
        }

        if (message.Find<SaExtension>() is not { } named)
        {
            return Answer.Refuse(Invalid("SADB_GET has no SADB_EXT_SA"));
        }

        return Find(message, named.Spi, source, destination, out Refusal? unknown) is { } sa
            ? new Answer(Audience.Sender, SaWriter.Describe(sa, message.Find<TestudoExtension>() is not null)) { Own = SaWriter.Own(sa) }
            : Answer.Refuse(unknown!);
    }

    internal Answer Flush(PfKeyMessage message)
    {
        Remove(sa => IsMeant(message, sa));
        return new Answer(Audience.All);
    }

    /// <summary>One message for each SA, counted down to 0. None is an error record: what clients know from every system.</summary>
    internal Answer Dump(PfKeyMessage message)
    {
        Sa[] sas = [.. engine.Sad.All.Where(sa => IsMeant(message, sa))];
        return sas.Length == 0
            ? Answer.Refuse(PfKeyError.NoEntry, "there are no SAs")
            : new Answer(Audience.Sender) { Dump = Describe(message, sas) };
    }

    // The list is as it was at the request, so that the count holds; what is said of each is as it is when it is taken.
    // One that is gone by then is said to be dead, without keys; one that was updated is said as it is now.
    private IEnumerator<PfKeyMessage> Describe(PfKeyMessage request, Sa[] sas)
    {
        bool wantsOwn = request.Find<TestudoExtension>() is not null;
        for (int i = 0; i < sas.Length; i++)
        {
            Sa sa = sas[i].State == SaState.Dead ? engine.Sad.Find(sas[i].Spi, sas[i].Protocol, sas[i].Destination) ?? sas[i] : sas[i];
            yield return new PfKeyMessage(PfKeyType.Dump, TypeOf(sa.Protocol))
            {
                Sequence = (uint)(sas.Length - 1 - i),
                Pid = request.Pid,
                Extensions = wantsOwn ? [.. SaWriter.Describe(sa, true), SaWriter.Own(sa)] : SaWriter.Describe(sa, false),
            };
        }
    }

    private static Answer Made(PfKeyMessage message, Sa? sa, Refusal? words, string? warning) =>
        sa is null
            ? Answer.Refuse(words!)
            : new Answer(Audience.All, SaWriter.Repeat(message))
            {
                Warning = warning is null || words is null ? warning ?? words?.Sentence : $"{warning}; {words.Sentence}",
                Own = SaWriter.Own(sa),
            };

    private Sa? Find(PfKeyMessage message, uint spi, in Address source, in Address destination, out Refusal? unknown)
    {
        unknown = null;
        Sa? sa = engine.Sad.Find(spi, ProtocolOf(message.SaType), destination);
        if (sa is null)
        {
            unknown = new Refusal(PfKeyError.NoSuchProcess, $"there is no {ProtocolOf(message.SaType)} SA to {destination} with SPI 0x{spi:x8}");
        }
        else if (sa.Source != source)
        {
            unknown = new Refusal(PfKeyError.NoSuchProcess, $"the SA to {destination} with SPI 0x{spi:x8} comes from {sa.Source}, not from {source}");
            sa = null;
        }

        return sa;
    }

    private static bool IsMeant(PfKeyMessage message, Sa sa) => message.SaType == SaType.Unspec || sa.Protocol == ProtocolOf(message.SaType);

    private void Remove(Func<Sa, bool> isMeant)
    {
        foreach (Sa sa in engine.Sad.All.Where(isMeant).ToArray())
        {
            engine.RemoveSa(sa);
        }
    }

    private ulong Random()
    {
        ulong number = 0;
        fillRandom(MemoryMarshal.AsBytes(new Span<ulong>(ref number)));
        return number;
    }
}
