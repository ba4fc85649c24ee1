// The PF_KEY socket: a Unix SOCK_SEQPACKET of mode 0600. One connection is one PF_KEY socket, one packet one message. Each
// client has two threads, one that reads and one that writes, so that a client that does not read delays nobody.

using System.Net.Sockets;
using System.Security.Cryptography;
using Testudo.Control.PfKey;
using Testudo.Host;
using Testudo.Wire.PfKey;

namespace Testudo.PfKey;

/// <summary>Listens for PF_KEY clients of a stack.</summary>
public sealed class PfKeySocket : IDisposable
{
    private readonly IpsecStack _stack;
    private readonly Dialect _dialect;
    private readonly string _path;
    private readonly Socket _listener = new(AddressFamily.Unix, SocketType.Seqpacket, ProtocolType.Unspecified);
    private readonly HashSet<Client> _clients = [];
    private bool _ending;

    /// <summary>Begins to listen.</summary>
    /// <exception cref="IOException">The path is in use.</exception>
    public PfKeySocket(IpsecStack stack, string path, Dialect? dialect = null)
    {
        _stack = stack;
        _dialect = dialect ?? Dialect.Linux;
        _path = path;
        PrivateSocket.Prepare(path);
        using (PrivateSocket.Umask())
        {
            _listener.Bind(new UnixDomainSocketEndPoint(path));
        }

        _listener.Listen(64);
        stack.Announced += WakeWriters;
        new Thread(Accept) { Name = "testudo pfkey", IsBackground = true }.Start();
    }

    /// <summary>Ends all connections and takes the socket away.</summary>
    public void Dispose()
    {
        Client[] clients;
        lock (_clients)
        {
            _ending = true;
            clients = [.. _clients];
        }

        _stack.Announced -= WakeWriters;
        File.Delete(_path);
        _listener.Dispose();
        Array.ForEach(clients, static client => client.Close());
    }

    private void Accept()
    {
        while (true)
        {
            Socket socket;
            try
            {
                socket = _listener.Accept();
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException)
            {
                return; // closed
            }

            var client = new Client(this, socket);
            lock (_clients)
            {
                if (_ending)
                {
                    socket.Dispose();
                    return;
                }

                _clients.Add(client);
            }

            client.Start();
        }
    }

    private void Forget(Client client)
    {
        lock (_clients)
        {
            _clients.Remove(client);
        }
    }

    // Something was put into outboxes: whoever has something to send is woken.
    private void WakeWriters()
    {
        lock (_clients)
        {
            foreach (Client client in _clients)
            {
                client.WakeWriter();
            }
        }
    }

    private sealed class Client(PfKeySocket owner, Socket socket) : IDisposable
    {
        private const int MaxRecord = 128 * 1024;
        private readonly KeySession _session = owner._stack.Instruct(keys => keys.Open(owner._dialect));
        private readonly SemaphoreSlim _wake = new(0);
        private readonly SemaphoreSlim _drained = new(0);
        private volatile bool _closed;

        public void Start()
        {
            new Thread(Read) { Name = "testudo pfkey reader", IsBackground = true }.Start();
            new Thread(Write) { Name = "testudo pfkey writer", IsBackground = true }.Start();
        }

        public void WakeWriter()
        {
            if (_session.HasRecords)
            {
                Signal(_wake);
            }
        }

        public void Close()
        {
            _closed = true;
            Signal(_wake);
            Signal(_drained);
            try
            {
                socket.Shutdown(SocketShutdown.Both);
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException)
            {
                // it was gone already
            }
        }

        // Once is enough, however often something happened.
        private static void Signal(SemaphoreSlim semaphore)
        {
            if (semaphore.CurrentCount == 0)
            {
                semaphore.Release();
            }
        }

        private void Read()
        {
            byte[] buffer = GC.AllocateArray<byte>(MaxRecord, pinned: true); // not moved: no copy of a key stays behind
            try
            {
                while (!_closed && socket.Receive(buffer) is var length and > 0)
                {
                    owner._stack.Instruct(keys =>
                    {
                        keys.Receive(_session, buffer.AsSpan(0, length), HostClock.Now);
                        return true;
                    });
                    CryptographicOperations.ZeroMemory(buffer.AsSpan(0, length));
                    owner.WakeWriters();
                    while (_session.IsFull && !_closed)
                    {
                        _drained.Wait(); // who does not read is not read
                    }
                }
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException)
            {
                // the client is gone
            }

            owner._stack.Instruct(keys =>
            {
                keys.Close(_session);
                return true;
            });
            owner.Forget(this);
            _closed = true;
            Signal(_wake);
        }

        private void Write()
        {
            try
            {
                while (!_closed)
                {
                    byte[]? record = owner._stack.Instruct(_ => _session.TryTake(out byte[]? next) ? next : null);
                    Signal(_drained);
                    if (record is null)
                    {
                        _wake.Wait();
                        continue;
                    }

                    socket.Send(record);
                    CryptographicOperations.ZeroMemory(record);
                }
            }
            catch (SocketException)
            {
                Close(); // the client is gone
            }

            Dispose();
        }

        // The writer is the last to go.
        public void Dispose()
        {
            _closed = true;
            socket.Dispose();
        }
    }
}
