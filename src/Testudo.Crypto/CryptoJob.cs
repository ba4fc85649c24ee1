// One packet's work for a provider. The engine lays the packet out; a provider computes in place.
//
//   Head                 Text
//   | SPI | seq |  IV   | payload, padding, trailer |  ICV  |
//   |<-HeadLen->|<-Iv ->|<------ TextLength ------->|
//
// Combined modes (RFC 4106): nonce = salt, IV; AAD = SPI, [high half of an extended sequence number,] sequence number.
// Separate integrity (RFC 4303 3.3.2): encrypt, then MAC over SPI ... trailer [, high half].

namespace Testudo.Crypto;

/// <summary>One packet to seal or to open. Pointers are into the packet's native memory.</summary>
public unsafe struct CryptoJob
{
    /// <summary>The key that both halves of the job use.</summary>
    public SaKey Key;

    /// <summary>The first authenticated byte: the SPI.</summary>
    public byte* Head;

    /// <summary>Bytes from <see cref="Head"/> to the IV: 8 for ESP.</summary>
    public int HeadLength;

    /// <summary>Bytes that are encrypted: payload, padding and trailer, behind the IV.</summary>
    public int TextLength;

    /// <summary>The upper half of an extended sequence number; used where <see cref="ExtendedSequence"/>.</summary>
    public uint SequenceHigh;

    /// <summary>True where the SA uses extended sequence numbers (RFC 4303, 2.2.1).</summary>
    public bool ExtendedSequence;

    /// <summary>
    /// After opening: true where the ICV was right. After sealing: true where the packet may be sent; false where the
    /// library failed, and the packet must be dropped. A text that failed has been wiped, in both directions.
    /// </summary>
    public bool Ok;

    /// <summary>The caller's own number, untouched: which packet of its batch this is.</summary>
    public int Tag;
}
