"""Start and end of the views server.

Exit codes: 0 stopped by a signal; 2 wrong settings; 1 anything else.
"""

import asyncio
import signal
import ssl
import sys

import structlog
import uvloop
from aiohttp import web

from keelstep import errors, logs, scrape, settings
from keelstep.events.signing import Keyring
from keelstep.views import server
from keelstep.views.broker import Link
from keelstep.views.metrics import Metrics
from keelstep.views.settings import Settings
from keelstep.views.source import Source

log = structlog.get_logger(__name__)

EXIT_FAILED = 1
_STOP_SECONDS = 5.0


def main() -> None:
    """Serve until SIGTERM; everything it needs is in the environment."""
    chosen = settings.load(Settings, "keelstep-views")
    logs.configure("views", chosen.log_level)
    try:
        uvloop.run(_run(chosen))
    except errors.SettingsError as error:
        log.error("settings_refused", reason=error.reason, message=error.message)
        sys.exit(settings.EXIT_WRONG_SETTINGS)
    except OSError as error:
        log.error("could_not_listen", reason="ListenFailed", message=str(error))
        sys.exit(EXIT_FAILED)


async def _run(chosen: Settings) -> None:
    metrics = Metrics()
    async with scrape.served(metrics.registry, chosen.metrics_port):
        await _serve(chosen, metrics)


async def _serve(chosen: Settings, metrics: Metrics) -> None:
    link = Link(chosen)
    source = Source(client=link.client, keyring=_keyring(chosen))
    metrics.follow(lambda: link.is_connected)
    app = server.build(source, chosen.allowed_names, metrics)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=_STOP_SECONDS)
    await runner.setup()
    stop = asyncio.Event()
    for sign in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(sign, stop.set)
    connecting = asyncio.create_task(link.run())
    try:
        site = web.TCPSite(runner, chosen.views_host, chosen.views_port, ssl_context=_tls(chosen))
        await site.start()
        log.info("ready", port=runner.addresses[0][1])
        # the link never ends by itself; if it does, that is a fault, and must end the program
        waiting = asyncio.create_task(stop.wait())
        await asyncio.wait({waiting, connecting}, return_when=asyncio.FIRST_COMPLETED)
        if connecting.done():
            connecting.result()
    finally:
        connecting.cancel()
        await asyncio.gather(connecting, return_exceptions=True)
        await runner.cleanup()
    log.info("stopped", reason="Signal")


def _keyring(chosen: Settings) -> Keyring:
    try:
        return Keyring.parse(chosen.keyring.read_bytes())
    except (OSError, ValueError) as error:
        raise errors.SettingsError(f"KEELSTEP_KEYRING: {error}") from error


def _tls(chosen: Settings) -> ssl.SSLContext:
    files = (chosen.views_cert_file, chosen.views_key_file, chosen.requestheader_ca_file)
    missing = [str(file) for file in files if not file.is_file()]
    if missing:
        raise errors.SettingsError(
            "KEELSTEP_VIEWS_CERT_FILE, KEELSTEP_VIEWS_KEY_FILE, KEELSTEP_REQUESTHEADER_CA_FILE:"
            f" no such file: {', '.join(missing)}"
        )
    try:
        return server.tls(*map(str, files))
    except ssl.SSLError as error:
        raise errors.SettingsError(f"the certificates cannot be used: {error}") from error
