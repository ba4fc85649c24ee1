// Netlink messages: written into a buffer attribute by attribute, read by walking them. Everything is in host order but
// addresses.
//
//   length (4) | type (2) | flags (2) | sequence (4) | port (4) | family header | attributes
//   attribute: length (2: header and data) | type (2) | data, padded to 4

using System.Runtime.InteropServices;
using System.Text;
using Testudo.Wire;

namespace Testudo.Links;

/// <summary>A message under construction. Attributes may nest.</summary>
internal sealed class NetlinkWriter
{
    public const int HeaderLength = 16;
    // The longest message has some 100 bytes.
    private readonly byte[] _buffer = new byte[512];

    public NetlinkWriter(ushort type, ushort flags)
    {
        Length = HeaderLength;
        MemoryMarshal.Write(_buffer.AsSpan(4), type);
        MemoryMarshal.Write(_buffer.AsSpan(6), flags);
    }

    /// <summary>Bytes written.</summary>
    public int Length { get; private set; }

    /// <summary>Bytes of the family's own header.</summary>
    public void Raw(ReadOnlySpan<byte> bytes)
    {
        bytes.CopyTo(_buffer.AsSpan(Length));
        Length += (bytes.Length + 3) & ~3;
    }

    public void Raw(uint value) => Raw(MemoryMarshal.AsBytes(new ReadOnlySpan<uint>(in value)));

    public void Attribute(ushort type, ReadOnlySpan<byte> data)
    {
        MemoryMarshal.Write(_buffer.AsSpan(Length), (ushort)(4 + data.Length));
        MemoryMarshal.Write(_buffer.AsSpan((Length + 2)), type);
        data.CopyTo(_buffer.AsSpan((Length + 4)));
        Length += 4 + ((data.Length + 3) & ~3);
    }

    public void Attribute(ushort type, uint value) => Attribute(type, MemoryMarshal.AsBytes(new ReadOnlySpan<uint>(in value)));

    public void Attribute(ushort type, byte value) => Attribute(type, new ReadOnlySpan<byte>(in value));

    public void Attribute(ushort type, in Address address)
    {
        Span<byte> bytes = stackalloc byte[16];
        address.CopyTo(bytes);
        Attribute(type, bytes[..address.Length]);
    }

    public void Attribute(ushort type, string text)
    {
        Span<byte> bytes = stackalloc byte[64];
        bytes.Clear();
        int length = Encoding.UTF8.GetBytes(text, bytes[..63]);
        Attribute(type, bytes[..(length + 1)]);
    }

    /// <summary>Begins an attribute that holds others; give its place to <see cref="End"/>.</summary>
    public int Begin(ushort type)
    {
        int place = Length;
        Attribute(type, default(ReadOnlySpan<byte>));
        return place;
    }

    public void End(int place) => MemoryMarshal.Write(_buffer.AsSpan(place), (ushort)(Length - place));

    /// <summary>Closes the message with its length and number.</summary>
    public ReadOnlySpan<byte> Finish(uint sequence)
    {
        MemoryMarshal.Write(_buffer, (uint)Length);
        MemoryMarshal.Write(_buffer.AsSpan(8), sequence);
        return _buffer.AsSpan(0, Length);
    }
}

/// <summary>Walks attributes. Never reads beyond the end.</summary>
internal ref struct NetlinkReader(ReadOnlySpan<byte> attributes)
{
    private const ushort TypeMask = 0x3FFF; // without NLA_F_NESTED and NLA_F_NET_BYTEORDER
    private ReadOnlySpan<byte> _rest = attributes;

    public ushort Type { get; private set; }

    public ReadOnlySpan<byte> Data { get; private set; }

    public readonly uint Number => Data.Length >= 4 ? MemoryMarshal.Read<uint>(Data) : Data.Length >= 1 ? Data[0] : 0u;

    public readonly string Text => Encoding.UTF8.GetString(Data.TrimEnd((byte)0));

    public readonly Address Address => Data.Length switch
    {
        4 => Address.V4(Data),
        16 => Address.V6(Data),
        _ => default,
    };

    public bool Next()
    {
        if (_rest.Length < 4)
        {
            return false;
        }

        int length = MemoryMarshal.Read<ushort>(_rest);
        if (length < 4 || length > _rest.Length)
        {
            return false;
        }

        Type = (ushort)(MemoryMarshal.Read<ushort>(_rest[2..]) & TypeMask);
        Data = _rest[4..length];
        _rest = _rest[Math.Min((length + 3) & ~3, _rest.Length)..];
        return true;
    }
}
