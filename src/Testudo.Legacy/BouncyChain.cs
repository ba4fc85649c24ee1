// BouncyCastle's block ciphers in CBC mode, one block at a time.

using System.Security.Cryptography;
using Org.BouncyCastle.Crypto;
using Org.BouncyCastle.Crypto.Parameters;
using Testudo.Crypto.Parts;

namespace Testudo.Legacy;

internal sealed unsafe class BouncyChain : Chain
{
    private readonly IBlockCipher _encryptor;
    private readonly IBlockCipher _decryptor;
    private readonly int _keyLength;

    // Pinned, so that the collector leaves no copies: the last block of each direction, and room for one.
    private readonly byte[] _encrypted = GC.AllocateArray<byte>(16, pinned: true);
    private readonly byte[] _decrypted = GC.AllocateArray<byte>(16, pinned: true);
    private readonly byte[] _block = GC.AllocateArray<byte>(16, pinned: true);

    public BouncyChain(Func<IBlockCipher> engine, ReadOnlySpan<byte> key)
        : this(engine(), engine(), key)
    {
    }

    private BouncyChain(IBlockCipher encryptor, IBlockCipher decryptor, ReadOnlySpan<byte> key)
        : base(encryptor.GetBlockSize())
    {
        (_encryptor, _decryptor, _keyLength) = (encryptor, decryptor, key.Length);
        _encryptor.Init(true, new KeyParameter(key));
        _decryptor.Init(false, new KeyParameter(key));
    }

    public override bool Encrypt(byte* output, byte* input, int length)
    {
        for (int at = 0; at < length; at += BlockLength)
        {
            for (int i = 0; i < BlockLength; i++)
            {
                _block[i] = (byte)(input[at + i] ^ _encrypted[i]);
            }

            _encryptor.ProcessBlock(_block.AsSpan(0, BlockLength), _encrypted);
            _encrypted.AsSpan(0, BlockLength).CopyTo(new Span<byte>(output + at, BlockLength));
        }

        return true;
    }

    public override bool Decrypt(byte* output, byte* input, int length)
    {
        for (int at = 0; at < length; at += BlockLength)
        {
            _decryptor.ProcessBlock(new ReadOnlySpan<byte>(input + at, BlockLength), _block);
            for (int i = 0; i < BlockLength; i++)
            {
                byte cipher = input[at + i]; // before it is written over
                output[at + i] = (byte)(_block[i] ^ _decrypted[i]);
                _decrypted[i] = cipher;
            }
        }

        return true;
    }

    // There is no way to wipe a cipher but to give it another key.
    protected override void Dispose(bool disposing)
    {
        _encryptor.Init(true, new KeyParameter(new byte[_keyLength]));
        _decryptor.Init(false, new KeyParameter(new byte[_keyLength]));
        CryptographicOperations.ZeroMemory(_encrypted);
        CryptographicOperations.ZeroMemory(_decrypted);
        CryptographicOperations.ZeroMemory(_block);
    }
}
