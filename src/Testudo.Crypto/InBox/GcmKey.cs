// AES-GCM in ESP (RFC 4106).
//
//   nonce (12)   | salt: the key's last 4 bytes | IV field (8) |
//   AAD (8)      | SPI | sequence number, low |
//   AAD (12)     | SPI | sequence number, high | sequence number, low |     extended sequence numbers (section 5)

using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace Testudo.Crypto.InBox;

internal sealed unsafe class GcmKey : InBoxKey
{
    public const int TagLength = 16;
    private const int SaltLength = 4;
    private const int NonceLength = 12;
    private const int ExtendedAadLength = 12;

    private readonly AesGcm _gcm;
    private uint _salt;

    public GcmKey(InBoxProvider provider, Transform transform, ReadOnlySpan<byte> key)
        : base(provider, transform)
    {
        _gcm = new AesGcm(key[..^SaltLength], TagLength);
        _salt = MemoryMarshal.Read<uint>(key[^SaltLength..]);
    }

    public override void Seal(ref CryptoJob job)
    {
        Span<byte> nonce = stackalloc byte[NonceLength];
        Span<byte> extended = stackalloc byte[ExtendedAadLength];
        WriteNonce(nonce, job);
        var text = new Span<byte>(TextOf(job), job.TextLength);
        _gcm.Encrypt(nonce, text, text, IcvOf(job), Aad(job, extended));
    }

    public override bool Open(ref CryptoJob job)
    {
        Span<byte> nonce = stackalloc byte[NonceLength];
        Span<byte> extended = stackalloc byte[ExtendedAadLength];
        WriteNonce(nonce, job);
        var text = new Span<byte>(TextOf(job), job.TextLength);
        try
        {
            _gcm.Decrypt(nonce, text, IcvOf(job), text, Aad(job, extended));
            return true;
        }
        catch (AuthenticationTagMismatchException)
        {
            return false;
        }
    }

    protected override void Dispose(bool disposing)
    {
        base.Dispose(disposing);
        _gcm.Dispose();
        _salt = 0;
    }

    private void WriteNonce(Span<byte> nonce, in CryptoJob job)
    {
        MemoryMarshal.Write(nonce, _salt);
        new ReadOnlySpan<byte>(job.Head + job.HeadLength, IvLength).CopyTo(nonce[SaltLength..]);
    }

    private static ReadOnlySpan<byte> Aad(in CryptoJob job, Span<byte> extended)
    {
        var head = new ReadOnlySpan<byte>(job.Head, job.HeadLength);
        if (!job.ExtendedSequence)
        {
            return head;
        }

        head[..4].CopyTo(extended);
        BinaryPrimitives.WriteUInt32BigEndian(extended[4..], job.SequenceHigh);
        head[4..8].CopyTo(extended[8..]);
        return extended;
    }
}
