// Random commands: the message that is meant, and a text that says it. The text is written here by rules of its own, so
// that the parser is not compared with itself.

using System.Globalization;
using System.Text;
using CsCheck;
using Testudo.Control;
using Testudo.Control.Setkey;
using Testudo.Wire;
using Testudo.Wire.PfKey;

namespace Testudo.Tests.Setkey;

/// <summary>A command's words, without blanks between; the message that they stand for.</summary>
internal sealed record MeantCommand(string[] Words, SetkeyVerb Verb, PfKeyMessage Message);

internal static class SetkeyGenerators
{
    /// <summary>One of these values.</summary>
    public static Gen<T> OneOf<T>(params T[] values) => Gen.Int[0, values.Length - 1].Select(i => values[i]);

    private static readonly Gen<Address> s_v4 = Gen.UInt.Select(static n => new Address(IpFamily.V4, 0, n));
    private static readonly Gen<Address> s_v6 = Gen.Select(Gen.ULong, Gen.ULong, static (high, low) => new Address(IpFamily.V6, high, low));

    private static readonly Gen<(Address, Address)> s_pair = Gen.OneOf(Gen.Select(s_v4, s_v4), Gen.Select(s_v6, s_v6));

    private static readonly Gen<PolicyRequest> s_request = Gen.Select(
        OneOf(IpProtocol.Esp, IpProtocol.Ah, IpProtocol.IpComp), Gen.Bool, Gen.Enum<PolicyLevel>(), Gen.UInt[0, 20000], s_pair, Gen.Bool,
        static (protocol, tunnel, level, reqid, ends, hasEnds) => new PolicyRequest(protocol, tunnel ? IpsecMode.Tunnel : IpsecMode.Transport, level,
            level == PolicyLevel.Unique ? reqid : 0, tunnel || hasEnds ? ends.Item1 : null, tunnel || hasEnds ? ends.Item2 : null));

    /// <summary>Policies as a text can say them; the priority 0 cannot be told from the default in a dump and is left out.</summary>
    public static Gen<PolicyExtension> Policy { get; } = Gen.Select(
        Gen.Enum<PolicyAction>(), OneOf(PolicyDirection.In, PolicyDirection.Out, PolicyDirection.Fwd), Gen.OneOf(Gen.Const(PolicyText.DefaultPriority), Gen.UInt[1, uint.MaxValue]), s_request.Array[1, 4],
        static (action, direction, priority, requests) => new PolicyExtension(action, direction, 0, priority, action == PolicyAction.Ipsec ? [.. requests] : []));

    private static readonly Gen<byte[]> s_key = Gen.Byte.Array[64];

    private sealed record Sa(string Verb, (Address From, Address To) Ends, int Protocol, uint Spi, byte[] Key, int Cipher, int Mac, IpsecMode Mode, uint Replay, uint Reqid, uint[] Lifetimes, int Flags, ulong Last);

    // Names, numbers (linux/pfkeyv2.h) and key lengths in bytes.
    private static readonly (string Name, byte Number, int Length)[] s_ciphers =
        [("aes-cbc", 12, 16), ("rijndael-cbc", 12, 32), ("aes-gcm-16", 20, 36), ("null", 11, 0), ("3des-cbc", 3, 24), ("aes-ctr", 13, 20), ("camellia-cbc", 22, 24), ("blowfish-cbc", 7, 5)];

    private static readonly (string Name, byte Number, int Length)[] s_macs =
        [("hmac-sha1", 3, 20), ("hmac-sha2-256", 5, 32), ("hmac-sha256", 5, 32), ("hmac-sha384", 6, 48), ("hmac-sha2-512", 7, 64), ("hmac-md5", 2, 16), ("keyed-sha1", 250, 20), ("null", 251, 0)];

