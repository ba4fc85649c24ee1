// The provider of what is historic: weak or forgotten algorithms, for old peers and old captures. Computed by BouncyCastle,
// which the shipped core does not know; only a program that references this room has them. BouncyCastle allocates per job
// here and there, and keeps copies of keys that nobody can wipe: correct is what this room is, not fast and not tidy.

using Org.BouncyCastle.Crypto;
using Org.BouncyCastle.Crypto.Engines;
using Testudo.Crypto;
using Testudo.Crypto.Parts;

namespace Testudo.Legacy;

/// <summary>The historic ciphers and MACs, also beside what other providers compute.</summary>
/// <param name="others">Who is asked for the other half of an SA, such as the HMAC-SHA-256 beside Blowfish.</param>
public sealed class LegacyProvider(IEnumerable<CryptoProvider> others) : PartsProvider
{
    private readonly PartsProvider[] _others = [.. others.OfType<PartsProvider>()];

    /// <inheritdoc/>
    public override string Name => "legacy";

    /// <summary>These providers, and this one behind them.</summary>
    public static Providers Behind(Providers providers) => new([.. providers.InOrder, new LegacyProvider(providers.InOrder)]);

    /// <inheritdoc/>
    public override bool Computes(Cipher cipher) =>
        Transforms.Find(cipher) is { IsCombined: false } info && (info.IsHistoric || Array.Exists(_others, other => other.Computes(cipher)));

    /// <inheritdoc/>
    public override bool Computes(Integrity integrity) =>
        Transforms.Find(integrity) is { IvLength: 0 } info && (info.IsHistoric || Array.Exists(_others, other => other.Computes(integrity)));

    /// <inheritdoc/>
    public override CipherPart? MakeCipher(Cipher cipher, ReadOnlySpan<byte> key)
    {
        if (NewEngine(cipher) is null)
        {
            CipherPart? part = null;
            for (int i = 0; i < _others.Length && part is null; i++)
            {
                part = _others[i].Computes(cipher) ? _others[i].MakeCipher(cipher, key) : null;
            }

            return part;
        }

        var chain = new BouncyChain(() => NewEngine(cipher)!, key);
        return cipher == Cipher.Des32Iv ? new ShortIvCipher(chain) : new CbcCipher(chain);
    }

    /// <inheritdoc/>
    public override MacPart? MakeMac(Integrity integrity, ReadOnlySpan<byte> key)
    {
        switch (integrity)
        {
            case Integrity.HmacRipemd160:
                return new BouncyHmac(key);
            case Integrity.KeyedMd5 or Integrity.KeyedSha1:
                return new KeyedMac(integrity, key);
            default:
                MacPart? part = null;
                for (int i = 0; i < _others.Length && part is null; i++)
                {
                    part = _others[i].Computes(integrity) ? _others[i].MakeMac(integrity, key) : null;
                }

                return part;
        }
    }

    private static IBlockCipher? NewEngine(Cipher cipher) => cipher switch
    {
        Cipher.DesCbc or Cipher.Des32Iv => new DesEngine(),
        Cipher.Cast128Cbc => new Cast5Engine(),
        Cipher.BlowfishCbc => new BlowfishEngine(),
        Cipher.SkipjackCbc => new SkipjackEngine(),
        Cipher.SerpentCbc => new SerpentEngine(),
        Cipher.TwofishCbc => new TwofishEngine(),
        _ => null,
    };
}
