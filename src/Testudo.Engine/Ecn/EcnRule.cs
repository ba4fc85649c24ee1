// Congestion marks through tunnels: RFC 6040, and KAME's rules before it (ip_ecn.c, RFC 2481's draft).
//
//   entering, inner to outer      Not-ECT   ECT(1)    ECT(0)    CE
//   ignore, normal                Not-ECT   ECT(1)    ECT(0)    CE         RFC 6040, 4.1
//   forbidden, compatibility      Not-ECT   Not-ECT   Not-ECT   Not-ECT
//   allowed                       Not-ECT   ECT(1)    ECT(0)    ECT(0)
//
//   leaving, outer to inner       Not-ECT   ECT(1)    ECT(0)    CE         normal, compatibility: RFC 6040, figure 4
//   inner Not-ECT                 Not-ECT   Not-ECT   Not-ECT   drop
//   inner ECT(0)                  ECT(0)    ECT(1)    ECT(0)    CE
//   inner ECT(1)                  ECT(1)    ECT(1)    ECT(1)    CE
//   inner CE                      CE        CE        CE        CE
//
// Leaving, the others change nothing but for outer CE: forbidden drops, allowed drops where the inner mark is Not-ECT and
// else hands it on.

namespace Testudo.Engine.Ecn;

/// <summary>What becomes of congestion marks in tunnels (net.inet.ipsec.ecn). Ends of a tunnel choose each for itself.</summary>
public enum EcnMode : sbyte
{
    /// <summary>KAME's -1: copied outward, ignored inward.</summary>
    Ignore = -1,

    /// <summary>KAME's 0: no marks outside, none taken from there.</summary>
    Forbidden = 0,

    /// <summary>KAME's 1: as RFC 3168 had it in full functionality.</summary>
    Allowed = 1,

    /// <summary>RFC 6040, normal mode.</summary>
    Normal = 2,

    /// <summary>RFC 6040, compatibility mode: towards a peer that does not hand marks on.</summary>
    Compatibility = 3,
}

internal static class EcnRule
{
    private const byte NotEct = 0, Ect1 = 1, Ect0 = 2, Ce = 3;

    /// <summary>The outer TOS or traffic class for an inner one; the DSCP is copied.</summary>
    public static byte Entering(EcnMode mode, byte inner) => mode switch
    {
        EcnMode.Forbidden or EcnMode.Compatibility => (byte)(inner & 0xFC),
        EcnMode.Allowed when (inner & Ce) == Ce => (byte)((inner & 0xFC) | Ect0),
        _ => inner,
    };

    /// <summary>The inner mark after the tunnel; -1 where the packet must be dropped.</summary>
    public static int Leaving(EcnMode mode, byte outer, byte inner) => (mode, outer, inner) switch
    {
        (EcnMode.Ignore, _, _) => inner,
        (EcnMode.Forbidden, Ce, _) => -1,
        (EcnMode.Forbidden, _, _) => inner,
        (_, Ce, NotEct) => -1,
        (_, Ce, _) => Ce,
        (EcnMode.Normal or EcnMode.Compatibility, Ect1, Ect0) => Ect1,
        _ => inner,
    };
}
