"""How does `kubectl logs` reach a Pod's output? The one kubelet route it needs, over TLS.

Answers nobody but the API server, known by its client certificate. Must not run anything.
"""

import asyncio
import os
import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from aiohttp import web

from hack.cluster.node import records, statuses

CHUNK_BYTES = 64 * 1024
FOLLOW_SECONDS = 0.1
"""How often a followed log is looked at, and only while somebody follows it."""

CLIENT = "kube-apiserver-kubelet-client"
"""The only user who may ask: another client certificate of the cluster is not enough."""


class Source(Protocol):
    """A Pod on this node, as far as its logs are concerned."""

    @property
    def place(self) -> records.Folder:
        """Where its runs lie."""

    @property
    def record(self) -> records.Record:
        """What was done about it, as of now."""


Find = Callable[[str, str], Source | None]
"""(namespace, Pod name) → the Pod, if it is on this node."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which part of a log is asked for."""

    tail: int | None
    limit_bytes: int | None
    is_following: bool


def tls(certificate: Path, key: Path, authority: Path) -> ssl.SSLContext:
    """Build a context that demands a client certificate of the cluster's authority."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    context.load_verify_locations(authority)
    context.verify_mode = ssl.CERT_REQUIRED
    return context


async def serve(port: int, context: ssl.SSLContext, find: Find) -> web.AppRunner:
    """Serve logs on 127.0.0.1 until the runner is cleaned up."""

    async def answer(request: web.Request) -> web.StreamResponse:
        return await _answer(request, find)

    app = web.Application(middlewares=[_only_the_api_server])
    app.router.add_get("/containerLogs/{namespace}/{pod}/{container}", answer)
    app.router.add_get("/healthz", _healthy)
    app.router.add_route("*", "/{anything:.*}", _not_here)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    await web.TCPSite(runner, statuses.ADDRESS, port, ssl_context=context).start()
    return runner


@web.middleware
async def _only_the_api_server(
    request: web.Request, handler: Callable[[web.Request], object]
) -> web.StreamResponse:
    transport = request.transport
    certificate = transport.get_extra_info("peercert") if transport else None
    subject = (certificate or {}).get("subject", ())
    names = {value for part in subject for kind, value in part if kind == "commonName"}
    if CLIENT not in names:
        raise web.HTTPForbidden(text="only the API server may read logs here")
    answered = handler(request)
    assert asyncio.iscoroutine(answered)
    response: web.StreamResponse = await answered
    return response


async def _healthy(request: web.Request) -> web.StreamResponse:
    """Tell which process answers: `up` must not take an earlier agent's success for this one's."""
    return web.json_response({"pid": os.getpid()})


async def _not_here(request: web.Request) -> web.StreamResponse:
    raise web.HTTPNotImplemented(
        text="the process node (a development tool) serves logs only: no exec, attach or port-forward"
    )


async def _answer(request: web.Request, find: Find) -> web.StreamResponse:
    asked = request.match_info
    found = find(asked["namespace"], asked["pod"])
    if found is None:
        raise web.HTTPNotFound(text=f"pod {asked['pod']!r} is not on this node")
    for option in ("timestamps", "sinceSeconds", "sinceTime"):
        if request.query.get(option) not in (None, "", "false"):
            raise web.HTTPBadRequest(text=f"{option} is not supported: lines carry no time here")
    run = _choose(found.record, asked["container"], is_previous=request.query.get("previous") == "true")
    wanted = Wanted(
        tail=_number(request, "tailLines"),
        limit_bytes=_number(request, "limitBytes"),
        is_following=request.query.get("follow") == "true",
    )

    def is_over() -> bool:
        last = found.record.last(asked["container"])
        return last is None or last.number != run.number or not last.is_running

    response = web.StreamResponse(headers={"Content-Type": "text/plain; charset=utf-8"})
    await response.prepare(request)
    path = found.place.run(asked["container"], run.number) / "log"
    async for chunk in _read(path, wanted, is_over):
        await response.write(chunk)
    await response.write_eof()
    return response


def _choose(record: records.Record, container: str, *, is_previous: bool) -> records.Run:
    runs = record.runs.get(container, ())
    if is_previous:
        runs = runs[:-1]
    if not runs:
        waits = record.waiting.message if record.waiting else "it has not started"
        what = "has no previous run" if is_previous else f"is waiting to start: {waits}"
        raise web.HTTPBadRequest(text=f"container {container!r} in pod {record.name!r} {what}")
    return runs[-1]


async def _read(path: Path, wanted: Wanted, is_over: Callable[[], bool]) -> AsyncIterator[bytes]:
    left = wanted.limit_bytes
    try:
        handle = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return  # It never started, so it never wrote.
    try:
        if wanted.tail is not None:
            os.lseek(handle, _tail_offset(handle, wanted.tail), os.SEEK_SET)
        while left is None or left > 0:
            # Asked before reading: what was written before the end is then surely read.
            is_last = not wanted.is_following or is_over()
            chunk = os.read(handle, CHUNK_BYTES if left is None else min(left, CHUNK_BYTES))
            if chunk:
                left = None if left is None else left - len(chunk)
                yield chunk
            elif is_last:
                return
            else:
                await asyncio.sleep(FOLLOW_SECONDS)
    finally:
        os.close(handle)


def _tail_offset(handle: int, lines: int) -> int:
    """Find where the last so many lines begin, reading backwards."""
    position = os.lseek(handle, 0, os.SEEK_END)
    if lines == 0:
        return position
    # The newline that ends the last line begins no further one.
    missing, end = lines, position
    while position > 0:
        size = min(CHUNK_BYTES, position)
        position -= size
        block = os.pread(handle, size, position)
        at = len(block)
        while (at := block.rfind(b"\n", 0, at)) >= 0:
            if position + at == end - 1:
                continue
            missing -= 1
            if missing == 0:
                return position + at + 1
    return 0


def _number(request: web.Request, name: str) -> int | None:
    text = request.query.get(name)
    return int(text) if text and text.isdigit() else None