    private static readonly Gen<Sa> s_sa =
        from head in Gen.Select(OneOf("add", "update", "get", "delete", "deleteall", "getspi"), s_pair, Gen.Int[0, 2], Gen.UInt[256, uint.MaxValue], s_key)
        from algorithms in Gen.Select(Gen.Int[0, 7], Gen.Int[-1, 7])
        from options in Gen.Select(Gen.Enum<IpsecMode>(), Gen.UInt[0, 600], Gen.UInt, Gen.OneOf(Gen.Const(0u), Gen.UInt).Array[4], Gen.Int[0, 31], Gen.ULong)
        select new Sa(head.Item1, head.Item2, head.Item3, head.Item4, head.Item5, algorithms.Item1, algorithms.Item2, options.Item1, options.Item2, options.Item3, options.Item4, options.Item5, options.Item6);

    public static Gen<MeantCommand> Command { get; } = Gen.OneOf(s_sa.Select(Write), Gen.Select(Policy, s_pair, Gen.Int[0, 128], Gen.UShort, OneOf((byte)6, (byte)17), OneOf("spdadd", "spdupdate", "spddelete"), Write));

    private static MeantCommand Write(PolicyExtension policy, (Address From, Address To) ends, int prefix, ushort port, byte upper, string verb)
    {
        prefix = Math.Min(prefix, ends.From.Bits);
        string range = $"{ends.From}/{prefix}" + (port % 3 == 0 ? "" : $"[{port}]");
        ushort sent = port % 3 == 0 ? (ushort)0 : port;
        PfKeyType type = verb == "spdadd" ? PfKeyType.SpdAdd : verb == "spdupdate" ? PfKeyType.SpdUpdate : PfKeyType.SpdDelete;
        return new MeantCommand(
            [verb, range, $"{ends.To}[any]", upper == 6 ? "tcp" : "17", "-P", .. PolicyText.ToText(policy).Split(' '), ";"],
            Enum.Parse<SetkeyVerb>(verb, ignoreCase: true),
            new PfKeyMessage(type) { Extensions = [policy, new AddressExtension(AddressRole.Source, upper, (byte)prefix, ends.From, sent), new AddressExtension(AddressRole.Destination, upper, (byte)ends.To.Bits, ends.To), new TestudoExtension()] });
    }

