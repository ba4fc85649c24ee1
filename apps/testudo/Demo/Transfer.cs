// A TCP transfer between two namespaces: the marker, over and over, for a given time, compared byte for byte where it arrives.

using System.Diagnostics;
using System.Net;
using System.Net.Sockets;

namespace Testudo.App.Demo;

/// <summary>What arrived.</summary>
internal readonly record struct TransferResult(long Bytes, double Seconds, bool IsWhole)
{
    public double MegabitsPerSecond => Seconds > 0 ? Bytes * 8 / Seconds / 1e6 : 0;
}

internal static class Transfer
{
    private const int Chunk = 64 * 1024;

    /// <summary>Sends for so many seconds from one namespace to an address in the other.</summary>
    /// <exception cref="SocketException">No connection, or it broke.</exception>
    public static TransferResult Run(string from, string to, string address, byte[] marker, double seconds, CancellationToken cancel)
    {
        IPAddress destination = IPAddress.Parse(address);
        using Socket listener = TwoNamespaces.In(to, () =>
        {
            var socket = new Socket(destination.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
            socket.Bind(new IPEndPoint(destination, 0));
            socket.Listen(1);
            return socket;
        });
        using Socket sender = TwoNamespaces.In(from, () => new Socket(destination.AddressFamily, SocketType.Stream, ProtocolType.Tcp));
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        limit.CancelAfter(TimeSpan.FromSeconds(seconds + 8));
        Task<TransferResult> receiving = Receive(listener, marker, limit.Token);
        try
        {
            Send(sender, (IPEndPoint)listener.LocalEndPoint!, marker, seconds, limit.Token).GetAwaiter().GetResult();
            return receiving.GetAwaiter().GetResult();
        }
        catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
        {
            return default;
        }
    }

    private static async Task Send(Socket sender, IPEndPoint to, byte[] marker, double seconds, CancellationToken cancel)
    {
        byte[] data = Repeat(marker, Chunk);
        await sender.ConnectAsync(to, cancel).ConfigureAwait(false);
        long start = Stopwatch.GetTimestamp();
        while (Stopwatch.GetElapsedTime(start).TotalSeconds < seconds)
        {
            // A chunk is a whole number of markers: what was not taken of it begins the next one at the same place.
            for (int sent = 0; sent < data.Length;)
            {
                sent += await sender.SendAsync(data.AsMemory(sent), cancel).ConfigureAwait(false);
            }
        }

        sender.Shutdown(SocketShutdown.Send);
    }

    private static async Task<TransferResult> Receive(Socket listener, byte[] marker, CancellationToken cancel)
    {
        byte[] expected = Repeat(marker, Chunk + marker.Length);
        byte[] data = new byte[Chunk];
        using Socket socket = await listener.AcceptAsync(cancel).ConfigureAwait(false);
        long start = Stopwatch.GetTimestamp();
        long total = 0;
        bool isWhole = true;
        int length;
        while ((length = await socket.ReceiveAsync(data, cancel).ConfigureAwait(false)) > 0)
        {
            isWhole &= data.AsSpan(0, length).SequenceEqual(expected.AsSpan((int)(total % marker.Length), length));
            total += length;
        }

        return new TransferResult(total, Stopwatch.GetElapsedTime(start).TotalSeconds, isWhole && total > 0 && total % Chunk == 0);
    }

    private static byte[] Repeat(byte[] marker, int length)
    {
        byte[] data = new byte[length];
        for (int i = 0; i < data.Length; i++)
        {
            data[i] = marker[i % marker.Length];
        }

        return data;
    }
}
