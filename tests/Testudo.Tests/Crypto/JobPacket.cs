// A packet in native memory, laid out as a job wants it, between canaries that show a write outside of it.

using System.Runtime.InteropServices;
using Testudo.Crypto;
using Xunit;

namespace Testudo.Tests.Crypto;

internal sealed unsafe class JobPacket : IDisposable
{
    private const int GuardLength = 64;
    private const byte Canary = 0xC5;

    private readonly byte* _memory;
    private readonly byte* _packet;
    private readonly int _front;
    private readonly int _head;
    private readonly int _iv;
    private readonly int _text;
    private readonly int _icv;

    public JobPacket(ReadOnlySpan<byte> head, ReadOnlySpan<byte> iv, ReadOnlySpan<byte> text, int icvLength, int offset = 0)
    {
        (_front, _head, _iv, _text, _icv) = (GuardLength + offset, head.Length, iv.Length, text.Length, icvLength);
        int length = _front + _head + _iv + _text + _icv + GuardLength;
        _memory = (byte*)NativeMemory.Alloc((nuint)length);
        new Span<byte>(_memory, length).Fill(Canary);
        _packet = _memory + _front;
        head.CopyTo(Head);
        iv.CopyTo(Iv);
        text.CopyTo(Text);
    }

    public Span<byte> Head => new(_packet, _head);

    public Span<byte> Iv => new(_packet + _head, _iv);

    public Span<byte> Text => new(_packet + _head + _iv, _text);

    public Span<byte> Icv => new(_packet + _head + _iv + _text, _icv);

    public Span<byte> All => new(_packet, _head + _iv + _text + _icv);

    public CryptoJob Job(SaKey key, uint? high = null, int tag = 0) => new()
    {
        Key = key,
        Head = _packet,
        HeadLength = _head,
        TextLength = _text,
        SequenceHigh = high ?? 0xDEAD_BEEF, // must not be used without ESN
        ExtendedSequence = high.HasValue,
        Tag = tag,
    };

    public void Seal(SaKey key, uint? high = null)
    {
        Span<CryptoJob> jobs = [Job(key, high)];
        key.Provider.Seal(jobs);
        CheckGuards();
        Assert.True(jobs[0].Ok, "what was sealed is said not to be fit for sending");
    }

    public bool Open(SaKey key, uint? high = null)
    {
        Span<CryptoJob> jobs = [Job(key, high)];
        jobs[0].Ok = true; // must be set in both cases
        key.Provider.Open(jobs);
        CheckGuards();
        return jobs[0].Ok;
    }

    public void CheckGuards()
    {
        Assert.False(new ReadOnlySpan<byte>(_memory, _front).ContainsAnyExcept(Canary), "a byte before the packet was written");
        Assert.False(new ReadOnlySpan<byte>(_packet + All.Length, GuardLength).ContainsAnyExcept(Canary), "a byte behind the packet was written");
    }

    public void Dispose() => NativeMemory.Free(_memory);
}
