// libcrypto of OpenSSL 3, called without marshalling: ciphers by EVP, hashes by the MD5 and SHA functions.
//
// Why not EVP for the hashes: EVP_MAC_init, and EVP_MD_CTX_copy below it, allocate and free a context for each packet and
// cost twice what a short HMAC takes. The SHA functions compute in memory of ours, which is copied and wiped like any
// other, and cannot fail. They are deprecated, not gone: a library built without them is not taken (IsAvailable).

using System.Runtime.InteropServices;

namespace Testudo.Crypto.OpenSsl;

/// <summary>The calls; all return 1 for success unless told otherwise.</summary>
internal static unsafe partial class LibCrypto
{
    /// <summary>EVP_CTRL_AEAD_GET_TAG: the tag of what was encrypted.</summary>
    public const int GetTag = 0x10;

    /// <summary>EVP_CTRL_AEAD_SET_TAG: the tag that is expected.</summary>
    public const int SetTag = 0x11;

    private const string Library = "libcrypto.so.3";

    // Looked up by the system's own rules, as .NET does for its own use of the library: one copy serves both.
    private const DllImportSearchPath SearchPath = DllImportSearchPath.SafeDirectories;

    // No exit handler: it would clear the library away below threads that still compute. The configuration as usual.
    private const ulong InitNoAtExit = 0x0008_0000, InitLoadConfig = 0x40;

    private static readonly string[] s_needed =
    [
        "OPENSSL_init_crypto", "EVP_get_cipherbyname", "EVP_CIPHER_CTX_new", "EVP_CIPHER_CTX_free", "EVP_CIPHER_CTX_set_padding",
        "EVP_CIPHER_CTX_ctrl", "EVP_CipherInit_ex", "EVP_CipherUpdate", "EVP_CipherFinal_ex", "MD5_Init", "MD5_Update", "MD5_Final",
        "SHA1_Init", "SHA1_Update", "SHA1_Final", "SHA256_Init", "SHA256_Update", "SHA256_Final", "SHA384_Init", "SHA384_Final",
        "SHA512_Init", "SHA512_Update", "SHA512_Final",
    ];

    /// <summary>True where the library is there, with every function that is used, and has started.</summary>
    public static bool IsAvailable { get; } = TryStart();

    // The libraries use 64-bit pointers and size_t as nuint does; the contexts' sizes (Hmac) are those of these machines.
    private static bool TryStart() =>
        OperatingSystem.IsLinux()
        && Environment.Is64BitProcess
        && NativeLibrary.TryLoad(Library, typeof(LibCrypto).Assembly, SearchPath, out nint library)
        && Array.TrueForAll(s_needed, name => NativeLibrary.TryGetExport(library, name, out _))
        && Init(InitNoAtExit | InitLoadConfig, 0) == 1;

    [LibraryImport(Library, EntryPoint = "OPENSSL_init_crypto"), DefaultDllImportSearchPaths(SearchPath)]
    private static partial int Init(ulong options, nint settings);

    /// <summary>A cipher by its name, which is a string literal and so ends with a zero; 0 where the library does not have it.</summary>
    public static nint Find(ReadOnlySpan<byte> name)
    {
        fixed (byte* bytes = name)
        {
            return CipherByName(bytes);
        }
    }

    [LibraryImport(Library, EntryPoint = "EVP_get_cipherbyname"), DefaultDllImportSearchPaths(SearchPath)]
    private static partial nint CipherByName(byte* name);

    /// <summary>A context, or null where there is no memory.</summary>
    [LibraryImport(Library, EntryPoint = "EVP_CIPHER_CTX_new"), DefaultDllImportSearchPaths(SearchPath)]
    public static partial nint NewCipher();

    /// <summary>Cleanses and frees a context; null is let pass. No result.</summary>
    [LibraryImport(Library, EntryPoint = "EVP_CIPHER_CTX_free"), DefaultDllImportSearchPaths(SearchPath)]
    public static partial void FreeCipher(nint context);

