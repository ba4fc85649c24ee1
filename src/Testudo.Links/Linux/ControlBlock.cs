// Ancillary data of recvmsg and sendmsg in native memory that is laid out once: sending only changes the values, receiving
// only walks the block. Each entry is a header of 16 bytes and its data, padded to 8 (see NativeSocket.cs).

using System.Runtime.InteropServices;

namespace Testudo.Links;

/// <summary>A message header, one vector, an address and a control block of native memory. For one thread.</summary>
internal sealed unsafe class ControlBlock : IDisposable
{
    private const int AddressRoom = 32, HeaderLength = 16;
    private readonly byte* _memory;
    private readonly int _controlRoom;
    private int _used;

    public ControlBlock(int controlRoom)
    {
        int start = sizeof(MessageHeader) + sizeof(IoVector) + AddressRoom;
        _memory = (byte*)NativeMemory.AllocZeroed((nuint)(start + controlRoom));
        _controlRoom = controlRoom;
        Message->Vectors = Vector;
        Message->VectorCount = 1;
        Message->Name = Address;
        Message->Control = _memory + start;
    }

    public MessageHeader* Message => (MessageHeader*)_memory;

    public IoVector* Vector => (IoVector*)(_memory + sizeof(MessageHeader));

    public byte* Address => _memory + sizeof(MessageHeader) + sizeof(IoVector);

    /// <summary>Lays out another entry for sending and gives the place of its data.</summary>
    public byte* Add(int level, int type, int length)
    {
        var header = (ControlHeader*)(Message->Control + _used);
        header->Length = (nuint)(HeaderLength + length);
        header->Level = level;
        header->Type = type;
        _used += HeaderLength + ((length + 7) & ~7);
        Message->ControlLength = (nuint)_used;
        return (byte*)(header + 1);
    }

    /// <summary>Receives into the bytes given; -1 with errno where nothing is there.</summary>
    public int Receive(int socket, byte* bytes, int length)
    {
        Message->NameLength = AddressRoom;
        Message->ControlLength = (nuint)_controlRoom;
        Message->Flags = 0;
        Vector->Bytes = bytes;
        Vector->Length = (nuint)length;
        return (int)Native.ReceiveMessage(socket, Message, 0);
    }

    /// <summary>Sends the bytes given with what was laid out, as far as <paramref name="controlLength"/>.</summary>
    public int Send(int socket, byte* bytes, int length, int controlLength)
    {
        Message->ControlLength = (nuint)controlLength;
        Vector->Bytes = bytes;
        Vector->Length = (nuint)length;
        return (int)Native.SendMessage(socket, Message, 0);
    }

    /// <summary>The data of a received entry, or null.</summary>
    public byte* Find(int level, int type, int length)
    {
        byte* at = Message->Control;
        byte* end = at + Message->ControlLength;
        while (end - at >= HeaderLength)
        {
            var header = (ControlHeader*)at;
            if (header->Length < HeaderLength || header->Length > (nuint)(end - at))
            {
                return null;
            }

            if (header->Level == level && header->Type == type)
            {
                return header->Length >= (nuint)(HeaderLength + length) ? (byte*)(header + 1) : null;
            }

            at += (header->Length + 7) & ~(nuint)7;
        }

        return null;
    }

    public void Dispose() => NativeMemory.Free(_memory);
}
