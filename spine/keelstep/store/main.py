"""Start and end of a projector process.

Exit codes: 0 stopped by a signal; 2 wrong settings; 3 the stream is not what the tables were made of, so a person must
act; 1 anything else.
"""

import asyncio
import contextlib
import signal
import sys
from typing import TYPE_CHECKING

import structlog
import uvloop
from nats.aio.client import Client

from keelstep import errors, logs, points, scrape, settings
from keelstep.events.signing import Keyring
from keelstep.log import connection, identities
from keelstep.log.identities import Role
from keelstep.log.tokens import Credentials
from keelstep.store import incarnation, lag, migrate, postgres
from keelstep.store.metrics import Metrics
from keelstep.store.otlp import mark
from keelstep.store.projector import Projector
from keelstep.store.settings import Settings

if TYPE_CHECKING:
    from keelstep.store.otlp import exporter

log = structlog.get_logger(__name__)

EXIT_OK = 0
EXIT_FAILED = 1
EXIT_REGRESSED = 3

_RETRY_SECONDS = 1.0


def main() -> None:
    """Project one shard of the log into Postgres until told to stop."""
    chosen = settings.load(Settings, "keelstep-projector")
    logs.configure("projector", chosen.log_level)
    logs.bind(shard=chosen.shard)
    points.configure(crash_at=chosen.crash_at, stop_at=chosen.stop_at)
    sys.exit(uvloop.run(_run(chosen)))


async def _run(chosen: Settings) -> int:
    work = asyncio.create_task(_project(chosen))
    for sign in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(sign, work.cancel)
    try:
        await work
    except asyncio.CancelledError:
        log.info("stopped", reason="Signal")
        return EXIT_OK
    except errors.SettingsError as error:
        log.error("failed", reason=error.reason, message=error.message)
        return settings.EXIT_WRONG_SETTINGS
    except errors.KeelstepError as error:
        log.error("failed", reason=error.reason, message=error.message)
        return EXIT_REGRESSED if error.reason == incarnation.REGRESSED else EXIT_FAILED
    return EXIT_OK


async def _project(chosen: Settings) -> None:
    try:
        keyring = Keyring.parse(chosen.keyring.read_bytes())
    except (OSError, ValueError) as error:
        raise errors.SettingsError(f"KEELSTEP_KEYRING: {error}") from error
    try:
        Credentials.parse(chosen.nats_credentials.read_text())
    except (OSError, ValueError) as error:
        raise errors.SettingsError(f"KEELSTEP_NATS_CREDENTIALS: {error}") from error
    dsn, metrics = _dsn(chosen), Metrics()
    traces = _traces(chosen, dsn, metrics)
    async with scrape.served(metrics.registry, chosen.metrics_port):
        await _migrate(chosen, dsn)
        nc = await _broker(chosen)
        beside = [asyncio.create_task(lag.watch(nc, chosen.shard, metrics))]
        if traces is not None:
            beside.append(asyncio.create_task(traces.run()))
        try:
            await Projector(
                nc=nc,
                dsn=dsn,
                keyring=keyring,
                shard=chosen.shard,
                batch=chosen.batch,
                held_events=chosen.held_events,
                metrics=metrics,
            ).run()
        finally:
            for task in beside:
                task.cancel()
            with contextlib.suppress(Exception):  # the process ends; what it wrote is committed already
                await nc.close()


def _dsn(chosen: Settings) -> str:
    if chosen.postgres_dsn is not None:
        return chosen.postgres_dsn.get_secret_value()
    assert chosen.postgres_dsn_file is not None
    try:
        return chosen.postgres_dsn_file.read_text().strip()
    except (OSError, ValueError) as error:
        raise errors.SettingsError(f"KEELSTEP_POSTGRES_DSN_FILE: {error}") from error


def _traces(chosen: Settings, dsn: str, metrics: Metrics) -> "exporter.Exporter | None":
    """What sends traces, where somebody collects them."""
    if not chosen.otlp_endpoint:
        return None
    try:
        from keelstep.store.otlp import exporter, receiver  # an extra: who sends nothing needs no protobuf
    except ImportError as error:
        raise errors.SettingsError(f"KEELSTEP_OTLP_ENDPOINT: install keelstep[otlp]: {error}") from error
    address = receiver.address(chosen.otlp_endpoint, chosen.otlp_headers_file, chosen.otlp_ca_file)
    return exporter.Exporter(dsn=dsn, address=address, shard=chosen.shard, metrics=metrics)


async def _migrate(chosen: Settings, dsn: str) -> None:
    while True:
        try:
            async with postgres.connected(dsn, "keelstep-migrate") as store:
                await migrate.migrate(store)
                if chosen.otlp_endpoint:
                    await mark.begin(store, chosen.shard)  # before anything is projected
                return
        except errors.Waiting as error:
            log.warning("migration_interrupted", reason=error.reason, message=error.message)
            await asyncio.sleep(error.delay_seconds)


async def _broker(chosen: Settings) -> Client:
    """A connection, however long it takes; says each time that it waits."""
    while True:
        try:
            return await connection.connect(
                chosen.nats_url,
                chosen.nats_credentials,
                "projector",
                inbox_prefix=identities.inbox(Role.PROJECTOR),
                tls_ca=chosen.nats_ca_file,
            )
        except errors.BrokerUnavailableError as error:
            log.warning("broker_awaited", reason=error.reason, message=error.message)
            await asyncio.sleep(_RETRY_SECONDS)


if __name__ == "__main__":
    main()
