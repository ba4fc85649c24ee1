// An SA as the witnesses need it. Names of algorithms are setkey's, as everywhere in the tests.

using Testudo.Tests.Golden;

namespace Testudo.SystemTests.Witness;

/// <summary>An ESP or AH SA for <see cref="Tshark"/> and scapy.</summary>
/// <param name="Protocol">esp or ah.</param>
/// <param name="Source">Outer source address.</param>
/// <param name="Destination">Outer destination address.</param>
/// <param name="Spi">The SPI.</param>
/// <param name="Cipher">aes-gcm-16, aes-cbc, null ...; null in AH.</param>
/// <param name="CipherKey">The salt, where there is one, at its end.</param>
/// <param name="Auth">hmac-sha1, hmac-sha2-256 ...; null where the cipher authenticates, or nothing does.</param>
/// <param name="AuthKey">Its key.</param>
/// <param name="IcvBits">The ICV length in bits; 0 for the one of the algorithm's RFC.</param>
/// <param name="Tunnel">Tunnel mode (scapy must be told).</param>
internal sealed record WitnessSa(
    string Protocol, string Source, string Destination, uint Spi, string? Cipher, byte[] CipherKey, string? Auth, byte[] AuthKey,
    int IcvBits = 0, bool Tunnel = false)
{
    /// <summary>The SAs of a golden case.</summary>
    public static WitnessSa[] Of(GoldenCase one) => [.. one.Sas.Select(sa => new WitnessSa(
        sa.Protocol, sa.Source, sa.Destination, sa.Spi, sa.Cipher, sa.CipherKey, sa.Auth, sa.AuthKey, sa.IcvBits, sa.Mode == "tunnel"))];
}
