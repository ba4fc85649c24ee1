// CBC-MAC on a chain that cannot be started anew: what it would chain on from is known, the last block it gave, and is
// XORed into the first block of each message, where it cancels itself out. A message's blocks come in pieces.

using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace Testudo.Crypto.Parts;

internal sealed unsafe class CbcMac : IDisposable
{
    public const int BlockLength = 16;

    // Native, so that the collector leaves no copies of what passed through:  | last block | scratch |
    private const int ScratchLength = 2048;
    private readonly byte* _memory = (byte*)NativeMemory.AllocZeroed(BlockLength + ScratchLength);
    private readonly Chain _chain;
    private bool _isFirst;
    private bool _isFreed;

    public CbcMac(Chain chain) => _chain = chain;

    ~CbcMac() => Free();

    /// <summary>The MAC of the blocks so far.</summary>
    public byte* Last => _memory;

    private byte* Scratch => _memory + BlockLength;

    /// <summary>Begins a message.</summary>
    public void Start() => _isFirst = true;

    /// <summary>Takes whole blocks of the message.</summary>
    public bool Add(byte* data, int length)
    {
        if (_isFirst && length > 0)
        {
            _isFirst = false;
            for (int i = 0; i < BlockLength; i++)
            {
                Scratch[i] = (byte)(data[i] ^ Last[i]);
            }

            if (!_chain.Encrypt(Last, Scratch, BlockLength))
            {
                return false;
            }

            data += BlockLength;
            length -= BlockLength;
        }

        while (length > 0)
        {
            int piece = Math.Min(length, ScratchLength);
            if (!_chain.Encrypt(Scratch, data, piece))
            {
                return false;
            }

            NativeMemory.Copy(Scratch + piece - BlockLength, Last, BlockLength);
            data += piece;
            length -= piece;
        }

        return true;
    }

    /// <summary>Takes data of any length, filled up with zeros to whole blocks.</summary>
    public bool AddPadded(byte* data, int length)
    {
        int whole = length / BlockLength * BlockLength;
        if (!Add(data, whole) || whole == length)
        {
            return whole == length;
        }

        byte* end = stackalloc byte[BlockLength];
        new Span<byte>(end, BlockLength).Clear();
        NativeMemory.Copy(data + whole, end, (nuint)(length - whole));
        bool ok = Add(end, BlockLength);
        CryptographicOperations.ZeroMemory(new Span<byte>(end, BlockLength));
        return ok;
    }

    public void Dispose()
    {
        _chain.Dispose();
        Free();
        GC.SuppressFinalize(this);
    }

    private void Free()
    {
        if (!_isFreed)
        {
            _isFreed = true;
            CryptographicOperations.ZeroMemory(new Span<byte>(_memory, BlockLength + ScratchLength));
            NativeMemory.Free(_memory);
        }
    }
}
