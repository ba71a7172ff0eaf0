"""Whom is a contract tested on? A tool that books what it is told, in one of several manners."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from aiohttp import web

from keelstep.kinds.contract import ToolContractSpec
from keelstep_gateway.conformance.cases import Case, Contract, Related

_THINKING_SECONDS = 0.05


class Manner(StrEnum):
    """How it keeps its contract."""

    HONEST = "honest"
    FORGETFUL = "books every call"
    RACY = "looks first and books later"
    PER_CONNECTION = "knows a key again on its own connection alone"
    REFUSING = "refuses a repeated call"
    IDLE = "says that it booked"
    FRAGILE = "breaks on an empty note"
    STRANGE = "answers in another shape"
    STUBBORN = "says that it undid"
    FAILING = "never succeeds"


@dataclass(slots=True)
class Ledger:
    """A running tool."""

    manner: Manner
    url: str = ""
    booked: dict[str, str] = field(default_factory=dict)
    """Number of the booking → its key."""
    known: dict[str, str] = field(default_factory=dict)
    """Key → number."""
    total: int = 0

    async def book(self, request: web.Request) -> web.Response:
        """POST /bookings."""
        document = await request.json()
        if self.manner is Manner.FRAGILE and not document.get("note"):
            raise RuntimeError("no note")
        if self.manner is Manner.FAILING:
            return web.json_response({}, status=422)
        key = request.headers["Idempotency-Key"]
        if self.manner is Manner.PER_CONNECTION and request.transport is not None:
            key += str(request.transport.get_extra_info("peername"))
        number = self.known.get(key) if self.manner is not Manner.FORGETFUL else None
        if number is not None and self.manner is Manner.REFUSING:
            return web.json_response({}, status=409)
        if number is None:
            if self.manner is Manner.RACY:
                await asyncio.sleep(_THINKING_SECONDS)
            self.total += 1
            number = self.known[key] = str(self.total)
            if self.manner is not Manner.IDLE:
                self.booked[number] = key
        if self.manner is Manner.STRANGE:
            return web.json_response({"id": 7})
        return web.json_response({"id": number}, status=201)

    async def listed(self, _: web.Request) -> web.Response:
        """GET /bookings."""
        return web.json_response({"bookings": sorted(self.booked)})

    async def undo(self, request: web.Request) -> web.Response:
        """DELETE /bookings/{id}."""
        if self.manner is not Manner.STUBBORN:
            self.booked.pop(request.match_info["id"], None)
        return web.json_response({"undone": True})

    def contracts(self, **fields: Any) -> dict[str, Contract]:
        """What the tool promises; fields of `book` may be given."""
        booked: dict[str, Any] = {
            "sideEffect": "Reversible",
            "consequenceTier": 1,
            "idempotency": {"mode": "Keyed"},
            "timeoutSeconds": 5,
            "schema": {
                "input": {
                    "type": "object",
                    "additionalProperties": False,
                    "properties": {"note": {"type": "string", "maxLength": 20}},
                    "examples": [{"note": "a"}],
                },
                "output": {"type": "object", "required": ["id"], "properties": {"id": {"type": "string"}}},
            },
        }
        reads = {"sideEffect": "ReadOnly", "consequenceTier": 0}
        anything = {"schema": {"input": {"type": "object"}, "output": {}}}
        number = {"type": "object", "required": ["id"], "properties": {"id": {"type": "string"}}}
        numbered = {"schema": {"input": number, "output": {}}}
        return {
            "book": self._contract("book", "POST", "/bookings", **{**booked, **fields}),
            "list": self._contract("list", "GET", "/bookings", **reads, **anything),
            "undo": self._contract("undo", "DELETE", "/bookings/{id}", **{**booked, **numbered}),
        }

    def _contract(self, name: str, method: str, path: str, **fields: Any) -> Contract:
        spec = {
            "description": name,
            "transport": {"http": {"method": method, "url": self.url + path}},
            **fields,
        }
        return Contract(name=name, spec=ToolContractSpec.model_validate(spec), revision="0" * 64)


CASE = Case(
    contract="book",
    arguments={"note": "a"},
    effects=Related(contract="list", arguments="`{}`", count="size(output.bookings)"),
    compensation=Related(contract="undo", arguments="{id: output.id}"),
)


@contextlib.asynccontextmanager
async def running(manner: Manner) -> AsyncIterator[Ledger]:
    """A tool of this manner, on a free port."""
    ledger = Ledger(manner)
    app = web.Application()
    app.router.add_post("/bookings", ledger.book)
    app.router.add_get("/bookings", ledger.listed)
    app.router.add_delete("/bookings/{id}", ledger.undo)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        ledger.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield ledger
    finally:
        await runner.cleanup()
