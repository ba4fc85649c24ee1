// Block ciphers of libcrypto in CBC mode, and AES in counter mode, on contexts that hold the key for its life.

using Testudo.Crypto.Parts;

namespace Testudo.Crypto.OpenSsl;

/// <summary>One context: freed once, by Dispose or at the latest by the collector.</summary>
internal sealed unsafe class EvpContext : IDisposable
{
    private nint _context = LibCrypto.NewCipher();

    private EvpContext()
    {
    }

    ~EvpContext() => Free();

    public nint Handle => _context;

    /// <summary>A context with its key; null where the library does not have the cipher or not take the key.</summary>
    /// <param name="cipher">EVP_get_cipherbyname's.</param>
    /// <param name="key">The key.</param>
    /// <param name="iv">The first IV; null to give one later.</param>
    /// <param name="encrypt">1 to encrypt, 0 to decrypt.</param>
    public static EvpContext? Create(nint cipher, ReadOnlySpan<byte> key, byte* iv, int encrypt)
    {
        var context = new EvpContext();
        fixed (byte* bytes = key)
        {
            if (cipher != 0 && context._context != 0
                && LibCrypto.InitCipher(context._context, cipher, 0, bytes, iv, encrypt) == 1
                && LibCrypto.SetPadding(context._context, 0) == 1)
            {
                return context;
            }
        }

        context.Dispose();
        return null;
    }

    public void Dispose()
    {
        Free();
        GC.SuppressFinalize(this);
    }

    private void Free()
    {
        LibCrypto.FreeCipher(_context); // cleanses
        _context = 0;
    }
}

internal sealed unsafe class EvpChain : Chain
{
    private readonly EvpContext _encryptor;
    private readonly EvpContext _decryptor;

    private EvpChain(EvpContext encryptor, EvpContext decryptor, int blockLength)
        : base(blockLength) => (_encryptor, _decryptor) = (encryptor, decryptor);

    /// <summary>A chain; null where the library does not have the cipher or not take the key.</summary>
    public static EvpChain? Create(nint cipher, int blockLength, ReadOnlySpan<byte> key)
    {
        byte* zero = stackalloc byte[16];
        new Span<byte>(zero, 16).Clear();
        EvpContext? encryptor = EvpContext.Create(cipher, key, zero, 1), decryptor = EvpContext.Create(cipher, key, zero, 0);
        if (encryptor is not null && decryptor is not null)
        {
            return new EvpChain(encryptor, decryptor, blockLength);
        }

        encryptor?.Dispose();
        decryptor?.Dispose();
        return null;
    }

    public override bool Encrypt(byte* output, byte* input, int length) => Run(_encryptor.Handle, output, input, length);

    public override bool Decrypt(byte* output, byte* input, int length) => Run(_decryptor.Handle, output, input, length);

    protected override void Dispose(bool disposing)
    {
        _encryptor.Dispose();
        _decryptor.Dispose();
    }

    private static bool Run(nint context, byte* output, byte* input, int length)
    {
        int written = 0;
        return LibCrypto.UpdateCipher(context, output, &written, input, length) == 1 && written == length;
    }
}

internal sealed unsafe class EvpCounterMode(EvpContext context) : CounterMode
{
    public override bool Run(byte* counter, byte* data, int length)
    {
        int written = 0;
        return length == 0
            || (LibCrypto.InitCipher(context.Handle, 0, 0, null, counter, 1) == 1
                && LibCrypto.UpdateCipher(context.Handle, data, &written, data, length) == 1
                && written == length);
    }

    protected override void Dispose(bool disposing) => context.Dispose();
}
