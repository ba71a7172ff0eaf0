"""A tool that lets everybody wait until it is told to answer, and knows how many waited at once."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from aiohttp import web


@dataclass(slots=True)
class Crowd:
    """A tool for one test."""

    url: str = ""
    here: int = 0
    """Calls that it has not answered yet."""
    most: int = 0
    """The most there ever were at once."""
    answered: int = 0
    _open: asyncio.Event = field(default_factory=asyncio.Event)

    def open(self) -> None:
        """Answer everybody from now on."""
        self._open.set()

    async def _answer(self, _: web.Request) -> web.Response:
        self.here += 1
        self.most = max(self.most, self.here)
        try:
            await self._open.wait()
            await asyncio.sleep(0)
        finally:
            self.here -= 1
        self.answered += 1
        return web.json_response({"id": "1"})


@contextlib.asynccontextmanager
async def running() -> AsyncIterator[Crowd]:
    """A tool while the context lasts."""
    crowd = Crowd()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", crowd._answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        crowd.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield crowd
    finally:
        crowd.open()
        await runner.cleanup()
