// sadb_msg_satype: which values a message may have (RFC 2367, 3.1.2; KAME's key_parse).

using Testudo.Engine;
using Testudo.Wire;
using Testudo.Wire.PfKey;

namespace Testudo.Control.PfKey;

internal static class SaTypes
{
    /// <summary>Null, or why this SA type cannot stand in this message.</summary>
    internal static Refusal? Check(PfKeyMessage message)
    {
        switch (message.Type)
        {
            case PfKeyType.SpdUpdate or PfKeyType.SpdAdd or PfKeyType.SpdDelete or PfKeyType.SpdGet or PfKeyType.SpdDump
                or PfKeyType.SpdFlush or PfKeyType.SpdDelete2:
                return message.SaType == SaType.Unspec
                    ? null
                    : Invalid($"sadb_msg_satype is {(byte)message.SaType}; a message about policies has 0");
            case PfKeyType.GetSpi or PfKeyType.Update or PfKeyType.Add or PfKeyType.Delete or PfKeyType.Get when message.SaType == SaType.Unspec:
                return Invalid($"sadb_msg_satype is 0; {Name(message.Type)} names the SA type, such as esp (3)");
            case PfKeyType.GetSpi or PfKeyType.Update or PfKeyType.Add or PfKeyType.Delete or PfKeyType.Get or PfKeyType.Flush or PfKeyType.Dump
                or PfKeyType.Register:
                return message.SaType switch
                {
                    SaType.Unspec or SaType.Ah or SaType.Esp or SaType.IpComp or SaType.TcpSignature => null,
                    SaType.Rsvp or SaType.OspfV2 or SaType.RipV2 or SaType.Mip => new Refusal(
                        PfKeyError.NotSupported, $"SA type {(byte)message.SaType} has no IPsec protocol: use esp (3) or ah (2)"),
                    _ => Invalid($"sadb_msg_satype is {(byte)message.SaType}, which is no SA type"),
                };
            default:
                return null;
        }
    }

    /// <summary>The protocol of an SA type.</summary>
    internal static IpProtocol ProtocolOf(SaType saType) => saType switch
    {
        SaType.Ah => IpProtocol.Ah,
        SaType.IpComp => IpProtocol.IpComp,
        SaType.TcpSignature => IpProtocol.Tcp,
        _ => IpProtocol.Esp,
    };

    /// <summary>The SA type of a protocol.</summary>
    internal static SaType TypeOf(IpProtocol protocol) => protocol switch
    {
        IpProtocol.Ah => SaType.Ah,
        IpProtocol.IpComp => SaType.IpComp,
        IpProtocol.Tcp => SaType.TcpSignature,
        _ => SaType.Esp,
    };

    /// <summary>Null, or why SAs of this type cannot be made today.</summary>
    internal static Refusal? CheckMade(SaType saType) => saType switch
    {
        SaType.Esp or SaType.Ah or SaType.IpComp => null,
        _ => Unsupported("TCP-MD5"),
    };

    /// <summary>A message type as the headers have it.</summary>
    internal static string Name(PfKeyType type) =>
        (type is >= PfKeyType.SpdUpdate and <= PfKeyType.SpdDelete2 ? "SADB_X_" : "SADB_") + type.ToString().ToUpperInvariant();

    internal static Refusal Invalid(string sentence) => new(PfKeyError.Invalid, sentence);

    private static Refusal Unsupported(string name) => new(PfKeyError.ProtocolNotSupported, $"{name} SAs are not supported: esp, ah and ipcomp are");
}
