// HMAC-RIPEMD-160 (RFC 2857), and MD5 and SHA-1 with the key before and behind the data.
//
//   keyed (RFC 1828, 3; RFC 1852, 3)   H( key | filled up to 64 bytes as the hash ends its messages | data | key )

using System.Buffers.Binary;
using System.Security.Cryptography;
using Org.BouncyCastle.Crypto.Digests;
using Org.BouncyCastle.Crypto.Macs;
using Org.BouncyCastle.Crypto.Parameters;
using Testudo.Crypto;
using Testudo.Crypto.Parts;

namespace Testudo.Legacy;

internal sealed unsafe class BouncyHmac : MacPart
{
    private readonly HMac _mac = new(new RipeMD160Digest());
    private readonly int _keyLength;

    public BouncyHmac(ReadOnlySpan<byte> key)
    {
        _keyLength = key.Length;
        _mac.Init(new KeyParameter(key));
    }

    public override bool Compute(byte* data, int length, byte* tail, int tailLength, byte* digest)
    {
        _mac.BlockUpdate(new ReadOnlySpan<byte>(data, length));
        _mac.BlockUpdate(new ReadOnlySpan<byte>(tail, tailLength));
        _mac.DoFinal(new Span<byte>(digest, MaxDigestLength));
        return true;
    }

    // There is no way to wipe it but to give it another key.
    protected override void Dispose(bool disposing) => _mac.Init(new KeyParameter(new byte[_keyLength]));
}

internal sealed unsafe class KeyedMac : MacPart
{
    private const int BlockLength = 64;
    private readonly IncrementalHash _hash;
    private readonly int _keyLength;

    // The key, filled up. Pinned, so that the collector leaves no copies.
    private readonly byte[] _first = GC.AllocateArray<byte>(BlockLength, pinned: true);

    public KeyedMac(Integrity integrity, ReadOnlySpan<byte> key)
    {
        bool isMd5 = integrity == Integrity.KeyedMd5;
        _hash = IncrementalHash.CreateHash(isMd5 ? HashAlgorithmName.MD5 : HashAlgorithmName.SHA1);
        _keyLength = key.Length;
        key.CopyTo(_first);
        _first[key.Length] = 0x80;
        Span<byte> bits = _first.AsSpan(BlockLength - sizeof(ulong));
        if (isMd5)
        {
            BinaryPrimitives.WriteUInt64LittleEndian(bits, (ulong)key.Length * 8);
        }
        else
        {
            BinaryPrimitives.WriteUInt64BigEndian(bits, (ulong)key.Length * 8);
        }
    }

    public override bool Compute(byte* data, int length, byte* tail, int tailLength, byte* digest)
    {
        _hash.AppendData(_first);
        _hash.AppendData(new ReadOnlySpan<byte>(data, length));
        _hash.AppendData(new ReadOnlySpan<byte>(tail, tailLength));
        _hash.AppendData(_first.AsSpan(0, _keyLength));
        _hash.GetHashAndReset(new Span<byte>(digest, MaxDigestLength));
        return true;
    }

    protected override void Dispose(bool disposing)
    {
        _hash.Dispose();
        CryptographicOperations.ZeroMemory(_first);
    }
}
