// The provider that stands on libcrypto itself. The class library goes the same way, but tells a wrong tag by an exception,
// whose cost any sender of forged packets can ask for; here a wrong tag is a return code.
//
// No job allocates or throws, whatever the packet's bytes. A call that fails inside the library fails its job.

using Testudo.Crypto.Parts;

namespace Testudo.Crypto.OpenSsl;

/// <summary>Every transform of the table that is not historic, on OpenSSL 3.</summary>
public sealed class OpenSslProvider : PartsProvider
{
    /// <summary>Makes the provider.</summary>
    /// <exception cref="PlatformNotSupportedException">libcrypto.so.3 is not on this machine.</exception>
    public OpenSslProvider()
    {
        if (!IsAvailable)
        {
            throw new PlatformNotSupportedException(
                "libcrypto.so.3 cannot be loaded: install OpenSSL 3 (libssl3, openssl-libs), or compute with the provider inbox");
        }
    }

    /// <summary>True where the library is on this machine.</summary>
    public static bool IsAvailable => LibCrypto.IsAvailable;

    /// <inheritdoc/>
    public override string Name => "openssl";

    /// <inheritdoc/>
    public override bool Computes(Cipher cipher) => Transforms.Find(cipher) is { IsHistoric: false };

    /// <inheritdoc/>
    public override bool Computes(Integrity integrity) => Transforms.Find(integrity) is { IsHistoric: false };

    /// <inheritdoc/>
    public override CipherPart? MakeCipher(Cipher cipher, ReadOnlySpan<byte> key) => cipher switch
    {
        Cipher.AesCbc => OverChain(AesChain(key)),
        Cipher.CamelliaCbc => OverChain(EvpChain.Create(
            LibCrypto.Find(ByLength(key, "camellia-128-cbc"u8, "camellia-192-cbc"u8, "camellia-256-cbc"u8)), 16, key)),
        Cipher.TripleDesCbc => OverChain(EvpChain.Create(LibCrypto.Find("des-ede3-cbc"u8), 8, key)),
        Cipher.AesCtr => AesCounter(key[..^4]) is { } mode ? new CtrCipher(mode, key[^4..]) : null,
        _ => null,
    };

    /// <inheritdoc/>
    public override MacPart? MakeMac(Integrity integrity, ReadOnlySpan<byte> key)
    {
        switch (integrity)
        {
            case Integrity.AesXcbc:
                return BlockMac.Xcbc(AesChain, key);
            case Integrity.AesCmac:
                return BlockMac.Cmac(AesChain, key);
            default:
                var hmac = new Hmac(integrity, key);
                if (hmac.IsUsable)
                {
                    return hmac;
                }

                hmac.Dispose();
                return null;
        }
    }

    /// <inheritdoc/>
    public override AeadPart? MakeAead(Cipher cipher, ReadOnlySpan<byte> key)
    {
        int tagLength = Transforms.Find(cipher)!.TagLength;
        switch (cipher)
        {
            case Cipher.AesCcm8 or Cipher.AesCcm12 or Cipher.AesCcm16:
                EvpChain? chain = AesChain(key);
                CounterMode? mode = AesCounter(key);
                if (chain is not null && mode is not null)
                {
                    return new CcmPart(new CbcMac(chain), mode, tagLength);
                }

                chain?.Dispose();
                mode?.Dispose();
                return null;
            case Cipher.ChaCha20Poly1305:
                return Context(LibCrypto.Find("chacha20-poly1305"u8), key) is { } chaCha ? new EvpAead(chaCha, tagLength) : null;
            default:
                return AesGcm(key) is { } gcm ? new EvpAead(gcm, tagLength) : null;
        }
    }

    /// <inheritdoc/>
    public override GmacPart? MakeGmac(ReadOnlySpan<byte> key) => AesGcm(key) is { } gcm ? new EvpGmac(gcm) : null;

    private static CbcCipher? OverChain(EvpChain? chain) => chain is null ? null : new CbcCipher(chain);

    private static EvpChain? AesChain(ReadOnlySpan<byte> key) =>
        EvpChain.Create(LibCrypto.Find(ByLength(key, "aes-128-cbc"u8, "aes-192-cbc"u8, "aes-256-cbc"u8)), 16, key);

    private static EvpCounterMode? AesCounter(ReadOnlySpan<byte> key) =>
        Context(LibCrypto.Find(ByLength(key, "aes-128-ctr"u8, "aes-192-ctr"u8, "aes-256-ctr"u8)), key) is { } context ? new EvpCounterMode(context) : null;

    private static EvpContext? AesGcm(ReadOnlySpan<byte> key) =>
        Context(LibCrypto.Find(ByLength(key, "aes-128-gcm"u8, "aes-192-gcm"u8, "aes-256-gcm"u8)), key);

    private static unsafe EvpContext? Context(nint cipher, ReadOnlySpan<byte> key) => EvpContext.Create(cipher, key, null, 1);

    private static ReadOnlySpan<byte> ByLength(
        ReadOnlySpan<byte> key, ReadOnlySpan<byte> of128, ReadOnlySpan<byte> of192, ReadOnlySpan<byte> of256) => key.Length switch
        {
            16 => of128,
            24 => of192,
            _ => of256,
        };
}
