"""How does a test wait? For a condition with a deadline, never for a length of time."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

Found = TypeVar("Found")

DEADLINE_SECONDS = 60.0
_PAUSE_SECONDS = 0.01


async def true(
    probe: Callable[[], Found], what: str = "condition", *, within_seconds: float = DEADLINE_SECONDS
) -> Found:
    """The first truthy answer of `probe`.

    Raises:
        AssertionError: there was none in time.
    """

    async def asked() -> Found:
        return probe()

    return await awaited(asked, what, within_seconds=within_seconds)


async def awaited(
    probe: Callable[[], Awaitable[Found | None]],
    what: str = "condition",
    *,
    within_seconds: float = DEADLINE_SECONDS,
) -> Found:
    """The first truthy answer of `probe`, which is awaited.

    Raises:
        AssertionError: there was none in time.
    """
    deadline = time.monotonic() + within_seconds
    while True:
        found = await probe()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not hold within {within_seconds:g} s; last answer: {found!r}")
        await asyncio.sleep(_PAUSE_SECONDS)