    private static MeantCommand Write(Sa sa)
    {
        (string name, SaType type) = sa.Protocol switch { 0 => ("esp", SaType.Esp), 1 => ("ah", SaType.Ah), _ => ("esp-udp", SaType.Esp) };
        List<string> words = [sa.Verb, sa.Protocol == 2 ? $"{sa.Ends.From}[500]" : $"{sa.Ends.From}", $"{sa.Ends.To}", name];
        var source = new AddressExtension(AddressRole.Source, 255, (byte)sa.Ends.From.Bits, sa.Ends.From);
        var destination = new AddressExtension(AddressRole.Destination, 255, (byte)sa.Ends.To.Bits, sa.Ends.To);
        if (sa.Verb != "deleteall")
        {
            words.Add(sa.Flags % 2 == 0 ? $"0x{sa.Spi:x}" : sa.Spi.ToString(CultureInfo.InvariantCulture));
        }

        var verb = Enum.Parse<SetkeyVerb>(sa.Verb, ignoreCase: true);
        var bare = new SaExtension(sa.Spi, 0, SaState.Larval, 0, 0, SaFlags.CyclicSequence);
        PfKeyMessage Done(PfKeyType messageType, TestudoExtension own, params PfKeyExtension[] extensions) => new(messageType, type) { Extensions = [.. extensions, own] };
        switch (verb)
        {
            case SetkeyVerb.DeleteAll:
                return new MeantCommand([.. words, ";"], verb, Done(PfKeyType.Delete, new(), source, destination));
            case SetkeyVerb.Get:
                return new MeantCommand([.. words, ";"], verb, Done(PfKeyType.Get, new(), bare, source, destination));
            case SetkeyVerb.Delete:
                return new MeantCommand([.. words, ";"], verb, Done(PfKeyType.Delete, new(), bare, source, destination));
        }

        words.AddRange(["-m", sa.Mode.ToString().ToLowerInvariant(), "-u", $"{sa.Reqid}"]);
        if (verb == SetkeyVerb.GetSpi)
        {
            return new MeantCommand([.. words, ";"], verb, Done(PfKeyType.GetSpi, new(), new Sa2Extension(sa.Mode, 0, sa.Reqid), new SpiRangeExtension(sa.Spi, sa.Spi), source, destination));
        }

        List<PfKeyExtension> extensions = [];
        var own = new TestudoExtension();
        SaFlags flags = SaFlags.CyclicSequence;
        words.AddRange(["-r", $"{sa.Replay}", "-lh", $"{sa.Lifetimes[0]}", "-ls", $"{sa.Lifetimes[1]}", "-bh", $"{sa.Lifetimes[2]}", "-bs", $"{sa.Lifetimes[3]}"]);
        own = sa.Replay * 8 > 255 ? own with { ReplayPackets = sa.Replay * 8 } : own;
        if ((sa.Flags & 2) != 0)
        {
            words.AddRange(["-f", "nocyclic-seq", "-f", "zero-pad"]);
            flags = SaFlags.ZeroPad;
        }

        if ((sa.Flags & 4) != 0)
        {
            words.AddRange(["-esn", "-seq", $"{sa.Last}"]);
            own = own with { ExtendedSequence = true, LastSequence = sa.Last };
        }

        if ((sa.Flags & 8) != 0)
        {
            words.AddRange(["-icv", "96"]);
            own = own with { IcvBits = 96 };
        }

        (byte cipher, byte mac) = (0, 0);
        if (type == SaType.Esp)
        {
            (string cipherName, cipher, int length) = s_ciphers[sa.Cipher];
            words.AddRange(["-E", cipherName, .. Key(sa.Key, length, sa.Flags)]);
            extensions.Add(new KeyExtension(KeyRole.Encrypt, length * 8, sa.Key[..length]));
        }

        if (type == SaType.Ah || sa.Mac >= 0)
        {
            (string macName, mac, int length) = s_macs[Math.Max(0, sa.Mac)];
            words.AddRange(["-A", macName, .. Key(sa.Key, length, sa.Flags)]);
            extensions.Add(new KeyExtension(KeyRole.Auth, length * 8, sa.Key[..length]));
        }

        if (sa.Lifetimes.Any(static n => n != 0))
        {
            extensions.Add(new LifetimeExtension(LifetimeRole.Hard, 0, sa.Lifetimes[2], sa.Lifetimes[0], 0));
            extensions.Add(new LifetimeExtension(LifetimeRole.Soft, 0, sa.Lifetimes[3], sa.Lifetimes[1], 0));
        }

        extensions.Add(new SaExtension(sa.Spi, sa.Replay * 8, SaState.Larval, mac, cipher, flags));
        extensions.Add(new Sa2Extension(sa.Mode, 0, sa.Reqid));
        if (sa.Replay > 255)
        {
            extensions.Add(new ReplayExtension(sa.Replay * 8));
        }

        if (sa.Protocol == 2)
        {
            extensions.Add(new NatTTypeExtension(2));
        }

        extensions.AddRange([source, destination]);
        if (sa.Protocol == 2)
        {
            extensions.AddRange([new NatTPortExtension(false, 500), new NatTPortExtension(true, 4500)]);
        }

        return new MeantCommand([.. words, ";"], verb, Done(verb == SetkeyVerb.Add ? PfKeyType.Add : PfKeyType.Update, own, [.. extensions]));
    }

    // In quotes where the bytes are plain text; a key of no length has no word at all.
    private static string[] Key(byte[] bytes, int length, int flags)
    {
        byte[] key = bytes[..length];
        if (length == 0)
        {
            return (flags & 16) != 0 ? ["\"\""] : [];
        }

        return (flags & 16) != 0 && key.All(static b => b is >= 32 and < 127 && b != '"') ? [$"\"{Encoding.ASCII.GetString(key)}\""] : ["0x" + (flags % 2 == 0 ? Convert.ToHexString(key) : Convert.ToHexStringLower(key))];
    }
}
