// Two stacks in one program, joined by a wire in memory: what Alice sends to Bob crosses it as ESP.

using System.Security.Cryptography;
using Testudo;
using Testudo.Crypto;
using Testudo.Engine.Keys;
using Testudo.Links;
using Testudo.Wire;
using Testudo.Wire.PfKey;

internal static class EmbeddingSample
{
    public static async Task<byte[]> SendAsync(byte[] packet, Address alice, Address bob)
    {
        (MemoryLink aliceProgram, MemoryLink aliceClear) = MemoryLink.Pair("alice", "alice-clear");
        (MemoryLink bobProgram, MemoryLink bobClear) = MemoryLink.Pair("bob", "bob-clear");
        (MemoryLink aliceWire, MemoryLink bobWire) = MemoryLink.Pair("alice-wire", "bob-wire");

        await using var sender = new IpsecStack(aliceClear, aliceWire);
        await using var receiver = new IpsecStack(bobClear, bobWire);

        byte[] key = RandomNumberGenerator.GetBytes(16 + 4); // AES-128 and its salt
        var sa = new SaParameters { Spi = 0x1001, Source = alice, Destination = bob, Cipher = Cipher.AesGcm16, CipherKey = key };
        sender.AddSa(sa);
        receiver.AddSa(sa);
        sender.AddPolicy(Protect.Transport(PolicyDirection.Out, alice, bob));
        receiver.AddPolicy(Protect.Transport(PolicyDirection.In, alice, bob));
        sender.Start();
        receiver.Start();

        aliceProgram.Send(packet);
        return bobProgram.Receive(timeoutMilliseconds: 10_000) ?? throw new TimeoutException();
    }
}
