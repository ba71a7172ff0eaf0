"""Start and end of a runner process.

Exit codes: 0 done, parked, or fenced out; 2 wrong settings; 1 anything else, so that the operator counts it as a crash.
"""

import asyncio
import contextlib
import signal
import sys

import structlog
import uvloop

from keelstep import errors, logs, points, settings
from keelstep.events.signing import Keyring
from keelstep.log import connection, subjects
from keelstep.log.objects import Objects
from keelstep.log.spine import Author, Log
from keelstep.log.tokens import Credentials
from keelstep_runner.ask import Gateway
from keelstep_runner.loop import Loop
from keelstep_runner.settings import Settings

log = structlog.get_logger(__name__)

EXIT_OK = 0
EXIT_FAILED = 1


def run() -> None:
    """Run one attempt of one execution; everything it needs is in the environment."""
    chosen = settings.load(Settings, "keelstep-runner")
    logs.configure("runner")
    logs.bind(tenant=chosen.tenant, attempt=chosen.attempt)
    logs.concern(chosen.execution_id, chosen.trace_id)
    points.configure(crash_at=chosen.crash_at, stop_at=chosen.stop_at)
    sys.exit(uvloop.run(_run(chosen)))


async def _run(chosen: Settings) -> int:
    attempt = asyncio.create_task(_attempt(chosen))
    for sign in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(sign, attempt.cancel)
    try:
        why = await attempt
    except asyncio.CancelledError:
        log.info("stopped", reason="Signal")
        return EXIT_OK
    except errors.KeelstepError as error:
        log.error("failed", reason=error.reason, message=error.message)
        return EXIT_FAILED
    log.info("ended", reason=why)
    return EXIT_OK


async def _attempt(chosen: Settings) -> str:
    try:
        keyring = Keyring.parse((chosen.identity_dir / "keyring.json").read_bytes())
        credentials = Credentials.parse((chosen.identity_dir / "identity.creds").read_text())
    except (OSError, ValueError) as error:
        raise errors.SettingsError(f"KEELSTEP_IDENTITY_DIR: {error}") from error
    nc = await connection.connect(
        chosen.nats_url,
        credentials,
        f"runner-{chosen.execution_id}-{subjects.attempt(chosen.attempt)}",
        inbox_prefix=subjects.inbox(chosen.execution_id, chosen.attempt),
        tls_ca=chosen.nats_ca_file,
    )
    try:
        gateway = Gateway(
            nc=nc,
            shard=chosen.shard,
            tenant=chosen.tenant,
            xid=chosen.execution_id,
            attempt=chosen.attempt,
        )
        spine = Log(
            nc=nc,
            reader=gateway,
            author=Author(subjects.attempt(chosen.attempt), chosen.shard),
            keyring=keyring,
            tenant=chosen.tenant,
            xid=chosen.execution_id,
        )
        loop = Loop(spine=spine, gateway=gateway, objects=Objects(nc), attempt=chosen.attempt)
        return await loop.run()
    finally:
        with contextlib.suppress(Exception):  # the process ends; what it wrote is acknowledged already
            await nc.close()
