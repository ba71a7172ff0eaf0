"""How does the shop misbehave when a test asks it to?

Faults are armed per path and used up one call at a time; they live in memory, so a restarted shop is a healthy one.
Nothing here knows what a call means: a fault acts before the handler, or after it has committed.

    mode              handled and committed   what the caller sees
    slow              yes, after `seconds`    the reply, late
    fail              no                      `status` (default 503) and a JSON error
    hold-before       yes, once released      the reply, once released
    hold              yes, at once            the reply, once released
    die-after-commit  yes                     the connection ends with the process
    cut-after-commit  yes                     the connection is reset, no reply
    html              yes                     `status` (default 200) and an HTML page
    malformed         yes                     `status` (default 200) and half a JSON object
    wrong-shape       yes                     `status` (default 200) and a JSON object of another shape
"""

import asyncio
import collections
import os
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Literal, assert_never

import pydantic
from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

Mode = Literal[
    "slow",
    "fail",
    "hold-before",
    "hold",
    "die-after-commit",
    "cut-after-commit",
    "html",
    "malformed",
    "wrong-shape",
]
PATH = "/faults"
EXIT_CODE = 70
"""Of a shop that was told to die."""


class Fault(pydantic.BaseModel):
    """One way to misbehave, on the next `times` calls of a path."""

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid")

    path: Annotated[str, pydantic.Field(pattern=r"^/[a-z]")]
    """A path or its beginning, up to a slash. Example: `/refunds`; `/tickets` means every ticket."""
    mode: Mode
    seconds: Annotated[float, pydantic.Field(ge=0, le=600)] = 0
    """How late `slow` is."""
    status: Annotated[int, pydantic.Field(ge=200, le=599)] | None = None
    """The HTTP status of `fail`, `html`, `malformed` and `wrong-shape`; the table above has the defaults."""
    times: Annotated[int, pydantic.Field(ge=1, le=1_000_000)] = 1
    """How many calls it lasts."""

    def covers(self, path: str) -> bool:
        """Whether a call of this path is meant."""
        return path == self.path or path.startswith(self.path + "/")


class Faults:
    """The armed faults and the calls they hold."""

    def __init__(self) -> None:
        self._armed: list[Fault] = []
        self._waiting: collections.Counter[str] = collections.Counter()
        self._calls: collections.Counter[str] = collections.Counter()
        self._now: collections.Counter[str] = collections.Counter()
        self._most: collections.Counter[str] = collections.Counter()
        self._released = asyncio.Event()

    def arm(self, fault: Fault) -> None:
        """Add a fault; earlier ones on the same path are used up first."""
        self._armed.append(fault)

    def clear(self) -> None:
        """Disarm everything, release the calls that wait, and count anew how many come at once."""
        self._armed.clear()
        self._most.clear()
        self.release()

    def release(self) -> int:
        """Let every waiting call go on; how many they were. Armed faults stay armed."""
        count = self._waiting.total()
        self._released.set()
        self._released = asyncio.Event()
        return count

    def state(self) -> dict[str, Any]:
        """What a test may wait for: calls waiting, calls seen so far and the most at once by path, and the faults not yet
        used up."""
        return {
            "waiting": self._waiting.total(),
            "waiting_by_path": dict(+self._waiting),
            "calls": dict(self._calls),
            "most_at_once": dict(self._most),
            "armed": [fault.model_dump(exclude_none=True) for fault in self._armed],
        }

    async def apply(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Handle one call, misbehaving as armed. A caller who leaves meanwhile changes nothing: the call goes on."""
        try:
            await request.read()  # now: once the caller is gone, the framework gives the body to nobody
        except ConnectionError:
            return _page("application/json", "{}", 400)  # half a request is none; nobody reads this
        path = request.path
        self._calls[path] += 1
        self._now[path] += 1
        self._most[path] = max(self._most[path], self._now[path])
        try:
            return await self._answer(request, handler)
        finally:
            self._now[path] -= 1

    async def _answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        fault = self._take(request.path)
        if fault is None:
            return await handler(request)
        match fault.mode:
            case "fail":
                return _page("application/json", '{"error": {"reason": "Fault"}}', fault.status or 503)
            case "slow":
                await asyncio.sleep(fault.seconds)
                return await handler(request)
            case "hold-before":
                await self._hold(request.path)
                return await handler(request)
            case "hold":
                response = await handler(request)
                await self._hold(request.path)
                return response
            case "die-after-commit":
                await handler(request)
                # not sys.exit: a crash runs no handlers, closes nothing and says no goodbye
                os._exit(EXIT_CODE)
            case "cut-after-commit":
                response = await handler(request)
                if request.transport is not None:
                    request.transport.abort()
                return response
            case "html" | "malformed" | "wrong-shape":
                await handler(request)
                return _page(*_UNREADABLE[fault.mode], fault.status or 200)
            case _:
                assert_never(fault.mode)

    def _take(self, path: str) -> Fault | None:
        for index, fault in enumerate(self._armed):
            if fault.covers(path):
                if fault.times == 1:
                    del self._armed[index]
                else:
                    self._armed[index] = fault.model_copy(update={"times": fault.times - 1})
                return fault
        return None

    async def _hold(self, path: str) -> None:
        self._waiting[path] += 1
        try:
            await self._released.wait()
        finally:
            self._waiting[path] -= 1


_UNREADABLE: dict[Literal["html", "malformed", "wrong-shape"], tuple[str, str]] = {
    "html": ("text/html", "<!doctype html><title>Shop</title><p>We will be back soon.</p>"),
    "malformed": ("application/json", '{"id": "RF-'),
    "wrong-shape": ("application/json", '{"surprise": [1, 2, 3]}'),
}


def _page(content_type: str, text: str, status: int) -> web.Response:
    return web.Response(text=text, content_type=content_type, status=status)
