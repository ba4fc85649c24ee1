// Reads and writes whole PF_KEY messages in a dialect. What is checked here is form, as the kernels' key_align and
// parse_exthdrs do it before they look at any meaning; what a message asks for is judged by the key engine.

using System.Collections.Immutable;

namespace Testudo.Wire.PfKey;

/// <summary>PF_KEY messages between bytes and values.</summary>
public static class Codec
{
    /// <summary>The largest record: sadb_msg_len is 16 bits of 8-byte words.</summary>
    public const int MaxSize = ushort.MaxValue * 8;

    /// <summary>Reads one record, which must be one whole message.</summary>
    /// <remarks>
    /// Never throws. Keys are copied out; the record is the caller's to wipe. Reserved bytes, padding and IPv6 flow info are
    /// not looked at. sadb_msg_errno is read in requests too, where it means nothing (kernels ignore it).
    /// </remarks>
    /// <returns>The message, or null with the fault.</returns>
    public static PfKeyMessage? Read(Dialect dialect, ReadOnlySpan<byte> record, out Fault fault) => Read(dialect, record, 0, out fault);

    /// <summary>Bytes that <see cref="Write(Dialect, PfKeyMessage, Span{byte})"/> will write.</summary>
    /// <exception cref="ArgumentException">The message cannot be said in PF_KEY at all: too long, an address of no family.</exception>
    public static int Measure(Dialect dialect, PfKeyMessage message)
    {
        var count = new Output(default, counts: true);
        Write(dialect, message, ref count);
        return count.Length;
    }

    /// <summary>
    /// Writes a message. What the dialect has no word for is left out (<see cref="Dialect.Find(PfKeyExtension)"/> tells);
    /// a replay window or reqid beyond the field's width is written as the most the field can say.
    /// </summary>
    /// <returns>The bytes written.</returns>
    /// <exception cref="ArgumentException">As for <see cref="Measure"/>, or the buffer is too small; nothing is written then.</exception>
    public static int Write(Dialect dialect, PfKeyMessage message, Span<byte> to)
    {
        int size = Measure(dialect, message);
        if (to.Length < size)
        {
            throw new ArgumentException($"the buffer has {to.Length} bytes, the message needs {size}", nameof(to));
        }

        var output = new Output(to, counts: false);
        Write(dialect, message, ref output);
        return output.Length;
    }

    /// <summary>Writes a message into an array of its size. Where the message has keys, the array is the caller's to wipe.</summary>
    /// <exception cref="ArgumentException">As for <see cref="Measure"/>.</exception>
    public static byte[] Write(Dialect dialect, PfKeyMessage message)
    {
        byte[] record = new byte[Measure(dialect, message)];
        Write(dialect, message, record);
        return record;
    }

    private static PfKeyMessage? Read(Dialect dialect, ReadOnlySpan<byte> record, int origin, out Fault fault)
    {
        if (!PfKeyHeader.TryRead(record, out PfKeyHeader header))
        {
            fault = Invalid(origin, $"the record has {record.Length} bytes; a PF_KEY message begins with a base header of {PfKeyHeader.Size}");
            return null;
        }

        fault = header switch
        {
            { Version: not PfKeyHeader.Version2 } => Invalid(origin, $"sadb_msg_version is {header.Version}; this is PF_KEY version 2"),
            _ when header.Type == PfKeyType.Reserved || header.Type > dialect.LastType => Invalid(origin + 1,
                $"sadb_msg_type is {(byte)header.Type}; {dialect.Name} has the types 1 to {(byte)dialect.LastType}"),
            _ when header.Words * 8 != record.Length => Invalid(origin + 4,
                $"sadb_msg_len is {header.Words} words of 8 bytes ({header.Words * 8} bytes); the record has {record.Length} bytes"),
            _ => Fault.None,
        };
        if (fault.Error != PfKeyError.None)
        {
            return null;
        }

        var message = new PfKeyMessage(header.Type, header.SaType)
        {
            Error = dialect.ErrorOf(header.Errno),
            Reserved = header.Reserved,
            Sequence = header.Sequence,
            Pid = header.Pid,
        };
        if (header.Type == PfKeyType.Promisc && record.Length > PfKeyHeader.Size)
        {
            return ReadInner(dialect, message, record, origin, out fault);
        }

        ImmutableArray<PfKeyExtension>.Builder extensions = ImmutableArray.CreateBuilder<PfKeyExtension>();
        fault = ReadExtensions(dialect, record, origin, extensions);
        message = message with { Extensions = extensions.ToImmutable() };
        if (fault.Error == PfKeyError.None)
        {
            return message;
        }

        message.WipeKeys();
        return null;
    }

