// nftables by text: a script is one transaction, all of it or nothing. In process by libnftables, which costs a
// hundredth of starting a program; by the program nft where the library is missing.

using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using Microsoft.Win32.SafeHandles;

namespace Testudo.Links;

/// <summary>nft refused a script; the message has nft's own words.</summary>
public sealed class NftablesException(string message) : IOException(message);

/// <summary>What a named counter has counted.</summary>
public readonly record struct NftCounter(ulong Packets, ulong Bytes);

/// <summary>Applies nft scripts in the network namespace of the thread that makes and uses it.</summary>
public sealed unsafe partial class Nftables : IDisposable
{
    private const string Library = "libnftables.so.1";
    private const uint Json = 1 << 4;
    private nint _context;

    /// <summary>Opens the library, or falls back to the program. CAP_NET_ADMIN is needed for applying and for reading.</summary>
    /// <param name="useLibrary">False for the program even where the library is there.</param>
    public Nftables(bool useLibrary = true)
    {
        if (!useLibrary)
        {
            return;
        }

        try
        {
            _context = New(0);
        }
        catch (DllNotFoundException)
        {
            return;
        }

        if (_context != 0 && (BufferOutput(_context) != 0 || BufferError(_context) != 0))
        {
            Dispose();
        }
    }

    /// <summary>True where the library does the work, false for the program.</summary>
    public bool UsesLibrary => _context != 0;

    /// <summary>Applies a script as one transaction. <see cref="NftablesException"/> with nft's words, and then nothing has changed.</summary>
    public void Apply(string script) => _ = Run(script, json: false);

    /// <summary>The named counters of a table of the inet family. <see cref="NftablesException"/> where there is no such table.</summary>
    public IReadOnlyDictionary<string, NftCounter> Counters(string table)
    {
        var counters = new Dictionary<string, NftCounter>(StringComparer.Ordinal);
        string text = Run($"list counters table inet {table}\n", json: true);
        using JsonDocument document = JsonDocument.Parse(text);
        if (!document.RootElement.TryGetProperty("nftables", out JsonElement list) || list.ValueKind != JsonValueKind.Array)
        {
            throw new NftablesException($"nft answered something else than a list of counters: {text}");
        }

        foreach (JsonElement entry in list.EnumerateArray())
        {
            // Some versions list the counters of all tables of the family.
            if (entry.TryGetProperty("counter", out JsonElement counter) && counter.GetProperty("table").GetString() == table)
            {
                counters[counter.GetProperty("name").GetString()!] =
                    new NftCounter(counter.GetProperty("packets").GetUInt64(), counter.GetProperty("bytes").GetUInt64());
            }
        }

        return counters;
    }

    /// <summary>True where there is a table of the inet family with this name.</summary>
    public bool TableExists(string table)
    {
        using JsonDocument document = JsonDocument.Parse(Run("list tables inet\n", json: true));
        return document.RootElement.GetProperty("nftables").EnumerateArray()
            .Any(entry => entry.TryGetProperty("table", out JsonElement found) && found.GetProperty("name").GetString() == table);
    }

    /// <summary>Deletes a table of the inet family with everything in it; nothing happens where there is none.</summary>
    public void DeleteTable(string table) => Apply($"add table inet {table}\ndelete table inet {table}\n");

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_context != 0)
        {
            Free(_context);
            _context = 0;
        }
    }

    private string Run(string script, bool json)
    {
        if (_context == 0)
        {
            return RunProgram(script, json);
        }

        SetOutputFlags(_context, json ? Json : 0);
        string name = "";
        int result = json ? RunCommand(_context, script) : RunScript(script, out name);
        // Reading the buffers empties them for the next run.
        string output = Marshal.PtrToStringUTF8(GetOutput(_context)) ?? "";
        string errors = Marshal.PtrToStringUTF8(GetError(_context)) ?? "";
        return result == 0 ? output : throw new NftablesException(Refusal(name.Length > 0 ? errors.Replace(name, "line ", StringComparison.Ordinal) : errors));
    }

    // As a file in memory: of a script in a buffer, nft's errors show the first line, wherever the fault is.
    private int RunScript(string script, out string name)
    {
        using var file = new SafeFileHandle(Native.Check(Native.MemFdCreate("nft", Native.MemFdCloseOnExec), "make a file in memory"), true);
        RandomAccess.Write(file, Encoding.UTF8.GetBytes(script), 0);
        string path = $"/proc/self/fd/{file.DangerousGetHandle()}";
        name = path + ":";
        return RunFile(_context, path);
    }

    private static string RunProgram(string script, bool json)
    {
        Process process;
        try
        {
            // With -j a script is first read as JSON and is then gone from the pipe: so it is an argument.
            process = Process.Start(new ProcessStartInfo("nft", json ? ["-j", script] : ["-f", "-"])
            {
                RedirectStandardInput = true,
                RedirectStandardOutput = true,
                RedirectStandardError = true,
            })!;
        }
        catch (System.ComponentModel.Win32Exception e)
        {
            throw new NftablesException($"neither {Library} nor the program nft can be used ({e.Message}): install nftables");
        }

        using (process)
        {
            Task<string> output = process.StandardOutput.ReadToEndAsync();
            Task<string> errors = process.StandardError.ReadToEndAsync();
            try
            {
                process.StandardInput.Write(json ? "" : script);
                process.StandardInput.Close();
            }
            catch (IOException)
            {
                // It ended early; its words say why.
            }

            process.WaitForExit();
            string words = errors.GetAwaiter().GetResult();
            return process.ExitCode == 0 ? output.GetAwaiter().GetResult() : throw new NftablesException(Refusal(words));
        }
    }

    private static string Refusal(string words)
    {
        string hint = words.Contains("not permitted", StringComparison.OrdinalIgnoreCase) ? " (CAP_NET_ADMIN is needed)" : "";
        return $"nft refused{hint}: {words.Replace("/dev/stdin:", "line ", StringComparison.Ordinal).Trim()}";
    }

    [LibraryImport(Library, EntryPoint = "nft_ctx_new")]
    private static partial nint New(uint flags);

    [LibraryImport(Library, EntryPoint = "nft_ctx_free")]
    private static partial void Free(nint context);

    [LibraryImport(Library, EntryPoint = "nft_ctx_buffer_output")]
    private static partial int BufferOutput(nint context);

    [LibraryImport(Library, EntryPoint = "nft_ctx_buffer_error")]
    private static partial int BufferError(nint context);

    [LibraryImport(Library, EntryPoint = "nft_ctx_get_output_buffer")]
    private static partial nint GetOutput(nint context);

    [LibraryImport(Library, EntryPoint = "nft_ctx_get_error_buffer")]
    private static partial nint GetError(nint context);

    [LibraryImport(Library, EntryPoint = "nft_ctx_output_set_flags")]
    private static partial void SetOutputFlags(nint context, uint flags);

    [LibraryImport(Library, EntryPoint = "nft_run_cmd_from_filename", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int RunFile(nint context, string path);

    [LibraryImport(Library, EntryPoint = "nft_run_cmd_from_buffer", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int RunCommand(nint context, string script);
}
