// Where the codec writes: a cursor over a buffer, or over nothing to learn the size first.

using System.Buffers.Binary;

namespace Testudo.Wire.PfKey;

internal ref struct Output(Span<byte> to, bool counts)
{
    private readonly Span<byte> _to = to;
    private readonly bool _counts = counts;

    /// <summary>Bytes written or counted so far.</summary>
    public int Length { get; private set; }

    public void U8(byte value) => Bytes([value]);

    public void U16(ushort value) => BitConverter.TryWriteBytes(Take(2), value);

    public void U32(uint value) => BitConverter.TryWriteBytes(Take(4), value);

    public void U64(ulong value) => BitConverter.TryWriteBytes(Take(8), value);

    public void Net16(ushort value) => BinaryPrimitives.TryWriteUInt16BigEndian(Take(2), value);

    public void Net32(uint value) => BinaryPrimitives.TryWriteUInt32BigEndian(Take(4), value);

    public void Bytes(scoped ReadOnlySpan<byte> value)
    {
        if (!_counts)
        {
            value.CopyTo(_to[Length..]);
        }

        Length += value.Length;
    }

    public void Zero(int count)
    {
        if (!_counts)
        {
            _to.Slice(Length, count).Clear();
        }

        Length += count;
    }

    public void Pad(int start, int multiple) => Zero(-(Length - start) & (multiple - 1));

    /// <summary>Begins an extension; its length is filled in by <see cref="End"/>.</summary>
    public int Begin(ushort number)
    {
        int start = Length;
        U16(0);
        U16(number);
        return start;
    }

    public void End(int start)
    {
        Pad(start, 8);
        Patch(start, Length - start);
    }

    /// <summary>Writes a length of bytes as words of 8 into an earlier place.</summary>
    public readonly void Patch(int at, int bytes)
    {
        if (bytes / 8 > ushort.MaxValue)
        {
            throw new ArgumentException($"{bytes} bytes are more than PF_KEY's 16-bit length can say (524280)");
        }

        if (!_counts)
        {
            BitConverter.TryWriteBytes(_to[at..], (ushort)(bytes / 8));
        }
    }

    // While counting there is no place: the Try methods then write nothing.
    private Span<byte> Take(int count)
    {
        Length += count;
        return _counts ? default : _to.Slice(Length - count, count);
    }
}
