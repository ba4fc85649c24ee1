// The error numbers that are told apart (include/uapi/asm-generic/errno*.h; x86-64 and arm64 both use these).

namespace Testudo.Links;

internal static class Errno
{
    public const int NotPermitted = 1;
    public const int NoEntry = 2;
    public const int NoProcess = 3;
    public const int Interrupted = 4;
    public const int BadDescriptor = 9;
    public const int WouldBlock = 11;
    public const int OutOfMemory = 12;
    public const int AccessDenied = 13;
    public const int Busy = 16;
    public const int Exists = 17;
    public const int NoDevice = 19;
    public const int BadDescriptorState = 77;
    public const int MessageTooLong = 90;
    public const int OperationNotSupported = 95;
    public const int FamilyNotSupported = 97;
    public const int AddressInUse = 98;
    public const int NoBuffers = 105;
}
