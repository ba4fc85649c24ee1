// PF_KEY without a socket: a session in this process, for files read at the start and for programs that embed a stack.

using System.Security.Cryptography;
using Testudo.Control.PfKey;
using Testudo.Wire;
using Testudo.Wire.PfKey;

namespace Testudo.PfKey;

/// <summary>Asks a key server in this process. Thread-safe where all use the same lock.</summary>
public sealed class LocalKeys
{
    private readonly KeyServer _server;
    private readonly KeySession _session;
    private readonly Lock _control;
    private readonly Func<Now> _clock;
    private uint _sequence;

    /// <summary>Opens a session with a key server.</summary>
    /// <param name="server">The key server.</param>
    /// <param name="control">The lock under which everybody instructs that server.</param>
    /// <param name="clock">The time.</param>
    public LocalKeys(KeyServer server, Lock control, Func<Now> clock)
    {
        _server = server;
        _session = server.Open(Dialect.Linux);
        _control = control;
        _clock = clock;
    }

    /// <summary>Gives an instruction and returns its answers: one, or of a dump one an entry. Keys in the request are wiped.</summary>
    public IReadOnlyList<PfKeyMessage> Ask(PfKeyMessage request)
    {
        lock (_control)
        {
            uint number = ++_sequence;
            _server.Receive(_session, request with { Sequence = number }, _clock());
            var answers = new List<PfKeyMessage>();
            while (_session.TryTake(out byte[]? record))
            {
                PfKeyMessage? answer = Codec.Read(_session.Dialect, record, out _);
                CryptographicOperations.ZeroMemory(record);
                if (answer is not null && answer.Type == request.Type && (answer.Sequence == number || request.Type is PfKeyType.Dump or PfKeyType.SpdDump))
                {
                    answers.Add(answer);
                }
            }

            return answers;
        }
    }
}
