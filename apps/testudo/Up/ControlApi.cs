// The control API: HTTP and JSON over a Unix socket of mode 0600, on Kestrel's slim builder. Handlers are RequestDelegates
// and JSON is source-generated, so that native compilation needs no reflection.
//
//   GET  /v1/status    what runs, and the counters
//   POST /v1/confirm   keep what "up --confirm" would undo
//   POST /v1/down      the orderly end

using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Testudo.PfKey;

namespace Testudo.App.Up;

internal sealed class ControlApi : IDisposable
{
    private readonly WebApplication _app;
    private readonly string _path;

    private ControlApi(WebApplication app, string path)
    {
        _app = app;
        _path = path;
    }

    public static ControlApi Start(string path, Daemon daemon)
    {
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.ListenUnixSocket(path);
        });

        WebApplication app = builder.Build();
        app.MapGet("/v1/status", http => http.Response.WriteAsJsonAsync(daemon.Status(), AppJson.Default.Status));
        app.MapPost("/v1/confirm", http =>
        {
            daemon.Confirm();
            return http.Response.WriteAsJsonAsync(daemon.Status(), AppJson.Default.Status);
        });
        app.MapPost("/v1/down", async http =>
        {
            await http.Response.WriteAsJsonAsync(daemon.Status(), AppJson.Default.Status).ConfigureAwait(false);
            await http.Response.CompleteAsync().ConfigureAwait(false);
            daemon.End();
        });

        // Kestrel neither removes a dead socket nor sets a mode.
        PrivateSocket.Prepare(path);
        using (PrivateSocket.Umask())
        {
            app.StartAsync().GetAwaiter().GetResult();
        }

        return new ControlApi(app, path);
    }

    public void Dispose()
    {
        _app.StopAsync().GetAwaiter().GetResult();
        _app.DisposeAsync().AsTask().GetAwaiter().GetResult();
        File.Delete(_path);
    }
}
