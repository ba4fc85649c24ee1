// A cipher and a MAC beside each other, or one of them alone: encrypt, then MAC (RFC 4303, 3.3.2); check, then decrypt
// (3.4.4). The MAC covers head, IV and text as they are sent, and with extended sequence numbers the high half, which is
// not sent, behind them (2.8, 3.3.2.2).

using System.Buffers.Binary;
using System.Security.Cryptography;

namespace Testudo.Crypto.Parts;

/// <param name="provider">Who made it.</param>
/// <param name="transform">What it is for.</param>
/// <param name="cipher">Null for NULL encryption, and in AH.</param>
/// <param name="mac">Null for no authentication.</param>
internal sealed unsafe class SeparateKey(CryptoProvider provider, Transform transform, CipherPart? cipher, MacPart? mac)
    : PartsKey(provider, transform)
{
    public override bool Seal(in CryptoJob job)
    {
        if (cipher is not null && !cipher.Encrypt(IvOf(job), job.TextLength))
        {
            return false;
        }

        byte* digest = stackalloc byte[MacPart.MaxDigestLength];
        bool ok = Mac(job, digest);
        new ReadOnlySpan<byte>(digest, Transform.IcvLength).CopyTo(new Span<byte>(IcvOf(job), Transform.IcvLength));
        CryptographicOperations.ZeroMemory(new Span<byte>(digest, MacPart.MaxDigestLength));
        return ok;
    }

    public override bool Open(in CryptoJob job)
    {
        byte* digest = stackalloc byte[MacPart.MaxDigestLength];
        bool ok = Mac(job, digest)
            && CryptographicOperations.FixedTimeEquals(
                new ReadOnlySpan<byte>(digest, Transform.IcvLength), new ReadOnlySpan<byte>(IcvOf(job), Transform.IcvLength));
        CryptographicOperations.ZeroMemory(new Span<byte>(digest, MacPart.MaxDigestLength)); // of a forged packet: what would have been right
        return ok && (cipher is null || cipher.Decrypt(IvOf(job), job.TextLength));
    }

    protected override void Free()
    {
        cipher?.Dispose();
        mac?.Dispose();
    }

    // Without a MAC the ICV is of zeros, or of no bytes at all.
    private bool Mac(in CryptoJob job, byte* digest)
    {
        if (mac is null)
        {
            new Span<byte>(digest, MacPart.MaxDigestLength).Clear();
            return true;
        }

        byte* high = stackalloc byte[sizeof(uint)];
        BinaryPrimitives.WriteUInt32BigEndian(new Span<byte>(high, sizeof(uint)), job.SequenceHigh);
        return mac.Compute(job.Head, job.HeadLength + IvLength + job.TextLength, high, job.ExtendedSequence ? sizeof(uint) : 0, digest);
    }
}
