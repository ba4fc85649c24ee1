// Waiting for a descriptor so that another thread can end the wait: poll on it and on an eventfd.

namespace Testudo.Links;

/// <summary>What came of waiting.</summary>
internal enum Waited
{
    /// <summary>The time is over, or a signal came.</summary>
    Nothing,

    /// <summary>The descriptor has something to be read, or an error.</summary>
    Ready,

    /// <summary>Somebody called <see cref="Waker.Wake"/>.</summary>
    Woken,
}

/// <summary>An eventfd. A wake is remembered until a wait has seen it.</summary>
internal sealed unsafe class Waker : IDisposable
{
    private readonly int _event = Native.Check(Native.EventFd(0, Native.NonBlocking | Native.CloseOnExec), "make an eventfd");

    /// <summary>Waits for a descriptor, a wake or the time in milliseconds (-1: for ever).</summary>
    public Waited Wait(int descriptor, int milliseconds)
    {
        PollDescriptor* both = stackalloc PollDescriptor[2];
        both[0] = new PollDescriptor { Descriptor = descriptor, Wanted = Native.PollIn };
        both[1] = new PollDescriptor { Descriptor = _event, Wanted = Native.PollIn };
        if (Native.Poll(both, 2, milliseconds) <= 0)
        {
            return Waited.Nothing;
        }

        if (both[1].Seen != 0)
        {
            ulong count;
            _ = Native.Read(_event, &count, sizeof(ulong));
            return Waited.Woken;
        }

        return Waited.Ready;
    }

    /// <summary>Ends a wait, now or the next time.</summary>
    public void Wake()
    {
        ulong one = 1;
        _ = Native.Write(_event, &one, sizeof(ulong));
    }

    /// <inheritdoc/>
    public void Dispose() => _ = Native.Close(_event);
}
