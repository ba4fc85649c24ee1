// The parser's commands on SAs: add, update, get, delete, deleteall, getspi.

using System.Collections.Immutable;
using System.Security.Cryptography;
using Testudo.Wire;
using Testudo.Wire.PfKey;

namespace Testudo.Control.Setkey;

public sealed partial class SetkeyParser
{
    // Ports of ESP in UDP where a script names none (RFC 3948, 2.1).
    private const ushort NatTPort = 4500;
    private const byte EspInUdp = 2, EspBehindMarker = 1;

    private readonly record struct SaProtocol(SaType Type, bool IsOld = false, bool IsUdp = false, bool HasMarker = false, Address? Original = null);

    private bool TryParseSa(SetkeyVerb verb, out ImmutableArray<PfKeyMessage> messages)
    {
        messages = [];
        if (!TryParseAddressFlags(out AddressFlags flags)
            || !TryParseEndpoint(flags, "source", out Endpoint? source) || !TryParseSaPort(ref source)
            || !TryParseEndpoint(flags, "destination", out Endpoint? destination) || !TryParseSaPort(ref destination)
            || !TryParseProtocol(out SaProtocol protocol))
        {
            return false;
        }

        var sa = new SaDraft { Verb = verb, Protocol = protocol };
        if (verb != SetkeyVerb.DeleteAll && !(verb == SetkeyVerb.GetSpi && _token.Kind is TokenKind.Semicolon or TokenKind.Option) && !TryParseSpi(sa))
        {
            return false;
        }

        if (verb != SetkeyVerb.DeleteAll && (!TryParseSaOptions(sa) || !IsConsistent(sa)))
        {
            return false;
        }

        if (!TryReadNatPorts(sa, source, destination))
        {
            return false;
        }

        ImmutableArray<PfKeyMessage>.Builder built = ImmutableArray.CreateBuilder<PfKeyMessage>();
        foreach (Address from in source.Addresses)
        {
            foreach (Address to in destination.Addresses)
            {
                if (from.Family == to.Family)
                {
                    built.Add(Message(sa, new AddressExtension(AddressRole.Source, (byte)IpProtocol.Any, (byte)from.Bits, from, 0, source.Scope),
                        new AddressExtension(AddressRole.Destination, (byte)IpProtocol.Any, (byte)to.Bits, to, 0, destination.Scope)));
                }
            }
        }

        // Every message has copies of its own.
        CryptographicOperations.ZeroMemory(sa.EncryptKey);
        CryptographicOperations.ZeroMemory(sa.AuthKey);
        messages = built.ToImmutable();
        return messages.Length > 0 || FailAt(destination.Word, $"source and destination are of different families: IPv{(int)source.Address.Family} and IPv{(int)destination.Address.Family}");
    }

    private bool TryParseSaPort(ref Endpoint endpoint)
    {
        if (_token.Kind == TokenKind.Slash)
        {
            return Fail("an SA is between two addresses: prefixes are for policies (spdadd)");
        }

        bool read = TryParsePort(out Token? port);
        endpoint = endpoint with { Port = port };
        return read;
    }

    private bool TryParseProtocol(out SaProtocol protocol)
    {
        string[] names = ["esp", "ah", "ipcomp", "esp-udp", "esp-udp-nonike", "tcp", "esp-old", "ah-old"];
        protocol = default;
        switch (_token.Kind == TokenKind.Word ? Word : [])
        {
            case "esp": protocol = new SaProtocol(SaType.Esp); break;
            case "ah": protocol = new SaProtocol(SaType.Ah); break;
            case "ipcomp": protocol = new SaProtocol(SaType.IpComp); break;
            case "tcp": protocol = new SaProtocol(SaType.TcpSignature); break;
            case "esp-old": protocol = new SaProtocol(SaType.Esp, IsOld: true); break;
            case "ah-old": protocol = new SaProtocol(SaType.Ah, IsOld: true); break;
            case "esp-udp-nonike": protocol = new SaProtocol(SaType.Esp, IsUdp: true, HasMarker: true); break; // before RFC 3948; no other setkey has it
            case "esp-udp": protocol = new SaProtocol(SaType.Esp, IsUdp: true); break;
            default: return Fail(_token.Kind == TokenKind.Semicolon ? "the protocol is missing" : $"{ShownToken()} is no protocol of an SA{Hint(names)}", names);
        }

        Advance();

        // esp-udp may have the other end's original address behind it; an SPI has neither dot nor colon.
        if (protocol.IsUdp && _token.Kind == TokenKind.Word && Word.ContainsAny('.', ':'))
        {
            if (!TryParseEndpoint(new AddressFlags(IpFamily.None, IsNumeric: true), "original", out Endpoint? original))
            {
                return false;
            }

            protocol = protocol with { Original = original.Address };
        }

        return true;
    }

