"""Start and end of the views server.

Exit codes: 0 stopped by a signal, or to begin anew with the cluster's new authority; 2 wrong settings; 1 anything else.
"""

import asyncio
import contextlib
import signal
import ssl
import sys

import structlog
import uvloop
from aiohttp import web

from keelstep import errors, logs, scrape, settings
from keelstep.events.signing import Keyring
from keelstep.kube import Kube
from keelstep.views import server, standing
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
    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(scrape.served(metrics.registry, chosen.metrics_port))
        api = None
        if chosen.follows_cluster:
            api = await stack.enter_async_context(await Kube.connect(chosen.kubeconfig))
        await _serve(chosen, metrics, api)


async def _serve(chosen: Settings, metrics: Metrics, api: Kube | None) -> None:
    link = Link(chosen)
    source = Source(client=link.client, keyring=_keyring(chosen))
    metrics.follow(lambda: link.is_connected)
    found = await standing.read_patiently(api) if api and chosen.requestheader_ca_file is None else None
    trust = found or _named(chosen)
    app = server.build(source, trust.allowed_names, metrics)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=_STOP_SECONDS)
    await runner.setup()
    stop = asyncio.Event()
    for sign in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(sign, stop.set)
    tasks = [asyncio.create_task(link.run())]
    try:
        context = _tls(chosen, trust)
        site = web.TCPSite(runner, chosen.views_host, chosen.views_port, ssl_context=context)
        await site.start()
        log.info("ready", port=runner.addresses[0][1])
        if api is not None:
            shown = standing.Certificate(
                context=context, certificate=chosen.views_cert_file, key=chosen.views_key_file
            )
            tasks.append(asyncio.create_task(standing.keep(api, found, shown, chosen.views_ca_file)))
        # none of these ends by itself; if one does, that is a fault, and must end the program
        waiting = asyncio.create_task(stop.wait())
        done, _ = await asyncio.wait({waiting, *tasks}, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    except standing.TrustChangedError:
        log.warning("trust_changed", message="the cluster has another request-header authority")
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await runner.cleanup()
    log.info("stopped")


def _keyring(chosen: Settings) -> Keyring:
    try:
        return Keyring.parse(chosen.keyring.read_bytes())
    except (OSError, ValueError) as error:
        raise errors.SettingsError(f"KEELSTEP_KEYRING: {error}") from error


def _named(chosen: Settings) -> standing.Trust:
    """The trust that settings name."""
    assert chosen.requestheader_ca_file is not None
    try:
        authority = chosen.requestheader_ca_file.read_text()
    except (OSError, ValueError) as error:
        raise errors.SettingsError(f"KEELSTEP_REQUESTHEADER_CA_FILE: {error}") from error
    return standing.Trust(authority=authority, allowed_names=chosen.allowed_names)


def _tls(chosen: Settings, trust: standing.Trust) -> ssl.SSLContext:
    certificate, key = chosen.views_cert_file, chosen.views_key_file
    missing = [str(file) for file in (certificate, key) if not file.is_file()]
    if missing:
        raise errors.SettingsError(
            f"KEELSTEP_VIEWS_CERT_FILE, KEELSTEP_VIEWS_KEY_FILE: no such file: {', '.join(missing)}"
        )
    try:
        return server.tls(str(certificate), str(key), trust.authority)
    except ssl.SSLError as error:
        raise errors.SettingsError(f"the certificates cannot be used: {error}") from error
