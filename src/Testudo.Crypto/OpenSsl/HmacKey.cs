// An HMAC beside AES-CBC, NULL or nothing: encrypt, then MAC (RFC 4303, 3.3.2); check, then decrypt (3.4.4).
// The MAC covers head, IV and text as they are sent, and with extended sequence numbers the high half, which is not sent,
// behind them (2.8, 3.3.2.2).

using System.Security.Cryptography;

namespace Testudo.Crypto.OpenSsl;

internal sealed unsafe class HmacKey : OpenSslKey
{
    private readonly Hmac _mac;
    private readonly CbcCipher? _cbc;

    public HmacKey(OpenSslProvider provider, Transform transform, ReadOnlySpan<byte> cipherKey, ReadOnlySpan<byte> macKey)
        : base(provider, transform)
    {
        _mac = new Hmac(transform.Integrity, macKey);
        _cbc = transform.Cipher == Cipher.AesCbc ? new CbcCipher(cipherKey) : null;
        IsUsable = _mac.IsUsable && _cbc is null or { IsUsable: true };
    }

    public override bool Seal(in CryptoJob job)
    {
        if ((_cbc is { } cbc && !cbc.Encrypt(job.Head + job.HeadLength, IvLength + job.TextLength))
            || !Mac(job, out ReadOnlySpan<byte> icv))
        {
            return false;
        }

        icv.CopyTo(new Span<byte>(IcvOf(job), Transform.IcvLength));
        return true;
    }

    public override bool Open(in CryptoJob job) =>
        Mac(job, out ReadOnlySpan<byte> icv)
        && CryptographicOperations.FixedTimeEquals(icv, new ReadOnlySpan<byte>(IcvOf(job), Transform.IcvLength))
        && (_cbc is not { } cbc || cbc.Decrypt(job.Head + job.HeadLength, IvLength + job.TextLength));

    protected override void Free()
    {
        _mac?.Free(); // null where there was no memory for it
        _cbc?.Free();
    }

    private bool Mac(in CryptoJob job, out ReadOnlySpan<byte> icv)
    {
        uint? high = job.ExtendedSequence ? job.SequenceHigh : null;
        bool ok = _mac.Compute(job.Head, job.HeadLength + IvLength + job.TextLength, high, out icv);
        icv = icv[..Transform.IcvLength];
        return ok;
    }
}