    [LibraryImport(Library, EntryPoint = "EVP_CIPHER_CTX_set_padding"), DefaultDllImportSearchPaths(SearchPath)]
    public static partial int SetPadding(nint context, int padding);

    [LibraryImport(Library, EntryPoint = "EVP_CIPHER_CTX_ctrl"), DefaultDllImportSearchPaths(SearchPath)]
    public static partial int Control(nint context, int what, int length, void* value);

    /// <summary>Sets what is not null; <paramref name="encrypt"/> is 1 to encrypt, 0 to decrypt.</summary>
    [LibraryImport(Library, EntryPoint = "EVP_CipherInit_ex"), DefaultDllImportSearchPaths(SearchPath)]
    public static partial int InitCipher(nint context, nint cipher, nint engine, byte* key, byte* iv, int encrypt);

    /// <summary>Computes; where <paramref name="output"/> is null the input is authenticated only.</summary>
    [LibraryImport(Library, EntryPoint = "EVP_CipherUpdate"), DefaultDllImportSearchPaths(SearchPath)]
    public static partial int UpdateCipher(nint context, byte* output, int* written, byte* input, int length);

    /// <summary>Ends the message; 0 also where the expected tag is not the right one (compared in constant time).</summary>
    [LibraryImport(Library, EntryPoint = "EVP_CipherFinal_ex"), DefaultDllImportSearchPaths(SearchPath)]
    public static partial int FinalCipher(nint context, byte* output, int* written);

    [LibraryImport(Library, EntryPoint = "MD5_Init"), DefaultDllImportSearchPaths(SearchPath)]
    public static partial int Md5Init(void* context);

    [LibraryImport(Library, EntryPoint = "MD5_Update"), DefaultDllImportSearchPaths(SearchPath)]
    public static partial int Md5Update(void* context, void* data, nuint length);

    [LibraryImport(Library, EntryPoint = "MD5_Final"), DefaultDllImportSearchPaths(SearchPath)]
    public static partial int Md5Final(byte* digest, void* context);

    [LibraryImport(Library, EntryPoint = "SHA1_Init"), DefaultDllImportSearchPaths(SearchPath)]
    public static partial int Sha1Init(void* context);

    [LibraryImport(Library, EntryPoint = "SHA1_Update"), DefaultDllImportSearchPaths(SearchPath)]
    public static partial int Sha1Update(void* context, void* data, nuint length);

    [LibraryImport(Library, EntryPoint = "SHA1_Final"), DefaultDllImportSearchPaths(SearchPath)]
    public static partial int Sha1Final(byte* digest, void* context);

    [LibraryImport(Library, EntryPoint = "SHA256_Init"), DefaultDllImportSearchPaths(SearchPath)]
    public static partial int Sha256Init(void* context);

    [LibraryImport(Library, EntryPoint = "SHA256_Update"), DefaultDllImportSearchPaths(SearchPath)]
    public static partial int Sha256Update(void* context, void* data, nuint length);

    [LibraryImport(Library, EntryPoint = "SHA256_Final"), DefaultDllImportSearchPaths(SearchPath)]
    public static partial int Sha256Final(byte* digest, void* context);

    [LibraryImport(Library, EntryPoint = "SHA384_Init"), DefaultDllImportSearchPaths(SearchPath)]
    public static partial int Sha384Init(void* context);

    [LibraryImport(Library, EntryPoint = "SHA384_Final"), DefaultDllImportSearchPaths(SearchPath)]
    public static partial int Sha384Final(byte* digest, void* context);

    [LibraryImport(Library, EntryPoint = "SHA512_Init"), DefaultDllImportSearchPaths(SearchPath)]
    public static partial int Sha512Init(void* context);

    /// <summary>For SHA-384 as well: the same function, another start.</summary>
    [LibraryImport(Library, EntryPoint = "SHA512_Update"), DefaultDllImportSearchPaths(SearchPath)]
    public static partial int Sha512Update(void* context, void* data, nuint length);

    [LibraryImport(Library, EntryPoint = "SHA512_Final"), DefaultDllImportSearchPaths(SearchPath)]
    public static partial int Sha512Final(byte* digest, void* context);
}
