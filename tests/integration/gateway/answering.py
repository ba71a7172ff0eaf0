"""A tool that answers as it is told, one answer after the other, and remembers what it was asked."""

import contextlib
from collections import deque
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from keelstep.domain import canonical


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What it answers."""

    status: int = 200
    body: Any = field(default_factory=lambda: {"id": "1"})
    headers: Mapping[str, str] = field(default_factory=dict)
    does_cut: bool = False
    """True where the connection ends instead, with no answer at all."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as it arrived."""

    method: str
    path: str
    key: str
    body: Any


@dataclass(slots=True)
class Tool:
    """A tool for one test."""

    url: str = ""
    asked: list[Asked] = field(default_factory=list)
    _answers: dict[str, deque[Answer]] = field(default_factory=dict)

    def answers(self, path: str, *answers: Answer) -> None:
        """Answer requests of a path so, in this order, and then as the last."""
        self._answers[path] = deque(answers)

    def of(self, path: str) -> list[Asked]:
        """The requests of a path."""
        return [each for each in self.asked if each.path == path]

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        payload = await request.read()
        key = request.headers.get("Idempotency-Key", "")
        body = canonical.loads(payload) if payload else None
        self.asked.append(Asked(request.method, request.path, key, body))
        waiting = self._answers.get(request.path, deque([Answer()]))
        answer = waiting.popleft() if len(waiting) > 1 else waiting[0]
        if answer.does_cut:
            assert request.transport is not None
            request.transport.close()
            return web.Response()
        return web.json_response(answer.body, status=answer.status, headers=dict(answer.headers))


@contextlib.asynccontextmanager
async def running() -> AsyncIterator[Tool]:
    """A tool while the context lasts."""
    tool = Tool()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", tool._answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        tool.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield tool
    finally:
        await runner.cleanup()


def contract(
    url: str, *, method: str = "POST", side_effect: str = "Reversible", tier: int = 1, **fields: Any
) -> Any:
    """A contract of such a tool, as a spec; anything may be changed."""
    given = {
        "description": "Does something.",
        "schema": {
            "input": {"type": "object"},
            "output": {"type": "object", "required": ["id"], "properties": {"id": {"type": "string"}}},
        },
        "sideEffect": side_effect,
        "consequenceTier": tier,
        "idempotency": {"mode": "Keyed"},
        "timeoutSeconds": 5,
        "transport": {"http": {"method": method, "url": url}},
    }
    return {**given, **fields}
