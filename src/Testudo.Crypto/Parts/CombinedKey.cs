// The combined modes of ESP: AES-GCM (RFC 4106), AES-CCM (RFC 4309), ChaCha20-Poly1305 (RFC 7634).
//
//   nonce        | salt: the end of the key (4; CCM 3) | IV field (8) |
//   AAD (8)      | SPI | sequence number, low |
//   AAD (12)     | SPI | sequence number, high | sequence number, low |     extended sequence numbers (RFC 4106, 5)

using System.Buffers.Binary;
using System.Runtime.CompilerServices;

namespace Testudo.Crypto.Parts;

internal sealed unsafe class CombinedKey : PartsKey
{
    private const int MaxNonceLength = 12;
    private readonly AeadPart _aead;
    private readonly int _saltLength;
    private uint _salt;

    public CombinedKey(CryptoProvider provider, Transform transform, AeadPart aead, ReadOnlySpan<byte> salt)
        : base(provider, transform)
    {
        _aead = aead;
        _saltLength = salt.Length;
        fixed (uint* to = &_salt)
        {
            salt.CopyTo(new Span<byte>(to, sizeof(uint)));
        }
    }

    public override bool Seal(in CryptoJob job)
    {
        byte* nonce = stackalloc byte[MaxNonceLength];
        byte* extended = stackalloc byte[Aad.ExtendedLength];
        Nonce.Write(nonce, _salt, _saltLength, IvOf(job));
        byte* aad = Aad.Of(job, extended, out int length);
        return _aead.Seal(nonce, aad, length, TextOf(job), job.TextLength, IcvOf(job));
    }

    public override bool Open(in CryptoJob job)
    {
        byte* nonce = stackalloc byte[MaxNonceLength];
        byte* extended = stackalloc byte[Aad.ExtendedLength];
        Nonce.Write(nonce, _salt, _saltLength, IvOf(job));
        byte* aad = Aad.Of(job, extended, out int length);
        return _aead.Open(nonce, aad, length, TextOf(job), job.TextLength, IcvOf(job));
    }

    protected override void Free()
    {
        _aead.Dispose();
        _salt = 0;
    }
}

/// <summary>Nonces of a salt and the packet's IV.</summary>
internal static unsafe class Nonce
{
    /// <summary>Writes the salt, and the IV of 8 bytes behind it.</summary>
    public static void Write(byte* nonce, uint salt, int saltLength, byte* iv)
    {
        Unsafe.WriteUnaligned(nonce, salt);
        Unsafe.WriteUnaligned(nonce + saltLength, Unsafe.ReadUnaligned<ulong>(iv));
    }
}

/// <summary>What is authenticated before the text.</summary>
internal static unsafe class Aad
{
    /// <summary>Bytes of it with an extended sequence number.</summary>
    public const int ExtendedLength = 12;

    /// <summary>The job's head, or a copy of it with the high half in its middle.</summary>
    public static byte* Of(in CryptoJob job, byte* extended, out int length)
    {
        if (!job.ExtendedSequence)
        {
            length = job.HeadLength;
            return job.Head;
        }

        Unsafe.CopyBlockUnaligned(extended, job.Head, 4);
        BinaryPrimitives.WriteUInt32BigEndian(new Span<byte>(extended + 4, 4), job.SequenceHigh);
        Unsafe.CopyBlockUnaligned(extended + 8, job.Head + 4, 4);
        length = ExtendedLength;
        return extended;
    }
}
