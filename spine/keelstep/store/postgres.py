"""How is Postgres reached, and what do its refusals mean?

The only module that knows the driver's errors: what passes by itself is `Waiting`, what a person must change is
`Stalled`, everything else is a fault of ours and stays what it is. Nothing here knows a table.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from typing import Any, TypeAlias

import asyncpg  # type: ignore[import-untyped]  # it ships none
import structlog

from keelstep import errors

log = structlog.get_logger(__name__)

Connection: TypeAlias = "asyncpg.Connection[Any]"

CONNECT_TIMEOUT_SECONDS = 10.0
RETRY_SECONDS = 1.0

_PASSING = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # asked in the moment in which the server says goodbye
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.InsufficientResourcesError,
    asyncpg.TransactionRollbackError,
    asyncpg.LockNotAvailableError,
)
_REFUSED = (
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.InsufficientPrivilegeError,
)


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """Turn the driver's errors into ours.

    Raises:
        errors.Waiting: it passes by itself (`PostgresUnavailable`).
        errors.Stalled: a person must change a right, a password or a name (`PostgresRefused`).
    """
    try:
        yield
    except _REFUSED as error:
        raise errors.Stalled("PostgresRefused", f"Postgres refused: {error}") from error
    except _PASSING as error:
        if isinstance(error, asyncpg.InterfaceError) and isinstance(error, ValueError):
            raise  # an argument the driver cannot send: trying again changes nothing
        why = str(error) or type(error).__name__
        raise errors.Waiting(
            "PostgresUnavailable", f"Postgres is not available: {why}", RETRY_SECONDS
        ) from error


async def connect(dsn: str, name: str) -> Connection:
    """A connection of this name.

    Raises:
        errors.Waiting: Postgres does not answer.
        errors.Stalled: it refuses this user or has no such database.
        errors.SettingsError: the address cannot be read.
    """
    with translated():
        try:
            return await asyncpg.connect(
                dsn, timeout=CONNECT_TIMEOUT_SECONDS, server_settings={"application_name": name}
            )
        except (ValueError, asyncpg.ClientConfigurationError) as error:
            raise errors.SettingsError(f"not an address of Postgres: {error}") from error


async def connect_patiently(dsn: str, name: str) -> Connection:
    """A connection, however long it takes; says once why it waits.

    Raises:
        errors.Stalled: it refuses this user or has no such database.
        errors.SettingsError: the address cannot be read.
    """
    told = ""
    while True:
        try:
            return await connect(dsn, name)
        except errors.Waiting as error:
            if error.message != told:
                told = error.message
                log.warning("postgres_awaited", reason=error.reason, message=error.message)
            await asyncio.sleep(error.delay_seconds)


@contextlib.asynccontextmanager
async def connected(dsn: str, name: str) -> AsyncIterator[Connection]:
    """A connection while the context lasts, as `connect_patiently` makes it."""
    connection = await connect_patiently(dsn, name)
    try:
        yield connection
    finally:
        with contextlib.suppress(*_PASSING):
            await connection.close(timeout=2)
