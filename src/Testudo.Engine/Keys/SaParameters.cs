// What an SA is made of, as typed values: the form in which control and embedding programs hand it in.

using Testudo.Crypto;
using Testudo.Wire;
using Testudo.Wire.PfKey;

namespace Testudo.Engine.Keys;

/// <summary>Limits of an SA's life (RFC 4301, 4.4.2.1); 0 is no limit. Times in seconds since creation and since first use.</summary>
public readonly record struct Lifetime(uint Allocations, ulong Bytes, ulong AddSeconds, ulong UseSeconds);

/// <summary>An SA to be made. Keys are copied; the caller wipes its own.</summary>
public sealed record SaParameters
{
    /// <summary>The protocol: ESP, AH or IPComp.</summary>
    public IpProtocol Protocol { get; init; } = IpProtocol.Esp;

    /// <summary>The SPI, host order; 256 and above (RFC 4303, 2.1). IPComp's CPI: 16 bits, or 2 for DEFLATE's own.</summary>
    public required uint Spi { get; init; }

    /// <summary>The sending end.</summary>
    public required Address Source { get; init; }

    /// <summary>The receiving end.</summary>
    public required Address Destination { get; init; }

    /// <summary>Transport, tunnel, or any (which serves both).</summary>
    public IpsecMode Mode { get; init; }

    /// <summary>The number by which a policy asks for this very SA; 0 for none.</summary>
    public uint Reqid { get; init; }

    /// <summary>The cipher; none in AH and IPComp.</summary>
    public required Cipher Cipher { get; init; }

    /// <summary>The integrity algorithm; none beside a combined-mode cipher.</summary>
    public Integrity Integrity { get; init; }

    /// <summary>IPComp's algorithm; none in ESP.</summary>
    public Compression Compression { get; init; }

    /// <summary>The cipher's key, with its salt behind it.</summary>
    public ReadOnlyMemory<byte> CipherKey { get; init; }

    /// <summary>The integrity algorithm's key.</summary>
    public ReadOnlyMemory<byte> IntegrityKey { get; init; }

    /// <summary>Bits of ICV; 0 for the algorithm's own.</summary>
    public int IcvBits { get; init; }

    /// <summary>Packets of replay window: 0 for none, else 32 to 65536.</summary>
    public int ReplayWindow { get; init; } = 64;

    /// <summary>True for sequence numbers of 64 bits (RFC 4303, 2.2.1); they need a replay window.</summary>
    public bool ExtendedSequence { get; init; }

    /// <summary>The last sequence number sent, or the highest received.</summary>
    public ulong LastSequence { get; init; }

    /// <summary>KAME's flags: padding, cyclic sequence, AH in the old format; and AH's alignment.</summary>
    public SaFlags Flags { get; init; }

    /// <summary>The ports, where the SA is encapsulated in UDP.</summary>
    public UdpEncapsulation? Encapsulation { get; init; }

    /// <summary>When to ask for a new one.</summary>
    public Lifetime Soft { get; init; }

    /// <summary>When to stop.</summary>
    public Lifetime Hard { get; init; }

    /// <summary>Never the keys.</summary>
    public override string ToString() => $"{Protocol} {Source} -> {Destination} spi 0x{Spi:x8}";
}
