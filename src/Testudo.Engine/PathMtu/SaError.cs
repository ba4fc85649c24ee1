// What routers on the way said last about packets of an SA.

using Testudo.Wire;

namespace Testudo.Engine.PathMtu;

/// <summary>An ICMP error about a packet that an SA protected, to be shown.</summary>
/// <param name="Type">The ICMP type, of the family of <paramref name="By"/>.</param>
/// <param name="Code">The ICMP code.</param>
/// <param name="By">Who sent it.</param>
/// <param name="UnixSeconds">When.</param>
public sealed record SaError(byte Type, byte Code, Address By, long UnixSeconds);
