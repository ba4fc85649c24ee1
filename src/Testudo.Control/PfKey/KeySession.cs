// One PF_KEY socket: what it registered for, and the records that wait for it. A dump waits as an enumerator, so that
// it is neither cut short nor kept in memory, and nobody waits for its reader.

using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using Testudo.Wire.PfKey;

namespace Testudo.Control.PfKey;

/// <summary>One client of a <see cref="KeyServer"/>. Under the same lock as the server.</summary>
public sealed class KeySession
{
    /// <summary>Records that may wait: above it other clients' messages are lost, and the host should read no more requests.</summary>
    public const int MaxWaiting = 1024;

    private readonly Queue<(byte[]? Record, IEnumerator<PfKeyMessage>? Dump)> _waiting = new();
    private uint _registered;

    internal KeySession(Dialect dialect)
    {
        Dialect = dialect;
    }

    /// <summary>The layouts and numbers that it speaks.</summary>
    public Dialect Dialect { get; }

    /// <summary>True after a first successful SADB_REGISTER of an SA type.</summary>
    public bool IsRegistered => _registered != 0;

    /// <summary>True while <see cref="TryTake"/> has a record.</summary>
    public bool HasRecords => _waiting.Count > 0;

    /// <summary>True where the client does not read its answers: the host should leave its further requests in the socket.</summary>
    public bool IsFull => _waiting.Count >= MaxWaiting;

    /// <summary>Messages of others that were dropped because this client did not read.</summary>
    public long Lost { get; private set; }

    /// <summary>True once it sent the private extension, even empty.</summary>
    internal bool UnderstandsWords { get; set; }

    /// <summary>Changes of policy that are not yet in force, for the last of them has not come.</summary>
    internal PolicyDraft? Draft { get; set; }

    /// <summary>
    /// The next record to send, in the order of the requests. It may hold keys: the caller wipes it when it is sent.
    /// </summary>
    public bool TryTake([NotNullWhen(true)] out byte[]? record)
    {
        while (_waiting.TryPeek(out (byte[]? Record, IEnumerator<PfKeyMessage>? Dump) next))
        {
            if (next.Dump is not { } dump)
            {
                _waiting.Dequeue();
                record = next.Record!;
                return true;
            }

            if (dump.MoveNext())
            {
                PfKeyMessage message = dump.Current;
                record = Write(message);
                if (message.Sequence == 0) // counted down: the last one
                {
                    _waiting.Dequeue();
                    dump.Dispose();
                }

                return true;
            }

            _waiting.Dequeue();
        }

        record = null;
        return false;
    }

    internal bool TryRegister(SaType saType)
    {
        uint bit = 1u << (int)saType;
        bool isNew = (_registered & bit) == 0;
        _registered |= bit;
        return isNew;
    }

    internal void Tell(PfKeyMessage answer) => _waiting.Enqueue((Write(answer), null));

    internal void Tell(IEnumerator<PfKeyMessage> dump) => _waiting.Enqueue((null, dump));

    /// <summary>What another client did, or the stack itself; best effort, as every PF_KEY does it.</summary>
    internal void Overhear(PfKeyMessage message)
    {
        if (IsFull)
        {
            Lost++;
        }
        else
        {
            Tell(message);
        }
    }

    internal void Clear()
    {
        foreach ((byte[]? record, IEnumerator<PfKeyMessage>? dump) in _waiting)
        {
            CryptographicOperations.ZeroMemory(record);
            dump?.Dispose();
        }

        _waiting.Clear();
        Draft = null;
    }

    private byte[] Write(PfKeyMessage message)
    {
        byte[] record = Codec.Write(Dialect, message);
        message.WipeKeys();
        return record;
    }
}
