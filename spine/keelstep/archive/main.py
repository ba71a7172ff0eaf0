"""Start and end of the archivist's job: archive what is due, once.

Exit codes: 0 done; 2 wrong settings; 1 an archive cannot be trusted, or the broker or projector is not there.
"""

import asyncio
import sys
from collections import Counter

import msgspec
import structlog

from keelstep import errors, logs, settings
from keelstep.archive.retention import Archivist, Report
from keelstep.archive.settings import Settings
from keelstep.events import signing
from keelstep.log import connection, identities
from keelstep.log.identities import Role

log = structlog.get_logger(__name__)

PROGRAM = "keelstep-archive"
EXIT_FAILED = 1
_SECONDS_PER_DAY = 86_400


def main() -> None:
    """Archive what is due; everything it needs is in the environment."""
    chosen = settings.load(Settings, PROGRAM)
    logs.configure("archive", chosen.log_level)
    try:
        outcomes = asyncio.run(_archive(chosen))
    except errors.SettingsError as error:
        print(f"{PROGRAM}: {error.message}", file=sys.stderr)  # noqa: T201 a person reads it
        sys.exit(settings.EXIT_WRONG_SETTINGS)
    except (errors.KeelstepError, OSError) as error:
        log.error("failed", message=str(error))
        sys.exit(EXIT_FAILED)
    log.info("archived", **{name.lower(): count for name, count in outcomes.items()})
    sys.exit(EXIT_FAILED if outcomes["Failed"] else 0)


async def _archive(chosen: Settings) -> Counter[str]:
    nc = await connection.connect(
        chosen.nats_url,
        chosen.nats_credentials,
        "archive",
        inbox_prefix=identities.inbox(Role.ARCHIVIST),
        tls_ca=chosen.nats_ca_file,
    )
    try:
        archivist = Archivist(
            nc=nc,
            keys=_keys(chosen),
            folder=chosen.archive_dir,
            shard=chosen.shard,
            purges=not chosen.archive_keeps_logs,
            awaits_projector=chosen.archive_awaits_projector,
        )
        seconds = chosen.archive_older_than_days * _SECONDS_PER_DAY
        return Counter(each.outcome for each in await archivist.run(seconds, on_report=_tell))
    finally:
        await nc.close()


def _tell(report: Report) -> None:
    tell = log.error if report.outcome == "Failed" else log.info
    tell(
        "log_looked_at",
        execution=report.xid,
        tenant=report.tenant,
        name=report.name,
        outcome=report.outcome,
        why=report.why,
        file=report.file,
    )


def _keys(chosen: Settings) -> dict[str, signing.KeyEntry]:
    try:
        return msgspec.json.decode(chosen.keyring.read_bytes(), type=dict[str, signing.KeyEntry])
    except (OSError, ValueError) as error:
        raise errors.SettingsError(f"KEELSTEP_KEYRING: {error}") from error


if __name__ == "__main__":
    main()
