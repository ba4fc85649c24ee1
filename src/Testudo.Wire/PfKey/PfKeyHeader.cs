// The base header alone (struct sadb_msg), for answering a record whose rest cannot be read.

namespace Testudo.Wire.PfKey;

/// <summary>
/// The base header, in host order (RFC 2367, 2.1).
/// <code>
///  0               1               2               3
/// +---------------+---------------+---------------+---------------+
/// |    version    |     type      |     errno     |    satype     |
/// +---------------+---------------+---------------+---------------+
/// |      len, in words of 8 bytes |           reserved            |
/// +---------------+---------------+---------------+---------------+
/// |                              seq                              |
/// +---------------+---------------+---------------+---------------+
/// |                              pid                              |
/// +---------------+---------------+---------------+---------------+
/// </code>
/// </summary>
/// <param name="Version">2.</param>
/// <param name="Type">As it stands there, known or not.</param>
/// <param name="Errno">The number of the dialect.</param>
/// <param name="SaType">As it stands there, known or not.</param>
/// <param name="Words">Length of the message in words of 8 bytes, this header included.</param>
/// <param name="Reserved">sadb_msg_reserved.</param>
/// <param name="Sequence">The request's number.</param>
/// <param name="Pid">The sender's process.</param>
public readonly record struct PfKeyHeader(byte Version, PfKeyType Type, byte Errno, SaType SaType, ushort Words, ushort Reserved, uint Sequence, uint Pid)
{
    /// <summary>PF_KEY_V2.</summary>
    public const byte Version2 = 2;

    /// <summary>Bytes of a base header.</summary>
    public const int Size = 16;

    /// <summary>Reads the header, judging nothing. False for fewer than 16 bytes: such a record cannot be answered.</summary>
    public static bool TryRead(ReadOnlySpan<byte> record, out PfKeyHeader header)
    {
        header = default;
        if (record.Length < Size)
        {
            return false;
        }

        header = new PfKeyHeader(
            record[0], (PfKeyType)record[1], record[2], (SaType)record[3], BitConverter.ToUInt16(record[4..]),
            BitConverter.ToUInt16(record[6..]), BitConverter.ToUInt32(record[8..]), BitConverter.ToUInt32(record[12..]));
        return true;
    }

    /// <summary>The answer that refuses this message: the base header alone with an error, as RFC 2367, 3.1 has it.</summary>
    public PfKeyMessage Refuse(PfKeyError error) => new(Type, SaType) { Error = error, Sequence = Sequence, Pid = Pid };
}
