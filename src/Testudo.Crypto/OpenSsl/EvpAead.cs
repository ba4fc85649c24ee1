// AES-GCM, ChaCha20-Poly1305 and AES-GMAC of libcrypto. One context holds the key; a packet gives it the direction and the
// nonce. A nonce that is not 12 bytes is not possible here: that is the library's default for these modes.

using Testudo.Crypto.Parts;

namespace Testudo.Crypto.OpenSsl;

internal sealed unsafe class EvpAead(EvpContext context, int tagLength) : AeadPart
{
    public override bool Seal(byte* nonce, byte* aad, int aadLength, byte* text, int textLength, byte* tag) =>
        LibCrypto.InitCipher(context.Handle, 0, 0, null, nonce, 1) == 1
        && Evp.Aad(context, aad, aadLength)
        && Evp.Text(context, text, textLength)
        && LibCrypto.Control(context.Handle, LibCrypto.GetTag, tagLength, tag) == 1;

    // Text ends the message: the tags are compared there.
    public override bool Open(byte* nonce, byte* aad, int aadLength, byte* text, int textLength, byte* tag) =>
        LibCrypto.InitCipher(context.Handle, 0, 0, null, nonce, 0) == 1
        && LibCrypto.Control(context.Handle, LibCrypto.SetTag, tagLength, tag) == 1
        && Evp.Aad(context, aad, aadLength)
        && Evp.Text(context, text, textLength);

    protected override void Dispose(bool disposing) => context.Dispose();
}

internal sealed unsafe class EvpGmac(EvpContext context) : GmacPart
{
    public override bool Compute(byte* nonce, byte* first, int firstLength, byte* second, int secondLength, byte* tag) =>
        LibCrypto.InitCipher(context.Handle, 0, 0, null, nonce, 1) == 1
        && Evp.Aad(context, first, firstLength)
        && Evp.Aad(context, second, secondLength)
        && Evp.Text(context, null, 0)
        && LibCrypto.Control(context.Handle, LibCrypto.GetTag, TagLength, tag) == 1;

    protected override void Dispose(bool disposing) => context.Dispose();
}

/// <summary>Steps of a message.</summary>
internal static unsafe class Evp
{
    public static bool Aad(EvpContext context, byte* data, int length)
    {
        int written;
        return length == 0 || LibCrypto.UpdateCipher(context.Handle, null, &written, data, length) == 1;
    }

    /// <summary>Encrypts or decrypts in place and ends the message. The end writes no bytes.</summary>
    public static bool Text(EvpContext context, byte* text, int length)
    {
        byte none;
        int written = 0;
        return (length == 0 || LibCrypto.UpdateCipher(context.Handle, text, &written, text, length) == 1)
            && written == length
            && LibCrypto.FinalCipher(context.Handle, &none, &written) == 1;
    }
}
