// AES-GCM and ChaCha20-Poly1305 of the class library, which tells a wrong tag by an exception.

using System.Security.Cryptography;
using Testudo.Crypto.Parts;

namespace Testudo.Crypto.InBox;

/// <summary>AES-GCM. The library has tags of 12 to 16 bytes; how one of 8 is come by stands at <see cref="OpenShort"/>.</summary>
internal sealed unsafe class InBoxGcm(ReadOnlySpan<byte> key, int tagLength) : AeadPart
{
    private const int NonceLength = 12, FullTagLength = 16;
    private readonly AesGcm _gcm = new(key, IsShort(tagLength) ? FullTagLength : tagLength);

    public override bool Seal(byte* nonce, byte* aad, int aadLength, byte* text, int textLength, byte* tag)
    {
        if (!IsShort(tagLength))
        {
            Encrypt(nonce, aad, aadLength, text, textLength, new Span<byte>(tag, tagLength));
            return true;
        }

        Span<byte> full = stackalloc byte[FullTagLength];
        Encrypt(nonce, aad, aadLength, text, textLength, full);
        full[..tagLength].CopyTo(new Span<byte>(tag, tagLength));
        CryptographicOperations.ZeroMemory(full);
        return true;
    }

    public override bool Open(byte* nonce, byte* aad, int aadLength, byte* text, int textLength, byte* tag)
    {
        if (IsShort(tagLength))
        {
            return OpenShort(nonce, aad, aadLength, text, textLength, tag);
        }

        try
        {
            var bytes = new Span<byte>(text, textLength);
            _gcm.Decrypt(
                new ReadOnlySpan<byte>(nonce, NonceLength), bytes, new ReadOnlySpan<byte>(tag, tagLength), bytes, new ReadOnlySpan<byte>(aad, aadLength));
            return true;
        }
        catch (AuthenticationTagMismatchException)
        {
            return false;
        }
    }

    protected override void Dispose(bool disposing) => _gcm.Dispose();

    private static bool IsShort(int tagLength) => tagLength < 12;

    // Encryption is the XOR of a keystream, so encrypting takes encryption away: once to come to the text, once to have the
    // tag that the text should have, and once more for the text. The nonce is the packet's own, and nothing goes out.
    private bool OpenShort(byte* nonce, byte* aad, int aadLength, byte* text, int textLength, byte* tag)
    {
        Span<byte> full = stackalloc byte[FullTagLength];
        Encrypt(nonce, aad, aadLength, text, textLength, full);
        Encrypt(nonce, aad, aadLength, text, textLength, full);
        bool ok = CryptographicOperations.FixedTimeEquals(full[..tagLength], new ReadOnlySpan<byte>(tag, tagLength));
        if (ok)
        {
            Encrypt(nonce, aad, aadLength, text, textLength, full);
        }

        CryptographicOperations.ZeroMemory(full);
        return ok;
    }

    private void Encrypt(byte* nonce, byte* aad, int aadLength, byte* text, int textLength, Span<byte> tag)
    {
        var bytes = new Span<byte>(text, textLength);
        _gcm.Encrypt(new ReadOnlySpan<byte>(nonce, NonceLength), bytes, bytes, tag, new ReadOnlySpan<byte>(aad, aadLength));
    }
}

/// <summary>ChaCha20-Poly1305.</summary>
internal sealed unsafe class InBoxChaCha(ReadOnlySpan<byte> key) : AeadPart
{
    private const int NonceLength = 12, TagLength = 16;
    private readonly ChaCha20Poly1305 _chaCha = new(key);

    public override bool Seal(byte* nonce, byte* aad, int aadLength, byte* text, int textLength, byte* tag)
    {
        var bytes = new Span<byte>(text, textLength);
        _chaCha.Encrypt(
            new ReadOnlySpan<byte>(nonce, NonceLength), bytes, bytes, new Span<byte>(tag, TagLength), new ReadOnlySpan<byte>(aad, aadLength));
        return true;
    }

    public override bool Open(byte* nonce, byte* aad, int aadLength, byte* text, int textLength, byte* tag)
    {
        try
        {
            var bytes = new Span<byte>(text, textLength);
            _chaCha.Decrypt(
                new ReadOnlySpan<byte>(nonce, NonceLength), bytes, new ReadOnlySpan<byte>(tag, TagLength), bytes, new ReadOnlySpan<byte>(aad, aadLength));
            return true;
        }
        catch (AuthenticationTagMismatchException)
        {
            return false;
        }
    }

    protected override void Dispose(bool disposing) => _chaCha.Dispose();
}
