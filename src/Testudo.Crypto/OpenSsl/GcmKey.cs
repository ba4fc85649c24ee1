// AES-GCM in ESP (RFC 4106).
//
//   nonce (12)   | salt: the key's last 4 bytes | IV field (8) |
//   AAD (8)      | SPI | sequence number, low |
//   AAD (12)     | SPI | sequence number, high | sequence number, low |     extended sequence numbers (section 5)
//
// One context holds the key; a packet gives it the direction and the nonce. A nonce that is not 12 bytes is not possible
// here: that is the library's default for this mode.

using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Testudo.Crypto.OpenSsl;

internal sealed unsafe class GcmKey : OpenSslKey
{
    public const int TagLength = 16;
    private const int SaltLength = 4;
    private const int NonceLength = 12;
    private const int ExtendedAadLength = 12;

    private readonly nint _context = LibCrypto.NewCipher();
    private uint _salt;

    public GcmKey(OpenSslProvider provider, Transform transform, ReadOnlySpan<byte> key)
        : base(provider, transform)
    {
        _salt = MemoryMarshal.Read<uint>(key[^SaltLength..]);
        nint cipher = (key.Length - SaltLength) switch
        {
            16 => LibCrypto.Aes128Gcm(),
            24 => LibCrypto.Aes192Gcm(),
            _ => LibCrypto.Aes256Gcm(),
        };
        fixed (byte* bytes = key)
        {
            IsUsable = _context != 0 && cipher != 0 && LibCrypto.InitCipher(_context, cipher, 0, bytes, null, 1) == 1;
        }
    }

    public override bool Seal(in CryptoJob job) =>
        Start(job, encrypt: 1)
        && Text(job)
        && LibCrypto.Control(_context, LibCrypto.GetTag, TagLength, IcvOf(job)) == 1;

    public override bool Open(in CryptoJob job) =>
        Start(job, encrypt: 0)
        && LibCrypto.Control(_context, LibCrypto.SetTag, TagLength, IcvOf(job)) == 1
        && Text(job);

    protected override void Free()
    {
        LibCrypto.FreeCipher(_context);
        _salt = 0;
    }

    private bool Start(in CryptoJob job, int encrypt)
    {
        byte* nonce = stackalloc byte[NonceLength];
        Unsafe.WriteUnaligned(nonce, _salt);
        Unsafe.CopyBlockUnaligned(nonce + SaltLength, job.Head + job.HeadLength, NonceLength - SaltLength);
        if (LibCrypto.InitCipher(_context, 0, 0, null, nonce, encrypt) != 1)
        {
            return false;
        }

        int written;
        if (!job.ExtendedSequence)
        {
            return job.HeadLength == 0 || LibCrypto.UpdateCipher(_context, null, &written, job.Head, job.HeadLength) == 1;
        }

        byte* aad = stackalloc byte[ExtendedAadLength];
        Unsafe.CopyBlockUnaligned(aad, job.Head, 4);
        BinaryPrimitives.WriteUInt32BigEndian(new Span<byte>(aad + 4, 4), job.SequenceHigh);
        Unsafe.CopyBlockUnaligned(aad + 8, job.Head + 4, 4);
        return LibCrypto.UpdateCipher(_context, null, &written, aad, ExtendedAadLength) == 1;
    }

    // Encrypts or decrypts in place and ends the message: opening, the tags are compared here. The end writes no bytes.
    private bool Text(in CryptoJob job)
    {
        byte* text = TextOf(job);
        byte none;
        int written = 0;
        return (job.TextLength == 0 || LibCrypto.UpdateCipher(_context, text, &written, text, job.TextLength) == 1)
            && written == job.TextLength
            && LibCrypto.FinalCipher(_context, &none, &written) == 1;
    }
}
