// HMAC of the class library.

using System.Security.Cryptography;
using Testudo.Crypto.Parts;

namespace Testudo.Crypto.InBox;

internal sealed unsafe class InBoxHmac(Integrity integrity, ReadOnlySpan<byte> key) : MacPart
{
    private readonly IncrementalHash _mac = IncrementalHash.CreateHMAC(NameOf(integrity), key);

    public override bool Compute(byte* data, int length, byte* tail, int tailLength, byte* digest)
    {
        _mac.AppendData(new ReadOnlySpan<byte>(data, length));
        _mac.AppendData(new ReadOnlySpan<byte>(tail, tailLength));
        _mac.GetHashAndReset(new Span<byte>(digest, MaxDigestLength));
        return true;
    }

    protected override void Dispose(bool disposing) => _mac.Dispose();

    private static HashAlgorithmName NameOf(Integrity integrity) => integrity switch
    {
        Integrity.HmacMd5 => HashAlgorithmName.MD5,
        Integrity.HmacSha1 => HashAlgorithmName.SHA1,
        Integrity.HmacSha256 => HashAlgorithmName.SHA256,
        Integrity.HmacSha384 => HashAlgorithmName.SHA384,
        Integrity.HmacSha512 => HashAlgorithmName.SHA512,
        _ => throw new ArgumentOutOfRangeException(nameof(integrity)),
    };
}
