// AES-GMAC (RFC 4543), with the nonce of AES-GCM.
//
//   ESP (3)   authenticated  | SPI | [high,] sequence number | IV (8) | text, which is not encrypted |
//   AH (4)    authenticated  | head, text [, high] |          ICV field   | IV (8) | tag (16) |
//
// Note that ESP's IV is authenticated twice, as nonce and as data (figure 4). In AH the sealer finds the IV, a value that
// never repeats, in the ICV field.

using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Security.Cryptography;

namespace Testudo.Crypto.Parts;

internal sealed unsafe class GmacKey : PartsKey
{
    private const int SaltLength = 4, NonceLength = 12, AhIvLength = 8;
    private readonly GmacPart _gmac;
    private readonly bool _isEsp;
    private uint _salt;

    public GmacKey(CryptoProvider provider, Transform transform, GmacPart gmac, ReadOnlySpan<byte> salt)
        : base(provider, transform)
    {
        _gmac = gmac;
        _isEsp = transform.Cipher == Cipher.AesGmac;
        _salt = Unsafe.ReadUnaligned<uint>(in salt[0]);
    }

    public override bool Seal(in CryptoJob job) => Compute(job, TagOf(job));

    public override bool Open(in CryptoJob job)
    {
        byte* tag = stackalloc byte[GmacPart.TagLength];
        bool ok = Compute(job, tag)
            && CryptographicOperations.FixedTimeEquals(
                new ReadOnlySpan<byte>(tag, GmacPart.TagLength), new ReadOnlySpan<byte>(TagOf(job), GmacPart.TagLength));
        CryptographicOperations.ZeroMemory(new Span<byte>(tag, GmacPart.TagLength));
        return ok;
    }

    protected override void Free()
    {
        _gmac.Dispose();
        _salt = 0;
    }

    private byte* TagOf(in CryptoJob job) => IcvOf(job) + (_isEsp ? 0 : AhIvLength);

    private bool Compute(in CryptoJob job, byte* tag)
    {
        byte* nonce = stackalloc byte[NonceLength];
        byte* extended = stackalloc byte[Aad.ExtendedLength];
        if (_isEsp)
        {
            Nonce.Write(nonce, _salt, SaltLength, IvOf(job));
            byte* aad = Aad.Of(job, extended, out int length);
            return _gmac.Compute(nonce, aad, length, IvOf(job), IvLength + job.TextLength, tag);
        }

        Nonce.Write(nonce, _salt, SaltLength, IcvOf(job));
        BinaryPrimitives.WriteUInt32BigEndian(new Span<byte>(extended, sizeof(uint)), job.SequenceHigh);
        return _gmac.Compute(nonce, job.Head, job.HeadLength + job.TextLength, extended, job.ExtendedSequence ? sizeof(uint) : 0, tag);
    }
}
