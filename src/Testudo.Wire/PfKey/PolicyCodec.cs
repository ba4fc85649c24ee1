// SADB_X_EXT_POLICY and the requests in it, which differ most between systems.
//
//   X_POLICY   4:2 type  6:1 dir  7:1 reserved  8:4 id  12:4 priority (Linux, FreeBSD) or reserved  16: requests
//   request    0:2 len in bytes  2:2 protocol  4:1 mode  5:1 level
//     BSD      6:2 reqid                                    8: source and destination sockaddr, or nothing
//     Linux    6:2 reserved  8:4 reqid  12:4 reserved      16: the same
//
// The two sockaddrs stand one behind the other without padding: both are of one family, so that every request is whole
// words of 8 bytes and there is never a gap to the next. Their ports say nothing and are not carried.

using System.Collections.Immutable;

namespace Testudo.Wire.PfKey;

internal static class PolicyCodec
{
    internal static PolicyExtension? Read(Dialect dialect, ExtensionRule rule, ReadOnlySpan<byte> e, int offset, out Fault fault)
    {
        ushort action = BitConverter.ToUInt16(e[4..]);
        if (action > (ushort)PolicyAction.Bypass)
        {
            fault = ExtensionReader.Fail(rule, offset, 4, $"the type is {action}; it is discard 0, none 1, ipsec 2, entrust 3 or bypass 4");
            return null;
        }

        if (e[6] > (byte)dialect.LastDirection)
        {
            fault = ExtensionReader.Fail(rule, offset, 6,
                $"the direction is {e[6]}; it is any 0, in 1, out 2{(dialect.LastDirection == PolicyDirection.Fwd ? " or fwd 3" : "")}");
            return null;
        }

        ImmutableArray<PolicyRequest>.Builder requests = ImmutableArray.CreateBuilder<PolicyRequest>();
        for (int at = 16; at < e.Length;)
        {
            (PolicyRequest? request, int size, PfKeyError error, string trouble) = ReadRequest(dialect, e[at..]);
            if (request is null)
            {
                fault = ExtensionReader.Fail(rule, offset, at, $"request {requests.Count + 1} at byte {offset + at}: {trouble}", error);
                return null;
            }

            requests.Add(request);
            at += size;
        }

        fault = Fault.None;
        uint priority = dialect.HasPriority ? BitConverter.ToUInt32(e[12..]) : 0;
        return new PolicyExtension(
            (PolicyAction)action, (PolicyDirection)e[6], BitConverter.ToUInt32(e[8..]),
            priority == 0 ? dialect.NoPriority : priority, requests.ToImmutable());
    }

    internal static void Write(Dialect dialect, PolicyExtension policy, ref Output to)
    {
        to.U16((ushort)policy.Action);
        to.U8((byte)policy.Direction);
        to.U8(0);
        to.U32(policy.Id);
        to.U32(dialect.HasPriority && policy.Priority != dialect.NoPriority ? policy.Priority : 0);
        foreach (PolicyRequest request in policy.Requests)
        {
            WriteRequest(dialect, request, ref to);
        }
    }

    private static (PolicyRequest? Request, int Size, PfKeyError Error, string Trouble) ReadRequest(Dialect dialect, ReadOnlySpan<byte> from)
    {
        int head = dialect.WideRequest ? 16 : 8;
        int size = from.Length < head ? 0 : BitConverter.ToUInt16(from);
        if (size > from.Length || (size != head && size != head + (2 * Sockaddr.SizeV4) && size != head + (2 * Sockaddr.SizeV6)))
        {
            return Refuse(from.Length < head
                ? $"{from.Length} bytes are left; a request of {dialect.Name} has {head} or more"
                : $"its length is {size} bytes and {from.Length} are left; it is {head} without endpoints, {head + (2 * Sockaddr.SizeV4)} with IPv4 and "
                    + $"{head + (2 * Sockaddr.SizeV6)} with IPv6 ones, both of one family");
        }

        ushort protocol = BitConverter.ToUInt16(from[2..]);
        if (protocol is not ((ushort)IpProtocol.Esp or (ushort)IpProtocol.Ah or (ushort)IpProtocol.IpComp))
        {
            return Refuse($"its protocol is {protocol}; it is esp 50, ah 51 or ipcomp 108", PfKeyError.ProtocolNotSupported);
        }

        if (from[4] > (byte)IpsecMode.Tunnel)
        {
            return Refuse($"its mode is {from[4]}; it is any 0, transport 1 or tunnel 2");
        }

        if (from[5] > (byte)PolicyLevel.Unique)
        {
            return Refuse($"its level is {from[5]}; it is default 0, use 1, require 2 or unique 3");
        }

        Address? source = null;
        Address? destination = null;
        if (size > head)
        {
            (Sockaddr one, int oneSize, PfKeyError oneError, string oneTrouble) = Sockaddr.Read(dialect, from[head..size]);
            if (oneError != PfKeyError.None)
            {
                return Refuse($"source: {oneTrouble}", oneError);
            }

            (Sockaddr other, int otherSize, PfKeyError otherError, string otherTrouble) = Sockaddr.Read(dialect, from[(head + oneSize)..size]);
            if (otherError != PfKeyError.None)
            {
                return Refuse($"destination: {otherTrouble}", otherError);
            }

            if (head + oneSize + otherSize != size)
            {
                return Refuse($"its length is {size} bytes; its endpoints end at {head + oneSize + otherSize}");
            }

            (source, destination) = (one.Address, other.Address);
        }

        uint reqid = dialect.WideRequest ? BitConverter.ToUInt32(from[8..]) : BitConverter.ToUInt16(from[6..]);
        return (new PolicyRequest((IpProtocol)protocol, (IpsecMode)from[4], (PolicyLevel)from[5], reqid, source, destination), size, PfKeyError.None, "");

        static (PolicyRequest?, int, PfKeyError, string) Refuse(string trouble, PfKeyError error = PfKeyError.Invalid) => (null, 0, error, trouble);
    }

    private static void WriteRequest(Dialect dialect, PolicyRequest request, ref Output to)
    {
        if (request.Source?.Family != request.Destination?.Family)
        {
            throw new ArgumentException("a policy's request names two endpoints of one family, or none");
        }

        int head = dialect.WideRequest ? 16 : 8;
        to.U16((ushort)(head + (request.Source is { } end ? 2 * Sockaddr.SizeOf(end.Family) : 0)));
        to.U16((ushort)request.Protocol);
        to.U8((byte)request.Mode);
        to.U8((byte)request.Level);
        if (dialect.WideRequest)
        {
            to.Zero(2);
            to.U32(request.Reqid);
            to.Zero(4);
        }
        else
        {
            to.U16((ushort)Math.Min(request.Reqid, ushort.MaxValue));
        }

        if (request.Source is { } source && request.Destination is { } destination)
        {
            new Sockaddr(source, 0, 0).Write(dialect, ref to);
            new Sockaddr(destination, 0, 0).Write(dialect, ref to);
        }
    }
}
