// A PF_KEY socket from the other side: one connection to the stack, one packet a message (Unix SOCK_SEQPACKET).

using System.Net.Sockets;
using System.Security.Cryptography;
using Testudo.Wire.PfKey;

namespace Testudo.PfKey;

/// <summary>Asks a stack over PF_KEY. Not thread-safe.</summary>
public sealed class PfKeyClient : IDisposable
{
    /// <summary>The longest message that is received.</summary>
    private const int MaxRecord = 256 * 1024;

    private readonly Socket _socket = new(AddressFamily.Unix, SocketType.Seqpacket, ProtocolType.Unspecified);
    private readonly Dialect _dialect;
    private readonly byte[] _buffer = new byte[MaxRecord];

    // Everybody hears of a new SA, with the number and the process of who asked for it: two clients of one process must not
    // take each other's answers for their own.
    private uint _sequence = (uint)RandomNumberGenerator.GetInt32(int.MaxValue);

    /// <summary>Connects.</summary>
    /// <exception cref="SocketException">Nobody listens there, or it is not ours to ask.</exception>
    public PfKeyClient(string path, Dialect? dialect = null)
    {
        _dialect = dialect ?? Dialect.Linux;
        try
        {
            _socket.Connect(new UnixDomainSocketEndPoint(path));
        }
        catch
        {
            _socket.Dispose();
            throw;
        }
    }

    /// <summary>
    /// Sends a request and waits for its answer; a dump has one message an entry, and its last has number 0.
    /// Messages that are not about this request are passed over.
    /// </summary>
    /// <exception cref="IOException">The stack closed the connection, or answered what is no PF_KEY message.</exception>
    public IReadOnlyList<PfKeyMessage> Ask(PfKeyMessage request)
    {
        uint number = ++_sequence;
        Send(request with { Sequence = number, Pid = (uint)Environment.ProcessId });
        bool isDump = request.Type is PfKeyType.Dump or PfKeyType.SpdDump;
        var answers = new List<PfKeyMessage>();
        while (true)
        {
            PfKeyMessage message = Receive();
            if (message.Type != request.Type || message.Pid != (uint)Environment.ProcessId || (!isDump && message.Sequence != number))
            {
                continue;
            }

            answers.Add(message);
            if (!isDump || message.Error != PfKeyError.None || message.Sequence == 0)
            {
                return answers;
            }
        }
    }

    /// <summary>Waits for the next message, whatever it is.</summary>
    /// <exception cref="IOException">The stack closed the connection, or sent what is no PF_KEY message.</exception>
    public PfKeyMessage Receive()
    {
        int length = _socket.Receive(_buffer);
        if (length == 0)
        {
            throw new IOException("the stack closed the PF_KEY socket");
        }

        PfKeyMessage? message = Codec.Read(_dialect, _buffer.AsSpan(0, length), out Fault fault);
        CryptographicOperations.ZeroMemory(_buffer.AsSpan(0, length));
        return message ?? throw new IOException($"the stack's answer could not be read: {fault.Sentence} (byte {fault.Offset})");
    }

    /// <inheritdoc/>
    public void Dispose() => _socket.Dispose();

    private void Send(PfKeyMessage message)
    {
        byte[] record = Codec.Write(_dialect, message);
        try
        {
            _socket.Send(record);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(record); // it may hold keys
        }
    }
}
