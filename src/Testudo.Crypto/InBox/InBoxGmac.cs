// AES-GMAC: AES-GCM that encrypts nothing. The class library takes the data in one piece; two that do not lie behind each
// other (extended sequence numbers) are put together first.

using System.Security.Cryptography;
using Testudo.Crypto.Parts;

namespace Testudo.Crypto.InBox;

internal sealed unsafe class InBoxGmac(ReadOnlySpan<byte> key) : GmacPart
{
    private const int NonceLength = 12;
    private readonly AesGcm _gcm = new(key, TagLength);
    private byte[] _joined = [];

    public override bool Compute(byte* nonce, byte* first, int firstLength, byte* second, int secondLength, byte* tag)
    {
        int length = firstLength + secondLength;
        ReadOnlySpan<byte> data;
        if (secondLength == 0 || first + firstLength == second)
        {
            data = new ReadOnlySpan<byte>(first, length);
        }
        else
        {
            if (_joined.Length < length)
            {
                _joined = GC.AllocateUninitializedArray<byte>(ushort.MaxValue + 1, pinned: true); // once: no packet is longer
            }

            new ReadOnlySpan<byte>(first, firstLength).CopyTo(_joined);
            new ReadOnlySpan<byte>(second, secondLength).CopyTo(_joined.AsSpan(firstLength));
            data = _joined.AsSpan(0, length);
        }

        _gcm.Encrypt(new ReadOnlySpan<byte>(nonce, NonceLength), [], [], new Span<byte>(tag, TagLength), data);
        return true;
    }

    protected override void Dispose(bool disposing) => _gcm.Dispose();
}