    // A listener's copy: a base header in front of any message but another such copy (which would nest without end).
    private static PfKeyMessage? ReadInner(Dialect dialect, PfKeyMessage outer, ReadOnlySpan<byte> record, int origin, out Fault fault)
    {
        ReadOnlySpan<byte> inner = record[PfKeyHeader.Size..];
        if (origin > 0)
        {
            fault = Invalid(origin, "SADB_X_PROMISC carries a SADB_X_PROMISC that carries a message; one may be in another, not more");
            return null;
        }

        PfKeyMessage? message = Read(dialect, inner, PfKeyHeader.Size, out fault);
        return message is null ? null : outer with { Inner = message };
    }

    private static Fault ReadExtensions(Dialect dialect, ReadOnlySpan<byte> record, int origin, ImmutableArray<PfKeyExtension>.Builder into)
    {
        AddressExtension? source = null;
        ulong seen = 0;
        for (int at = PfKeyHeader.Size; at < record.Length;)
        {
            // The record is whole words, so that at least 8 bytes are left.
            int size = BitConverter.ToUInt16(record[at..]) * 8;
            ushort number = BitConverter.ToUInt16(record[(at + 2)..]);
            int offset = origin + at;
            if (dialect.Find(number) is not { } rule)
            {
                return Invalid(offset + 2, $"extension type {number} at byte {offset} is not known in {dialect.Name}'s dialect");
            }

            if (size == 0 || size > record.Length - at)
            {
                return Invalid(offset, $"{rule.Name} at byte {offset} says {size} bytes; {record.Length - at} are left in the message");
            }

            if (size < rule.Size || (rule.Fixed && size != rule.Size))
            {
                return Invalid(offset, $"{rule.Name} at byte {offset} has {size} bytes; it has {rule.Size}{(rule.Fixed ? "" : " or more")}");
            }

            // Every dialect's own numbers are below 63; the private one has the last bit.
            ulong bit = 1UL << Math.Min((int)number, 63);
            if ((seen & bit) != 0)
            {
                return Invalid(offset, $"{rule.Name} at byte {offset} is there for the second time; an extension may be in a message once");
            }

            seen |= bit;
            PfKeyExtension? extension = ExtensionReader.Read(dialect, rule, record.Slice(at, size), offset, out Fault fault);
            if (extension is null)
            {
                return fault;
            }

            into.Add(extension);
            at += size;
            if (extension is AddressExtension { Role: AddressRole.Source or AddressRole.Destination } address)
            {
                if (source is not null && Mismatch(source, address) is { } mismatch)
                {
                    return Invalid(offset, $"{rule.Name} at byte {offset} {mismatch}");
                }

                source = address;
            }
        }

        return Fault.None;
    }

    // KAME's KEY_CHKSASPIDX and its like: the two ends of one flow.
    private static string? Mismatch(AddressExtension one, AddressExtension other) =>
        one.Address.Family != other.Address.Family
            ? $"is {Name(other.Address.Family)} and the other address {Name(one.Address.Family)}; both are of one family"
            : one.Protocol != other.Protocol
                ? $"has protocol {other.Protocol} and the other address {one.Protocol}; both name the same"
                : null;

    private static string Name(IpFamily family) => family == IpFamily.V4 ? "IPv4" : "IPv6";

    private static void Write(Dialect dialect, PfKeyMessage message, ref Output to)
    {
        int start = to.Length;
        to.U8(PfKeyHeader.Version2);
        to.U8((byte)message.Type);
        to.U8(dialect.NumberOf(message.Error));
        to.U8((byte)message.SaType);
        to.U16(0);
        to.U16(message.Reserved);
        to.U32(message.Sequence);
        to.U32(message.Pid);
        foreach (PfKeyExtension extension in message.Extensions)
        {
            if (dialect.Find(extension) is { } rule)
            {
                ExtensionWriter.Write(dialect, rule, extension, ref to);
            }
        }

        if (message.Inner is { } inner)
        {
            Write(dialect, inner, ref to);
        }

        to.Patch(start + 4, to.Length - start);
    }

    private static Fault Invalid(int offset, string sentence) => new(offset, PfKeyError.Invalid, sentence);
}
