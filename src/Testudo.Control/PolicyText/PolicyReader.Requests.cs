// A policy's requests: protocol, mode, endpoints, level.

using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using Testudo.Wire;
using Testudo.Wire.PfKey;

namespace Testudo.Control;

internal sealed partial class PolicyReader
{
    private bool TryReadRequest([NotNullWhen(true)] out PolicyRequest? request)
    {
        request = null;
        (int requestOffset, _) = (_offset, _length);
        IpProtocol protocol;
        switch (Current)
        {
            case "esp": protocol = IpProtocol.Esp; break;
            case "ah": protocol = IpProtocol.Ah; break;
            case "ipcomp": protocol = IpProtocol.IpComp; break;
            case "tcp": protocol = IpProtocol.Tcp; break;
            case "-":
                Fail("a policy is the last of a command: options belong before -P", "esp", "ah", "ipcomp", ";");
                return false;
            default:
                Fail($"{Shown()} is no request", "esp", "ah", "ipcomp", ";");
                return false;
        }

        Next();
        if (!Take('/', $"a request is {text.AsSpan(requestOffset, _offset - requestOffset).Trim()}/MODE/ENDPOINTS/LEVEL"))
        {
            return false;
        }

        IpsecMode mode;
        switch (Current)
        {
            case "transport": mode = IpsecMode.Transport; break;
            case "tunnel": mode = IpsecMode.Tunnel; break;
            default:
                Fail(AtEnd ? "the request's mode is missing" : $"{Shown()} is no mode", "transport", "tunnel");
                return false;
        }

        (int modeOffset, int modeLength) = (_offset, _length);
        Next();
        Address? source = null;
        Address? destination = null;
        PolicyLevel level = PolicyLevel.Default;
        uint reqid = 0;
        if (Current is "/")
        {
            Next();
            if (Current is not "/" && !AtEnd && !IsProtocolBeforeSlash)
            {
                if (TryLevel(Current, out _))
                {
                    Fail($"{Shown()} is a level, and stands where the endpoints belong: without endpoints write two slashes, {(mode == IpsecMode.Tunnel ? "tunnel" : "transport")}//{Current}", "an address", "/");
                    return false;
                }

                if (!TryReadEndpoints(out source, out destination))
                {
                    return false;
                }
            }

            if (Current is "/")
            {
                Next();
                if (!TryReadLevel(ref level, ref reqid))
                {
                    return false;
                }
            }
            else if (!AtEnd && !IsProtocol)
            {
                Fail($"{Shown()} does not belong here", "/", "esp", "ah", "ipcomp", ";");
                return false;
            }
        }

        if (mode == IpsecMode.Tunnel && source is null)
        {
            FailAt(modeOffset, modeLength, "tunnel mode needs the tunnel's endpoints: tunnel/SOURCE-DESTINATION/LEVEL", "transport");
            return false;
        }

        request = new PolicyRequest(protocol, mode, level, reqid, source, destination);
        return true;
    }

    private bool TryReadEndpoints(out Address? source, out Address? destination)
    {
        source = destination = null;
        if (Current is "me" or "any")
        {
            // Parsed by every library, and set to no address by every one; KAME meant to fill in the host's own.
            string wanted = Current is "me" ? "any" : "me";
            Next();
            if (!Take('-', "endpoints are SOURCE-DESTINATION"))
            {
                return false;
            }

            if (!Current.SequenceEqual(wanted))
            {
                Fail($"{Shown()} does not go with the first endpoint", wanted);
                return false;
            }

            Next();
            return true;
        }

        if (!TryReadAddress(out Address first) || !Take('-', "endpoints are SOURCE-DESTINATION"))
        {
            return false;
        }

        (int offset, int length) = (_offset, _length);
        if (!TryReadAddress(out Address second))
        {
            return false;
        }

        if (first.Family != second.Family)
        {
            FailAt(offset, length, $"both ends of a request are of one family: {first} is IPv{(int)first.Family}, {second} is IPv{(int)second.Family}");
            return false;
        }

        source = first;
        destination = second;
        return true;
    }

    private bool TryReadAddress(out Address address)
    {
        address = default;
        if (!IsWord || !Address.TryParse(Current.ToString(), out address))
        {
            Fail(AtEnd ? "an endpoint is missing"
                : Current.Contains('%') ? $"{Shown()}: a zone cannot be carried in a request; leave out what follows '%'"
                : IsWord ? $"{Shown()} is no numeric address, and names are not looked up in a policy" : $"{Shown()} stands where an endpoint belongs", "an address");
            return false;
        }

        Next();
        if (Current is not "[")
        {
            return true;
        }

        Next();
        (int offset, int length) = (_offset, _length);
        if (!ushort.TryParse(Current, NumberStyles.None, CultureInfo.InvariantCulture, out ushort port) && Current is not "any")
        {
            Fail(AtEnd ? "the port is missing" : $"{Shown()} is no port", "a number up to 65535", "any");
            return false;
        }

        Next();
        if (!Take(']', "a port stands in brackets"))
        {
            return false;
        }

        if (port != 0)
        {
            Warn(offset, length, $"the port {port} of a request is not carried: the SA's own NAT traversal ports count");
        }

        return true;
    }

    private bool TryReadLevel(ref PolicyLevel level, ref uint reqid)
    {
        if (AtEnd || IsProtocolBeforeSlash)
        {
            return true;
        }

        int colon = Current.IndexOf(':');
        if (!TryLevel(colon < 0 ? Current : Current[..colon], out level))
        {
            Fail($"{Shown()} is no level", "default", "use", "require", "unique", "unique:N");
            return false;
        }

        int end = _offset + _length;
        int idOffset = _offset + colon + 1;
        Next();
        if (colon < 0)
        {
            if (Current is not "#" || _offset != end || _position >= text.Length || !char.IsAsciiDigit(text[_position]))
            {
                return true;
            }

            // The form of a dump, where '#' marks an id that the kernel chose.
            Next();
            (idOffset, end) = (_offset, _offset + _length);
            Next();
        }

        ReadOnlySpan<char> id = text.AsSpan(idOffset, end - idOffset);
        if (level != PolicyLevel.Unique)
        {
            FailAt(idOffset, Math.Max(id.Length, 1), "only the level 'unique' takes a number", "unique:N");
            return false;
        }

        if (!uint.TryParse(id, NumberStyles.None, CultureInfo.InvariantCulture, out reqid))
        {
            FailAt(idOffset, Math.Max(id.Length, 1), id.IsEmpty ? "the number behind 'unique' is missing" : $"{Setkey.SetkeyWords.Shown(id)} is no request id", "a number from 1 to 16383");
            return false;
        }

        if (reqid > PolicyText.MaxManualReqid)
        {
            Warn(idOffset, id.Length, $"request ids above {PolicyText.MaxManualReqid} are the kernel's own: it puts another in the place of {reqid}", "a number from 1 to 16383");
        }

        return true;
    }

    private static bool TryLevel(ReadOnlySpan<char> word, out PolicyLevel level)
    {
        level = word switch { "use" => PolicyLevel.Use, "require" => PolicyLevel.Require, "unique" => PolicyLevel.Unique, _ => PolicyLevel.Default };
        return level != PolicyLevel.Default || word is "default";
    }
}
