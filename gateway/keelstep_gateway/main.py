"""Start and end of a gateway process.

Exit codes: 0 stopped; 2 wrong settings or identity; 1 anything else.
"""

import sys

import structlog
import uvloop

from keelstep import errors, logs, points, settings
from keelstep_gateway.gateway import Gateway
from keelstep_gateway.settings import Settings

log = structlog.get_logger(__name__)

EXIT_OK, EXIT_FAILED = 0, 1


def main() -> None:
    """Run a gateway; everything it needs is in the environment."""
    chosen = settings.load(Settings, "keelstep-gateway")
    logs.configure("gateway", chosen.log_level)
    try:
        points.configure(crash_at=chosen.crash_at, stop_at=chosen.stop_at)
        sys.exit(uvloop.run(_run(chosen)))
    except (errors.SettingsError, errors.IdentityRefusedError) as error:
        print(f"keelstep-gateway: {error.message}", file=sys.stderr)  # noqa: T201 a person reads it
        sys.exit(settings.EXIT_WRONG_SETTINGS)


async def _run(chosen: Settings) -> int:
    code = EXIT_OK
    try:
        gateway = await Gateway.connect(chosen)
        await gateway.run()
    except* (errors.SettingsError, errors.IdentityRefusedError) as group:
        raise group.exceptions[0] from None
    except* errors.KeelstepError as group:
        log.error("failed", why=_reasons(group))
        code = EXIT_FAILED
    return code


def _reasons(group: BaseExceptionGroup[BaseException]) -> list[str]:
    """Every error of a group and of the groups in it, in words."""
    found: list[str] = []
    for error in group.exceptions:
        found += _reasons(error) if isinstance(error, BaseExceptionGroup) else [str(error)]
    return found
