// AES in counter mode (RFC 3686, 4):
//
//   counter block   | nonce: the key's last 4 bytes | IV field (8) | 1, 2, 3 ... (4) |

using System.Buffers.Binary;

namespace Testudo.Crypto.Parts;

internal sealed unsafe class CtrCipher : CipherPart
{
    private const int SaltLength = 4, IvLength = 8;
    private readonly CounterMode _mode;
    private uint _salt;

    public CtrCipher(CounterMode mode, ReadOnlySpan<byte> salt)
    {
        _mode = mode;
        fixed (uint* to = &_salt)
        {
            salt.CopyTo(new Span<byte>(to, sizeof(uint)));
        }
    }

    public override bool Encrypt(byte* iv, int textLength)
    {
        byte* counter = stackalloc byte[16];
        Nonce.Write(counter, _salt, SaltLength, iv);
        BinaryPrimitives.WriteUInt32BigEndian(new Span<byte>(counter + 12, 4), 1);
        return _mode.Run(counter, iv + IvLength, textLength);
    }

    public override bool Decrypt(byte* iv, int textLength) => Encrypt(iv, textLength);

    protected override void Dispose(bool disposing)
    {
        _mode.Dispose();
        _salt = 0;
    }
}
