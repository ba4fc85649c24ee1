// setkey -v: a message in outline, in the manner of KAME's kdebug_sadb: its header, and each extension's length and type,
// with the numbers of SAs, addresses and policies. Never the bytes of a key.

using System.Buffers.Binary;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Testudo.Wire.PfKey;

namespace Testudo.Control.Setkey;

public static partial class SetkeyFormat
{
    private const int HeaderBytes = 16;

    /// <summary>A message in outline, as it stands in a record of the dialect. The last line ends with a line end.</summary>
    public static string Message(PfKeyMessage message, Dialect dialect)
    {
        byte[] record = Codec.Write(dialect, message);
        try
        {
            return Outline(record);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(record);
        }
    }

    private static string Outline(ReadOnlySpan<byte> record)
    {
        CultureInfo c = CultureInfo.InvariantCulture;
        var text = new StringBuilder();
        text.Append(c, $"sadb_msg{{ version={record[0]} type={record[1]} errno={record[2]} satype={record[3]}\n");
        text.Append(c, $"  len={U16(record[4..])} reserved={U16(record[6..])} seq={U32(record[8..])} pid={U32(record[12..])} }}\n");
        for (ReadOnlySpan<byte> rest = record[HeaderBytes..]; rest.Length >= 8;)
        {
            ushort words = U16(rest), type = U16(rest[2..]);
            text.Append(c, $"sadb_ext{{ len={words} type={type} }}\n");
            ReadOnlySpan<byte> e = rest[..(words * 8)];
            switch (type)
            {
                case 1: // SADB_EXT_SA
                    text.Append(c, $"sadb_sa{{ spi={BinaryPrimitives.ReadUInt32BigEndian(e[4..])} replay={e[8]} state={e[9]}\n");
                    text.Append(c, $"  auth={e[10]} encrypt={e[11]} flags=0x{U32(e[12..]):x8} }}\n");
                    break;
                case 5 or 6 or 7: // SADB_EXT_ADDRESS_SRC, _DST, _PROXY
                    text.Append(c, $"sadb_address{{ proto={e[4]} prefixlen={e[5]} reserved=0x{e[6]:x2}{e[7]:x2} }}\n");
                    break;
                case 18: // SADB_X_EXT_POLICY
                    text.Append(c, $"sadb_x_policy{{ type={U16(e[4..])} dir={e[6]} id={U32(e[8..]):x} }}\n");
                    break;
            }

            rest = rest[e.Length..];
        }

        return text.ToString();
    }

    private static ushort U16(ReadOnlySpan<byte> bytes) => BitConverter.ToUInt16(bytes);

    private static uint U32(ReadOnlySpan<byte> bytes) => BitConverter.ToUInt32(bytes);
}