    private bool TryParseSpi(SaDraft sa)
    {
        Token token = _token;
        string what = sa.Protocol.Type == SaType.IpComp ? "the CPI" : "the SPI";
        if (!TryParseNumber(what, uint.MaxValue, out ulong value))
        {
            return false;
        }

        sa.Spi = (uint)value;
        sa.SpiToken = token;
        if (sa.Protocol.Type == SaType.IpComp && value > ushort.MaxValue)
        {
            return FailAt(token, "a CPI has 16 bits: at most 65535 (RFC 3173, 3.3)");
        }

        // Old forms: RFC 1826 and 1827 reserve the same numbers.
        bool isIpsec = sa.Protocol.Type is SaType.Esp or SaType.Ah;
        return !(isIpsec && sa.IsMade && value <= 255) || FailAt(token, "SPIs from 0 to 255 are reserved (RFC 4303, 2.1)", "a number from 256");
    }

    private bool TryReadNatPorts(SaDraft sa, Endpoint source, Endpoint destination)
    {
        foreach (Endpoint endpoint in (ReadOnlySpan<Endpoint>)[source, destination])
        {
            bool isSource = ReferenceEquals(endpoint, source);
            if (endpoint.Port is { } token && (!sa.Protocol.IsUdp || sa.NatT))
            {
                return FailAt(token, sa.NatT ? "the ports stand behind -natt already" : "only an SA of esp-udp has ports");
            }

            ushort port = NatTPort;
            if (endpoint.Port is { } written && !TryReadPort(written, (byte)IpProtocol.Udp, out port))
            {
                return false;
            }

            if (sa.Protocol.IsUdp && isSource)
            {
                sa.SourcePort = port;
            }
            else if (sa.Protocol.IsUdp)
            {
                sa.DestinationPort = port;
            }
        }

        if (sa.Protocol.IsUdp)
        {
            sa.NatT = true;
            sa.OriginalInitiator = sa.Protocol.Original;
        }

        return true;
    }

    // The order is that of setkey's own messages, so that a trace of both can be compared.
    private PfKeyMessage Message(SaDraft sa, AddressExtension source, AddressExtension destination)
    {
        var extensions = new List<PfKeyExtension>();
        var sadb = new SaExtension(sa.Spi, sa.ReplayPackets, SaState.Larval, sa.Auth?.Number ?? 0, sa.Encrypt?.Number ?? sa.Compression, sa.AllFlags);
        switch (sa.Verb)
        {
            case SetkeyVerb.DeleteAll:
                return Message(PfKeyType.Delete, sa.Protocol.Type, [source, destination]);
            case SetkeyVerb.Get or SetkeyVerb.Delete:
                extensions.AddRange([sadb, source, destination]);
                return Message(sa.Verb == SetkeyVerb.Get ? PfKeyType.Get : PfKeyType.Delete, sa.Protocol.Type, extensions);
            case SetkeyVerb.GetSpi:
                extensions.Add(new Sa2Extension(sa.Mode, 0, sa.Reqid));
                if (sa.SpiToken is not null)
                {
                    extensions.Add(new SpiRangeExtension(sa.Spi, sa.Spi));
                }

                extensions.AddRange([source, destination]);
                return Message(PfKeyType.GetSpi, sa.Protocol.Type, extensions);
        }

        if (sa.Encrypt is not null)
        {
            extensions.Add(new KeyExtension(KeyRole.Encrypt, sa.EncryptKey.Length * 8, [.. sa.EncryptKey]));
        }

        if (sa.Auth is not null)
        {
            extensions.Add(new KeyExtension(KeyRole.Auth, sa.AuthKey.Length * 8, [.. sa.AuthKey]));
        }

        // KAME takes both lifetimes or none.
        if ((sa.HardSeconds | sa.SoftSeconds | sa.HardBytes | sa.SoftBytes) != 0)
        {
            extensions.Add(new LifetimeExtension(LifetimeRole.Hard, 0, sa.HardBytes, sa.HardSeconds, 0));
            extensions.Add(new LifetimeExtension(LifetimeRole.Soft, 0, sa.SoftBytes, sa.SoftSeconds, 0));
        }

        extensions.Add(sadb);
        extensions.Add(new Sa2Extension(sa.Mode, 0, sa.Reqid));
        if (sa.ReplayPackets > byte.MaxValue * 8)
        {
            extensions.Add(new ReplayExtension(sa.ReplayPackets));
        }

        if (sa.NatT)
        {
            extensions.Add(new NatTTypeExtension(sa.Protocol.HasMarker ? EspBehindMarker : EspInUdp));
            AddOriginal(AddressRole.NatOriginalInitiator, sa.OriginalInitiator);
            AddOriginal(AddressRole.NatOriginalResponder, sa.OriginalResponder);
        }

        extensions.AddRange([source, destination]);
        if (sa.NatT)
        {
            extensions.AddRange([new NatTPortExtension(false, sa.SourcePort), new NatTPortExtension(true, sa.DestinationPort)]);
        }

        return Message(sa.Verb == SetkeyVerb.Add ? PfKeyType.Add : PfKeyType.Update, sa.Protocol.Type, extensions, sa.Own);

        void AddOriginal(AddressRole role, Address? address)
        {
            if (address is { } original)
            {
                extensions.Add(new AddressExtension(role, (byte)IpProtocol.Any, (byte)original.Bits, original));
            }
        }
    }
}
