// Congestion marks through tunnels (RFC 6040, normal mode).
//
//   leaving a tunnel:      outer   Not-ECT   ECT(0)    ECT(1)    CE
//   inner Not-ECT                  Not-ECT   Not-ECT   Not-ECT   drop
//   inner ECT(0)                   ECT(0)    ECT(0)    ECT(1)    CE
//   inner ECT(1)                   ECT(1)    ECT(1)    ECT(1)    CE
//   inner CE                       CE        CE        CE        CE
//
// Entering one, the outer header copies the inner marks (4.1).

namespace Testudo.Engine.Ecn;

internal static class EcnRule
{
    private const byte NotEct = 0, Ect1 = 1, Ect0 = 2, Ce = 3;

    /// <summary>The inner mark after the tunnel; -1 where the packet must be dropped (figure 4).</summary>
    public static int Leaving(byte outer, byte inner) => (outer, inner) switch
    {
        (Ce, NotEct) => -1,
        (Ce, _) => Ce,
        (Ect1, Ect0) => Ect1,
        _ => inner,
    };
}
