// An HMAC beside AES-CBC, NULL or nothing: encrypt, then MAC (RFC 4303, 3.3.2); check, then decrypt (3.4.4).
// The MAC covers head, IV and text as they are sent, and with extended sequence numbers the high half, which is not sent,
// behind them (2.8, 3.3.2.2).

using System.Buffers.Binary;
using System.Security.Cryptography;

namespace Testudo.Crypto.InBox;

internal sealed unsafe class HmacKey : InBoxKey
{
    private readonly IncrementalHash _mac;
    private readonly CbcCipher? _cbc;

    public HmacKey(InBoxProvider provider, Transform transform, ReadOnlySpan<byte> cipherKey, ReadOnlySpan<byte> macKey)
        : base(provider, transform)
    {
        _cbc = transform.Cipher == Cipher.AesCbc ? new CbcCipher(cipherKey) : null;
        _mac = IncrementalHash.CreateHMAC(NameOf(transform.Integrity), macKey);
    }

    public override void Seal(ref CryptoJob job)
    {
        _cbc?.Encrypt(job.Head + job.HeadLength, IvLength + job.TextLength);
        Span<byte> digest = stackalloc byte[HMACSHA512.HashSizeInBytes];
        Mac(job, digest);
        digest[..Transform.IcvLength].CopyTo(IcvOf(job));
        CryptographicOperations.ZeroMemory(digest);
    }

    public override bool Open(ref CryptoJob job)
    {
        Span<byte> digest = stackalloc byte[HMACSHA512.HashSizeInBytes];
        Mac(job, digest);
        bool ok = CryptographicOperations.FixedTimeEquals(digest[..Transform.IcvLength], IcvOf(job));
        CryptographicOperations.ZeroMemory(digest); // of a forged packet it is the ICV that would have been right
        if (ok)
        {
            _cbc?.Decrypt(job.Head + job.HeadLength, IvLength + job.TextLength);
        }

        return ok;
    }

    protected override void Dispose(bool disposing)
    {
        base.Dispose(disposing);
        _mac.Dispose();
        _cbc?.Dispose();
    }

    private void Mac(in CryptoJob job, Span<byte> digest)
    {
        _mac.AppendData(new ReadOnlySpan<byte>(job.Head, job.HeadLength + IvLength + job.TextLength));
        if (job.ExtendedSequence)
        {
            Span<byte> high = stackalloc byte[sizeof(uint)];
            BinaryPrimitives.WriteUInt32BigEndian(high, job.SequenceHigh);
            _mac.AppendData(high);
        }

        _mac.GetHashAndReset(digest);
    }

    private static HashAlgorithmName NameOf(Integrity integrity) => integrity switch
    {
        Integrity.HmacSha1 => HashAlgorithmName.SHA1,
        Integrity.HmacSha256 => HashAlgorithmName.SHA256,
        Integrity.HmacSha384 => HashAlgorithmName.SHA384,
        Integrity.HmacSha512 => HashAlgorithmName.SHA512,
        _ => throw new ArgumentOutOfRangeException(nameof(integrity)),
    };
}
