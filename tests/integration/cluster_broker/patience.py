"""How does a test ask while the broker is away? Again, as every program does."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import ParamSpec, TypeVar

from keelstep import errors

Given = ParamSpec("Given")
Found = TypeVar("Found")

WITHIN_SECONDS = 60.0


async def patiently(
    ask: Callable[Given, Awaitable[Found]], *args: Given.args, **kwargs: Given.kwargs
) -> Found:
    """What is answered, as soon as somebody can be asked."""
    async with asyncio.timeout(WITHIN_SECONDS):
        while True:
            try:
                return await ask(*args, **kwargs)
            except errors.BrokerUnavailableError:
                await asyncio.sleep(0)
