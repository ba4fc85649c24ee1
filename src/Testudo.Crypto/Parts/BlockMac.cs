// AES-XCBC-MAC (RFC 3566) and AES-CMAC (RFC 4493, 4494): CBC-MAC whose last block is masked, by one mask where it is whole
// and by another where it was filled up with 1000...
//
//   XCBC (4)      chain under K1 = E(0x01 x 16)    whole: K2 = E(0x02 x 16)    filled up: K3 = E(0x03 x 16)
//   CMAC (2.3)    chain under K                    whole: K1 = 2 E(0)          filled up: K2 = 4 E(0), in GF(2^128)

using System.Security.Cryptography;

namespace Testudo.Crypto.Parts;

internal sealed unsafe class BlockMac : MacPart
{
    private const int BlockLength = CbcMac.BlockLength;
    private readonly CbcMac _mac;

    // | whole | filled up |. Pinned, so that the collector leaves no copies.
    private readonly byte[] _masks = GC.AllocateArray<byte>(2 * BlockLength, pinned: true);

    private BlockMac(CbcMac mac) => _mac = mac;

    /// <summary>Makes a chain under a key; null where the library does not take it.</summary>
    public delegate Chain? ChainMaker(ReadOnlySpan<byte> key);

    /// <summary>AES-XCBC-MAC; null where the library does not take the key.</summary>
    public static BlockMac? Xcbc(ChainMaker maker, ReadOnlySpan<byte> key)
    {
        byte* derived = stackalloc byte[3 * BlockLength];
        var keys = new Span<byte>(derived, 3 * BlockLength);
        BlockMac? mac = null;
        if (maker(key) is { } chain)
        {
            using var outer = new CbcMac(chain);
            bool ok = true;
            for (int i = 0; i < 3; i++)
            {
                keys.Slice(i * BlockLength, BlockLength).Fill((byte)(i + 1));
                ok = ok && Encrypt(outer, derived + (i * BlockLength));
            }

            if (ok && maker(keys[..BlockLength]) is { } inner)
            {
                mac = new BlockMac(new CbcMac(inner));
                keys[BlockLength..].CopyTo(mac._masks);
            }
        }

        CryptographicOperations.ZeroMemory(keys);
        return mac;
    }

    /// <summary>AES-CMAC; null where the library does not take the key.</summary>
    public static BlockMac? Cmac(ChainMaker maker, ReadOnlySpan<byte> key)
    {
        if (maker(key) is not { } chain)
        {
            return null;
        }

        var mac = new BlockMac(new CbcMac(chain));
        fixed (byte* masks = mac._masks)
        {
            if (!Encrypt(mac._mac, masks))
            {
                mac.Dispose();
                return null;
            }
        }

        Double(mac._masks, mac._masks.AsSpan(0, BlockLength));
        Double(mac._masks.AsSpan(0, BlockLength), mac._masks.AsSpan(BlockLength));
        return mac;
    }

    public override bool Compute(byte* data, int length, byte* tail, int tailLength, byte* digest)
    {
        // What goes into the last block, or with the tail into the last two, is put together here.
        byte* end = stackalloc byte[3 * BlockLength];
        int whole = length / BlockLength * BlockLength;
        if (whole == length && tailLength == 0 && length > 0)
        {
            whole -= BlockLength;
        }

        int rest = length - whole;
        new ReadOnlySpan<byte>(data + whole, rest).CopyTo(new Span<byte>(end, BlockLength));
        new ReadOnlySpan<byte>(tail, tailLength).CopyTo(new Span<byte>(end + rest, BlockLength));
        rest += tailLength;
        _mac.Start();
        bool ok = _mac.Add(data, whole);
        if (rest > BlockLength)
        {
            ok = ok && _mac.Add(end, BlockLength);
            end += BlockLength;
            rest -= BlockLength;
        }

        ReadOnlySpan<byte> mask = _masks.AsSpan(rest == BlockLength ? 0 : BlockLength, BlockLength);
        new Span<byte>(end + rest, BlockLength - rest).Clear();
        if (rest < BlockLength)
        {
            end[rest] = 0x80;
        }

        for (int i = 0; i < BlockLength; i++)
        {
            end[i] ^= mask[i];
        }

        ok = ok && _mac.Add(end, BlockLength);
        new ReadOnlySpan<byte>(_mac.Last, BlockLength).CopyTo(new Span<byte>(digest, BlockLength));
        return ok;
    }

    protected override void Dispose(bool disposing)
    {
        _mac.Dispose();
        CryptographicOperations.ZeroMemory(_masks);
    }

    private static bool Encrypt(CbcMac with, byte* block)
    {
        with.Start();
        bool ok = with.Add(block, BlockLength);
        new ReadOnlySpan<byte>(with.Last, BlockLength).CopyTo(new Span<byte>(block, BlockLength));
        return ok;
    }

    // RFC 4493, 2.3: shifted left by one bit; what falls out comes back as 0x87. In constant time.
    private static void Double(ReadOnlySpan<byte> from, Span<byte> to)
    {
        int carry = from[0] >> 7;
        for (int i = 0; i < BlockLength; i++)
        {
            int next = i + 1 < BlockLength ? from[i + 1] >> 7 : 0;
            to[i] = (byte)((from[i] << 1) | next);
        }

        to[BlockLength - 1] ^= (byte)(0x87 & -carry);
    }
}
